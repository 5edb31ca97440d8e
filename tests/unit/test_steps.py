"""Steps: said where the work happens, measured by whoever listens, also in the threads of a pool."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest

from ginkgo_data.adapters.memory.metrics import InMemoryMetrics
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.measures import (
    BUDGET_WAITS,
    INSERT_FAILURES,
    INSERT_ROWS,
    INSERT_SECONDS,
    STEP_FAILURES,
    STEPS,
)
from ginkgo_data.domain.model.steps import listening, step
from ginkgo_data.domain.model.work_context import WorkContext, present_work, working
from ginkgo_data.entrypoints.context_pool import ContextPool
from ginkgo_data.entrypoints.parts import WorkerOptions, WorkerParts
from ginkgo_data.entrypoints.step_watch import StepWatch

OPTIONS = WorkerOptions("node-1", slow_step=5.0, call_patience=50.0)


class Turned:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at


class Listening:
    """A watch over the steps of a test."""

    def __init__(self) -> None:
        self.clock, self.metrics = Turned(), InMemoryMetrics()
        nothing = dict.fromkeys(WorkerParts.__dataclass_fields__)
        self.parts = WorkerParts(**{**nothing, "clock": self.clock, "metrics": self.metrics, "spans": Spanless()})
        self.watch = StepWatch(self.parts, OPTIONS)
        self.watch.own(threading.get_ident())


class Spanless:
    def begin(self, name, about):
        return None

    def end(self, span, error):
        return None


@pytest.fixture
def heard():
    found = Listening()
    with listening(found.watch):
        yield found


def fail_after(heard: Listening, seconds: float) -> None:
    heard.clock.at += seconds
    raise StoreUnavailable("away")


def test_without_a_listener_a_step_is_nothing():
    with step("insert", table="bars"), pytest.raises(ValueError), step("query"):
        raise ValueError


def test_each_step_is_measured_by_name_and_failures_are_counted(heard):
    with step("write"):
        with pytest.raises(StoreUnavailable), step("query"):
            fail_after(heard, 2.0)
        heard.clock.at += 1.0
    assert heard.metrics.values(STEPS, step="write") == (3.0,)
    assert heard.metrics.values(STEPS, step="query") == (2.0,)
    assert heard.metrics.counts(STEP_FAILURES) == {("query",): 1.0}


def test_an_insert_is_measured_by_its_table_and_ginkgos_tables_of_ticks_are_one(heard):
    with step("insert", table="bars", rows=1000):
        heard.clock.at += 0.5
    for table in ("000001_SZ_Tick", "600519_SH_Tick"):
        with step("insert", table=table, rows=10):
            pass
    with pytest.raises(StoreUnavailable), step("insert", table="bars", rows=7):
        raise StoreUnavailable("away")
    assert heard.metrics.values(INSERT_ROWS, table="bars") == (1000,)
    assert heard.metrics.values(INSERT_SECONDS, table="bars") == (0.5, 0.0)
    assert heard.metrics.values(INSERT_ROWS, table="*_Tick") == (10, 10)
    assert heard.metrics.counts(INSERT_FAILURES) == {("bars",): 1.0}


def test_waiting_for_the_call_budget_is_added_up(heard):
    for seconds in (2.0, 3.0):
        with step("budget_wait", quota="tushare:daily"):
            heard.clock.at += seconds
    assert heard.metrics.counted(BUDGET_WAITS, quota="tushare:daily") == 5.0


def test_a_step_is_slow_by_its_own_time_and_waiting_is_never_slow(heard, caplog):
    caplog.set_level(logging.WARNING)
    with step("work"):
        with step("write", rows=12):
            heard.clock.at += 4.0
            with step("query"):
                heard.clock.at += 6.0
        with step("budget_wait", quota="q"):
            heard.clock.at += 60.0
    (line,) = caplog.records
    assert line.getMessage() == "slow step query: 6.0 s"
    assert (line.step, line.seconds) == ("query", 6.0)


def test_the_limits_may_change(heard, caplog):
    heard.watch.renew(heard.parts, replace(OPTIONS, slow_step=1.0))
    with step("insert", table="bars", rows=3):
        heard.clock.at += 1.5
    assert caplog.records[0].getMessage() == "slow step insert: 1.5 s (table=bars rows=3)"


def test_where_the_loop_stands_is_known_at_any_moment(heard):
    assert heard.watch.loop_stands() is None
    with step("work"), step("insert", table="bars", rows=3):
        heard.clock.at += 7.0
        standing = heard.watch.loop_stands()
    assert (standing.step, standing.about, standing.still_for) == ("insert", "table=bars rows=3", 7.0)
    assert heard.watch.loop_stands() is None
    assert heard.watch.moved_at == 107.0


def test_steps_of_other_threads_are_no_move_of_the_loop(heard):
    pool = ContextPool(1)
    before = heard.watch.moved_at
    heard.clock.at += 5.0

    def call() -> None:
        with step("fetch", vendor="v"):
            pass

    pool.submit(call).result()
    pool.shutdown()
    assert heard.metrics.values(STEPS, step="fetch") == (0.0,)
    assert heard.watch.moved_at == before


def test_a_call_that_does_not_return_is_stuck_and_one_that_waits_for_the_budget_is_not(heard):
    pool = ContextPool(3)
    begun, proceed = threading.Barrier(4), threading.Event()

    def call(inner: str) -> None:
        with step("fetch", vendor="v"), step(inner, api="daily"):
            begun.wait(5)
            proceed.wait(5)

    def read() -> None:
        with step("read", vendor="files"):
            begun.wait(5)
            proceed.wait(5)

    calls = [pool.submit(call, "vendor_call"), pool.submit(call, "budget_wait"), pool.submit(read)]
    begun.wait(5)
    assert heard.watch.stuck_calls() == ()
    heard.clock.at += 51.0
    stuck = heard.watch.stuck_calls()
    proceed.set()
    for one in calls:
        one.result(5)
    pool.shutdown()
    assert [(call.step, call.about, call.still_for) for call in stuck] == [("vendor_call", "api=daily", 51.0)]
    assert heard.watch.stuck_calls() == ()


def test_a_call_in_a_pool_knows_what_is_being_worked():
    work = WorkContext("node-1", "bar_snapshot", ("r1",))
    pool = ContextPool(1)
    with working(work):
        inside = pool.submit(present_work)
        raising = pool.submit(int, "no number")
    assert inside.result() is work
    assert pool.submit(present_work).result() is None
    with pytest.raises(ValueError):
        raising.result()
    pool.shutdown()
