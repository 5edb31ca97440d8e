"""The budget's wrapper tells what waits for the vendor's quota, and passes everything on."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.resilience.call_budget import FRESH, NotingCallBudget

NOW = datetime(2024, 1, 12, 18, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
KEY = "tushare:daily:0123456789abcdef"


def made():
    clock = ManualClock(NOW)
    inner = InMemoryCallBudget(clock)
    return NotingCallBudget(inner, clock), inner, clock


def test_nothing_waits_while_calls_are_granted():
    budget, _, _ = made()
    assert budget.take(KEY, 5) == 0.0
    assert budget.waiting() is None


def test_a_refused_call_is_waiting_without_showing_the_account():
    budget, _, clock = made()
    budget.take(KEY, 1)
    assert budget.take(KEY, 1) > 0
    assert "tushare:daily for 60.0 s" in (budget.waiting() or "")
    assert "0123456789abcdef" not in (budget.waiting() or "")
    clock.advance(FRESH + 0.1)
    assert budget.waiting() is None


def test_a_granted_call_ends_the_waiting():
    budget, _, clock = made()
    budget.take(KEY, 1)
    budget.take(KEY, 1)
    clock.advance(61)
    assert budget.take(KEY, 1) == 0.0
    assert budget.waiting() is None


def test_closings_answers_and_limits_reach_the_budget_inside():
    budget, inner, clock = made()
    budget.close_until_open(KEY, 30.0)
    assert inner.take(KEY, 5) > 0
    clock.advance(31)
    assert budget.take(KEY, 5) == 0.0
    assert inner.take(KEY, 5) > 0, "the probe is under way"
    budget.answered(KEY)
    assert inner.take(KEY, 5) == 0.0
    budget.learn(KEY, 2)
    assert inner.take(KEY, 5) > 0
