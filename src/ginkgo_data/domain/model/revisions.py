# Upstream: adapters.{clickhouse, memory}, domain.services, entrypoints.show_revisions, ports.revision_repository
# Downstream: domain.model.{bars, errors, series}, pyarrow
# Role: What stored bars were before they changed, as Arrow columns
"""Revisions: vendor corrections and withdrawals, visible instead of silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from ginkgo_data.domain.model.bars import CODE, PRICES, TIMESTAMP, cast_table
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import DAILY, Series

VALUES = (*PRICES, "pre_close", "volume", "amount")
"""Columns of a bar that a vendor may correct, in the order they are shown."""

REVISION_SCHEMA = pa.schema(
    [
        pa.field("code", CODE),
        pa.field("session", pa.date32()),
        pa.field("timestamp", TIMESTAMP),
        *(pa.field(f"old_{name}", pa.float64()) for name in VALUES),
        pa.field("old_source", CODE),
        pa.field("old_version", pa.uint64()),
        *(pa.field(f"new_{name}", pa.float64()) for name in VALUES),
        pa.field("source", CODE),
        pa.field("version", pa.uint64()),
        pa.field("withdrawn", pa.bool_()),
        pa.field("content_hash", pa.uint64()),
        pa.field("request", pa.string()),
    ]
)
"""`old_version` and `version` are when the old and the new value were fetched (microseconds, the store's clock).

`withdrawn` says that the vendor has no such bar any more: the `new_` values are null then, `source` is who said so, and
`content_hash` is 0; else it is the hash of the new values. `request` names the commands that led to the second fetch.
"""

REVISION_KEY = ("code", "timestamp", "old_version", "content_hash")
"""Columns that identify a revision (frequency and adjustment belong to the batch): the same change found again, after
a crash say, is the same row."""

OPTIONAL = ("old_pre_close", "old_amount", *(f"new_{name}" for name in VALUES))
"""Columns that may be null."""


@dataclass(frozen=True, slots=True, eq=False)
class Revisions:
    """Revisions of bars of one series: a `pyarrow.Table` in exactly `REVISION_SCHEMA`."""

    table: pa.Table
    series: Series = DAILY

    @classmethod
    def of(cls, table: pa.Table, series: Series = DAILY) -> Revisions:
        """Cast `table` to `REVISION_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("revisions", table, REVISION_SCHEMA), series)

    @classmethod
    def empty(cls, series: Series = DAILY) -> Revisions:
        """Return no revisions."""
        return cls(REVISION_SCHEMA.empty_table(), series)

    @classmethod
    def concat(cls, parts: Iterable[Revisions], series: Series = DAILY) -> Revisions:
        """Return the rows of `parts`, in order; all must be of `series`."""
        listed = list(parts)
        if any(part.series != series for part in listed):
            raise SchemaMismatch(f"revisions of another series cannot join those of {series}")
        tables = [part.table for part in listed]
        return cls(pa.concat_tables(tables).unify_dictionaries(), series) if tables else cls.empty(series)

    def __len__(self) -> int:
        return int(self.table.num_rows)
