# Upstream: adapters.tushare.{adjustment_source, bar_source, reference_source}
# Downstream: adapters.tushare.{apis, columns}, domain.model, numpy, pyarrow
# Role: Frames of Tushare as tables of the domain, in the domain's units
"""From the vendor's fields and units to ours: lots to shares, thousand CNY to CNY, days to zoned midnights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.tushare.apis import ADJ_FACTOR, DAILY, PRICES, STOCK_BASIC, TRADE_CAL, Api
from ginkgo_data.adapters.tushare.columns import (
    SOURCE,
    Mask,
    Unreadable,
    constant,
    days,
    flags,
    midnight,
    numbers,
    reject,
    versions,
)
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.fetch import PLACE_SCHEMA, Places
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.reference import Securities, SessionDays
from ginkgo_data.domain.model.series import DAILY as DAILY_SERIES

SHARES_PER_LOT = 100
CNY_PER_UNIT = 1000


@dataclass(frozen=True, slots=True, eq=False)
class ParsedBars:
    """Bars in the domain's units, where each came from, and the rows that could not be read."""

    batch: BarBatch
    places: Places
    rejects: Rejects


def bars_of(table: pa.Table, version: int) -> ParsedBars:
    """Return a frame of `daily` as bars.

    Volume is rounded to whole shares and amount to cents, since ``lots x 100`` and ``thousands x 1000`` are
    not exact in floating point. A missing price stays null: validation names it.
    """
    day = days(table["trade_date"])
    read = {name: numbers(table[name]) for name in DAILY.numbers}
    found = [*_key_faults(table, day), *(Unreadable("unreadable_number", n, bad) for n, (_, bad) in read.items())]
    rejects, kept = reject(DAILY, table, found, day, DAILY_SERIES, version)
    length = table.num_rows
    columns = {
        "code": table["ts_code"],
        "session": day,
        "timestamp": midnight(day),
        **{name: read[name][0] for name in PRICES},
        "volume": _scaled(read["vol"][0], SHARES_PER_LOT, 0),
        "amount": _scaled(read["amount"][0], CNY_PER_UNIT, 2),
        "source": constant(SOURCE, length),
        "version": versions(version, length),
    }
    batch = BarBatch.of(pa.table(columns).filter(pa.array(kept)))
    return ParsedBars(batch, _places(DAILY, kept), rejects)


def factors_of(table: pa.Table, version: int) -> tuple[AdjustmentBatch, Rejects]:
    """Return a frame of `adj_factor`; a factor that is missing or not positive rejects its row."""
    day = days(table["trade_date"])
    factor, bad = numbers(table["adj_factor"])
    positive = flags(pc.and_kleene(pc.greater(factor, 0.0), pc.is_finite(factor)))
    found = [
        *_key_faults(table, day),
        Unreadable("unreadable_number", "adj_factor", bad),
        Unreadable("factor_not_positive", "adj_factor", ~positive),
    ]
    rejects, kept = reject(ADJ_FACTOR, table, found, day, None, version)
    columns = {
        "code": table["ts_code"],
        "session": day,
        "factor": factor,
        "source": constant(SOURCE, table.num_rows),
        "version": versions(version, table.num_rows),
    }
    return AdjustmentBatch.of(pa.table(columns).filter(pa.array(kept))), rejects


def securities_of(table: pa.Table, status: str, version: int) -> tuple[Securities, Rejects]:
    """Return a frame of `stock_basic` that was asked for with list status `status` (used where none is given).

    A missing date is null; a date that cannot be read rejects its row.
    """
    listed, delisted = days(table["list_date"]), days(table["delist_date"])
    found = [
        Unreadable("unreadable_code", "ts_code", _blank(table["ts_code"])),
        Unreadable("unreadable_date", "list_date", flags(pc.is_null(listed)) & ~_blank(table["list_date"])),
        Unreadable("unreadable_date", "delist_date", flags(pc.is_null(delisted)) & ~_blank(table["delist_date"])),
    ]
    rejects, kept = reject(STOCK_BASIC, table, found, None, None, version)
    columns = {
        "code": table["ts_code"],
        "name": pc.fill_null(table["name"], ""),
        "market": pc.fill_null(table["market"], ""),
        "industry": pc.fill_null(table["industry"], ""),
        "list_date": listed,
        "delist_date": delisted,
        "status": pc.fill_null(table["list_status"], status),
        "source": constant(SOURCE, table.num_rows),
        "version": versions(version, table.num_rows),
    }
    return Securities.of(pa.table(columns).filter(pa.array(kept))), rejects


def session_days_of(table: pa.Table, version: int) -> tuple[SessionDays, Rejects]:
    """Return a frame of `trade_cal`; `is_open` is 0 or 1, as a number or as text."""
    day = days(table["cal_date"])
    opened = pc.is_in(table["is_open"], pa.array(["1", "1.0", "True"]))
    closed = pc.is_in(table["is_open"], pa.array(["0", "0.0", "False"]))
    found = [
        Unreadable("unreadable_date", "cal_date", flags(pc.is_null(day))),
        Unreadable("unreadable_flag", "is_open", ~flags(pc.or_(opened, closed))),
    ]
    rejects, kept = reject(TRADE_CAL, table, found, day, None, version)
    columns = {
        "exchange": table["exchange"],
        "day": day,
        "is_open": opened,
        "source": constant(SOURCE, table.num_rows),
        "version": versions(version, table.num_rows),
    }
    return SessionDays.of(pa.table(columns).filter(pa.array(kept))), rejects


def _key_faults(table: pa.Table, day: pa.Array) -> list[Unreadable]:
    return [
        Unreadable("unreadable_code", "ts_code", _blank(table["ts_code"])),
        Unreadable("unreadable_date", "trade_date", flags(pc.is_null(day))),
    ]


def _blank(column: pa.ChunkedArray) -> Mask:
    return flags(pc.equal(pc.fill_null(column, ""), ""))


def _scaled(column: pa.ChunkedArray, factor: int, decimals: int) -> pa.ChunkedArray:
    """Return ``column x factor`` rounded half to even; null stays null and not-a-number stays itself."""
    return pc.round(pc.multiply(column, float(factor)), ndigits=decimals, round_mode="half_to_even")


def _places(api: Api, kept: Mask) -> Places:
    lines = np.flatnonzero(kept) + 1
    columns = {"origin": constant(f"{SOURCE} {api.name}", len(lines)), "line": pa.array(lines, pa.int64())}
    return Places(pa.table(columns).cast(PLACE_SCHEMA))
