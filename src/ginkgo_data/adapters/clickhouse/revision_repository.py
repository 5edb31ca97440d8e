# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.{client, columns, sql}, domain.model.{errors, revisions, series}, pyarrow
# Role: What stored bars were before they changed, in the native layout
"""Revisions in ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.columns import constant, exact_decimals
from ginkgo_data.adapters.clickhouse.sql import SORTED_SETTINGS, of_codes, of_series, of_sessions
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.revisions import OPTIONAL, REVISION_SCHEMA, VALUES, Revisions
from ginkgo_data.domain.model.series import Series

ROWS_PER_INSERT = 1_000_000
"""Rows that the engine takes as one block."""

_PRICES = tuple(f"{age}_{name}" for age in ("old", "new") for name in VALUES if name not in ("volume", "amount"))
_VOLUMES = ("old_volume", "new_volume")
_COLUMNS = ", ".join(
    f"toFloat64({name}) AS {name}" if name in (*_PRICES, *_VOLUMES) else name for name in REVISION_SCHEMA.names
)


class ClickHouseRevisionRepository:
    """Revisions in table `revisions`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def write_revisions(self, revisions: Revisions) -> None:
        """Store; a null, or a price of more than six decimals, is a `SchemaMismatch` that names the column."""
        for start in range(0, len(revisions), ROWS_PER_INSERT):
            part = Revisions(revisions.table.slice(start, ROWS_PER_INSERT), revisions.series)
            self._client.insert("revisions", _rows(part))

    def revisions(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Revisions:
        """Return the revisions by code, timestamp and version."""
        parts = [
            self._client.query(
                f"SELECT {_COLUMNS} FROM revisions FINAL WHERE {of_series(series)} AND {of_sessions(first, last)} "
                f"AND {some} ORDER BY revisions.code, revisions.timestamp, revisions.version, revisions.old_version, "
                f"content_hash {SORTED_SETTINGS}"
            )
            for some in of_codes(codes)
        ]
        return Revisions.of(pa.concat_tables(parts), series) if parts else Revisions.empty(series)


def _rows(revisions: Revisions) -> pa.Table:
    """Return the rows of the table."""
    table = revisions.table.unify_dictionaries().combine_chunks()
    what = f"revisions {revisions.series}"
    for name in table.column_names:
        if name not in OPTIONAL and (nulls := table[name].null_count):
            raise SchemaMismatch(f"{what}: column {name!r} is null in {nulls} of {len(revisions)} rows")
    columns = {name: table[name] for name in table.column_names}
    columns |= {name: exact_decimals(what, name, table[name]) for name in _PRICES}
    columns |= {name: table[name].cast(pa.int64()) for name in _VOLUMES}
    columns["frequency"] = constant(revisions.series.frequency.value, len(revisions))
    columns["adjust"] = constant(revisions.series.adjust.value, len(revisions))
    return pa.table(columns)
