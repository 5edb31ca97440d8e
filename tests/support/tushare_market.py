"""A market as Tushare's tables: daily bars and what follows from them.

>>> real_market()                                   # 35 codes, 326 sessions of 2019-2020 (needs the shared data)
>>> made_up_market(["000001.SZ", "600519.SH"], business_days("2024-01-01", 20), missing=[("600519.SH", "20240103")])
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

REAL_DAILY = (
    Path(__file__).resolve().parents[2].parent / "shared" / "data" / "daily" / "tushare_daily_raw_2019_2020.csv"
)
DAILY_FIELDS = (
    "ts_code",
    "trade_date",
    "open",
    "high",
    "low",
    "close",
    "pre_close",
    "change",
    "pct_chg",
    "vol",
    "amount",
)


@dataclass(frozen=True)
class TushareMarket:
    """Tables in the vendor's fields and units; days are YYYYMMDD texts."""

    daily: pa.Table
    adj_factor: pa.Table
    stock_basic: pa.Table
    trade_cal: pa.Table
    suspend_d: pa.Table


def read_daily(path: Path) -> pa.Table:
    """Return a CSV of `daily`; codes and days stay texts."""
    texts = {"ts_code": pa.string(), "trade_date": pa.string()}
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=texts))


def real_market() -> TushareMarket:
    """Return the market of the shared real data."""
    return market_of(read_daily(REAL_DAILY))


def made_up_market(
    codes: Sequence[str],
    sessions: Sequence[str | date | np.datetime64] | np.ndarray,
    *,
    missing: Collection[tuple[str, str]] = (),
    suspended: Collection[tuple[str, str]] | None = None,
    seed: int = 0,
) -> TushareMarket:
    """Return plausible bars of every code on every session but those `missing` (code, YYYYMMDD).

    A code that misses sessions between others counts as suspended on them, unless `suspended` says which
    (code, YYYYMMDD) pairs the vendor calls suspended.
    """
    days = np.asarray(sessions, dtype="datetime64[D]")
    random = np.random.default_rng(seed)
    shape = (len(codes), len(days))
    close = np.round(np.clip(20.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, shape), axis=1)), 0.5, 5000.0), 2)
    before = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    opened = np.round(before * (1 + random.normal(0.0, 0.003, shape)), 2)
    lots = np.round(random.uniform(10.0, 900_000.0, shape), 2)
    columns = {
        "ts_code": pa.array(np.repeat(np.array(codes, object), len(days)), pa.string()),
        "trade_date": pa.array(np.tile(_texts(days), len(codes)), pa.string()),
        "open": opened.ravel(),
        "high": np.maximum(opened, close).ravel(),
        "low": np.minimum(opened, close).ravel(),
        "close": close.ravel(),
        "pre_close": before.ravel(),
        "change": np.round(close - before, 2).ravel(),
        "pct_chg": np.round((close / before - 1) * 100, 4).ravel(),
        "vol": lots.ravel(),
        "amount": np.round(lots * (opened + close) / 20, 3).ravel(),
    }
    return market_of(_without(pa.table(columns), missing), suspended)


def market_of(daily: pa.Table, suspended: Collection[tuple[str, str]] | None = None) -> TushareMarket:
    """Return `daily` with the other tables derived from it: listed from a code's first row, delisted after its last.

    A code without a row on a session between its first and last was suspended, unless `suspended` says it.
    """
    codes, row = np.unique(daily["ts_code"].to_numpy(), return_inverse=True)
    days, column = np.unique(daily["trade_date"].to_numpy(), return_inverse=True)
    traded = np.zeros((len(codes), len(days)), bool)
    traded[row, column] = True
    first, last = traded.argmax(axis=1), len(days) - 1 - traded[:, ::-1].argmax(axis=1)
    position = np.arange(len(days))
    listed = (position >= first[:, None]) & (position <= last[:, None])
    halted = np.nonzero(listed & ~traded)
    pairs = zip(codes[halted[0]], days[halted[1]], strict=True) if suspended is None else suspended
    return TushareMarket(
        daily,
        _factors(daily, codes, days, row, column, listed),
        _securities(codes, days, first, last),
        _calendar(days),
        suspensions([(code, day, None, "S") for code, day in pairs]),
    )


def suspensions(rows: Sequence[tuple[str, str, str | None, str]]) -> pa.Table:
    """Return (ts_code, trade_date, suspend_timing, suspend_type) rows as a table of `suspend_d`."""
    names = ("ts_code", "trade_date", "suspend_timing", "suspend_type")
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})


def _without(daily: pa.Table, missing: Collection[tuple[str, str]]) -> pa.Table:
    keys = pc.binary_join_element_wise(daily["ts_code"], daily["trade_date"], "|")
    gone = pa.array([f"{code}|{day}" for code, day in missing], pa.string())
    return daily.filter(pc.invert(pc.is_in(keys, gone)))


def _factors(daily, codes, days, row, column, listed) -> pa.Table:
    """Cumulative factors from the ex-right reference prices; a session without trading keeps the one before."""
    close = np.full(listed.shape, np.nan)
    reference = np.full(listed.shape, np.nan)
    close[row, column] = daily["close"].to_numpy()
    reference[row, column] = daily["pre_close"].to_numpy()
    held = np.maximum.accumulate(np.where(np.isnan(close), -1, np.arange(len(days))), axis=1)
    carried = np.where(held < 0, np.nan, np.take_along_axis(close, np.maximum(held, 0), axis=1))
    previous = np.concatenate([np.full((len(codes), 1), np.nan), carried[:, :-1]], axis=1)
    step = np.nan_to_num(previous / reference, nan=1.0)
    factor = np.round(np.cumprod(step, axis=1), 6)
    at = np.nonzero(listed)
    return pa.table(
        {
            "ts_code": pa.array(codes[at[0]], pa.string()),
            "trade_date": pa.array(days[at[1]], pa.string()),
            "adj_factor": factor[at],
        }
    )


def _securities(codes, days, first, last) -> pa.Table:
    gone = last < len(days) - 1
    after = days[np.minimum(last + 1, len(days) - 1)]
    nothing = [None] * len(codes)
    exchange = {"SH": "SSE", "SZ": "SZSE", "BJ": "BSE"}
    return pa.table(
        {
            "ts_code": pa.array(codes, pa.string()),
            "name": pa.array([f"股票{code[:6]}" for code in codes]),
            "industry": pa.array(nothing, pa.string()),
            "market": pa.array(["创业板" if code.startswith("3") else "主板" for code in codes]),
            "exchange": pa.array([exchange[code[-2:]] for code in codes]),
            "list_status": pa.array(np.where(gone, "D", "L")),
            "list_date": pa.array(days[first], pa.string()),
            "delist_date": pa.array(np.where(gone, after, None), pa.string()),
        }
    )


def _calendar(days) -> pa.Table:
    opened = np.array([datetime.strptime(day, "%Y%m%d") for day in days], "datetime64[D]")
    every = np.arange(opened[0], opened[-1] + 1)
    is_open = np.isin(every, opened)
    texts = _texts(every)
    previous = np.searchsorted(opened, every, side="left") - 1
    before = [days[at] if at >= 0 else None for at in previous.tolist()]
    return pa.table(
        {
            "exchange": pa.array(["SSE"] * len(every)),
            "cal_date": pa.array(texts, pa.string()),
            "is_open": pa.array(is_open.astype(np.int64)),
            "pretrade_date": pa.array(before, pa.string()),
        }
    )


def _texts(days: np.ndarray) -> np.ndarray:
    return np.char.replace(days.astype(str), "-", "").astype(object)
