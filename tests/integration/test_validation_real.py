"""Validation against real vendor files: what is right passes, and every vendor error is named and counted."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ginkgo_data.domain.model.bars import BarBatch, Sessions
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.domain.services.validation import Validated, validate
from support.bars import zoned
from support.shared_data import SHARED, needs_shared

QFQ = Series(adjust=Adjust.QFQ)

WRONG_INDEX_DAYS = [
    "1991-05-09 low",
    "1991-06-06 high",
    "1992-02-13 low",
    "1992-03-04 high",
    "1992-05-11 high",
    "1992-06-16 high",
    "1993-01-05 low",
    "1993-02-15 high",
    "1993-04-08 high",
    "1994-02-18 low",
    "1994-08-05 low",
    "1994-08-09 high",
    "1994-09-28 low",
    "1994-10-20 low",
    "1995-01-25 low",
    "1995-04-20 low",
]
"""Days of the Shanghai index on which TDX has a high or a low that open or close contradicts."""


@cache
def calendar() -> Sessions:
    """Return the exchange's sessions 1990-2026."""
    table = texts("calendar/trade_cal_tushare_shape_from_XSHG_1990_2026.csv")
    opened = table.filter(pc.equal(table["is_open"], "1"))
    return np.unique(days(opened["cal_date"]))


def texts(name: str) -> pa.Table:
    """Return a vendor file with every column as text."""
    path = SHARED / name
    with path.open(encoding="utf-8-sig") as file:
        names = file.readline().strip().split(",")
    kinds = dict.fromkeys(names, pa.string())
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=kinds, strings_can_be_null=True))


def days(column: pa.ChunkedArray) -> np.ndarray:
    """Return dates written as 20240102, 2024-01-02 or with a time behind."""
    plain = pc.utf8_slice_codeunits(pc.replace_substring(column, "-", ""), 0, 8)
    return pc.strptime(plain, "%Y%m%d", "s").to_numpy().astype("datetime64[D]")


def batch(
    table: pa.Table,
    codes: pa.ChunkedArray | pa.Array,
    when: str,
    series: Series = DAILY,
    *,
    volume: str,
    shares: int = 1,
    amount: str | None = None,
    money: int = 1,
    pre_close: str | None = None,
) -> BarBatch:
    """Return vendor columns as bars; `shares` and `money` are the vendor's units."""

    def numbers(name: str | None) -> pa.ChunkedArray | pa.Array:
        return pa.nulls(len(table), pa.float64()) if name is None else pc.cast(table[name], pa.float64())

    session = days(table[when])
    wall = session
    if series.frequency is not Frequency.DAY:
        wall = pc.strptime(table[when], "%Y-%m-%d %H:%M:%S", "ms").to_numpy()
    return BarBatch.of(
        pa.table(
            {
                "code": codes,
                "session": pa.array(session),
                "timestamp": zoned(wall),
                **{name: numbers(name) for name in ("open", "high", "low", "close")},
                "pre_close": numbers(pre_close),
                # A lot with decimals times 100 is whole but for float noise.
                "volume": pc.round(pc.multiply(numbers(volume), float(shares)), 6),
                "amount": pc.multiply(numbers(amount), float(money)),
                "source": pa.array(["vendor"] * len(table)),
                "version": pa.array([1] * len(table), pa.uint64()),
            }
        ),
        series,
    )


def tushare(name: str, series: Series = DAILY, shares: int = 100, money: int = 1000) -> BarBatch:
    table = texts(name)
    return batch(
        table,
        table["ts_code"],
        "trade_date",
        series,
        volume="vol",
        shares=shares,
        amount="amount",
        money=money,
        pre_close="pre_close",
    )


