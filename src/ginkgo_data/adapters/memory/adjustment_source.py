# Upstream: none
# Downstream: domain.model.{adjustments, bars, fetch}, numpy, pyarrow
# Role: Port adjustment_source in memory: a vendor whose factors are given
"""A vendor of adjustment factors that answers from what it was given."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.domain.model.fetch import Answer, ProvenEmpty, Rows, SourceCapabilities, Unknown, UnknownReason

CAPABILITIES = SourceCapabilities("memory", frozenset(), row_limit=6000, codes_per_call=1, by_session=True)
"""What Tushare's account may ask, unless something else is given."""


class InMemoryAdjustmentSource:
    """Factors by code and session. Safe for several threads; `requests` can be read.

    As a real vendor: what it was not offered to be asked is refused, and a reply that would reach the row limit is
    cut and therefore unknown.
    """

    def __init__(self, factors: AdjustmentBatch, capabilities: SourceCapabilities = CAPABILITIES) -> None:
        self._table = factors.table
        self._session = factors.table["session"].to_numpy().astype("datetime64[D]")
        self._capabilities = capabilities
        self._lock = threading.Lock()
        self._requests: list[tuple[tuple[str, ...] | None, date, date]] = []

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for."""
        return self._capabilities

    @property
    def requests(self) -> Sequence[tuple[tuple[str, ...] | None, date, date]]:
        """All calls so far: codes (None: the market), first and last session."""
        with self._lock:
            return tuple(self._requests)

    def factors(self, codes: Sequence[str] | None, first: date, last: date, version: int) -> Answer[AdjustmentBatch]:
        """Return the factors asked for, in the order given; `ProvenEmpty` when there are none."""
        with self._lock:
            self._requests.append((None if codes is None else tuple(codes), first, last))
        if codes is None and (first != last or not self._capabilities.by_session):
            return Unknown(UnknownReason.REFUSED, "the whole market can be asked for one session, or not at all")
        if codes is not None and len(codes) > self._capabilities.codes_per_call:
            return Unknown(UnknownReason.REFUSED, f"{len(codes)} codes in one call")
        inside = (self._session >= np.datetime64(first, "D")) & (self._session <= np.datetime64(last, "D"))
        if codes is not None:
            inside &= code_positions(self._table["code"], codes) >= 0
        found = self._table.filter(pa.array(inside))
        if found.num_rows >= self._capabilities.row_limit:
            return Unknown(UnknownReason.TRUNCATED, f"{found.num_rows} rows reach the limit of one reply")
        if not found.num_rows:
            return ProvenEmpty()
        versions = pa.array(np.full(found.num_rows, version, np.uint64))
        return Rows(AdjustmentBatch(found.set_column(found.schema.get_field_index("version"), "version", versions)))
