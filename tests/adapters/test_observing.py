"""Ports wrapped in the same port: what passes through is unchanged, counted by what it was, and said as a step."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from ginkgo_data.adapters.memory.alert_memory import InMemoryAlertMemory
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.metrics import InMemoryMetrics
from ginkgo_data.adapters.observing.adjustment_source import ObservedAdjustmentSource
from ginkgo_data.adapters.observing.alert_memory import ObservedAlertMemory
from ginkgo_data.adapters.observing.bar_source import ObservedBarSource
from ginkgo_data.adapters.observing.reference_source import ObservedReferenceSource
from ginkgo_data.adapters.observing.tick_source import ObservedTickSource
from ginkgo_data.domain.model.fetch import ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.measures import ALERTS, VENDOR_ANSWERS, VENDOR_CALLS
from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.domain.model.steps import listening
from support.stack import NOW

DAY = date(2024, 1, 8)
LIMITED = Unknown(UnknownReason.RATE_LIMITED, "too many", calls=2)


class Said:
    """Hears steps by name."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, dict]] = []

    def step(self, name, about):
        self.steps.append((name, dict(about)))
        return _Nothing()


class _Nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def metrics():
    return InMemoryMetrics()


def asking(clock, answer):
    def call(*_):
        clock.advance(1.5)
        return answer

    names = ("fetch", "securities", "session_days", "factors", "ticks")
    return SimpleNamespace(
        capabilities="as it is", reach=lambda codes: {codes[0]: (DAY, DAY)}, **dict.fromkeys(names, call)
    )


@pytest.mark.parametrize(
    ("answer", "result", "calls"),
    [(Rows(None, calls=3), "rows", 3), (ProvenEmpty(), "empty", 1), (LIMITED, "rate_limited", 2)],
)
def test_answers_are_counted_by_what_they_are_with_the_calls_they_took(clock, metrics, answer, result, calls):
    source = ObservedBarSource(asking(clock, answer), "tushare", metrics, clock)
    assert source.fetch(None) is answer
    assert source.capabilities == "as it is"
    assert metrics.counts(VENDOR_CALLS) == {("tushare", "bars", result): calls}
    assert metrics.values(VENDOR_ANSWERS, vendor="tushare", dataset="bars", result=result) == (1.5,)


def test_each_dataset_is_counted_by_its_name(clock, metrics):
    inner = asking(clock, ProvenEmpty())
    ObservedReferenceSource(inner, "v", metrics, clock).securities(None, 1)
    ObservedReferenceSource(inner, "v", metrics, clock).session_days(DAY, DAY, 1)
    factors = ObservedAdjustmentSource(inner, "v", metrics, clock)
    factors.factors(None, DAY, DAY, 1)
    ticks = ObservedTickSource(inner, "v", metrics, clock)
    ticks.ticks("000001.SZ", DAY, 1)
    assert {dataset for _, dataset, _ in metrics.counts(VENDOR_CALLS)} == {"securities", "calendar", "factors", "ticks"}
    assert (factors.capabilities, ticks.capabilities) == ("as it is", "as it is")
    assert ticks.reach(["000001.SZ"]) == {"000001.SZ": (DAY, DAY)}


def test_what_raises_is_counted_and_raised(clock, metrics):
    def broken(_):
        raise RuntimeError("an adapter's bug")

    source = ObservedBarSource(SimpleNamespace(fetch=broken), "tushare", metrics, clock)
    with pytest.raises(RuntimeError):
        source.fetch(None)
    assert metrics.counts(VENDOR_CALLS) == {("tushare", "bars", "raised"): 1.0}


def test_a_vendor_is_fetched_from_and_an_archive_is_read(clock, metrics):
    said = Said()
    with listening(said):
        for vendor in ("tushare", "files"):
            ObservedBarSource(asking(clock, ProvenEmpty()), vendor, metrics, clock).fetch(None)
    assert [name for name, _ in said.steps] == ["fetch", "read"]
    assert said.steps[0][1] == {"vendor": "tushare", "dataset": "bars"}


def test_an_alert_is_counted_when_it_is_news(clock, metrics):
    memory = ObservedAlertMemory(InMemoryAlertMemory(clock), metrics)
    alert = Alert(AlertKind.SOURCE_ERROR, Severity.ERROR, "t", "x", NOW)
    assert memory.is_news(alert, 60.0)
    assert not memory.is_news(alert, 60.0)
    memory.silence(alert, 600.0)
    clock.advance(300.0)
    assert not memory.is_news(alert, 60.0)
    assert memory.resolve(alert.key)
    assert memory.is_news(alert, 60.0)
    assert metrics.counts(ALERTS) == {("source_error", "ERROR"): 2.0}
