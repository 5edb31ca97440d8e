"""Minute bars by the session, and the repair of opens of 0."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import DAILY, Frequency, Series
from ginkgo_data.domain.services.inspection import inspect_sessions
from ginkgo_data.domain.services.rule_set import RuleSet, Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import validate
from support.bars import CODE_A, CODE_B, MINUTES_1, MINUTES_5, bars, business_days, market
from support.stack import VENDOR, InMemoryBarSource, Stack, listed

DAYS = business_days("2024-01-01", 10)
NONE = BarBatch.empty()


def hits(batch: BarBatch, daily: BarBatch = NONE, rules: RuleSet = DEFAULT_RULES) -> dict[str, list[str]]:
    found = inspect_sessions(batch, daily, rules.of(batch.series, Subject.SESSION))
    return {finding.rule: list(finding.examples) for finding in found.findings}


def days_of(minutes: BarBatch, more: float = 0.0, share: float = 1.0) -> BarBatch:
    """Return daily bars whose volume is what `minutes` add up to, times `share` and so many shares more."""
    table = minutes.table
    keys = list(zip(table["code"].to_pylist(), table["session"].to_pylist(), strict=True))
    totals: dict[tuple[str, date], float] = dict.fromkeys(keys, 0.0)
    for key, volume in zip(keys, table["volume"].to_pylist(), strict=True):
        totals[key] += volume
    codes, days = zip(*totals, strict=True)
    return bars(codes, days, volumes=[total * share + more for total in totals.values()])


@pytest.mark.parametrize("frequency", [f for f in Frequency if f is not Frequency.DAY])
def test_a_full_session_and_one_with_the_bar_of_the_auction_pass_one_bar_less_or_more_does_not(
    frequency: Frequency,
) -> None:
    series, full = Series(frequency), frequency.bars_per_session
    whole = market([CODE_A, CODE_B], DAYS[:2], series=series)
    assert len(whole) == 4 * full
    assert hits(whole) == {}
    again = whole.take(np.array([0] * 2))
    assert hits(BarBatch.concat([whole, again.take(np.array([0]))], series)) == {}
    assert hits(BarBatch.concat([whole, again], series)) == {
        "bars_per_session": [f"{CODE_A} 2024-01-01: {full + 2} bars instead of {full} or {full + 1}"]
    }
    short = whole.take(np.delete(np.arange(len(whole)), full))
    assert hits(short) == {
        "bars_per_session": [f"{CODE_A} 2024-01-02: {full - 1} bars instead of {full} or {full + 1}"]
    }


def test_a_vendor_without_the_bar_of_the_auction_may_be_held_to_it() -> None:
    whole = market([CODE_A], DAYS[:1], series=MINUTES_5)
    strict = DEFAULT_RULES.tuned(DEFAULT_RULES["bars_per_session"].tuned(more=0))
    more = BarBatch.concat([whole, whole.take(np.array([0]))], MINUTES_5)
    assert hits(more, rules=strict) == {"bars_per_session": ["000001.SZ 2024-01-01: 49 bars instead of 48"]}


def test_minutes_that_add_up_to_the_day_within_two_percent_pass_and_no_more() -> None:
    minutes = market([CODE_A, CODE_B], DAYS[:3], series=MINUTES_5)
    assert hits(minutes, days_of(minutes)) == {}
    assert hits(minutes, days_of(minutes, share=1.02)) == {}
    assert hits(minutes, days_of(minutes, share=1 / 1.0199)) == {}
    assert len(hits(minutes, days_of(minutes, share=1.021))["minute_sums"]) == 5
    assert len(hits(minutes, days_of(minutes, share=0.979))["minute_sums"]) == 5


def test_a_lot_is_allowed_however_little_was_traded() -> None:
    minutes = bars(CODE_A, DAYS[:1], series=MINUTES_5, volumes=[10.0] * 48, closes=[10.0] * 48)
    assert hits(minutes, days_of(minutes, more=100.0)) == {}
    assert hits(minutes, days_of(minutes, more=101.0)) == {
        "minute_sums": ["000001.SZ 2024-01-01: minutes add up to 480 shares, the daily bar has 581"]
    }


def test_sessions_without_a_daily_bar_or_with_minutes_missing_are_not_added_up() -> None:
    minutes = market([CODE_A], DAYS[:2], series=MINUTES_5)
    assert hits(minutes, days_of(minutes.take(np.arange(48)), share=2.0)).keys() == {"minute_sums"}
    assert hits(minutes, bars(CODE_B, DAYS[:2])) == {}
    even = bars(CODE_A, DAYS[:1], series=MINUTES_5)
    short = even.take(np.arange(2, 48))
    assert list(hits(short, days_of(even))) == ["bars_per_session"]


def test_the_order_of_rows_does_not_matter_to_sessions() -> None:
    minutes = market([CODE_B, CODE_A], DAYS[:2], series=MINUTES_5)
    mixed = minutes.take(np.random.default_rng(1).permutation(len(minutes)))
    daily = days_of(minutes)
    wrong = daily.take(np.array([1]))
    table = wrong.table.set_column(8, wrong.table.schema.field(8), [[1.0]])
    found = inspect_sessions(mixed, BarBatch(table), DEFAULT_RULES.of(MINUTES_5, Subject.SESSION))
    (rows,) = found.hits.values()
    assert mixed.table["code"][rows[0]].as_py() == CODE_B
    assert mixed.table["timestamp"][rows[0]].as_py().isoformat() == "2024-01-02T09:35:00+08:00"


def minutes_with(opens: list[float], **columns: list[float]) -> BarBatch:
    closes = columns.pop("closes", [10.0, 10.2, 10.1, 10.4])
    return bars(CODE_A, [DAYS[0]], closes, series=MINUTES_5, opens=opens, keep=len(opens), **columns)


def opens_of(batch: BarBatch, **knowledge: object) -> list[float]:
    return validate(batch, sessions=DAYS, **knowledge).accepted.table["open"].to_pylist()


def test_an_open_of_zero_becomes_the_close_before_it_and_the_first_its_own_close() -> None:
    batch = minutes_with([0.0, 0.0, 10.15, 0.0], highs=[10.0, 10.3, 10.2, 10.5], lows=[9.9, 9.8, 10.0, 10.0])
    outcome = validate(batch, sessions=DAYS)
    assert outcome.accepted.table["open"].to_pylist() == [10.0, 10.0, 10.15, 10.1]
    (finding,) = outcome.findings
    assert (finding.rule, finding.severity, finding.verdict, finding.count) == (
        "repaired_open",
        Severity.INFO,
        Verdict.FLAG,
        3,
    )
    assert finding.examples[0] == "000001.SZ 2024-01-01 test row 1: open 0"
    assert outcome.hits["repaired_open"].tolist() == [0, 1, 3]


def test_a_close_outside_the_range_of_the_bar_is_cut_to_it() -> None:
    batch = minutes_with([10.0, 0.0, 0.0], closes=[10.0, 10.2, 10.1], highs=[10.0, 10.3, 10.1], lows=[10.0, 10.1, 10.1])
    assert opens_of(batch) == [10.0, 10.1, 10.1]


def test_the_close_of_the_session_before_is_no_open_and_the_order_of_rows_does_not_matter() -> None:
    batch = bars(CODE_A, DAYS[:2], [10.0, 11.0] * 2, series=MINUTES_5, keep=2, opens=[0.0] * 4, lows=[9.0] * 4)
    batch = BarBatch.concat([batch], MINUTES_5)
    assert opens_of(batch) == [10.0, 10.0, 10.0, 10.0]
    mixed = np.array([3, 0, 2, 1])
    assert opens_of(batch.take(mixed)) == [10.0] * 4
    other = bars(CODE_A, DAYS[:2], [10.0, 11.0, 20.0, 21.0], series=MINUTES_5, keep=2, opens=[0.0] * 4, lows=[9.0] * 4)
    assert opens_of(other.take(mixed)) == [20.0, 10.0, 20.0, 10.0]


@pytest.mark.parametrize(
    "values",
    [{"closes": [0.0], "highs": [0.0], "lows": [0.0]}, {"lows": [0.0]}, {"highs": [9.9]}, {"lows": [10.1]}],
)
def test_a_bar_with_another_fault_is_not_repaired(values: dict[str, list[float]]) -> None:
    plain = {"closes": [10.0], "highs": [10.0], "lows": [10.0]}
    outcome = validate(minutes_with([0.0], **(plain | values)), sessions=DAYS)
    assert "repaired_open" not in outcome.hits
    assert len(outcome.rejects) == 1


def test_daily_opens_are_not_repaired() -> None:
    outcome = validate(bars(CODE_A, DAYS[:1], opens=[0.0], lows=[9.0]), sessions=DAYS)
    assert outcome.rejects.table["rule"].to_pylist() == ["zero_price"]


def test_a_repaired_row_that_is_wrong_otherwise_is_in_quarantine_as_it_was_sent() -> None:
    outcome = validate(minutes_with([10.0, 0.0], closes=[10.0, 10.2], amounts=[10_000.0, 9e9]), sessions=DAYS)
    assert outcome.rejects.table["rule"].to_pylist() == ["unit_mismatch"]
    assert '"open": 0,' in outcome.rejects.table["row"][0].as_py()
    assert {f.rule for f in outcome.findings} == {"repaired_open", "unit_mismatch"}


def test_a_job_of_minutes_is_held_against_the_daily_bars_of_the_store() -> None:
    sessions = ["2024-01-08", "2024-01-09"]
    minutes = market([CODE_A], sessions, series=MINUTES_1)
    daily = days_of(minutes)
    doubled = days_of(minutes, share=2.0)
    stack = Stack(securities=listed([CODE_A]))
    stack.bars.write(BarBatch.concat([daily.take(np.array([0])), doubled.take(np.array([1]))]))
    source = InMemoryBarSource(minutes.take(np.arange(1, len(minutes))), VENDOR)
    stack.source = source
    week = CollectBars((CODE_A,), MINUTES_1, date(2024, 1, 8), date(2024, 1, 9))
    result = stack.collector.collect(week)
    assert {f.rule: f.examples for f in result.findings} == {
        "bars_per_session": ("000001.SZ 2024-01-08: 239 bars instead of 240 or 241",),
        "minute_sums": (
            f"000001.SZ 2024-01-09: minutes add up to {daily.table['volume'][1].as_py():.0f} shares, "
            f"the daily bar has {doubled.table['volume'][1].as_py():.0f}",
        ),
    }
    assert stack.bars.read(None, DAILY, date(2024, 1, 8), date(2024, 1, 9)).series == DAILY
