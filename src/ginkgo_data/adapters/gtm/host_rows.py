# Upstream: adapters.gtm.{bar_repository, host_table}
# Downstream: adapters.gtm.{host, row_ids}, domain.model.{bars, errors}, numpy, pyarrow
# Role: Daily bars between the domain's columns and the rows of a host: cents, lots, thousand CNY, local midnight
"""Conversions, exact or refused.

Numbers are compared as integers of the host's own units (`UNITS`): prices in cents, volume in lots of 100 shares (a
part of a lot is cut, as Ginkgo cuts it), amount in hundredths of a thousand CNY (rounded).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.gtm.host import HostBarMaker
from ginkgo_data.adapters.gtm.row_ids import LATEST, Rank, new_id, rank_of
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, PRICES, TIMESTAMP, BarBatch
from ginkgo_data.domain.model.errors import SchemaMismatch

DAY_FREQUENCY = 1
"""Ginkgo's number of daily bars."""
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(2106, 2, 5)
"""Whole days that the column `timestamp`, a DateTime of ClickHouse, can name in every zone."""

UNITS = (*PRICES, "volume", "amount")
_REQUIRED = ("code", "session", "timestamp", *PRICES, "volume", "source", "version")
_SHARES_PER_LOT, _CNY_PER_UNIT = 100, 10
_TOLERANCE = 1e-9
"""A price that lies further than this from a whole cent has more than two decimals; less is noise of float64."""
_LARGEST = 2.0**53 / 100

# fmt: off
_SOURCES = (
    "void", "other", "sim", "realtime", "sina", "baostock", "akshare", "yahoo", "tushare", "tdx", "test",
    "database", "backtestfeeder", "strategy", "selector", "simmatch", "backtest", "live", "brokermatchmaking",
    "paper_replay", "paper_live", "manual", "okx", "risk",
)
# fmt: on
"""Ginkgo's sources, from number -1 on."""
_NUMBERS = {name: number - 1 for number, name in enumerate(_SOURCES)}

Flags = npt.NDArray[np.bool_]
Units = tuple[int, ...]
"""Values in the order of `UNITS`."""
Key = tuple[str, date]
"""Code and session."""


class Wanted(NamedTuple):
    """A row as it is to be stored."""

    key: Key
    units: Units
    source: int
    version: int


class Stored(NamedTuple):
    """A row as the host gave it."""

    key: Key
    units: Units
    source: int
    rank: Rank


def wanted_in(bars: BarBatch) -> dict[Key, Wanted]:
    """Return what is to be stored of `bars`: of one key the row of the greatest version, the last of equal ones.

    Raises `SchemaMismatch` naming column, first bar and value where the host's table cannot hold one.
    """
    _check(bars)
    table = bars.table
    wanted: dict[Key, Wanted] = {}
    for row in zip(
        table["code"].cast(pa.string()).to_pylist(),
        table["session"].to_pylist(),
        _units(bars).tolist(),
        table["source"].cast(pa.string()).to_pylist(),
        table["version"].to_pylist(),
        strict=True,
    ):
        code, day, units, source, version = row
        before = wanted.get((code, day))
        if before is None or before.version <= version:
            number = _NUMBERS.get(source.lower(), _NUMBERS["other"])
            wanted[code, day] = Wanted((code, day), tuple(units), number, version)
    return wanted


def keys_in(bars: BarBatch) -> dict[Key, int]:
    """Return the keys of `bars` with the greatest version of each."""
    found: dict[Key, int] = {}
    codes, days = bars.table["code"].cast(pa.string()).to_pylist(), bars.table["session"].to_pylist()
    for code, day, version in zip(codes, days, bars.table["version"].to_pylist(), strict=True):
        found[code, day] = max(version, found.get((code, day), 0))
    return found


def host_row(make: HostBarMaker, row: Wanted, counter: int) -> object:
    """Return `row` as an object of the host, under an id that says its version and `counter`."""
    (code, day), numbers = row.key, dict(zip(UNITS, row.units, strict=True))
    decimals = {name: Decimal(numbers[name]).scaleb(-2) for name in (*PRICES, "amount")}
    return make(
        code=code,
        timestamp=datetime.combine(day, time()),
        volume=numbers["volume"],
        frequency=DAY_FREQUENCY,
        source=row.source,
        uuid=new_id(row.version, counter),
        **decimals,
    )


def stored_in(rows: Iterable[Any]) -> Iterator[Stored]:
    """Yield the daily bars among rows of the host; one whose time is no midnight is none.

    Raises `SchemaMismatch` naming the field that a row lacks or that cannot be read.
    """
    for row in rows:
        try:
            moment = row.timestamp
            if moment.time() != time():
                continue
            units = (*(_hundredths(getattr(row, name)) for name in PRICES), int(row.volume), _hundredths(row.amount))
            yield Stored((row.code, moment.date()), units, int(row.source), rank_of(str(row.uuid)))
        except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
            which = f"{getattr(row, 'code', '?')} {getattr(row, 'timestamp', '?')}"
            raise SchemaMismatch(f"the host's row {which} ({type(row).__name__}) is no bar: {error}") from error


