"""Validation against real vendor files: what is right passes, and every vendor error is named and counted."""

from __future__ import annotations

from collections import Counter

import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import Validated, validate
from support.real_bars import (
    QFQ,
    baostock,
    calendar,
    eastmoney_five_minutes,
    eastmoney_minutes,
    seen_since_first_row,
    sina,
    sina_quarters,
    single,
    tdx_days,
    texts,
    tushare,
)
from support.shared_data import needs_shared

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


def checked(bars: BarBatch) -> Validated:
    """Validate, and see that no row was lost."""
    outcome = validate(bars, sessions=calendar(), listings=seen_since_first_row(bars))
    assert len(outcome.accepted) + len(outcome.rejects) == len(bars)
    return outcome


def hits(bars: BarBatch) -> dict[str, int]:
    """Return how many rows each rule hits."""
    return {finding.rule: finding.count for finding in checked(bars).findings}


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
    assert hits(tushare(name)) == {"unit_mismatch": 26_977, "price_limit": 214, "price_limit_unproven": 4}


@needs_shared
def test_all_adjusted_daily_bars_of_baostock_pass_suspended_days_included() -> None:
    bars, table = baostock(), texts("daily/baostock_qfq_2017_202008.csv")
    assert len(bars) == 5322
    assert pc.sum(pc.equal(table["tradestatus"], "0")).as_py() > 0
    assert hits(bars) == {}


@needs_shared
def test_of_the_daily_bars_of_sina_those_without_a_volume_are_rejected() -> None:
    outcome = checked(sina())
    assert [(f.rule, f.count) for f in outcome.findings] == [("missing_value", 32)]
    assert set(outcome.rejects.table["field"].to_pylist()) == {"volume"}
    assert outcome.rejects.table["place"][0].as_py() == "vendor row 3626"


@needs_shared
def test_all_quarter_hours_of_sina_pass() -> None:
    for code in ("000001.SZ", "600000.SH", "600063.SH", "600519.SH"):
        bars = sina_quarters(code)
        assert len(bars) == 1872
        assert hits(bars) == {}


@needs_shared
def test_the_zero_opens_of_eastmoneys_minutes_are_repaired_and_nothing_else_is_wrong_with_them() -> None:
    bars = eastmoney_minutes()
    outcome = checked(bars)
    # The vendor gives open 0.0 on every day but the newest.
    assert {f.rule: f.count for f in outcome.findings} == {"repaired_open": 964}
    assert outcome.accepted.table.drop_columns("open").equals(bars.table.drop_columns("open"))
    columns = {name: outcome.accepted.table[name].to_numpy() for name in ("open", "high", "low", "close")}
    assert (columns["open"] >= columns["low"]).all()
    assert (columns["open"] <= columns["high"]).all()
    # The second bar of the first session opens where the first one closed, which has no bar before it.
    assert columns["open"][:2].tolist() == columns["close"][[0, 0]].tolist() == [1433.33, 1433.33]
    untouched = bars.table["open"].to_numpy() > 0
    assert (columns["open"] == bars.table["open"].to_numpy())[untouched].all()


@needs_shared
def test_without_the_repair_the_zero_opens_of_eastmoney_are_rejected() -> None:
    rules = DEFAULT_RULES.silenced("repaired_open")
    outcome = validate(eastmoney_minutes(), sessions=calendar(), rules=rules)
    assert {f.rule: f.count for f in outcome.findings} == {"zero_price": 964, "low_above_open_or_close": 964}
    assert Counter(outcome.rejects.table["rule"].to_pylist()) == {"zero_price": 964}
    assert [str(day) for day in pc.unique(outcome.accepted.table["session"]).to_pylist()] == ["2026-03-27"]
    assert len(outcome.accepted) == 241


@needs_shared
def test_all_five_minutes_of_eastmoney_pass() -> None:
    bars = eastmoney_five_minutes()
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
