# Upstream: adapters.clickhouse.{ginkgo_session_sources, ginkgo_tick_repository, ginkgo_tick_tables}
# Downstream: adapters.clickhouse.{columns, ginkgo_units, tick_rows, uuid7}, domain.model.{bars, ticks}, numpy, pyarrow
# Role: Ticks between the domain's units and those of Ginkgo's tables: cents, lots, directions, seconds
"""Conversions of ticks in the ginkgo layout, and what its tables cannot hold.

Inside, a row has its numbers as integers of the table's own units: price in cents, volume in lots of 100 shares (a part
of a lot is cut, as for bars), time in seconds (a part of a second is cut; the order within it is in the ids).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.columns import TOLERANCE
from ginkgo_data.adapters.clickhouse.ginkgo_units import (
    SHARES_PER_LOT,
    at_the_exchange,
    common_columns,
    days_of,
    decimals,
    require,
    source_names,
    source_numbers,
    table_seconds,
    wall_clock,
)
from ginkgo_data.adapters.clickhouse.tick_rows import checked_ticks
from ginkgo_data.adapters.clickhouse.uuid7 import LATEST, Flags, Longs, are_ours, id_words, read_ids
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.domain.model.ticks import TickBatch, TickDay, TickSide

WHAT = "ticks"
DIRECTIONS = {TickSide.NEUTRAL: 0, TickSide.BUY: 1, TickSide.SELL: 2}
"""Ginkgo's NEUTRAL, ACTIVEBUY and ACTIVESELL; its other directions (VOID, CANCEL, kinds of orders) read as neutral."""

ROW_COLUMNS = (
    "toInt64(toUnixTimestamp(timestamp)) AS second, toInt64(price * 100) AS price, toInt64(volume) AS volume, "
    "direction, uuid, source"
)
"""What a SELECT asks for to get rows as this module has them, beside the code."""

ROW_SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        *((name, pa.int64()) for name in ("second", "price", "volume")),
        ("direction", pa.int8()),
        ("uuid", pa.string()),
        ("source", pa.int8()),
    ]
)

_CENTS = 2
_LARGEST = 2.0**53 / 100
_SIDES = pa.array([side.value for side in DIRECTIONS])


def misfits(ticks: TickBatch) -> Iterator[tuple[str, str, Flags]]:
    """Yield (rule, column, rows) for values that the table cannot hold; null, NaN and infinity are not looked at."""
    prices = ticks.table["price"].to_numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        fine = (np.abs(prices - np.rint(prices * 100) / 100) > TOLERANCE) | (np.abs(prices) >= _LARGEST)
        yield "finer_than_cents", "price", fine & np.isfinite(prices)
        lots = np.floor(ticks.table["volume"].to_numpy() / SHARES_PER_LOT)
        yield "too_many_lots", "volume", np.isfinite(lots) & ((lots >= 2.0**31) | (lots < -(2.0**31)))


def rows_of(days: Sequence[TickDay], zone: str) -> pa.Table:
    """Return the ticks of `days`, in order, as rows without ids; `zone` is the server's.

    Raises `SchemaMismatch` naming the column where a value is null, or the table cannot hold it.
    """
    table = checked_ticks(days)
    require(WHAT, table, "price", np.isfinite(table["price"].to_numpy()), "is not finite")
    for _, name, unfit in misfits(TickBatch(table)):
        limit = "has more than two decimals, which" if name == "price" else "is more than"
        require(WHAT, table, name, ~unfit, f"{limit} Ginkgo's table can hold")
    require(WHAT, table, "version", table["version"].to_numpy() <= LATEST, "is beyond the year 10889")
    wall = pc.local_timestamp(table["timestamp"])
    require(WHAT, table, "session", days_of(wall) == days_of(table["session"]), "is not the day of the timestamp")
    whole = pc.floor_temporal(wall, unit="second")
    return pa.table(
        {
            "code": table["code"].cast(pa.string()),
            "second": table_seconds(WHAT, table, "timestamp", whole, zone),
            "price": np.rint(table["price"].to_numpy() * 100).astype(np.int64),
            "volume": table["volume"].to_numpy().astype(np.int64) // SHARES_PER_LOT,
            "direction": pc.index_in(table["side"].cast(pa.string()), _SIDES).cast(pa.int8()),
            "source": source_numbers(table["source"]),
        }
    )


def table_columns(rows: pa.Table) -> pa.Table:
    """Return rows (`ROW_SCHEMA`) as columns of the table itself."""
    columns = common_columns(rows)
    columns["price"] = decimals(rows["price"], _CENTS)
    columns["volume"] = rows["volume"].cast(pa.int32())
    columns["direction"] = rows["direction"]
    return pa.table(columns)


def list_rows(rows: pa.Table, zone: str) -> tuple[pa.Table, Longs, Longs]:
    """Return the rows (`ROW_SCHEMA`) of the greatest list of each code's day, in order, with their days and places.

    Rows of other programs are a list that is less than any of ours, in order of time.
    """
    codes = sorted(rows["code"].unique().to_pylist())
    days = days_of(wall_clock(rows["second"], zone))
    cells = (code_positions(rows["code"], codes) << 32) | days
    words, ours = id_words(rows["uuid"]), are_ours(rows["uuid"])
    lists, places = words[:, 1] >> np.uint64(32), (words[:, 1] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    ids = np.zeros(len(cells), np.int64) if ours.all() else pc.rank(rows["uuid"]).to_numpy().astype(np.int64)
    # Of ours by place, of others by time and id.
    order = np.lexsort((ids, np.where(ours, places, rows["second"].to_numpy()), lists, words[:, 0], ours, cells))
    cells, last = cells[order], order
    ends = np.searchsorted(cells, cells, "right") - 1
    same = [column[last] == column[last][ends] for column in (words[:, 0], lists, ours)]
    counts = np.logical_and.reduce(same)
    order, cells = order[counts], cells[counts]
    within = np.arange(len(order)) - np.searchsorted(cells, cells, "left")
    return rows.take(pa.array(order)), days[order], np.where(ours[order], places[order], within)


def ticks_of(rows: pa.Table, zone: str) -> TickBatch:
    """Return what counts of rows (`ROW_SCHEMA`) as ticks, by code, session and place; `zone` is the server's."""
    shown, days, places = list_rows(rows, zone)
    direction = shown["direction"].to_numpy().astype(np.int64)
    known = np.where((direction >= 0) & (direction < len(_SIDES)), direction, DIRECTIONS[TickSide.NEUTRAL])
    columns: dict[str, Any] = {
        "code": shown["code"],
        "session": pa.array(days.astype("datetime64[D]")),
        "seq": pa.array(places.astype(np.uint32)),
        "timestamp": at_the_exchange(wall_clock(shown["second"], zone)),
        "price": shown["price"].to_numpy() / 100,
        "volume": shown["volume"].to_numpy() * float(SHARES_PER_LOT),
        "side": _SIDES.take(pa.array(known)),
        "source": source_names(shown["source"]),
        "version": read_ids(shown["uuid"])[0].astype(np.uint64),
    }
    return TickBatch.of(pa.table(columns))