def tdx_days(name: str, code: str) -> BarBatch:
    """Return a TDX .day file: prices in hundredths, volume and amount as it has them."""
    prices = [(name, "<u4") for name in ("open", "high", "low", "close")]
    fields = [("day", "<u4"), *prices, ("amount", "<f4"), ("volume", "<u4"), ("reserved", "<u4")]
    raw = np.fromfile(SHARED / "tdx" / "vipdoc" / "sh" / "lday" / name, np.dtype(fields))
    session = np.array([f"{d // 10000}-{d // 100 % 100:02}-{d % 100:02}" for d in raw["day"].tolist()], "datetime64[D]")
    rows = len(raw)
    return BarBatch.of(
        pa.table(
            {
                "code": pa.array([code] * rows),
                "session": pa.array(session),
                "timestamp": zoned(session),
                **{n: pa.array(raw[n] / 100.0) for n in ("open", "high", "low", "close")},
                "pre_close": pa.nulls(rows, pa.float64()),
                "volume": pa.array(raw["volume"].astype(np.float64)),
                "amount": pa.array(raw["amount"].astype(np.float64)),
                "source": pa.array(["vendor"] * rows),
                "version": pa.array([1] * rows, pa.uint64()),
            }
        )
    )


def checked(bars: BarBatch) -> Validated:
    """Validate, and see that no row was lost."""
    outcome = validate(bars, sessions=calendar())
    assert len(outcome.accepted) + len(outcome.rejects) == len(bars)
    return outcome


def hits(bars: BarBatch) -> dict[str, int]:
    """Return how many rows each rule hits."""
    return {finding.rule: finding.count for finding in checked(bars).findings}


def single(name: str, code: str, series: Series = DAILY, **columns: object) -> BarBatch:
    """Return a file of one code, whose first column is the time."""
    table = texts(name)
    return batch(table, pa.array([code] * len(table)), "datetime", series, volume="volume", **columns)


def eastmoney_minutes() -> BarBatch:
    name = "minute/em_1min_600519_20260323_27.csv"
    return single(name, "600519.SH", Series(Frequency.MIN1), shares=100, amount="成交额")


@needs_shared
def test_all_raw_daily_bars_of_tushare_pass() -> None:
    bars = tushare("daily/tushare_daily_raw_2019_2020.csv")
    assert len(bars) == 10_774
    assert hits(bars) == {}


@needs_shared
def test_all_fund_bars_of_tushare_pass() -> None:
    bars = tushare("daily/tushare_fund_daily_510300.SH.csv")
    assert len(bars) == 500
    assert hits(bars) == {}


@needs_shared
def test_mixed_up_units_are_caught_on_every_row_and_named() -> None:
    for shares, money, words in (
        (1, 1000, "about 100 times its prices"),
        (100, 1, "about 0.001 times its prices"),
        (1, 1, "about 0.1 times its prices"),
        (10_000, 1000, "about 0.01 times its prices"),
        (10_000, 1_000_000, "about 10 times its prices"),
        (100, 1_000_000, "about 1000 times its prices"),
    ):
        bars = tushare("daily/tushare_daily_raw_2019_2020.csv", shares=shares, money=money)
        outcome = checked(bars)
        (mismatch,) = (f for f in outcome.findings if f.rule == "unit_mismatch")
        assert mismatch.count == len(bars) == len(outcome.rejects)
        assert all(words in example for example in mismatch.examples)


@needs_shared
def test_lots_with_decimals_given_as_shares_are_fractions_too() -> None:
    found = hits(tushare("daily/tushare_daily_raw_2019_2020.csv", shares=1))
    assert found == {"fractional_volume": 9792, "unit_mismatch": 10_774}


@needs_shared
def test_all_adjusted_daily_bars_of_tushare_pass_and_would_not_as_raw_ones() -> None:
    name = "daily/tushare_pro_bar_qfq_2015_202009.csv"
    bars = tushare(name, QFQ)
    assert len(bars) == 36_797
    assert hits(bars) == {}
    # Of the others the adjusted prices are still within half a percent of those that were paid.
    assert hits(tushare(name)) == {"unit_mismatch": 26_977}


