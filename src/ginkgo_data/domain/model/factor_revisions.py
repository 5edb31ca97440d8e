# Upstream: adapters, domain.services, entrypoints.show_factor_revisions, ports.factor_revision_repository
# Downstream: domain.model.bars, pyarrow
# Role: What adjustment factors were before they changed, as Arrow columns
"""Corrections of adjustment factors: one of them moves every adjusted price before it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ginkgo_data.domain.model.bars import CODE, cast_table

FACTOR_REVISION_SCHEMA = pa.schema(
    [
        pa.field("code", CODE),
        pa.field("session", pa.date32()),
        pa.field("old_factor", pa.float64()),
        pa.field("old_source", CODE),
        pa.field("old_version", pa.uint64()),
        pa.field("new_factor", pa.float64()),
        pa.field("source", CODE),
        pa.field("version", pa.uint64()),
        pa.field("request", pa.string()),
    ]
)
"""`old_version` and `version` are when the old and the new factor were fetched (microseconds, the store's clock); an
`old_version` of 0 is a factor that another program stored. `request` names the commands that led to the second one."""

FACTOR_REVISION_KEY = ("code", "session", "old_version", "new_factor")
"""Columns that identify a revision: the same change found again, after a crash say, is the same row."""


@dataclass(frozen=True, slots=True, eq=False)
class FactorRevisions:
    """Corrected factors: a `pyarrow.Table` in exactly `FACTOR_REVISION_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> FactorRevisions:
        """Cast `table` to `FACTOR_REVISION_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("revisions of factors", table, FACTOR_REVISION_SCHEMA))

    @classmethod
    def empty(cls) -> FactorRevisions:
        """Return no revisions."""
        return cls(FACTOR_REVISION_SCHEMA.empty_table())

    def __len__(self) -> int:
        return int(self.table.num_rows)
