# Upstream: adapters.clickhouse.{ginkgo_beside, ginkgo_factor_rows, ginkgo_rows, ginkgo_tick_rows}
# Downstream: adapters.clickhouse.uuid7, domain.model.{bars, errors}, numpy, pyarrow
# Role: What all of Ginkgo's tables have in common: numbers of sources, given texts, wall clocks, decimals, refusals
"""Conversions that bars, factors and ticks share in the ginkgo layout.

A row's time is the second since 1970 whose wall clock in the server's zone is the exchange's. Numbers are integers of
the table's own units, so that comparing is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.uuid7 import Flags, Longs
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, distinct
from ginkgo_data.domain.model.errors import SchemaMismatch

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

SHARES_PER_LOT = 100
DIGITS = 16
"""Digits of all of Ginkgo's decimals."""
_LAST_SECOND = 2**32 - 1


def common_columns(rows: pa.Table) -> dict[str, Any]:
    """Return the columns that all tables have, of rows with `code`, `uuid`, `source` and `second`."""
    return {
        "code": rows["code"],
        "uuid": rows["uuid"],
        "source": rows["source"],
        "meta": pa.repeat(META, rows.num_rows),
        "desc": pa.repeat(DESC, rows.num_rows),
        "timestamp": rows["second"].cast(pa.timestamp("s", "UTC")),
    }


def seconds_in(wall: pa.ChunkedArray, zone: str) -> Longs:
    """Return the seconds since 1970 at which clocks in `zone` show `wall`; raises `ArrowInvalid` if they never do."""
    there = pc.assume_timezone(wall, zone, ambiguous="earliest", nonexistent="raise")
    seconds: Longs = there.cast(pa.int64()).to_numpy() // 1000
    return seconds


def table_seconds(what: str, table: pa.Table, moment: str, wall: pa.ChunkedArray, zone: str) -> Longs:
    """Return `seconds_in` of rows; raise `SchemaMismatch` naming their column `moment` where a DateTime has none."""
    try:
        seconds = seconds_in(wall, zone)
    except pa.ArrowInvalid as error:
        raise SchemaMismatch(
            f"{what}: column {moment!r}: Ginkgo's table keeps wall clocks in the server's zone {zone}, "
            f"where one of these does not exist: {error}; nothing was stored"
        ) from error
    known = (seconds >= 0) & (seconds <= _LAST_SECOND)
    require(what, table, moment, known, "is outside 1970 to 2106, the years of Ginkgo's DateTime,", moment)
    return seconds


def wall_clock(seconds: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    """Return what clocks in the server's `zone` show at these seconds, without a zone."""
    return pc.local_timestamp(seconds.cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", zone)))


def at_the_exchange(wall: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a wall clock as the exchange's."""
    return pc.assume_timezone(wall, EXCHANGE_ZONE, ambiguous="earliest", nonexistent="earliest")


def days_of(column: pa.ChunkedArray) -> Longs:
    """Return days since 1970 of dates or wall clocks."""
    days: Longs = pc.cast(column, pa.date32(), safe=False).cast(pa.int32()).to_numpy().astype(np.int64)
    return days


def decimals(column: pa.ChunkedArray, places: int) -> pa.Array:
    """Return integers of the last of `places` digits as decimal128: two words, the low one first, then its sign."""
    words = np.empty((len(column), 2), np.int64)
    words[:, 0] = column.to_numpy()
    np.right_shift(words[:, 0], 63, out=words[:, 1])
    return pa.Array.from_buffers(pa.decimal128(DIGITS, places), len(column), [None, pa.py_buffer(words)])


def source_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return Ginkgo's numbers of sources by name."""
    names = distinct(column)
    known = pa.array([SOURCES.get(name.lower(), OTHER) for name in names], pa.int8())
    return known.take(pc.index_in(column.cast(pa.string()), pa.array(names, pa.string())).combine_chunks())


def source_names(numbers: pa.ChunkedArray) -> pa.Array:
    """Return the names of sources by Ginkgo's number."""
    places = np.asarray(numbers).astype(np.int64) + 1
    return pa.array(_SOURCES).take(pa.array(np.where((places >= 0) & (places < len(_SOURCES)), places, OTHER + 1)))


def require(what: str, table: pa.Table, name: str, fits: Flags, fault: str, moment: str = "timestamp") -> None:
    """Raise `SchemaMismatch` naming column, first row (`code` and `moment`) and value unless all rows fit."""
    if fits.all():
        return
    rows = table.filter(pa.array(~fits))
    first = rows.select(list(dict.fromkeys(("code", moment, name)))).slice(0, 1).to_pylist()[0]
    raise SchemaMismatch(
        f"{what}: column {name!r} {fault} in {rows.num_rows} of {table.num_rows} rows, "
        f"first {first['code']} {first[moment]}: {first[name]!r}; nothing was stored"
    )
