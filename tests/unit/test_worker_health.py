"""A worker says by itself how it is: wedged in a call, without its store, without Redis, and well again."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest

from ginkgo_data.adapters.memory.metrics import InMemoryMetrics
from ginkgo_data.domain.model.errors import BrokerUnavailable, StoreUnavailable
from ginkgo_data.domain.model.health import Server
from ginkgo_data.domain.model.measures import COMMANDS, STEPS
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.model.stream import StreamState
from ginkgo_data.domain.model.work_context import present_work
from ginkgo_data.entrypoints.context_pool import ContextPool
from ginkgo_data.entrypoints.vital_signs import loop_patience
from support.stack import BY_CODE
from support.working import QUICK, TOPIC, A, B, Working

IMPATIENT = replace(QUICK, wedged_after=0.3, call_patience=0.3)


class Hanging:
    """A vendor that does not answer before it is told to."""

    capabilities = replace(BY_CODE, codes_per_call=1)

    def __init__(self, inner) -> None:
        self.inner, self.go = inner, threading.Event()
        self.seen: list[object] = []

    def fetch(self, request):
        with step("fetch", vendor="test"):
            self.seen.append(present_work())
            logging.getLogger("vendor").warning("asked")
            self.go.wait(10)
        return self.inner.fetch(request)


@pytest.fixture
def working():
    started = []
    stage = Working()
    original = stage.worker
    stage.worker = lambda **more: started.append(original(**more)) or started[-1]
    yield stage
    getattr(stage.parts.source, "go", threading.Event()).set()
    for worker in started:
        assert worker.stop(10.0)


def test_a_worker_is_well_from_its_start_to_its_end_and_says_what_it_lacks(working):
    worker = working.worker()
    assert worker.health().dead == ("the worker was not started",)
    working.send(code=A, full=True)
    worker.start()
    working.until(lambda: worker.health().ready)
    signs = worker.health().signs
    assert (signs.node_id, signs.stream.lag != {}, signs.last_poll is not None) == ("node-1", True, True)
    worker.stop(10.0)
    assert worker.health().dead == ("the worker has ended",)


def test_a_loop_that_hangs_in_a_vendors_call_is_dead_with_the_place_and_alive_again_after(working):
    vendor = working.parts.source = Hanging(working.parts.source)
    working.send(code=A, full=True)
    worker = working.worker(options=IMPATIENT)
    worker.start()
    working.until(lambda: len(worker.health().dead) == 2)
    still, stuck = worker.health().dead
    assert "it stands in step fetch vendor=test" in still
    assert "wait < " in still, still
    assert "test_worker_health.py" in still
    assert stuck.startswith("a vendor's call has not returned for ")
    vendor.go.set()
    working.until(lambda: worker.stats.bars_written == 5)
    assert worker.health().ready


def test_what_the_loop_waits_for_anyway_is_no_standstill():
    options = replace(QUICK, wedged_after=50.0, poll_timeout=100.0, coalesce_wait=5.0)
    assert loop_patience(options, waits=False) == 155.0
    assert loop_patience(replace(options, backoff=RetryPolicy(max_delay=30.0)), waits=True) == 185.0


def test_a_call_that_hangs_in_the_pool_is_found_while_the_loop_looks_around(working):
    vendor = working.parts.source = Hanging(working.parts.source)
    pool = working.parts.pool = ContextPool(2)
    working.send(codes=[A, B], full=True)
    worker = working.worker(options=replace(IMPATIENT, wedged_after=50.0))
    worker.start()
    working.until(lambda: len(worker.health().dead) == 2)
    assert {reason.partition(" for ")[0] for reason in worker.health().dead} == {"a vendor's call has not returned"}
    vendor.go.set()
    working.until(lambda: worker.health().ready)
    pool.shutdown()


def test_lines_and_calls_of_a_command_know_whose_they_are_in_the_pool_too(working, caplog):
    vendor = working.parts.source = Hanging(working.parts.source)
    vendor.go.set()
    pool = working.parts.pool = ContextPool(2)
    records = []
    logging.getLogger("vendor").addFilter(lambda record: records.append(present_work()) or True)
    working.parts.broker.put(
        TOPIC,
        b'{"command": "bar_snapshot", "params": {"code": "000001.SZ", "full": true}, "request_id": "r-1"}',
        {"trace_id": b"t-1"},
    )
    worker = working.worker()
    worker.start()
    working.until(lambda: worker.stats.rounds == 1)
    logging.getLogger("vendor").filters.clear()
    pool.shutdown()
    (work,) = vendor.seen
    assert records == [work]
    assert work.fields() == {
        "node_id": "node-1",
        "command": "bar_snapshot",
        "request_id": "r-1",
        "trace_id": "t-1",
        "job_id": working.parts.notifications.reports[0].report_id,
    }
    (ended,) = [data for kind, data in working.parts.notifications.events if kind == "command_ended"]
    assert ended["outcomes"][0]["trace_id"] == "t-1"


class Moody:
    """A version clock whose store may be away."""

    def __init__(self, inner) -> None:
        self.inner, self.away = inner, False

    def synchronise(self):
        if self.away:
            raise StoreUnavailable("connection refused")
        self.inner.synchronise()

    def version(self):
        return self.inner.version()


def test_a_worker_without_work_finds_out_that_its_store_is_away_and_is_well_when_it_is_back(working):
    store = Moody(working.parts.versions)
    working.send("heartbeat_test")
    worker = working.worker(versions=store)
    worker.start()
    working.until(lambda: worker.health().ready)
    store.away = True
    working.until(lambda: not worker.health().healthy)
    health = worker.health()
    assert health.alive
    assert set(health.signs.away) == {Server.STORE}
    assert "StoreUnavailable: connection refused" in health.sick[0]
    assert "store away" in health.sick[0]
    store.away = False
    working.until(lambda: worker.health().ready)


def test_missed_heartbeats_are_redis_away_until_one_is_written(working):
    class Away:
        away = True

        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def beat(self, heartbeat, ttl):
            if self.away:
                raise BrokerUnavailable("redis timed out")
            self.inner.beat(heartbeat, ttl)

    redis = Away(working.parts.heartbeats)
    working.send("heartbeat_test")
    worker = working.worker(heartbeats=redis)
    worker.start()
    working.until(lambda: any("redis away" in reason for reason in worker.health().unready))
    assert worker.health().healthy
    redis.away = False
    working.until(lambda: worker.health().ready)


def test_a_client_thread_that_does_not_turn_is_dead(working):
    class Stuck:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def state(self):
            return replace(StreamState(), turned_ago=30.0)

    worker = working.worker(stream=Stuck(working.parts.stream))
    worker.start()
    working.until(lambda: worker.is_running)
    assert worker.health().dead == ("the broker client's thread has not turned for 30 s",)


def test_commands_are_counted_by_what_came_of_them_and_no_sender_makes_a_label(working):
    metrics = InMemoryMetrics()
    working.send(code=A, full=True)
    working.send("deploy")
    working.send("bar_snapshot", code="nonsense")
    working.parts.broker.put(TOPIC, b"\xff")
    worker = working.worker(metrics=metrics)
    worker.start()
    working.until(lambda: worker.stats.messages_processed == 4)
    assert metrics.counts(COMMANDS) == {
        ("bar_snapshot", "done"): 1.0,
        ("foreign", "ignored"): 1.0,
        ("malformed", "dead_letter"): 2.0,
    }


def test_each_step_of_a_round_is_timed(working):
    metrics = InMemoryMetrics()
    working.send(code=A, full=True)
    worker = working.worker(metrics=metrics)
    worker.start()
    working.until(lambda: worker.stats.rounds == 1)
    steps = ["gather", "synchronise", "round", "calendar", "work", "coverage", "plan", "validate", "write"]
    timed = {name: len(metrics.values(STEPS, step=name)) for name in [*steps, "read_back", "report", "commit"]}
    assert all(timed.values()), timed


def test_a_slow_step_is_said_with_the_command_it_belongs_to(working, caplog):
    vendor = working.parts.source = Hanging(working.parts.source)
    said = []
    logging.getLogger("ginkgo_data.entrypoints.step_watch").addFilter(
        lambda record: said.append((record.getMessage(), present_work())) or True
    )
    working.send(code=A, full=True)
    worker = working.worker(options=replace(QUICK, slow_step=0.2))
    worker.start()
    working.until(lambda: vendor.seen)
    threading.Timer(0.3, vendor.go.set).start()
    working.until(lambda: said)
    logging.getLogger("ginkgo_data.entrypoints.step_watch").filters.clear()
    message, work = said[0]
    assert message.startswith("slow step fetch: ")
    assert work.command == "bar_snapshot"
