"""`ginkgo-data topics` on a real broker."""

from __future__ import annotations

import pytest

from support.operated_fleet import OperatedFleet


@pytest.fixture
def fleet(kafka_server):
    fleet = OperatedFleet(kafka_server)
    yield fleet
    fleet.close()


def lines(ended):
    return {line["name"]: line for line in ended.json["topics"]}


def test_what_is_missing_is_said_with_what_to_type(fleet):
    ended = fleet.run("topics", "status")
    assert ended.code == 1
    assert f"kafka-topics.sh --bootstrap-server {fleet.kafka.bootstrap} --create --topic {fleet.data}" in ended.out
    assert f"{fleet.work}: ginkgo-data topics apply" in ended.out


def test_our_own_topics_are_made_and_others_are_left_to_their_owners(fleet):
    made = fleet.run("topics", "apply")
    assert made.code == 1
    assert f"made {fleet.work}" in made.out
    states = {name: line["state"] for name, line in lines(fleet.run("topics", "status", "--json")).items()}
    assert states == {
        **dict.fromkeys((fleet.data, fleet.control, fleet.notices), "missing"),
        **dict.fromkeys((fleet.work, fleet.letters), "ok"),
    }
    assert fleet.kafka.partitions(fleet.work) == 12


def test_upstreams_topics_grow_only_when_that_is_asked_for(fleet):
    fleet.make_topics(partitions=3)
    ended = fleet.run("topics", "apply")
    assert ended.code == 0, ended
    assert "--grow" in ended.out
    assert fleet.kafka.partitions(fleet.data) == 3
    grown = fleet.run("topics", "apply", "--grow", "--json")
    assert grown.code == 0
    assert f"{fleet.data} has 12 partitions now instead of 3" in grown.json["done"]
    assert lines(grown)[fleet.data]["partitions"] == lines(grown)[fleet.control]["partitions"] == 12
    assert lines(grown)[fleet.data]["advice"] == ""
    assert fleet.kafka.partitions(fleet.notices) == 3
    assert fleet.run("topics", "apply", "--grow", "--json").json["done"] == []


def test_settings_that_lose_or_refuse_records_are_said_and_left_as_they_are(fleet):
    fleet.kafka.create_topic(fleet.letters, 1, {"cleanup.policy": "delete"})
    fleet.kafka.create_topic(fleet.work, 12, {"retention.ms": "7200000", "max.message.bytes": "1000000"})
    ended = fleet.run("topics", "apply", "--json")
    assert ended.code == 1
    found = lines(ended)
    assert found[fleet.letters]["state"] == found[fleet.work]["state"] == "wrong settings"
    assert "set cleanup.policy=compact" in found[fleet.letters]["advice"]
    assert "set retention.ms=604800000" in found[fleet.work]["advice"]
    assert "set max.message.bytes=2097152" in found[fleet.work]["advice"]
    assert lines(fleet.run("topics", "status", "--json")) == found