@needs_shared
def test_all_adjusted_daily_bars_of_baostock_pass_suspended_days_included() -> None:
    table = texts("daily/baostock_qfq_2017_202008.csv")
    codes = pc.utf8_upper(table["code"])
    bars = batch(table, codes, "date", QFQ, volume="volume", amount="amount", pre_close="preclose")
    assert len(bars) == 5322
    assert pc.sum(pc.equal(table["tradestatus"], "0")).as_py() > 0
    assert hits(bars) == {}


@needs_shared
def test_of_the_daily_bars_of_sina_those_without_a_volume_are_rejected() -> None:
    table = texts("daily/sina_qfq_2020_2026.csv")
    outcome = checked(batch(table, table["code"], "date", QFQ, volume="vol"))
    assert [(f.rule, f.count) for f in outcome.findings] == [("missing_value", 32)]
    assert set(outcome.rejects.table["field"].to_pylist()) == {"volume"}
    assert outcome.rejects.table["place"][0].as_py() == "vendor row 3626"


@needs_shared
def test_all_quarter_hours_of_sina_pass() -> None:
    for code in ("000001.SZ", "600000.SH", "600063.SH", "600519.SH"):
        bars = single(f"minute/sina_15min_{code[:6]}.csv", code, Series(Frequency.MIN15), amount="amount")
        assert len(bars) == 1872
        assert hits(bars) == {}


@needs_shared
def test_the_zero_opens_of_eastmoneys_minutes_are_rejected_and_the_whole_last_day_passes() -> None:
    outcome = checked(eastmoney_minutes())
    # The vendor gives open 0.0 on every day but the newest.
    assert {f.rule: f.count for f in outcome.findings} == {"zero_price": 964, "low_above_open_or_close": 964}
    assert Counter(outcome.rejects.table["rule"].to_pylist()) == {"zero_price": 964}
    assert [str(day) for day in pc.unique(outcome.accepted.table["session"]).to_pylist()] == ["2026-03-27"]
    assert len(outcome.accepted) == 241


@needs_shared
def test_all_five_minutes_of_eastmoney_pass() -> None:
    bars = single("minute/em_5min_600519.csv", "600519.SH", Series(Frequency.MIN5), shares=100, amount="成交额")
    assert len(bars) == 1488
    assert hits(bars) == {}


@needs_shared
def test_adjusted_prices_that_are_called_raw_are_caught_by_what_was_paid() -> None:
    name = "daily/em_daily_600519_2023.csv"
    assert hits(single(name, "600519.SH", QFQ, shares=100, amount="成交额")) == {}
    assert hits(single(name, "600519.SH", shares=100, amount="成交额")) == {"unit_mismatch": 242}


@needs_shared
def test_all_days_of_a_tdx_file_pass() -> None:
    bars = tdx_days("sh600000.day", "600000.SH")
    assert len(bars) == 6119
    assert hits(bars) == {}


@needs_shared
def test_an_index_since_1990_is_rejected_only_where_the_vendors_high_or_low_is_wrong() -> None:
    # Among the good rows are those in the summer time of 1991.
    outcome = checked(tdx_days("sh000001.day", "000001.SH"))
    found = zip(*(outcome.rejects.table[name].to_pylist() for name in ("timestamp", "field")), strict=True)
    assert [f"{time:%Y-%m-%d} {field}" for time, field in found] == WRONG_INDEX_DAYS
    # 1992-06-16 has its high below its open and its low above its high.
    assert {f.rule: f.count for f in outcome.findings} == {
        "high_below_open_or_close": 7,
        "low_above_open_or_close": 10,
    }
    assert "unit_mismatch" in hits(tdx_days("sh000001.day", "000001.SZ"))


@needs_shared
def test_a_file_read_twice_is_kept_once() -> None:
    bars = tushare("daily/tushare_daily_raw_2019_2020.csv")
    outcome = checked(BarBatch.concat([bars, bars]))
    assert outcome.accepted.table.equals(bars.table)
    assert [(f.rule, f.count) for f in outcome.findings] == [("duplicate_key", 10_774)]
