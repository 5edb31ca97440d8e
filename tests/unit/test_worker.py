"""The worker's life: started once, stopped from anywhere, recovering by itself, committing only what is finished."""

from __future__ import annotations

import json
import threading
from datetime import datetime

import pytest

from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import BrokerUnavailable, StoreUnavailable
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.model.worker import WorkerStatus
from ginkgo_data.entrypoints.worker import DataWorker, WorkerOptions, WorkerParts
from support.bars import bars
from support.stack import FIVE, SHANGHAI, VENDOR, InMemoryBarSource, Stack

A, B = "000001.SZ", "600519.SH"
TOPIC = "ginkgo.data.commands"
QUICK = WorkerOptions(
    "node-1",
    poll_timeout=0.02,
    coalesce_wait=0.0,
    heartbeat_interval=0.05,
    heartbeat_ttl=30.0,
    backoff=RetryPolicy(first_delay=0.01, max_delay=0.02),
)


class FridayEvening(SystemClock):
    """The host's clock, but for the date, so that waiting is real and sessions are known."""

    def now(self) -> datetime:
        return super().now().replace(year=2024, month=1, day=12, hour=18)


class Working:
    """A worker over a memory stack."""

    def __init__(self, parts: Stack | None = None) -> None:
        market = BarBatch.concat([bars(A, FIVE), bars(B, FIVE)])
        self.parts = parts or Stack(source=InMemoryBarSource(market, capabilities=VENDOR))
        self.clock = FridayEvening()
        self.closed = threading.Event()

    def worker(self, **replaced: object) -> DataWorker:
        parts = self.parts
        pieces = {
            "stream": parts.stream,
            "round": parts.round,
            "heartbeats": parts.heartbeats,
            "notifications": parts.notifications,
            "versions": parts.versions,
            "clock": self.clock,
            "close": self.closed.set,
        }
        return DataWorker(WorkerParts(**{**pieces, **replaced}), QUICK)

    def send(self, command: str = "bar_snapshot", **params: object) -> None:
        self.parts.broker.put(TOPIC, json.dumps({"command": command, "params": params}).encode())

    def until(self, condition, seconds: float = 10.0) -> None:
        tick = threading.Event()
        for _ in range(int(seconds / 0.01)):
            if condition():
                return
            tick.wait(0.01)
        pytest.fail("the condition was never met")


@pytest.fixture
def working():
    started = []
    stage = Working()
    original = stage.worker
    stage.worker = lambda **more: started.append(original(**more)) or started[-1]
    yield stage
    for worker in started:
        assert worker.stop(10.0)


def test_a_command_is_worked_stored_reported_and_committed(working):
    working.send(code=A, full=True)
    worker = working.worker()
    assert worker.start()
    working.until(lambda: not working.parts.broker.pending())
    assert worker.is_running
    assert worker.is_healthy
    assert working.parts.notifications.reports[0].records_written == 5
    stats = worker.get_stats()
    assert (stats["messages_processed"], stats["bars_written"], stats["rounds"]) == (1, 5, 1)


def test_states_follow_each_other_as_allowed_and_are_told(working):
    worker = working.worker()
    assert worker.status is WorkerStatus.STOPPED
    worker.start()
    working.until(lambda: worker.is_running)
    assert worker.stop(10.0)
    assert worker.status is WorkerStatus.STOPPED
    told = [(d["from"], d["to"]) for kind, d in working.parts.notifications.events if kind == "worker_state"]
    assert told == [
        ("STOPPED", "STARTING"),
        ("STARTING", "RUNNING"),
        ("RUNNING", "STOPPING"),
        ("STOPPING", "STOPPED"),
    ]
    assert working.closed.is_set()


def test_a_worker_is_used_once(working):
    worker = working.worker()
    assert worker.start()
    assert not worker.start()
    assert worker.stop(10.0)
    assert worker.stop(10.0)
    assert not worker.start()


def test_a_worker_stopped_before_it_started_never_starts(working):
    worker = working.worker()
    assert worker.stop(0.0)
    assert not worker.start()
    worker.wait_for_completion()


def test_heartbeats_are_written_while_it_lives_and_gone_after_a_clean_stop(working):
    worker = working.worker()
    worker.start()
    working.until(lambda: working.parts.heartbeats.alive())
    (beat,) = working.parts.heartbeats.alive()
    assert (beat.node_id, beat.status) == ("node-1", WorkerStatus.RUNNING)
    worker.stop(10.0)
    assert list(working.parts.heartbeats.alive()) == []


def test_a_heartbeat_that_breaks_once_is_counted_and_beats_on(working):
    class BreaksOnce:
        def __init__(self, inner):
            self.inner, self.broken = inner, False

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def beat(self, heartbeat, ttl):
            if not self.broken:
                self.broken = True
                raise ValueError("an adapter's bug")
            self.inner.beat(heartbeat, ttl)

    worker = working.worker(heartbeats=BreaksOnce(working.parts.heartbeats))
    worker.start()
    working.until(lambda: working.parts.heartbeats.alive())
    assert worker.get_stats()["heartbeats_missed"] == 1


