# Upstream: adapters.clickhouse
# Downstream: adapters.clickhouse.{columns, uuid7}, domain.model.{bars, errors, series}, numpy, pyarrow
# Role: Bars between the domain's units and those of Ginkgo's table: cents, lots, thousand yuan, enums, local time
"""Conversions of bars in the ginkgo layout, and what that table cannot hold.

Inside, a row of the table has its numbers as integers of the table's own units (`UNITS`), so that comparing is exact:
prices in cents, volume in lots of 100 shares (a part of a lot is cut, as upstream cuts it), amount in hundredths of
a thousand yuan (rounded). Its time is the second since 1970 whose wall clock in the server's zone is the exchange's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.columns import TOLERANCE, check_bars
from ginkgo_data.adapters.clickhouse.uuid7 import LATEST, Flags, Longs
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, PRICES, BarBatch, distinct
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import Frequency, Series

FREQUENCIES = {
    Frequency.DAY: 1,
    Frequency.MIN1: 2,
    Frequency.MIN5: 3,
    Frequency.MIN15: 4,
    Frequency.MIN30: 5,
    Frequency.MIN60: 6,
}
"""Ginkgo's numbers."""

OTHER = 0
# fmt: off
_SOURCES = (
    "void", "other", "sim", "realtime", "sina", "baostock", "akshare", "yahoo", "tushare", "tdx", "test",
    "database", "backtestfeeder", "strategy", "selector", "simmatch", "backtest", "live", "brokermatchmaking",
    "paper_replay", "paper_live", "manual", "okx", "risk",
)
# fmt: on
SOURCES = {name: number - 1 for number, name in enumerate(_SOURCES)}
"""Ginkgo's numbers of sources; one that it does not know is ``other``."""

META = "{}"
DESC = "This man is lazy, there is no description."
"""What upstream writes where nobody gives a text."""

UNITS = (*PRICES, "volume", "amount")
SHARES_PER_LOT = 100
YUAN_PER_UNIT = 10
"""A hundredth of a thousand yuan."""

ROW_COLUMNS = (
    "code, toInt64(toUnixTimestamp(timestamp)) AS second, toInt64(open * 100) AS open, toInt64(high * 100) AS high, "
    "toInt64(low * 100) AS low, toInt64(close * 100) AS close, toInt64(volume) AS volume, "
    "toInt64(amount * 100) AS amount, uuid, source"
)
"""What a SELECT asks for to get rows as this module has them."""

ROW_SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        *((name, pa.int64()) for name in ("second", *UNITS)),
        ("uuid", pa.string()),
        ("source", pa.int8()),
    ]
)

_DECIMAL = pa.decimal128(16, 2)
_LARGEST = 2.0**53 / 100
_LAST_SECOND = 2**32 - 1


def kept(bars: BarBatch) -> BarBatch:
    """Return `bars` as they read once they are stored: whole lots, amounts of ten yuan, no pre_close.

    No amount is kept as 0; with a volume, that reads as none again.
    """
    units = _units(bars)
    table = pa.table({name: pa.array(column) for name, column in zip(UNITS, units.T, strict=True)})
    values = {**_values(table), "source": _source_names(_source_numbers(bars.table["source"]))}
    columns = {name: values.get(name, bars.table[name]) for name in bars.table.column_names}
    columns["pre_close"] = pa.nulls(len(bars), pa.float64())
    return BarBatch.of(pa.table(columns), bars.series)


def misfits(bars: BarBatch) -> Iterator[tuple[str, str, Flags]]:
    """Yield (rule, column, rows) for values that the table cannot hold; null, NaN and infinity are not looked at."""
    for name in PRICES:
        prices = bars.table[name].to_numpy()
        with np.errstate(invalid="ignore", over="ignore"):
            fine = np.abs(prices - np.rint(prices * 100) / 100) > TOLERANCE
            yield "finer_than_cents", name, np.isfinite(prices) & (fine | (np.abs(prices) >= _LARGEST))
    with np.errstate(invalid="ignore"):
        lots = np.floor(bars.table["volume"].to_numpy() / SHARES_PER_LOT)
        yield "too_many_lots", "volume", np.isfinite(lots) & ((lots >= 2.0**31) | (lots < -(2.0**31)))
        amounts = bars.table["amount"].to_numpy()
        yield "too_large_amount", "amount", np.isfinite(amounts) & (np.abs(amounts) / YUAN_PER_UNIT >= 2.0**53)


def rows_of(bars: BarBatch, zone: str) -> pa.Table:
    """Return `bars` as rows: code, second, `UNITS`, source, version, day (days since 1970).

    Raises `SchemaMismatch` naming the column where the table cannot hold a value; `zone` is the server's.
    """
    check_bars(bars)
    for _, name, unfit in misfits(bars):
        limit = "has more than two decimals, which Ginkgo's table" if name in PRICES else "is more than Ginkgo's table"
        _require(bars, name, ~unfit, f"{limit} can hold")
    wall = pc.local_timestamp(bars.table["timestamp"])
    _require(bars, "session", _days(wall) == _days(bars.table["session"]), "is not the day of the timestamp")
    versions = bars.table["version"].to_numpy()
    _require(bars, "version", versions <= LATEST, "is beyond the year 10889")
    columns: dict[str, Any] = {"code": bars.table["code"].cast(pa.string()), "second": _seconds(bars, wall, zone)}
    columns |= dict(zip(UNITS, _units(bars).T, strict=True))
    columns["source"] = _source_numbers(bars.table["source"])
    columns["version"] = versions.astype(np.int64)
    columns["day"] = _days(wall)
    return pa.table(columns)


