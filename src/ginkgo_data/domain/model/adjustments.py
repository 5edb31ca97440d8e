# Upstream: adapters.memory.adjustment_source, adapters.{resilience, tushare}, ports.adjustment_source
# Downstream: domain.model.bars, pyarrow
# Role: Adjustment factors as Arrow columns
"""Adjustment factors: ``hfq = raw x factor``, ``qfq = raw x factor / newest factor`` (Tushare, adj_factor)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ginkgo_data.domain.model.bars import CODE, cast_table

ADJUSTMENT_SCHEMA = pa.schema(
    [
        pa.field("code", CODE),
        pa.field("session", pa.date32()),
        pa.field("factor", pa.float64()),
        pa.field("source", CODE),
        pa.field("version", pa.uint64()),
    ]
)
"""`factor` is cumulative and positive, relative to the code's first session; it changes on ex-dates."""


@dataclass(frozen=True, slots=True, eq=False)
class AdjustmentBatch:
    """Adjustment factors, one per (code, session): a `pyarrow.Table` in `ADJUSTMENT_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> AdjustmentBatch:
        """Cast `table` to `ADJUSTMENT_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("adjustment factors", table, ADJUSTMENT_SCHEMA))

    def __len__(self) -> int:
        return int(self.table.num_rows)
