# Upstream: adapters.clickhouse.{ginkgo_bar_repository, ginkgo_bar_source, ginkgo_merge, ginkgo_table}
# Downstream: adapters.clickhouse.{columns, ginkgo_units, uuid7}, domain.model.{bars, series}, numpy, pyarrow
# Role: Bars between the domain's units and those of Ginkgo's table: cents, lots, thousand yuan, enums, local time
"""Conversions of bars in the ginkgo layout, and what that table cannot hold.

Inside, a row of the table has its numbers as integers of the table's own units (`UNITS`), so that comparing is exact:
prices in cents, volume in lots of 100 shares (a part of a lot is cut, as upstream cuts it), amount in hundredths of
a thousand yuan (rounded).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.columns import TOLERANCE, check_bars
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
from ginkgo_data.adapters.clickhouse.uuid7 import LATEST, Flags, Longs
from ginkgo_data.domain.model.bars import PRICES, BarBatch
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

UNITS = (*PRICES, "volume", "amount")
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

_CENTS = 2
_LARGEST = 2.0**53 / 100


def kept(bars: BarBatch) -> BarBatch:
    """Return `bars` as they read once they are stored: whole lots, amounts of ten yuan, no pre_close.

    No amount is kept as 0; with a volume, that reads as none again.
    """
    units = _units(bars)
    table = pa.table({name: pa.array(column) for name, column in zip(UNITS, units.T, strict=True)})
    values = {**_values(table), "source": source_names(source_numbers(bars.table["source"]))}
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
    _require(bars, "session", days_of(wall) == days_of(bars.table["session"]), "is not the day of the timestamp")
    versions = bars.table["version"].to_numpy()
    _require(bars, "version", versions <= LATEST, "is beyond the year 10889")
    columns: dict[str, Any] = {"code": bars.table["code"].cast(pa.string()), "second": _seconds(bars, wall, zone)}
    columns |= dict(zip(UNITS, _units(bars).T, strict=True))
    columns["source"] = source_numbers(bars.table["source"])
    columns["version"] = versions.astype(np.int64)
    columns["day"] = days_of(wall)
    return pa.table(columns)


def table_rows(rows: pa.Table, frequency: int) -> pa.Table:
    """Return rows that have a `uuid` as columns of the table itself."""
    columns = common_columns(rows)
    columns |= {name: decimals(rows[name], _CENTS) for name in (*PRICES, "amount")}
    columns["volume"] = rows["volume"].cast(pa.int32())
    columns["frequency"] = pa.array(np.full(rows.num_rows, frequency, np.int8))
    return pa.table(columns)


def bars_of(rows: pa.Table, versions: Longs, series: Series, zone: str) -> BarBatch:
    """Return rows as bars, `zone` being the server's."""
    local = wall_clock(rows["second"], zone)
    columns: dict[str, Any] = {"code": rows["code"], **_values(rows)}
    columns["session"] = pc.cast(local, pa.date32(), safe=False)
    columns["timestamp"] = at_the_exchange(local)
    columns["pre_close"] = pa.nulls(rows.num_rows, pa.float64())
    columns["source"] = source_names(rows["source"])
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
    return table_seconds(f"bars {bars.series}", bars.table, "timestamp", wall, zone)


def _require(bars: BarBatch, name: str, fits: Flags, fault: str) -> None:
    require(f"bars {bars.series}", bars.table, name, fits, fault)
