"""The contracts of what the fleet shares, for the adapters in a real Redis and for their ways without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.alert_memory import AlertMemoryContract
from contracts.call_budget import CallBudgetContract
from contracts.heartbeats import BEAT, HeartbeatsContract
from ginkgo_data.adapters.kafka.heartbeat_wire import decode_heartbeat, encode_heartbeat
from ginkgo_data.adapters.redis.heartbeats import RedisHeartbeats
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

    def test_a_closing_for_no_time_closes_nothing_and_is_no_outage(self, budget, caplog):
        budget.close_until_open("k", 0.0)
        assert budget.take("k", 1) == 0.0
        assert not caplog.records


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
