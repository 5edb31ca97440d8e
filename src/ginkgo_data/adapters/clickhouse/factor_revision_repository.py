# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.{client, sql}, domain.model.{errors, factor_revisions}, pyarrow
# Role: What adjustment factors were before the vendor corrected them, in every layout
"""Revisions of factors in ClickHouse, whatever the layout: Ginkgo has no table for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import SORTED_SETTINGS, of_codes, of_sessions
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.factor_revisions import FACTOR_REVISION_SCHEMA, FactorRevisions

ROWS_PER_INSERT = 1_000_000
"""Rows that the engine takes as one block."""

_COLUMNS = ", ".join(FACTOR_REVISION_SCHEMA.names)


class ClickHouseFactorRevisionRepository:
    """Revisions in table `factor_revisions`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def write_revisions(self, revisions: FactorRevisions) -> None:
        """Store; all rows are checked before any is sent."""
        table = revisions.table
        for name in table.column_names:
            if nulls := table[name].null_count:
                raise SchemaMismatch(f"revisions of factors: column {name!r} is null in {nulls} of {len(table)} rows")
        for start in range(0, len(revisions), ROWS_PER_INSERT):
            self._client.insert("factor_revisions", table.slice(start, ROWS_PER_INSERT))

    def revisions(self, codes: Sequence[str] | None, first: date, last: date) -> FactorRevisions:
        """Return the revisions by code, session and version."""
        parts = [
            self._client.query(
                f"SELECT {_COLUMNS} FROM factor_revisions FINAL WHERE {of_sessions(first, last)} AND {some} "
                "ORDER BY factor_revisions.code, factor_revisions.session, factor_revisions.version, "
                f"factor_revisions.old_version, new_factor {SORTED_SETTINGS}"
            )
            for some in of_codes(codes)
        ]
        return FactorRevisions.of(pa.concat_tables(parts)) if parts else FactorRevisions.empty()
