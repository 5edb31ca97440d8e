# Upstream: adapters, domain.services, ports.{adjustment_repository, adjustment_source}
# Downstream: domain.model.bars, numpy, pyarrow
# Role: Adjustment factors as Arrow columns, alone and in relation to the ends of a code's history
"""Adjustment factors: ``hfq = raw x factor``, ``qfq = raw x factor / newest factor`` (Tushare, adj_factor)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import CODE, cast_table, code_positions

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

FACTOR_HISTORY_SCHEMA = pa.schema(
    [
        *list(ADJUSTMENT_SCHEMA)[:3],
        pa.field("fore", pa.float64()),
        pa.field("back", pa.float64()),
        *list(ADJUSTMENT_SCHEMA)[3:],
    ]
)
"""`fore` is ``factor / newest factor``: a raw price times it is forward adjusted (qfq), 1.0 on the newest session.

`back` is ``factor / first factor``: a raw price times it is backward adjusted from the first session held, where
it is 1.0. Newest and first are of all the store holds of the code, not of the range that was read.
"""

ENDS_SCHEMA = pa.schema(
    [pa.field("code", pa.string()), pa.field("first", pa.float64()), pa.field("newest", pa.float64())]
)
"""The factors of the first and of the newest session held, one row per code."""


@dataclass(frozen=True, slots=True, eq=False)
class AdjustmentBatch:
    """Adjustment factors, one per (code, session): a `pyarrow.Table` in `ADJUSTMENT_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> AdjustmentBatch:
        """Cast `table` to `ADJUSTMENT_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("adjustment factors", table, ADJUSTMENT_SCHEMA))

    @classmethod
    def empty(cls) -> AdjustmentBatch:
        """Return no factors."""
        return cls(ADJUSTMENT_SCHEMA.empty_table())

    @classmethod
    def concat(cls, parts: Iterable[AdjustmentBatch]) -> AdjustmentBatch:
        """Return the rows of `parts`, in order."""
        tables = [part.table for part in parts]
        return cls(pa.concat_tables(tables).unify_dictionaries()) if tables else cls.empty()

    def __len__(self) -> int:
        return int(self.table.num_rows)


@dataclass(frozen=True, slots=True, eq=False)
class FactorHistory:
    """Stored factors in relation to the ends of their code's history: a table in `FACTOR_HISTORY_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, factors: AdjustmentBatch, ends: pa.Table) -> FactorHistory:
        """Relate `factors` to `ends` (`ENDS_SCHEMA`), which has a row for each of their codes."""
        codes = ends["code"].to_pylist()
        position = code_positions(factors.table["code"], codes)
        value = factors.table["factor"].to_numpy()
        related = {
            "fore": pa.array(value / np.append(ends["newest"].to_numpy(), np.nan)[position]),
            "back": pa.array(value / np.append(ends["first"].to_numpy(), np.nan)[position]),
        }
        columns = {name: related.get(name) for name in FACTOR_HISTORY_SCHEMA.names}
        table = pa.table(
            {name: factors.table[name] if column is None else column for name, column in columns.items()},
        )
        return cls(cast_table("factor history", table, FACTOR_HISTORY_SCHEMA))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def factors(self) -> AdjustmentBatch:
        """Return the factors alone."""
        return AdjustmentBatch(self.table.select(ADJUSTMENT_SCHEMA.names))


def ends_of(factors: AdjustmentBatch) -> pa.Table:
    """Return the ends (`ENDS_SCHEMA`) of `factors`, which are all of their codes, ordered by code and session."""
    plain = pa.table({"code": factors.table["code"].cast(pa.string()), "factor": factors.table["factor"]})
    grouped = plain.group_by("code", use_threads=False).aggregate([("factor", "first"), ("factor", "last")])
    return pa.table({"code": grouped["code"], "first": grouped["factor_first"], "newest": grouped["factor_last"]}).cast(
        ENDS_SCHEMA
    )


def positive(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return where a factor is a finite number above 0; false where it is null."""
    return pc.fill_null(pc.and_kleene(pc.greater(column, 0.0), pc.is_finite(column)), False)
