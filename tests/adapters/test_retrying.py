"""Sources that are asked again while they do not know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import pytest

from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.resilience.adjustment_source import RetryingAdjustmentSource
from ginkgo_data.adapters.resilience.bar_source import RetryingBarSource
from ginkgo_data.adapters.resilience.reference_source import RetryingReferenceSource
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import (
    DAILY,
    BarAnswer,
    FetchRequest,
    ProvenEmpty,
    Rows,
    SourceCapabilities,
    Unknown,
    UnknownReason,
)
from ginkgo_data.domain.model.reference import Securities, SessionDays
from ginkgo_data.domain.model.retry import RetryPolicy
from support.bars import bars

DAY = date(2024, 1, 2)
REQUEST = FetchRequest(DAILY, ("000001.SZ",), DAY, DAY, Cells.cross(["000001.SZ"], np.array([DAY], "M8[D]")), version=9)
POLICY = RetryPolicy(attempts=3, first_delay=1.0, factor=2.0, max_delay=60.0, jitter=0.0)
FAILED = Unknown(UnknownReason.SERVER_ERROR, "HTTP 502", calls=1)


class ScriptedSource:
    """Gives one answer after the other."""

    capabilities = SourceCapabilities("scripted", frozenset({DAILY}), row_limit=100)

    def __init__(self, *answers: BarAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[FetchRequest] = []

    def fetch(self, request: FetchRequest) -> BarAnswer:
        self.asked.append(request)
        return self.answers.pop(0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2024, 1, 2, tzinfo=UTC))


def fetched(clock: ManualClock, source: ScriptedSource, policy: RetryPolicy = POLICY) -> BarAnswer:
    return RetryingBarSource(source, policy, clock).fetch(REQUEST)


def test_an_answer_with_rows_is_passed_on_without_a_wait(clock: ManualClock) -> None:
    rows = Rows(bars(), calls=2)
    answer = fetched(clock, ScriptedSource(rows))
    assert isinstance(answer, Rows)
    assert answer.batch is rows.batch
    assert (answer.calls, clock.monotonic()) == (2, 0.0)


def test_a_passing_failure_is_asked_again_and_all_calls_are_counted(clock: ManualClock) -> None:
    source = ScriptedSource(FAILED, Unknown(UnknownReason.TIMED_OUT, "late", calls=2), Rows(bars(), calls=3))
    answer = fetched(clock, source)
    assert isinstance(answer, Rows)
    assert answer.calls == 6
    assert clock.monotonic() == 1.0 + 2.0


def test_every_attempt_asks_the_same_request(clock: ManualClock) -> None:
    source = ScriptedSource(FAILED, FAILED, ProvenEmpty())
    fetched(clock, source)
    assert all(request is REQUEST for request in source.asked)
    assert len(source.asked) == 3


def test_after_the_last_attempt_the_last_failure_is_the_answer(clock: ManualClock) -> None:
    last = Unknown(UnknownReason.UNREACHABLE, "refused", calls=1)
    source = ScriptedSource(FAILED, FAILED, last, Rows(bars()))
    answer = fetched(clock, source)
    assert answer == Unknown(UnknownReason.UNREACHABLE, "refused", calls=3)
    assert clock.monotonic() == 1.0 + 2.0


@pytest.mark.parametrize("reason", [reason for reason in UnknownReason if not reason.transient])
def test_a_failure_that_time_does_not_heal_is_not_asked_again(clock: ManualClock, reason: UnknownReason) -> None:
    answer = fetched(clock, ScriptedSource(Unknown(reason, "no")))
    assert isinstance(answer, Unknown)
    assert (answer.reason, clock.monotonic()) == (reason, 0.0)


def test_the_reasons_that_are_not_asked_again_are_these() -> None:
    assert {reason for reason in UnknownReason if not reason.transient} == {
        UnknownReason.TRUNCATED,
        UnknownReason.BAD_TOKEN,
        UnknownReason.NO_PERMISSION,
        UnknownReason.REFUSED,
        UnknownReason.MALFORMED_REPLY,
        UnknownReason.EMPTY_WITHOUT_EVIDENCE,
    }


def test_the_wait_the_vendor_asks_for_is_kept(clock: ManualClock) -> None:
    limited = Unknown(UnknownReason.RATE_LIMITED, "quota", retry_after=42.0)
    answer = fetched(clock, ScriptedSource(limited, Rows(bars())))
    assert isinstance(answer, Rows)
    assert clock.monotonic() == 42.0


def test_a_wait_longer_than_the_longest_allowed_ends_the_attempts_at_once(clock: ManualClock) -> None:
    limited = Unknown(UnknownReason.RATE_LIMITED, "quota of the day", retry_after=60.1)
    answer = fetched(clock, ScriptedSource(limited, Rows(bars())))
    assert answer == limited
    assert clock.monotonic() == 0.0


def test_waits_get_a_random_share_on_top_and_never_fall_short(clock: ManualClock) -> None:
    policy = RetryPolicy(attempts=2, first_delay=10.0, jitter=0.5)
    waits = []
    for _ in range(20):
        before = clock.monotonic()
        fetched(clock, ScriptedSource(FAILED, ProvenEmpty()), policy)
        waits.append(clock.monotonic() - before)
    assert len(set(waits)) > 1
    assert all(10.0 <= wait <= 15.0 for wait in waits)


def test_an_interrupted_wait_ends_the_attempts_with_the_last_answer(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock.interrupt()
    source = ScriptedSource(FAILED, Rows(bars()))
    assert fetched(clock, source) == FAILED
    assert len(source.asked) == 1
    assert caplog.text.count("again in") == 1


def test_an_exception_is_not_taken_for_an_answer(clock: ManualClock) -> None:
    with pytest.raises(IndexError):
        fetched(clock, ScriptedSource())


def test_the_capabilities_are_those_of_the_source_inside(clock: ManualClock) -> None:
    assert RetryingBarSource(ScriptedSource(), POLICY, clock).capabilities is ScriptedSource.capabilities


class FlakyReference:
    """Fails once per question."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def securities(self, market: str | None, version: int) -> Rows[Securities] | Unknown:
        self.asked.append((market, version))
        return Rows(Securities.empty()) if len(self.asked) > 1 else FAILED

    def session_days(self, first: date, last: date, version: int) -> Rows[SessionDays] | Unknown:
        self.asked.append((first, last, version))
        return Rows(SessionDays.empty()) if len(self.asked) > 1 else FAILED

    def factors(self, codes: Sequence[str], first: date, last: date, version: int) -> ProvenEmpty | Unknown:
        self.asked.append((tuple(codes), first, last, version))
        return ProvenEmpty() if len(self.asked) > 1 else FAILED


def test_securities_days_and_factors_are_asked_again_with_the_same_question(clock: ManualClock) -> None:
    securities, days, factors = FlakyReference(), FlakyReference(), FlakyReference()
    assert RetryingReferenceSource(securities, POLICY, clock).securities("主板", 5).calls == 2
    assert RetryingReferenceSource(days, POLICY, clock).session_days(DAY, DAY, 5).calls == 2
    assert RetryingAdjustmentSource(factors, POLICY, clock).factors(["000001.SZ"], DAY, DAY, 5).calls == 2
    assert securities.asked == [("主板", 5)] * 2
    assert days.asked == [(DAY, DAY, 5)] * 2
    assert factors.asked == [(("000001.SZ",), DAY, DAY, 5)] * 2
