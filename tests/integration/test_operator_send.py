"""`ginkgo-data send` on a real broker, with workers that tell what real ones tell."""

from __future__ import annotations

import json
import signal
import time

import pytest

from support.kafka_broker import until
from support.operated_fleet import OperatedFleet, outcome
from support.processes import HOST, free_port


@pytest.fixture
def fleet(kafka_server, redis_server):
    fleet = OperatedFleet(kafka_server, redis_server.url)
    fleet.make_topics()
    yield fleet
    fleet.close()


def test_a_command_is_sent_acknowledged_and_named(fleet):
    ended = fleet.run("send", "bar_snapshot", "--codes", "000001.SZ", "--request-id", "mine")
    assert ended.code == 0, ended
    assert "request id mine" in ended.out
    (value,) = fleet.values(fleet.data)
    assert json.loads(value)["request_id"] == "mine"
    told = fleet.run("send", "trade_day", "--json").json
    assert told["topic"] == fleet.data
    assert json.loads(fleet.values(fleet.data)[1])["request_id"] == told["request_id"]


def test_wrong_use_is_said_and_nothing_is_sent(fleet):
    ended = fleet.run("send", "bar_snapshot", "--days", "0", "--wait")
    assert ended.code == 2
    assert "--days: 0 is no count of sessions" in ended.err
    assert fleet.run("send", "nonsense").code == 2
    assert fleet.values(fleet.data) == []


def test_waiting_ends_with_the_command_wherever_its_remainder_is_worked(fleet):
    def reply(delivery):
        first = outcome(delivery, "postponed", parked=1, reason="the round is over")
        yield "command_progress", {"request_ids": [delivery.request_id], "calls_done": 1, "calls_planned": 2, "rows": 9}
        yield "command_ended", {"outcomes": [first], "report_id": None}
        yield "command_ended", {"outcomes": [{**outcome(delivery), "record": f"{fleet.work}-3-0"}], "report_id": None}

    with fleet.answering("a", reply=reply) as seen:
        ended = fleet.run("send", "bar_snapshot", "--codes", "000001.SZ", "--wait", "--timeout", "30")
    assert ended.code == 0, ended
    assert len(seen) == 1
    assert "goes on later: the round is over" in ended.out
    assert ended.out.rstrip().endswith("done")


def test_a_dead_letter_ends_the_waiting_with_one_and_the_reason(fleet):
    def reply(delivery):
        given_up = outcome(
            delivery, "dead_letter", error="UnknownCode", reason="[x] nobody knows it", codes=["000001.SZ"]
        )
        yield "command_ended", {"outcomes": [given_up], "report_id": None}

    with fleet.answering("a", reply=reply):
        ended = fleet.run("send", "bar_snapshot", "--codes", "000001.SZ", "--wait", "--timeout", "30")
        told = fleet.run("send", "bar_snapshot", "--codes", "000001.SZ", "--wait", "--timeout", "30", "--json")
    assert ended.code == 1
    assert "UnknownCode: [x] nobody knows it (codes 000001.SZ)" in ended.out
    assert told.code == 1
    assert told.json["exit_code"] == 1
    assert told.json["outcomes"][0]["error"] == "UnknownCode"


def test_nobody_at_work_is_a_timeout_of_its_own_code(fleet):
    ended = fleet.run("send", "bar_snapshot", "--wait", "--timeout", "0.5")
    assert ended.code == 3
    assert "no worker has said anything about it yet" in ended.out
    assert len(fleet.values(fleet.data)) == 1


def test_what_cannot_be_seen_is_not_sent(fleet):
    fleet.kafka.delete_topic(fleet.notices)
    ended = fleet.run("send", "bar_snapshot", "--wait")
    assert ended.code == 2
    assert fleet.notices in ended.err
    assert fleet.values(fleet.data) == []
    assert fleet.run("send", "bar_snapshot").code == 0


def test_a_word_for_all_waits_for_every_worker_that_is_alive(fleet):
    fleet.beat("a")
    fleet.beat("b")
    replies = {"heartbeat_test": "heartbeat_test_answer", "reload": "reload_answer"}

    def reply(delivery):
        yield replies[delivery.body.command.word], {"request_id": delivery.request_id}

    with fleet.answering("a", "b", reply=reply):
        ended = fleet.run("send", "heartbeat_test", "--wait", "--timeout", "30")
        assert ended.code == 0, ended
        assert {"a answered", "b answered"} <= {line.strip() for line in ended.out.splitlines()}
        assert fleet.run("send", "reload", "--wait", "--timeout", "30").code == 0
    fleet.beat("silent")
    with fleet.answering("a", "b", reply=reply):
        late = fleet.run("send", "heartbeat_test", "--wait", "--timeout", "3")
    assert late.code == 3
    assert "no answer from silent" in late.out


def test_a_word_for_all_without_a_worker_is_not_sent(fleet):
    ended = fleet.run("send", "heartbeat_test", "--wait")
    assert ended.code == 1
    assert "no worker is alive" in ended.err
    assert fleet.values(fleet.data) == []


def test_a_missing_topic_and_a_broker_that_is_away_are_said_with_one(fleet):
    fleet.kafka.delete_topic(fleet.data)
    ended = fleet.run("send", "bar_snapshot")
    assert ended.code == 1
    assert "ginkgo-data topics status" in ended.err
    nowhere = f"{HOST}:{free_port()}"
    away = fleet.run("send", "bar_snapshot", "--wait", GINKGO_DATA__KAFKA__BOOTSTRAP_SERVERS=nowhere)
    assert away.code == 1
    assert f"no broker at {nowhere}: Connection refused" in away.err
    memory = fleet.run("send", "bar_snapshot", GINKGO_DATA__KAFKA__BOOTSTRAP_SERVERS="memory://")
    assert memory.code == 2
    assert "memory://" in memory.err


def test_ctrl_c_ends_the_waiting_and_leaves_the_command_sent(fleet):
    process = fleet.start("send", "bar_snapshot", "--wait")
    until(lambda: len(fleet.values(fleet.data)) == 1)
    time.sleep(2.0)  # the client that sends is closed before the waiting begins
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert "the command stays sent" in out
