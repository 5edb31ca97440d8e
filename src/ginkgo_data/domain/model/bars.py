# Upstream: adapters, domain.{model, services}, entrypoints, ports.{bar_repository, trading_calendar}
# Downstream: domain.model.{errors, series}, numpy, pyarrow
# Role: Bars as Arrow columns: the one schema and the frozen batch around it
"""Bars travel as Arrow columns from a vendor's reply to the store; there is no object per bar.

Units everywhere inside: prices and amount in the currency unit (CNY), volume in shares, `session` the
exchange-local trading day, `timestamp` zoned Asia/Shanghai (a daily bar: midnight of its session; a
minute bar: the END of the bar). Adapters convert from and to their own conventions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import DAILY, Series

EXCHANGE_ZONE = "Asia/Shanghai"
TIMESTAMP = pa.timestamp("ms", EXCHANGE_ZONE)
CODE = pa.dictionary(pa.int32(), pa.string())

BAR_SCHEMA = pa.schema(
    [
        pa.field("code", CODE),
        pa.field("session", pa.date32()),
        pa.field("timestamp", TIMESTAMP),
        pa.field("open", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("close", pa.float64()),
        pa.field("pre_close", pa.float64()),
        pa.field("volume", pa.float64()),
        pa.field("amount", pa.float64()),
        pa.field("source", CODE),
        pa.field("version", pa.uint64()),
    ]
)
"""Columns of a batch, in this order.

`pre_close` (the vendor's ex-right reference price) and `amount` may be null; every other column may be
null only before validation. `volume` is whole shares held as float64, so that a missing or absurd vendor
value survives until validation names it (a whole number below 2**53 is exact). `version` is the
microsecond at which the request was sent, on the store's clock: for one key the greater version wins.
"""

BAR_KEY = ("code", "timestamp")
"""Columns that identify a bar inside a batch (frequency and adjustment belong to the batch)."""

PRICES = ("open", "high", "low", "close")

Sessions = npt.NDArray[np.datetime64]
"""Trading days as ``datetime64[D]``, ascending and unique where a function says so."""


@dataclass(frozen=True, slots=True, eq=False)
class BarBatch:
    """Bars of one series: a `pyarrow.Table` in exactly `BAR_SCHEMA`."""

    table: pa.Table
    series: Series = DAILY

    def __post_init__(self) -> None:
        if not self.table.schema.equals(BAR_SCHEMA):
            raise SchemaMismatch(schema_difference("bars", self.table.schema, BAR_SCHEMA))

    @classmethod
    def of(cls, table: pa.Table, series: Series = DAILY) -> BarBatch:
        """Cast `table` (any column order, extra columns dropped) to `BAR_SCHEMA`.

        Raises `SchemaMismatch` that names a missing column or one whose type cannot be cast.
        """
        return cls(cast_table("bars", table, BAR_SCHEMA), series)

    @classmethod
    def empty(cls, series: Series = DAILY) -> BarBatch:
        """Return a batch without rows."""
        return cls(BAR_SCHEMA.empty_table(), series)

    @classmethod
    def concat(cls, batches: Iterable[BarBatch], series: Series = DAILY) -> BarBatch:
        """Return the rows of `batches`, in order; all must be of `series`."""
        parts = list(batches)
        for part in parts:
            if part.series != series:
                raise SchemaMismatch(f"a batch of {part.series} cannot join a batch of {series}")
        if not parts:
            return cls.empty(series)
        return cls(pa.concat_tables([p.table for p in parts]).unify_dictionaries(), series)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def filter(self, mask: pa.ChunkedArray | pa.Array | npt.NDArray[np.bool_]) -> BarBatch:
        """Return the rows where `mask` (a boolean Arrow or numpy array) is true."""
        return BarBatch(self.table.filter(pa.array(mask) if isinstance(mask, np.ndarray) else mask), self.series)

    def take(self, indices: pa.Array | npt.NDArray[np.int64]) -> BarBatch:
        """Return the rows at `indices` (an integer Arrow or numpy array), in that order."""
        return BarBatch(self.table.take(indices), self.series)

    def codes(self) -> list[str]:
        """Return the distinct codes, ascending."""
        return sorted(distinct(self.table["code"]))

    def sorted(self) -> BarBatch:
        """Return the rows ordered by code and timestamp."""
        plain = self.table["code"].cast(pa.string())
        keys = pa.table({"code": plain, "timestamp": self.table["timestamp"]})
        order = pc.sort_indices(keys, sort_keys=[("code", "ascending"), ("timestamp", "ascending")])
        return self.take(order)


def distinct(column: pa.ChunkedArray) -> list[str]:
    """Return the distinct non-null texts of a text or dictionary column, in order of appearance."""
    # To compare the texts of a dictionary once is cheaper than those of all rows.
    plain = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column
    return [text for text in pc.unique(plain).to_pylist() if text is not None]


def code_positions(column: pa.ChunkedArray, codes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return for each row the position of its code in `codes`, -1 where it is null or not among them."""
    wanted = pa.array(codes, pa.string())
    unified = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    joined = unified.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        joined = pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], CODE)
    lookup = pc.fill_null(pc.index_in(joined.dictionary.cast(pa.string()), wanted), -1)
    table = np.append(lookup.to_numpy(zero_copy_only=False).astype(np.int64), -1)
    indices = pc.fill_null(joined.indices, len(table) - 1).to_numpy(zero_copy_only=False)
    positions: npt.NDArray[np.int64] = table[indices]
    return positions


def cast_table(what: str, table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `table` with exactly the columns and types of `schema`; raise `SchemaMismatch` naming the column."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            raise SchemaMismatch(f"{what}: column {field.name!r} is missing; present: {', '.join(table.column_names)}")
        column = table[field.name]
        try:
            columns.append(_cast_column(column, field.type))
        except pa.ArrowInvalid as error:
            raise SchemaMismatch(
                f"{what}: column {field.name!r} ({column.type}) does not fit {field.type}: {error}"
            ) from error
        except pa.ArrowNotImplementedError as error:
            raise SchemaMismatch(f"{what}: column {field.name!r} ({column.type}) does not fit {field.type}") from error
    return pa.Table.from_arrays(columns, schema=schema)


def _cast_column(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    if column.type.equals(wanted):
        return column.unify_dictionaries() if pa.types.is_dictionary(wanted) else column
    if pa.types.is_timestamp(wanted) and pa.types.is_timestamp(column.type) and column.type.tz is None:
        raise pa.ArrowInvalid("a timestamp without a zone is refused; its zone must be said")
    if pa.types.is_dictionary(wanted):
        return column.cast(pa.string()).dictionary_encode().cast(wanted)
    return column.cast(wanted)


def schema_difference(what: str, found: pa.Schema, wanted: pa.Schema) -> str:
    """Return a sentence naming the columns in which `found` is not `wanted`."""
    missing = [name for name in wanted.names if name not in found.names]
    extra = [name for name in found.names if name not in wanted.names]
    other = [
        f"{f.name} is {f.type}, must be {wanted.field(f.name).type}"
        for f in found
        if f.name in wanted.names and f.type != wanted.field(f.name).type
    ]
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"unexpected {', '.join(extra)}"] if extra else []
    parts += other or ([] if parts else ["columns are in another order"])
    return f"{what}: " + "; ".join(parts)