def bars_of(rows: Iterable[Stored]) -> BarBatch:
    """Return rows as bars, in their order. The version of a row that another program has written is 0.

    There is no pre_close; no amount is kept as 0, which reads as none again where there is a volume.
    """
    listed = list(rows)
    days = pa.array([row.key[1] for row in listed], pa.date32())
    columns: dict[str, Any] = {
        "code": pa.array([row.key[0] for row in listed], pa.string()),
        "session": days,
        "timestamp": _midnight(days),
        "pre_close": pa.nulls(len(listed), pa.float64()),
        "source": pa.array([_source_name(row.source) for row in listed], pa.string()),
        "version": pa.array([row.rank.version for row in listed], pa.uint64()),
        **_values(np.array([row.units for row in listed], np.int64).reshape(-1, len(UNITS))),
    }
    return BarBatch.of(pa.table(columns))


def kept(bars: BarBatch) -> BarBatch:
    """Return `bars` (such as can be stored) as they read once they are."""
    values: dict[str, Any] = _values(_units(bars))
    names = bars.table["source"].cast(pa.string()).to_pylist()
    values["source"] = pa.array([_source_name(_NUMBERS.get(name.lower(), 0)) for name in names], pa.string())
    values["pre_close"] = pa.nulls(len(bars), pa.float64())
    return BarBatch.of(pa.table({name: values.get(name, bars.table[name]) for name in bars.table.column_names}))


def _check(bars: BarBatch) -> None:
    table = bars.table
    for name in _REQUIRED:
        column = table[name].cast(pa.string()) if name in ("code", "source") else table[name]
        _require(bars, name, ~pc.is_null(column).to_numpy(), "is null")
    with np.errstate(invalid="ignore", over="ignore"):
        for name in PRICES:
            prices = table[name].to_numpy()
            exact = (np.abs(prices - np.rint(prices * 100) / 100) <= _TOLERANCE) & (np.abs(prices) < _LARGEST)
            _require(bars, name, exact, "has more than two decimals, or is not finite: the host's table cannot hold it")
        volumes = table["volume"].to_numpy()
        fits = (volumes == np.rint(volumes)) & (np.abs(volumes) < 2.0**31 * _SHARES_PER_LOT)
        _require(bars, "volume", fits, "is no whole number of shares, or more lots than the host's table can hold")
        amounts = pc.fill_null(table["amount"], 0.0).to_numpy()
        _require(bars, "amount", np.abs(amounts) / _CNY_PER_UNIT < 2.0**53, "is more than the host's table can hold")
    days = table["session"].to_numpy().astype("datetime64[D]")
    wall = pc.local_timestamp(table["timestamp"]).to_numpy()
    _require(bars, "timestamp", wall == days.astype(wall.dtype), "is not the midnight of the session")
    known = (days >= np.datetime64(FIRST_DAY)) & (days <= np.datetime64(LAST_DAY))
    _require(bars, "session", known, f"is outside {FIRST_DAY} to {LAST_DAY}, which the host's table can hold")
    _require(bars, "version", table["version"].to_numpy() <= LATEST, "is beyond the year 10889")


def _require(bars: BarBatch, name: str, fits: Flags, fault: str) -> None:
    if fits.all():
        return
    columns = list(dict.fromkeys(("code", "session", name)))
    rows = bars.table.filter(pa.array(~fits)).select(columns)
    first = rows.slice(0, 1).to_pylist()[0]
    raise SchemaMismatch(
        f"bars {bars.series}: column {name!r} {fault}; {rows.num_rows} of {len(bars)} rows, "
        f"first {first['code']} {first['session']}: {first[name]!r}; nothing was stored"
    )


def _units(bars: BarBatch) -> npt.NDArray[np.int64]:
    units = np.empty((len(bars), len(UNITS)), np.int64)
    for place, name in enumerate(PRICES):
        units[:, place] = np.rint(bars.table[name].to_numpy() * 100)
    units[:, 4] = bars.table["volume"].to_numpy().astype(np.int64) // _SHARES_PER_LOT
    units[:, 5] = np.rint(pc.fill_null(bars.table["amount"], 0.0).to_numpy() / _CNY_PER_UNIT)
    return units


def _values(units: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    values = {name: pa.array(units[:, place] / 100) for place, name in enumerate(PRICES)}
    lots, amounts = units[:, 4], units[:, 5]
    values["volume"] = pa.array(lots * float(_SHARES_PER_LOT))
    values["amount"] = pa.array(amounts * float(_CNY_PER_UNIT), mask=(amounts == 0) & (lots != 0))
    return values


def _hundredths(value: Decimal | float) -> int:
    """Return a number of two decimals, of whatever type the host has, in units of its last digit."""
    return round(value * 100)


def _midnight(days: pa.Array) -> pa.Array:
    wall = days.cast(pa.timestamp("ms"))
    return pc.assume_timezone(wall, EXCHANGE_ZONE, ambiguous="earliest", nonexistent="latest").cast(TIMESTAMP)


def _source_name(number: int) -> str:
    return _SOURCES[number + 1] if 0 <= number + 1 < len(_SOURCES) else "other"
