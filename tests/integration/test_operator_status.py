"""`ginkgo-data status` on a real broker and a real Redis."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer

from ginkgo_data.adapters.kafka.command_stream import KafkaCommandStream
from ginkgo_data.adapters.kafka.wire import decode_command
from ginkgo_data.domain.model.worker import WorkerStatus
from support.kafka_broker import until
from support.operated_fleet import OperatedFleet, demand
from support.processes import HOST, free_port


@pytest.fixture
def fleet(kafka_server, redis_server):
    fleet = OperatedFleet(kafka_server, redis_server.url)
    fleet.make_topics()
    yield fleet
    fleet.close()


def test_a_fleet_that_is_well_is_shown_with_its_figures(fleet):
    fleet.beat("a")
    for _ in range(3):
        fleet.producer.send(fleet.data, demand())
    stream = KafkaCommandStream(fleet.config(client_id="ginkgo_data.a"), decode_command)
    try:
        first, *_ = stream.receive(1, 30.0)
        stream.commit({first.record.partition: first.record.offset + 1})
        until(lambda: _lag(fleet)[fleet.data] == 2)
        ended = fleet.run("status")
        told = fleet.run("status", "--json")
    finally:
        stream.close()
    assert ended.code == 0, ended
    assert "all is well" in ended.out
    assert "1 h 2 min" in ended.out
    assert "1,200" in ended.out
    assert told.json["well"] is True
    (member,) = told.json["members"]
    assert (member["client_id"], member["foreign"]) == ("ginkgo_data.a", False)
    assert f"{fleet.data}-0" in member["partitions"]
    assert told.json["dead_letters"] == 0


def _lag(fleet):
    return {lag["topic"]: lag["lag"] for lag in fleet.run("status", "--json").json["lag"]}


def test_a_group_that_never_committed_is_behind_by_all_that_is_there(fleet):
    fleet.producer.send(fleet.data, demand())
    told = fleet.run("status", "--json").json
    (lag,) = [lag for lag in told["lag"] if lag["topic"] == fleet.data]
    assert (lag["committed"], lag["lag"], lag["expired"]) == (None, 1, 0)
    assert len([lag for lag in told["lag"] if lag["topic"] == fleet.work]) == 12
    assert told["members"] == []


@pytest.mark.parametrize(
    ("protocol", "name"),
    [("classic", "kafka-python-3.0.1"), ("consumer", "ginkgo_data"), ("classic", "ginkgo_database")],
)
def test_a_foreign_member_is_an_error(fleet, protocol, name):
    fleet.beat("a")
    foreign = Consumer(
        {
            "bootstrap.servers": fleet.kafka.bootstrap,
            "group.id": fleet.group,
            "client.id": name,
            "group.protocol": protocol,
        }
    )
    foreign.subscribe([fleet.data])
    try:
        until(lambda: foreign.poll(0.1) is None and foreign.assignment())
        ended = fleet.run("status")
    finally:
        foreign.close()
    assert ended.code == 1
    assert f"ERROR foreign member {name} at {HOST} owns {fleet.data}-0" in ended.out


def test_commands_that_no_worker_reads_are_wrong_whoever_is_alive_elsewhere(fleet):
    fleet.beat("a", progress={"group": "another.group"})
    fleet.beat("b", progress={"group": fleet.group})
    for _ in range(2):
        fleet.producer.send(fleet.data, demand())
    ended = fleet.run("status")
    assert ended.code == 1
    assert f"ERROR 2 commands wait and no worker reads them: group {fleet.group} has none" in ended.out
    assert "  a: of group another.group, not counted here" in ended.out
    assert "no worker is alive" not in ended.out


def test_no_worker_a_degraded_one_and_one_in_error_are_wrong(fleet):
    none = fleet.run("status")
    assert none.code == 1
    assert "ERROR no worker is alive" in none.out
    fleet.beat("a", degraded="the store is away", degraded_since=datetime.now(UTC))
    fleet.beat("b", status=WorkerStatus.ERROR)
    ended = fleet.run("status")
    assert ended.code == 1
    assert "ERROR worker a is degraded: the store is away" in ended.out
    assert "ERROR worker b is in state ERROR" in ended.out
    assert "no worker is alive" not in ended.out


def test_dead_letters_are_counted_and_are_no_error(fleet):
    fleet.beat("a")
    keys = [fleet.give_up(value) for value in (b"one", b"two")]
    fleet.run("dlq", "drop", keys[0])
    stream = KafkaCommandStream(fleet.config(client_id="ginkgo_data.a"), decode_command)
    try:
        until(lambda: stream.state().assigned)
        ended = fleet.run("status", "--json")
    finally:
        stream.close()
    assert ended.json["dead_letters"] == 1
    assert ended.code == 0


def test_a_missing_topic_is_named_and_the_rest_is_shown(fleet):
    fleet.beat("a")
    fleet.kafka.delete_topic(fleet.control)
    fleet.kafka.delete_topic(fleet.letters)
    told = fleet.run("status", "--json")
    assert told.code == 1
    assert set(told.json["missing_topics"]) == {fleet.control, fleet.letters}
    assert {lag["topic"] for lag in told.json["lag"]} == {fleet.data, fleet.work}
    assert told.json["faults"] == {}


def test_redis_away_leaves_kafkas_part_and_kafka_away_leaves_that_of_redis(fleet):
    fleet.beat("a")
    nowhere = f"{HOST}:{free_port()}"
    no_redis = fleet.run("status", GINKGO_DATA__REDIS__URL=f"redis://{nowhere}/0")
    assert no_redis.code == 1
    assert "ERROR Redis cannot be asked" in no_redis.out
    assert fleet.work in no_redis.out
    began = time.monotonic()
    no_kafka = fleet.run("status", GINKGO_DATA__KAFKA__BOOTSTRAP_SERVERS=nowhere)
    assert no_kafka.code == 1
    assert f"ERROR Kafka cannot be asked: no broker at {nowhere}: Connection refused" in no_kafka.out
    assert "host-a" in no_kafka.out
    assert time.monotonic() - began < 8.0
    assert no_kafka.err == ""


def test_calls_of_the_last_minute_and_what_is_left_are_shown(fleet):
    fleet.beat("a")
    prefix, key = "ginkgo_data:call_budget", f"{fleet.mark}:daily"
    moment = fleet.redis_call(lambda redis: redis.time())
    now = moment[0] * 1_000_000 + moment[1]
    fleet.redis_call(lambda redis: redis.rpush(f"{prefix}:window:{key}", now - 5, now))
    fleet.redis_call(lambda redis: redis.pexpire(f"{prefix}:window:{key}", 60_000))
    told = fleet.run("status", "--json").json
    assert told["calls"][key] == 2
    (line,) = [line for line in fleet.run("status").out.splitlines() if line.startswith(key)]
    assert line.split()[1:] == ["2", "188"]  # 95 % of 200 a minute
    fleet.redis_call(lambda redis: redis.set(f"{prefix}:learned:{key}", 50, px=60_000))
    assert fleet.run("status", "--json").json["limits"][key] == 50
    (line,) = [line for line in fleet.run("status").out.splitlines() if line.startswith(key)]
    assert line.split()[1:] == ["2", "48"]


def test_watching_ends_cleanly_with_ctrl_c(fleet):
    fleet.beat("a")
    process = fleet.start("status", "--watch", "--json")
    first = json.loads(process.stdout.readline())
    assert [worker["node_id"] for worker in first["workers"]] == ["a"]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
