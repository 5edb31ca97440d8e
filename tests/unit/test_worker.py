"""The worker's life: started once, stopped from anywhere, recovering by itself, committing only what is finished."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from ginkgo_data.domain.model.delivery import Partition
from ginkgo_data.domain.model.errors import BrokerUnavailable, SchemaMismatch, StoreUnavailable
from ginkgo_data.domain.model.quality import AlertKind, Severity
from ginkgo_data.domain.model.stream import ExpiredRecords, StreamState
from ginkgo_data.domain.model.worker import WorkerStatus
from ginkgo_data.entrypoints.parts import NoReload, WorkerOptions
from support.stack import SHANGHAI, VENDOR
from support.working import QUICK, TOPIC, A, B, Working


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

    def running():
        return [beat.node_id for beat in working.parts.heartbeats.alive() if beat.status is WorkerStatus.RUNNING]

    working.until(lambda: running() == ["node-1"])
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
    working.until(lambda: worker.observe().degraded is None)
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


class Refusing:
    """The store's clock: refuses while `away`."""

    def __init__(self, inner):
        self.inner, self.away = inner, True

    def synchronise(self):
        if self.away:
            raise StoreUnavailable("connection refused")
        self.inner.synchronise()

    def version(self):
        return self.inner.version()


def alerts(working, kind):
    return [alert for alert in working.parts.notifications.alerts if alert.kind is kind]


def test_a_long_hold_is_told_once_and_so_is_its_end(working):
    store = Refusing(working.parts.versions)
    working.send(code=A, full=True)
    worker = working.worker(versions=store, options=replace(QUICK, hold_alert_after=0.1))
    worker.start()
    working.until(lambda: alerts(working, AlertKind.WORKER_HELD))
    working.until(lambda: worker.stats.rounds == 0 and worker.observe().degraded_since is not None)
    store.away = False
    working.until(lambda: not working.parts.broker.pending())
    working.until(lambda: len(alerts(working, AlertKind.WORKER_HELD)) == 2)
    told = [alert.severity for alert in alerts(working, AlertKind.WORKER_HELD)]
    assert told == [Severity.ERROR, Severity.INFO]


def test_a_hold_that_lasts_moves_waiting_commands_to_the_work_topic_where_they_do_not_expire(working):
    store = Refusing(working.parts.versions)
    for code in (A, B):
        working.send(code=code, full=True)
    worker = working.worker(versions=store, options=replace(QUICK, hold_park_after=0.1))
    worker.start()
    working.until(lambda: worker.stats.parked == 2)
    topics = {record.partition.topic for record in working.parts.broker.pending()}
    assert topics == {"ginkgo.data.commands.work"}
    assert {item.piece for item in working.parts.work_queue.parked} == {0}
    assert "connection refused" in worker.observe().degraded
    working.send(code=A)
    working.until(lambda: worker.stats.parked == 3)
    store.away = False
    working.until(lambda: worker.observe().degraded is None)


def test_a_store_that_is_away_at_the_start_is_waited_for(working):
    ready = threading.Event()

    def prepare():
        if not ready.is_set():
            raise StoreUnavailable("no server")

    working.send(code=A, full=True)
    worker = working.worker(prepare=prepare)
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    assert worker.is_running


def test_a_store_that_does_not_fit_is_an_error_that_is_told_and_recovered_from(working):
    fits = threading.Event()

    def prepare():
        if not fits.is_set():
            raise SchemaMismatch("table bars: column open is Float64, must be Decimal(18, 6)")

    working.send(code=A, full=True)
    worker = working.worker(prepare=prepare)
    worker.start()
    working.until(lambda: alerts(working, AlertKind.CONFIG_ERROR))
    assert len(working.parts.broker.pending()) == 1
    fits.set()
    working.until(lambda: not working.parts.broker.pending())


def test_a_record_that_killed_its_workers_is_given_up_and_the_others_are_done(working):
    for code in (A, B):
        working.send(code=code, full=True)
    first, _ = working.parts.broker.pending()
    for _ in range(QUICK.max_deliveries):
        working.parts.marks.begin([first.lineage])
    worker = working.worker()
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    (letter,) = working.parts.dead_letters.letters.values()
    assert (letter.error, letter.delivery.record.value) == ("KilledItsWorker", first.value)
    assert working.parts.notifications.reports[0].records_written == 5
    assert working.parts.marks.counts([first.lineage]) == {}


def test_nothing_stays_marked_after_a_round_however_it_ended(working):
    class Breaks:
        def __init__(self, inner):
            self.inner, self.failures = inner, 1

        def run(self, deliveries, hooks):
            if self.failures:
                self.failures = 0
                raise RuntimeError("outside any command")
            return self.inner.run(deliveries, hooks)

    working.send(code=A, full=True)
    (record,) = working.parts.broker.pending()
    worker = working.worker(round=Breaks(working.parts.round))
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    assert working.parts.marks.counts([record.lineage]) == {}