def seconds_in(wall: pa.ChunkedArray, zone: str) -> Longs:
    """Return the seconds since 1970 at which clocks in `zone` show `wall`; raises `ArrowInvalid` if they never do."""
    there = pc.assume_timezone(wall, zone, ambiguous="earliest", nonexistent="raise")
    seconds: Longs = there.cast(pa.int64()).to_numpy() // 1000
    return seconds


def table_rows(rows: pa.Table, frequency: int) -> pa.Table:
    """Return rows that have a `uuid` as columns of the table itself."""
    count = rows.num_rows
    columns: dict[str, Any] = {"code": rows["code"], "uuid": rows["uuid"], "source": rows["source"]}
    columns |= {name: _decimals(rows[name]) for name in (*PRICES, "amount")}
    columns["volume"] = rows["volume"].cast(pa.int32())
    columns["frequency"] = pa.array(np.full(count, frequency, np.int8))
    columns["meta"] = pa.repeat(META, count)
    columns["desc"] = pa.repeat(DESC, count)
    columns["timestamp"] = rows["second"].cast(pa.timestamp("s", "UTC"))
    return pa.table(columns)


def bars_of(rows: pa.Table, versions: Longs, series: Series, zone: str) -> BarBatch:
    """Return rows as bars, `zone` being the server's."""
    local = pc.local_timestamp(rows["second"].cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", zone)))
    columns: dict[str, Any] = {"code": rows["code"], **_values(rows)}
    columns["session"] = pc.cast(local, pa.date32(), safe=False)
    columns["timestamp"] = pc.assume_timezone(local, EXCHANGE_ZONE, ambiguous="earliest", nonexistent="earliest")
    columns["pre_close"] = pa.nulls(rows.num_rows, pa.float64())
    columns["source"] = _source_names(rows["source"])
    columns["version"] = versions.astype(np.uint64)
    return BarBatch.of(pa.table(columns), series)


def _units(bars: BarBatch) -> Longs:
    """Return the numbers of `bars` in units of the table: a row each, a column per name of `UNITS`."""
    units = np.empty((len(bars), len(UNITS)), np.int64)
    for place, name in enumerate(PRICES):
        units[:, place] = np.rint(bars.table[name].to_numpy() * 100)
    units[:, 4] = bars.table["volume"].to_numpy().astype(np.int64) // SHARES_PER_LOT
    units[:, 5] = np.rint(pc.fill_null(bars.table["amount"], 0.0).to_numpy() / YUAN_PER_UNIT)
    return units


def _values(rows: pa.Table) -> dict[str, Any]:
    """Return numbers in units of the table as the domain's."""
    values: dict[str, Any] = {name: pa.array(rows[name].to_numpy() / 100) for name in PRICES}
    lots, amounts = rows["volume"].to_numpy(), rows["amount"].to_numpy()
    values["volume"] = pa.array(lots * float(SHARES_PER_LOT))
    values["amount"] = pa.array(amounts * float(YUAN_PER_UNIT), mask=(amounts == 0) & (lots != 0))
    return values


def _seconds(bars: BarBatch, wall: pa.ChunkedArray, zone: str) -> Longs:
    whole = wall.cast(pa.int64()).to_numpy() % 1000 == 0
    _require(bars, "timestamp", whole, "has a fraction of a second, which Ginkgo's table cannot hold")
    try:
        seconds = seconds_in(wall, zone)
    except pa.ArrowInvalid as error:
        raise SchemaMismatch(
            f"bars {bars.series}: column 'timestamp': Ginkgo's table keeps wall clocks in the server's zone {zone}, "
            f"where one of these does not exist: {error}; nothing was stored"
        ) from error
    known = (seconds >= 0) & (seconds <= _LAST_SECOND)
    _require(bars, "timestamp", known, "is outside 1970 to 2106, the years of Ginkgo's DateTime,")
    return seconds


def _days(column: pa.ChunkedArray) -> Longs:
    days: Longs = pc.cast(column, pa.date32(), safe=False).cast(pa.int32()).to_numpy().astype(np.int64)
    return days


def _decimals(column: pa.ChunkedArray) -> pa.Array:
    """Return hundredths as decimal128: two 64-bit words, the low one first, the high one its sign."""
    words = np.empty((len(column), 2), np.int64)
    words[:, 0] = column.to_numpy()
    np.right_shift(words[:, 0], 63, out=words[:, 1])
    return pa.Array.from_buffers(_DECIMAL, len(column), [None, pa.py_buffer(words)])


def _source_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    names = distinct(column)
    known = pa.array([SOURCES.get(name.lower(), OTHER) for name in names], pa.int8())
    return known.take(pc.index_in(column.cast(pa.string()), pa.array(names, pa.string())).combine_chunks())


def _source_names(numbers: pa.ChunkedArray) -> pa.Array:
    places = np.asarray(numbers).astype(np.int64) + 1
    return pa.array(_SOURCES).take(pa.array(np.where((places >= 0) & (places < len(_SOURCES)), places, OTHER + 1)))


def _require(bars: BarBatch, name: str, fits: Flags, fault: str) -> None:
    if fits.all():
        return
    rows = bars.filter(~fits).table
    first = rows.select(["code", "timestamp"] + ([name] if name != "timestamp" else [])).slice(0, 1).to_pylist()[0]
    raise SchemaMismatch(
        f"bars {bars.series}: column {name!r} {fault} in {rows.num_rows} of {len(bars)} rows, "
        f"first {first['code']} {first['timestamp']}: {first[name]!r}; nothing was stored"
    )
