# Upstream: adapters.clickhouse.{ginkgo_adjustment_repository, ginkgo_factor_rows}, entrypoints.container
# Downstream: adapters.clickhouse.{client, held, sql}, domain.model, ports.bar_repository, pyarrow
# Role: Adjustment factors in the native layout
"""Stored adjustment factors in ClickHouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.held import first_sessions, held_sessions
from ginkgo_data.adapters.clickhouse.sql import FINAL_SETTINGS, SORTED_SETTINGS, of_codes, of_sessions
from ginkgo_data.domain.model.adjustments import ENDS_SCHEMA, AdjustmentBatch, FactorHistory, positive
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.ports.bar_repository import WriteReceipt

ROWS_PER_INSERT = 1_000_000
"""Rows that the engine takes as one block: of a block nothing or all is stored."""


class ClickHouseAdjustmentRepository:
    """Factors in table `adjustment_factors`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def write(self, factors: AdjustmentBatch) -> WriteReceipt:
        """Store; all rows are checked before any is sent."""
        check_factors(factors)
        receipt = WriteReceipt()
        for start in range(0, len(factors), ROWS_PER_INSERT):
            part = factors.table.slice(start, ROWS_PER_INSERT)
            self._client.insert("adjustment_factors", part)
            receipt += WriteReceipt(part.num_rows, 1)
        return receipt

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> FactorHistory:
        """Return the factors of sessions in [first, last], by code and session."""
        found, ends = [], []
        for some in of_codes(codes):
            found.append(
                self._client.query(
                    "SELECT code, session, factor, source, version FROM adjustment_factors FINAL "
                    f"WHERE {some} AND {of_sessions(first, last)} "
                    f"ORDER BY adjustment_factors.code, adjustment_factors.session {SORTED_SETTINGS}"
                )
            )
            ends.append(
                self._client.query(
                    "SELECT toString(code) AS name, argMin(factor, session) AS first, "
                    "argMax(factor, session) AS newest "
                    f"FROM adjustment_factors FINAL WHERE {some} GROUP BY code {FINAL_SETTINGS}"
                ).rename_columns(ENDS_SCHEMA.names)
            )
        if not found:
            return FactorHistory.of(AdjustmentBatch.empty(), ENDS_SCHEMA.empty_table())
        return FactorHistory.of(AdjustmentBatch.of(pa.concat_tables(found)), pa.concat_tables(ends).cast(ENDS_SCHEMA))

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions with a factor, per code."""
        return held_sessions(self._client, "adjustment_factors", codes, first, last, since)

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session with a factor, per code that has any."""
        return first_sessions(self._client, "adjustment_factors", codes)


def check_factors(factors: AdjustmentBatch) -> None:
    """Raise `SchemaMismatch` naming the column for a null, or a factor that is no finite number above 0."""
    for name in factors.table.column_names:
        column = factors.table[name]
        nulls = column.cast(pa.string()).null_count if pa.types.is_dictionary(column.type) else column.null_count
        if nulls:
            raise SchemaMismatch(f"adjustment factors: column {name!r} is null in {nulls} of {len(factors)} rows")
    unfit = pc.invert(positive(factors.table["factor"]))
    if pc.any(unfit, min_count=0).as_py():
        first = factors.table.filter(unfit).slice(0, 1).to_pylist()[0]
        raise SchemaMismatch(
            f"adjustment factors: column 'factor' is no finite number above 0, first {first['code']} "
            f"{first['session']}: {first['factor']!r}; nothing was stored"
        )