def test_commands_that_expired_are_made_up_for_before_anything_is_committed(working):
    gone = ExpiredRecords(Partition(TOPIC, 0), 5, 3, working.clock.now())

    class Expired:
        def __init__(self, inner):
            self.inner, self.found = inner, [gone]

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def expired(self):
            found, self.found = self.found, []
            return found

    worker = working.worker(stream=Expired(working.parts.stream))
    worker.start()
    working.until(lambda: worker.stats.commands_expired == 3)
    working.parts.clock.advance(86_400)  # the broker's clock: the work record is due by it
    working.until(lambda: working.parts.notifications.reports)
    assert working.parts.notifications.reports[0].command == "update_data"
    (alert,) = alerts(working, AlertKind.COMMANDS_EXPIRED)
    assert alert.data["expired"] == 3


def answers(working):
    return [data for kind, data in working.parts.notifications.events if kind.endswith("_answer")]


def test_a_broadcast_is_answered_once_although_the_group_delivers_it_as_well(working):
    worker = working.worker(reload=NoReload(working.parts.notifications))
    worker.start()
    working.until(lambda: worker.is_running)
    working.parts.broker.put(TOPIC, b'{"command": "reload", "request_id": "r1"}')
    working.parts.broker.put(TOPIC, b'{"command": "heartbeat_test", "request_id": "h1"}')
    working.until(lambda: not working.parts.broker.pending())
    working.until(lambda: len(answers(working)) == 2)
    by_id = {answer["request_id"]: answer for answer in answers(working)}
    assert by_id["r1"]["outcome"] == "refused"
    assert set(by_id) == {"r1", "h1"}


def test_a_broadcast_sent_before_the_start_is_answered_by_the_one_that_the_group_gives_it_to(working):
    working.parts.broker.put(TOPIC, b'{"command": "heartbeat_test", "request_id": "h1"}')
    worker = working.worker()
    worker.start()
    working.until(lambda: answers(working) == [{"request_id": "h1"}])


def test_what_belongs_to_another_worker_is_let_go(working):
    working.send(code=A, full=True)
    store = Refusing(working.parts.versions)
    worker = working.worker(versions=store)
    worker.start()
    working.until(lambda: worker.observe() is not None and worker.observe().degraded is not None)
    working.parts.stream.restart()
    working.until(lambda: worker._intake.in_hand == [])
    store.away = False
    worker.stop(10.0)
    assert len(working.parts.broker.pending()) == 1


def test_the_heartbeat_tells_progress(working):
    working.send(code=A, full=True)
    worker = working.worker()
    worker.start()
    working.until(lambda: not working.parts.broker.pending())
    progress = worker.observe().progress
    assert progress["last_poll"] is not None
    assert progress["last_commit"] is not None
    assert (progress["lag"], progress["unfinished"], progress["budget_wait"]) == (0, 0, None)


def test_calls_that_wait_for_the_quota_show_as_degraded(working):
    worker = working.worker(waiting=lambda: "waiting for the call budget: tushare:daily for 12.0 s")
    worker.start()
    working.until(lambda: worker.is_running)
    assert "tushare:daily" in worker.observe().degraded


class InState:
    """A stream in a certain state."""

    def __init__(self, inner, state):
        self.inner, self.found = inner, state

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def state(self):
        return self.found


def test_an_idle_worker_says_that_the_broker_does_not_answer(working):
    worker = working.worker(stream=InState(working.parts.stream, StreamState(unanswered_for=42.0)))
    worker.start()
    working.until(lambda: worker.observe() is not None and worker.observe().degraded is not None)
    assert worker.observe().degraded == "BrokerUnavailable: the broker has not answered for 42 s"


def test_topics_that_cannot_be_read_are_named(working):
    missing = StreamState(missing_topics={"ginkgo.data.commands": "Unknown topic"})
    restored = []
    worker = working.worker(stream=InState(working.parts.stream, missing), restore=restored.append)
    worker.start()
    working.until(lambda: restored)
    assert restored[0] == ("ginkgo.data.commands",)
    assert "ginkgo.data.commands: Unknown topic" in worker.observe().degraded


def test_a_client_thread_that_hangs_is_not_vouched_for(working):
    worker = working.worker(stream=InState(working.parts.stream, StreamState(turned_ago=1000.0)))
    worker.start()
    working.until(lambda: worker.is_running)
    working.until(lambda: not worker.is_healthy)
    assert worker.observe() is None


def test_a_hold_of_the_broker_does_not_end_because_the_store_answers(working):
    class Silent:
        """A broker that acknowledged nothing once, and answers no question for a while."""

        def __init__(self, inner):
            self.inner, self.failures, self.silent = inner, 1, 12.0

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def commit(self, offsets):
            if self.failures:
                self.failures = 0
                raise BrokerUnavailable("no commit was acknowledged for 30 s")
            self.inner.commit(offsets)

        def state(self):
            return StreamState(unanswered_for=self.silent)

    broker = Silent(working.parts.stream)
    working.send(code=A, full=True)
    worker = working.worker(stream=broker)
    worker.start()
    working.until(lambda: worker.observe().degraded is not None and worker.stats.rounds == 1)
    working.until(lambda: "has not answered for 12 s" in worker.observe().degraded)
    broker.silent = 0.0
    working.until(lambda: worker.observe().degraded is None)
