# Upstream: none
# Downstream: adapters.memory.latest, domain.model.{adjustments, bars, coverage, errors}, ports.bar_repository, pyarrow
# Role: Adjustment factors in memory
"""Factors as one Arrow table, the greatest version per (code, session)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.memory.latest import LatestRows, in_sessions, of_codes
from ginkgo_data.domain.model.adjustments import ADJUSTMENT_SCHEMA, AdjustmentBatch, FactorHistory, ends_of, positive
from ginkgo_data.domain.model.bars import code_positions, distinct
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.ports.bar_repository import WriteReceipt


class InMemoryAdjustmentRepository:
    """Factors by (code, session). Safe for several threads."""

    def __init__(self) -> None:
        self._rows = LatestRows("adjustment factors", ADJUSTMENT_SCHEMA, ("code", "session"))

    def write(self, factors: AdjustmentBatch) -> WriteReceipt:
        """Store; a null or a factor that is no finite number above 0 is a `SchemaMismatch`."""
        if not len(factors):
            return WriteReceipt()
        known = factors.table["factor"].drop_null()
        if not pc.all(positive(known), min_count=0).as_py():
            raise SchemaMismatch("adjustment factors: column 'factor' has a value that is no finite number above 0")
        self._rows.add(factors.table)
        return WriteReceipt(len(factors), 1)

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> FactorHistory:
        """Return the factors of sessions in [first, last], by code and session."""
        every = of_codes(self._rows.table(), codes)
        return FactorHistory.of(AdjustmentBatch(in_sessions(every, first, last)), ends_of(AdjustmentBatch(every)))

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions with a factor, per code."""
        table = of_codes(in_sessions(self._rows.table(), first, last), codes)
        if since is not None:
            table = table.filter(pc.greater_equal(table["version"], pa.scalar(since, pa.uint64())))
        names = sorted(distinct(table["code"]))
        position = code_positions(table["code"], names)
        day = table["session"].to_numpy().astype("datetime64[D]")
        return {code: day[position == row] for row, code in enumerate(names)}

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session with a factor, per code that has any."""
        return {code: days[0].item() for code, days in self.held(codes, date.min, date.max).items()}