def test_a_worker_whose_loop_is_stuck_is_not_vouched_for(working):
    worker = working.worker()
    worker.start()
    working.until(lambda: worker.is_running)
    object.__setattr__(worker, "_options", WorkerOptions("node-1", stall_timeout=-1.0))
    assert not worker.is_healthy
    assert worker.observe() is None


def test_a_stop_in_the_middle_of_a_round_leaves_the_rest_for_the_next_worker(working):
    begun, proceed = threading.Event(), threading.Event()

    class Slow:
        capabilities = type(VENDOR)("test", VENDOR.series, row_limit=6000, codes_per_call=1)
        inner = working.parts.source

        def fetch(self, request):
            begun.set()
            proceed.wait(10)
            return self.inner.fetch(request)

    working.parts.source = Slow()
    working.send(codes=[A, B], full=True)
    worker = working.worker()
    worker.start()
    assert begun.wait(10)
    threading.Timer(0.05, proceed.set).start()
    assert worker.stop(10.0)
    rest = working.parts.broker.pending()
    left = [json.loads(record.value)["params"] for record in rest]
    assert [params.get("codes", [params.get("code")]) for params in left] == [[B]]


def test_a_store_that_comes_back_is_found_and_nothing_was_committed_meanwhile(working):
    class Flaky:
        def __init__(self, inner):
            self.inner, self.away = inner, True

        def synchronise(self):
            if self.away:
                raise StoreUnavailable("away")
            self.inner.synchronise()

        def version(self):
            return self.inner.version()

    versions = Flaky(working.parts.versions)
    working.send(code=A, full=True)
    worker = working.worker(versions=versions)
    worker.start()
    working.until(lambda: (beat := worker.observe()) is not None and beat.degraded is not None)
    assert "away" in worker.observe().degraded
    assert len(working.parts.broker.pending()) == 1
    versions.away = False
    working.until(lambda: not working.parts.broker.pending())
    assert worker.observe().degraded is None
    assert working.parts.notifications.reports[0].records_written == 5


def test_an_error_outside_a_command_leads_to_error_and_back_to_running(working):
    class Breaks:
        def __init__(self, inner):
            self.inner, self.failures = inner, 1

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def receive(self, limit, timeout):
            if self.failures:
                self.failures -= 1
                raise RuntimeError("the client broke")
            return self.inner.receive(limit, timeout)

    working.send(code=A, full=True)
    worker = working.worker(stream=Breaks(working.parts.stream))
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    assert worker.is_running
    assert "the client broke" in worker.get_stats()["last_error"]
    told = [d["to"] for kind, d in working.parts.notifications.events if kind == "worker_state"]
    assert told[:5] == ["STARTING", "RUNNING", "ERROR", "STARTING", "RUNNING"]


class Failing:
    """A stream whose named method fails some times, as with a broker that is away."""

    def __init__(self, inner, method: str, failures: int) -> None:
        self.inner, self.method, self.failures = inner, method, failures

    def __getattr__(self, name):
        if name == self.method and self.failures:
            self.failures -= 1
            raise BrokerUnavailable("no broker")
        return getattr(self.inner, name)


@pytest.mark.parametrize("method", ["receive", "commit"])
def test_a_broker_that_comes_back_degrades_the_worker_but_does_not_stop_it(working, method):
    working.send(code=A, full=True)
    worker = working.worker(stream=Failing(working.parts.stream, method, 3))
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    assert [report.records_written for report in working.parts.notifications.reports] == [5]
    working.until(lambda: worker.observe().degraded is None)
    told = [d["to"] for kind, d in working.parts.notifications.events if kind == "worker_state"]
    assert told == ["STARTING", "RUNNING"]


def test_what_is_in_hand_when_something_breaks_is_worked_again(working):
    class BreaksOnce:
        def __init__(self, inner):
            self.inner, self.broken = inner, False

        def run(self, deliveries, hooks):
            if not self.broken:
                self.broken = True
                raise RuntimeError("outside any command")
            return self.inner.run(deliveries, hooks)

    working.send(code=A, full=True)
    worker = working.worker(round=BreaksOnce(working.parts.round))
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    assert working.parts.notifications.reports[0].records_written == 5


def test_what_was_taken_and_not_finished_is_delivered_again_after_a_crash(working):
    working.send(code=A, full=True)
    taken = working.parts.stream.receive(10, 0.0)
    assert len(taken) == 1
    working.parts.stream = working.parts.stream.restart()
    worker = working.worker()
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    assert working.parts.notifications.reports[0].records_written == 5


def test_shanghai_is_the_zone_of_every_time(working):
    assert working.clock.now().tzinfo == SHANGHAI or str(working.clock.now().tzinfo) == "Asia/Shanghai"
