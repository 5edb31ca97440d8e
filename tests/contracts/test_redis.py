"""The contracts of what the fleet shares, for the adapters in a real Redis and for their ways without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.alert_memory import AlertMemoryContract
from contracts.call_budget import CallBudgetContract
from contracts.call_lease import CallLeaseContract
from contracts.heartbeats import BEAT, HeartbeatsContract
from contracts.started_marks import StartedMarksContract
from ginkgo_data.adapters.kafka.heartbeat_wire import decode_heartbeat, encode_heartbeat
from ginkgo_data.adapters.redis.call_budget import RedisCallBudget
from ginkgo_data.adapters.redis.call_lease import RedisCallLease
from ginkgo_data.adapters.redis.heartbeats import RedisHeartbeats
from ginkgo_data.adapters.redis.started_marks import RedisStartedMarks
from ginkgo_data.domain.model.errors import BrokerUnavailable
from support.processes import HOST, free_port
from support.redis_keys import RedisKeys


@pytest.fixture
def keys(redis_server):
    keys = RedisKeys(redis_server.url)
    yield keys
    keys.close()


@pytest.fixture
def nowhere():
    """An address at which nobody listens."""
    return f"redis://{HOST}:{free_port()}/0"


@pytest.fixture
def lonely(nowhere):
    keys = RedisKeys(nowhere)
    yield keys
    keys.close()


class TestRedisHeartbeats(HeartbeatsContract):
    @pytest.fixture
    def pass_time(self, keys):
        return keys.pass_time

    @pytest.fixture
    def heartbeats(self, keys):
        return RedisHeartbeats(keys.client(), encode_heartbeat, decode_heartbeat, f"{keys.prefix}:data_worker")

    @pytest.fixture
    def neighbour(self, keys):
        return RedisHeartbeats(keys.client(), encode_heartbeat, decode_heartbeat, f"{keys.prefix}:data_worker")

    def test_the_key_and_its_end_are_where_upstream_looks_for_them(self, keys, heartbeats):
        heartbeats.beat(BEAT, 30.0)
        (key,) = keys.keys()
        assert key.decode() == f"{keys.prefix}:data_worker:{BEAT.node_id}"
        assert 28 <= keys.raw.ttl(key) <= 30

    def test_many_workers_are_all_seen_and_foreign_values_hide_none_of_them(self, keys, heartbeats, caplog):
        for number in range(40):
            heartbeats.beat(_node(f"n{number:02d}"), 30.0)
        keys.raw.set(f"{keys.prefix}:data_worker:strange", b"\xff not JSON", ex=30)
        keys.raw.set(f"{keys.prefix}:data_worker:list", b"[]", ex=30)
        keys.raw.set(f"{keys.prefix}:data_worker:empty", b"{}", ex=30)
        keys.raw.hset(f"{keys.prefix}:data_worker:hash", "a", "b")
        keys.raw.set(f"{keys.prefix}:data_worker_of_others", b"{}", ex=30)
        assert [beat.node_id for beat in heartbeats.alive()] == [f"n{number:02d}" for number in range(40)]
        left_out = [record.getMessage() for record in caplog.records if "is left out" in record.getMessage()]
        assert [any(name in line for line in left_out) for name in ("strange", "list", "empty")] == [True] * 3

    def test_a_prefix_is_taken_by_its_letters_and_not_as_a_pattern(self, keys):
        client = keys.client()
        pattern = RedisHeartbeats(client, encode_heartbeat, decode_heartbeat, f"{keys.prefix}:[ab]*\\")
        pattern.beat(BEAT, 30.0)
        RedisHeartbeats(client, encode_heartbeat, decode_heartbeat, f"{keys.prefix}:ab").beat(_node("x"), 30.0)
        assert list(pattern.alive()) == [BEAT]


def _node(name):
    return replace(BEAT, node_id=name)


class TestRedisCallBudget(CallBudgetContract):
    @pytest.fixture
    def pass_time(self, keys):
        return keys.pass_time

    @pytest.fixture
    def budget(self, keys):
        return keys.known_budget()

    @pytest.fixture
    def neighbour(self, keys):
        return keys.budget()

    def test_a_closing_for_no_time_closes_nothing_and_is_no_outage(self, budget, caplog):
        budget.close_until_open("k", 0.0)
        assert budget.take("k", 1) == 0.0
        assert not caplog.records

    def test_usage_is_the_calls_of_the_last_minute_by_key_and_looking_changes_nothing(self, keys, budget, neighbour):
        assert budget.usage() == {}
        for _ in range(3):
            budget.take("tushare:daily:0a", 5)
        keys.pass_time(40.0)
        neighbour.take("tushare:daily:0a", 5)
        neighbour.take("tushare:trade_cal:0a", 5)
        before = _kept(keys)
        assert neighbour.usage() == budget.usage() == {"tushare:daily:0a": 4, "tushare:trade_cal:0a": 1}
        assert _kept(keys) == before
        keys.pass_time(20.0)
        assert budget.usage() == {"tushare:daily:0a": 1, "tushare:trade_cal:0a": 1}
        keys.pass_time(40.0)
        assert budget.usage() == {}

    def test_closings_are_the_seconds_for_which_keys_stay_closed(self, keys, budget, neighbour):
        assert neighbour.closings() == {}
        budget.close_until_open("a", 90.0)
        budget.close_until_open("b", 20.0)
        left = neighbour.closings()
        assert (set(left), 89.0 < left["a"] <= 90.0, 19.0 < left["b"] <= 20.0) == ({"a", "b"}, True, True)
        keys.pass_time(20.0)
        assert set(neighbour.closings()) == {"a"}

    def test_limits_are_what_the_vendor_said_for_a_day(self, keys, budget, neighbour):
        assert neighbour.limits() == {}
        budget.learn("tushare:daily:0a", 50)
        budget.learn("tushare:daily:0a", 40)
        assert neighbour.limits() == {"tushare:daily:0a": 40}
        keys.pass_time(86_400.0)
        assert neighbour.limits() == {}

    def test_who_looks_sees_the_budgets_of_one_prefix_taken_by_its_letters(self, keys):
        client = keys.client()
        pattern = RedisCallBudget(client, keys.clock, 1.0, f"{keys.prefix}:[ab]*")
        other = RedisCallBudget(client, keys.clock, 1.0, f"{keys.prefix}:ab")
        other.close_until_open("k", 90.0)
        assert pattern.closings() == {}
        assert set(other.closings()) == {"k"}

    def test_what_is_left_is_the_fleets_and_forgotten_when_redis_does_not_know(self, keys, budget, neighbour):
        budget.take("k", 5)
        neighbour.take("k", 5)
        assert (neighbour.left(), budget.left()) == ({"k": 3}, {"k": 4})
        keys.raw.delete(f"{keys.prefix}:budget:known")
        budget.take("k", 5)
        assert budget.left() == {}

    def test_an_answer_asks_redis_only_after_a_probe_of_this_worker(self, keys, budget, neighbour):
        budget.take("k", 100)
        before = _scripts_run(keys)
        budget.answered("k")
        assert _scripts_run(keys) == before
        budget.close_until_open("k", 10.0)
        keys.pass_time(10.0)
        assert neighbour.take("k", 100) == 0.0
        assert budget.take("k", 100) > 0.0
        before = _scripts_run(keys)
        budget.answered("k")
        assert _scripts_run(keys) == before
        neighbour.answered("k")
        told = _scripts_run(keys)
        assert told > before
        neighbour.answered("k")
        assert _scripts_run(keys) == told

    def test_an_answer_does_not_stand_for_a_later_probe_of_another_worker(self, keys, budget, neighbour):
        neighbour.close_until_open("k", 10.0)
        keys.pass_time(10.0)
        assert budget.take("k", 100) == 0.0
        keys.pass_time(30.0)
        assert neighbour.take("k", 100) == 0.0
        neighbour.answered("k")
        assert budget.take("k", 100) == 0.0, "now it knows that its own probe is past"
        neighbour.close_until_open("k", 10.0)
        keys.pass_time(10.0)
        assert neighbour.take("k", 100) == 0.0
        budget.answered("k")
        assert budget.take("k", 100) > 0.0


def _kept(keys):
    """What is kept under the keys of this test, byte by byte."""
    return {key: keys.raw.dump(key) for key in keys.raw.scan_iter(f"{keys.prefix}:*")}


def _scripts_run(keys):
    return keys.raw.info("commandstats")["cmdstat_evalsha"]["calls"]


class TestRedisCallBudgetWithoutRedis(CallBudgetContract):
    """A single worker that has done without Redis for a minute keeps the whole promise by itself."""

    @pytest.fixture
    def pass_time(self, lonely):
        return lonely.pass_time

    @pytest.fixture
    def budget(self, lonely):
        budget = lonely.budget(share=1.0)
        assert budget.take("k", 1) > 0
        lonely.pass_time(60.0)
        return budget

    @pytest.fixture
    def neighbour(self, budget):
        return budget

    def known(self, left):
        return {}

    def test_who_looks_hears_that_nothing_can_be_seen(self, budget):
        with pytest.raises(BrokerUnavailable):
            budget.usage()
        with pytest.raises(BrokerUnavailable):
            budget.closings()
        with pytest.raises(BrokerUnavailable):
            budget.limits()


class TestRedisAlertMemory(AlertMemoryContract):
    @pytest.fixture
    def pass_time(self, keys):
        return keys.pass_time

    @pytest.fixture
    def memory(self, keys):
        return keys.alert_memory()

    @pytest.fixture
    def neighbour(self, keys):
        return keys.alert_memory()


class TestRedisAlertMemoryWithoutRedis(AlertMemoryContract):
    """Each worker remembers for itself."""

    @pytest.fixture
    def pass_time(self, lonely):
        return lonely.pass_time

    @pytest.fixture
    def memory(self, lonely):
        return lonely.alert_memory()

    @pytest.fixture
    def neighbour(self, memory):
        return memory


class TestRedisStartedMarks(StartedMarksContract):
    @pytest.fixture
    def pass_time(self, keys):
        return keys.pass_time

    @pytest.fixture
    def marks(self, keys):
        return RedisStartedMarks(keys.client(), f"{keys.prefix}:started")

    @pytest.fixture
    def neighbour(self, keys):
        return RedisStartedMarks(keys.client(), f"{keys.prefix}:started")

    def test_a_round_of_500_is_one_call_of_redis(self, keys, marks):
        ids = [f"topic/0@{number}" for number in range(500)]
        marks.begin(ids[:1])
        marks.counts(ids[:1])
        marks.clear(ids[:1])
        before = _scripts_run(keys)
        marks.begin(ids)
        assert set(marks.counts(ids).values()) == {1}
        marks.clear(ids)
        assert _scripts_run(keys) == before + 3
        assert marks.counts(ids) == {}

    def test_a_mark_has_its_end_in_redis(self, keys, marks):
        marks.begin(["a"])
        (key,) = keys.keys()
        assert key.decode() == f"{keys.prefix}:started:a"
        assert 86_390 <= keys.raw.ttl(key) <= 86_400


class TestRedisCallLease(CallLeaseContract):
    @pytest.fixture
    def pass_time(self, keys):
        return keys.pass_time

    @pytest.fixture
    def lease(self, keys):
        return RedisCallLease(keys.client(), f"{keys.prefix}:lease")

    @pytest.fixture
    def neighbour(self, keys):
        return RedisCallLease(keys.client(), f"{keys.prefix}:lease")

    def test_a_lease_is_of_a_worker_and_not_of_its_connection(self, keys, lease):
        client = keys.client()
        one, two = (RedisCallLease(client, f"{keys.prefix}:lease") for _ in range(2))
        assert one.take(["a"], 60.0) == {"a"}
        assert two.take(["a"], 60.0) == frozenset()
