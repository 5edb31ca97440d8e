"""Waiting for answers: never long without a look around, and not at all for a closed pool."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest

from ginkgo_data.adapters.memory.version_clock import InMemoryVersionClock
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.errors import Interrupted, TransientError
from ginkgo_data.domain.model.fetch import FetchRequest, Unknown, UnknownReason
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.gathering import Gathering
from ginkgo_data.domain.services.pace import Pace
from support.stack import BY_CODE, ImmediateExecutor, RunningClock

DAY = date(2024, 1, 8)
SESSIONS = np.array([DAY], "datetime64[D]")
NO_ANSWER = Unknown(UnknownReason.SERVER_ERROR, "HTTP 500")


def request(code: str) -> FetchRequest:
    return FetchRequest(DAILY, (code,), DAY, DAY, Cells.cross((code,), SESSIONS), 0)


class Vendor:
    """Answers when it is told to; `asked` is set by the first call."""

    capabilities = BY_CODE

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        self.requests: list[FetchRequest] = []

    def fetch(self, request):
        self.requests.append(request)
        self.asked.set()
        assert self.answer.wait(20)
        return NO_ANSWER


@pytest.fixture
def vendor():
    vendor = Vendor()
    yield vendor
    vendor.answer.set()


@pytest.fixture
def pool(vendor):
    with ThreadPoolExecutor(1) as pool:
        yield pool
        vendor.answer.set()


def gathering(vendor: Vendor, pool: Executor, pace: Pace, **more) -> Gathering:
    clock = RunningClock()
    return Gathering(vendor, InMemoryVersionClock(clock), pool, clock, 2, None, pace, **more)


def answers(of: Gathering, *codes: str) -> list[str]:
    """Return the codes answered, in the order of the answers."""
    return [gathered.request.codes[0] for gathered in of.answers(map(request, codes), SESSIONS)]


def test_the_round_is_asked_and_leases_are_kept_while_answers_are_waited_for(vendor, pool):
    asked, kept = [], []

    def go_on():
        asked.append(time.monotonic())
        if len(asked) >= 6:
            vendor.answer.set()
        return True

    assert answers(gathering(vendor, pool, Pace(go_on=go_on), extend=lambda: kept.append(1)), "A") == ["A"]
    assert max(np.diff(asked)) < 1.0
    assert len(kept) >= 4


def test_after_a_long_silence_waiting_is_no_sign_of_progress_any_more(vendor, pool, monkeypatch):
    monkeypatch.setattr("ginkgo_data.domain.services.gathering.SILENCE_LIMIT", 0.2)
    monkeypatch.setattr("ginkgo_data.domain.services.gathering.STEP", 0.02)
    asked = []
    threading.Timer(0.8, vendor.answer.set).start()
    began = time.monotonic()
    answers(gathering(vendor, pool, Pace(go_on=lambda: asked.append(time.monotonic()) or True)), "A")
    waiting = [moment - began for moment in asked if 0.05 < moment - began < 0.75]
    assert waiting
    assert max(waiting) < 0.5


def test_no_request_is_taken_that_may_not_be_sent(vendor):
    vendor.answer.set()
    allowed = iter([True, False, False, False])
    work = iter([request("A"), request("B")])
    pace = Pace(go_on=lambda: next(allowed, False))
    assert len(list(gathering(vendor, ImmediateExecutor(), pace).answers(work, SESSIONS))) == 1
    assert next(work).codes == ("B",)


def test_calls_that_a_stopping_worker_did_not_wait_for_are_left(vendor, pool, monkeypatch):
    monkeypatch.setattr("ginkgo_data.domain.services.gathering.STOP_PATIENCE", 0.1)
    stopped = gathering(vendor, pool, Pace(stopping=vendor.asked.is_set))
    assert answers(stopped, "A", "B", "C") == []
    assert "A" in {left.codes[0] for left in stopped.left}
    assert len(vendor.requests) == 1


def test_a_stopping_worker_sends_no_call(vendor):
    assert answers(gathering(vendor, ImmediateExecutor(), Pace(stopping=lambda: True)), "A") == []
    assert vendor.requests == []


def test_an_answer_that_comes_in_time_is_taken_by_a_stopping_worker_too(vendor, pool):
    threading.Timer(0.3, vendor.answer.set).start()
    assert answers(gathering(vendor, pool, Pace(stopping=vendor.asked.is_set)), "A") == ["A"]


def test_a_pool_that_takes_no_calls_any_more_is_a_stop(vendor):
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(Interrupted, match="no call can be sent any more") as caught:
        answers(gathering(vendor, pool, Pace()), "A")
    assert isinstance(caught.value, TransientError)


def test_calls_that_a_closed_pool_drops_are_a_stop(vendor, pool):
    asked = []

    def close_once_both_are_sent():
        asked.append(1)
        if len(asked) == 3:
            pool.shutdown(wait=False, cancel_futures=True)
            threading.Timer(0.4, vendor.answer.set).start()
        return True

    with pytest.raises(Interrupted, match="dropped"):
        answers(gathering(vendor, pool, Pace(go_on=close_once_both_are_sent)), "A", "B")


def test_another_fault_of_the_pool_is_no_stop(vendor):
    class Broken(Executor):
        def submit(self, fn, /, *args, **kwargs):
            raise RuntimeError("can't start new thread")

    with pytest.raises(RuntimeError, match="new thread"):
        answers(gathering(vendor, Broken(), Pace()), "A")
