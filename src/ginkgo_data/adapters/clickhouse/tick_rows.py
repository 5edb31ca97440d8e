# Upstream: adapters.clickhouse.{ginkgo_tick_repository, ginkgo_tick_rows, tick_repository}
# Downstream: adapters.clickhouse.columns, domain.model.{bars, errors, ticks}, numpy, pyarrow
# Role: Lists of ticks as rows of the tables: exact prices, whole shares, tombstones, marks
"""Conversions of ticks, exact or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.columns import exact_decimals
from ginkgo_data.domain.model.bars import CODE, EXCHANGE_ZONE, TIMESTAMP
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.ticks import TickBatch, TickDay, TickSide

TICK_COLUMNS = (
    "code, session, seq, timestamp, toFloat64(price) AS price, toFloat64(volume) AS volume, toString(side) AS side, "
    "source, version"
)
"""What a SELECT asks for to get the domain's columns."""

ROWS_PER_INSERT = 500_000
"""Ticks of one insert: with as many tombstones beside them they are still one block of the engine, so that of a list
all is stored or nothing."""

DAYS_PER_INSERT = 1_000
"""Lists of one insert: their names fit into one statement."""


def parts_of(days: Sequence[TickDay]) -> Iterator[list[TickDay]]:
    """Yield `days` cut to what one insert may hold: lists of one month, that is of one partition."""
    by_month: dict[tuple[int, int], list[TickDay]] = {}
    for day in days:
        by_month.setdefault((day.session.year, day.session.month), []).append(day)
    for month in by_month.values():
        part: list[TickDay] = []
        for day in month:
            if part and (len(part) == DAYS_PER_INSERT or sum(map(len, part)) + len(day) > ROWS_PER_INSERT):
                yield part
                part = []
            part.append(day)
        yield part


def checked_ticks(days: Sequence[TickDay]) -> pa.Table:
    """Return the ticks of `days`; raise `SchemaMismatch` naming the column for a null or what can be no tick."""
    table = TickBatch.concat(day.ticks for day in days).table
    for name in table.column_names:
        column = table[name].cast(pa.string()) if pa.types.is_dictionary(table.schema.field(name).type) else table[name]
        if column.null_count:
            raise SchemaMismatch(f"ticks: column {name!r} is null in {column.null_count} of {table.num_rows} rows")
    volume = table["volume"].to_numpy()
    with np.errstate(invalid="ignore"):
        unfit = ~((np.floor(volume) == volume) & (np.abs(volume) < 2.0**63))
    if unfit.any():
        raise SchemaMismatch(f"ticks: column 'volume' is no whole number of shares: {volume[unfit][0]!r}")
    sides = pa.array([side.value for side in TickSide])
    unknown = table.filter(pc.invert(pc.is_in(table["side"].cast(pa.string()), sides)))
    if unknown.num_rows:
        raise SchemaMismatch(f"ticks: column 'side' is none of {', '.join(sides.to_pylist())}: {unknown['side'][0]}")
    return table


def tick_rows(days: Sequence[TickDay]) -> pa.Table:
    """Return the ticks of `days` as rows; raise `SchemaMismatch` naming the column for what would not be exact."""
    table = checked_ticks(days)
    columns = {name: table[name] for name in table.column_names}
    columns["price"] = exact_decimals("ticks", "price", table["price"])
    columns["volume"] = table["volume"].cast(pa.int64())
    columns["is_deleted"] = pa.array(np.zeros(table.num_rows, np.uint8))
    return pa.table(columns)


def tombstones(code: str, session: date, seqs: Sequence[int] | np.ndarray, version: int) -> pa.Table:
    """Return rows that hide the ticks at the places `seqs` of one list from `version` on."""
    count = len(seqs)
    zeros = pa.array(np.zeros(count, np.int64))
    midnight = pc.assume_timezone(
        pa.scalar(session, pa.date32()).cast(pa.timestamp("ms")),
        EXCHANGE_ZONE,
        ambiguous="earliest",
        nonexistent="latest",
    )
    columns = {
        "code": pa.repeat(code, count).cast(CODE),
        "session": pa.repeat(pa.scalar(session, pa.date32()), count),
        "seq": pa.array(np.asarray(seqs, np.uint32)),
        "timestamp": pa.repeat(midnight, count).cast(TIMESTAMP),
        "price": exact_decimals("ticks", "price", pa.chunked_array([zeros.cast(pa.float64())])),
        "volume": zeros,
        "side": pa.repeat(TickSide.NEUTRAL.value, count).cast(CODE),
        "source": pa.repeat("", count).cast(CODE),
        "version": pa.repeat(pa.scalar(version, pa.uint64()), count),
        "is_deleted": pa.array(np.ones(count, np.uint8)),
    }
    return pa.table(columns)


def marks(days: Sequence[TickDay], taken_back: bool = False) -> pa.Table:
    """Return the marks that `days` are held, or that they are not."""
    return pa.table(
        {
            "code": pa.array([day.code for day in days], pa.string()),
            "session": pa.array([day.session for day in days], pa.date32()),
            "rows": pa.array([len(day) for day in days], pa.uint32()),
            "version": pa.array([day.version for day in days], pa.uint64()),
            "is_deleted": pa.array(np.full(len(days), int(taken_back), np.uint8)),
        }
    )
