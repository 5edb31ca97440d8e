"""Settings of the Kafka family: what is refused and why, and what each client is told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ginkgo_data.adapters.kafka.config import KafkaConfig


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"options": {"partition.assignment.strategy": "cooperative-sticky"}}, "librdkafka#4059"),
        ({"options": {"enable.auto.commit": "true"}}, "enable.auto.commit is set by this program"),
        ({"options": {"acks": "1"}}, "acks is set by this program"),
        (
            {"group_protocol": "consumer", "options": {"session.timeout.ms": 6000}},
            "session.timeout.ms does not go with",
        ),
        ({"session_timeout": 400.0}, "allowed: at most max_poll_interval, 300"),
        ({"topics": ("ginkgo.data.commands.work",)}, "the work topic; allowed: command topics"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(given, reason):
    with pytest.raises(ValidationError, match=reason):
        KafkaConfig(**given)


def test_no_option_is_shown_but_the_clients_get_it():
    config = KafkaConfig(options={"sasl.password": "hush!", "ssl.key.pem": "hush!"})
    assert "hush!" not in f"{config!r} {config} {config.model_dump()}"
    for options in (config.consumer_options(), config.producer_options(), config.admin_options()):
        assert options["sasl.password"] == "hush!"


def test_a_refusal_shows_no_value():
    with pytest.raises(ValidationError) as raised:
        KafkaConfig(options={"sasl.password": "hush!", "group.id": "hush!"})
    assert "hush!" not in str(raised.value)


def test_each_protocol_is_told_only_what_it_knows():
    classic, newer = (KafkaConfig(group_protocol=name).consumer_options() for name in ("classic", "consumer"))
    only = set(classic) - set(newer)
    assert only == {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"}
    assert classic["partition.assignment.strategy"] == "roundrobin,range"
    assert newer["group.protocol"] == "consumer"


def test_numbers_and_switches_become_the_texts_that_the_client_takes():
    options = KafkaConfig(options={"fetch.wait.max.ms": 50, "check.crcs": True}).consumer_options()
    assert (options["fetch.wait.max.ms"], options["check.crcs"]) == ("50", "true")


def test_every_client_is_named_and_an_option_names_it_otherwise():
    plain, named = KafkaConfig(client_id="ginkgo_data.a"), KafkaConfig(options={"client.id": "other"})
    for config, name in ((plain, "ginkgo_data.a"), (named, "other")):
        for options in (
            config.consumer_options(), config.reader_options(), config.producer_options(), config.admin_options()
        ):  # fmt: skip
            assert options["client.id"] == name


def test_the_reader_of_broadcasts_is_told_nothing_of_a_member():
    given = {"group.instance.id": "a", "partition.assignment.strategy": "range", "fetch.wait.max.ms": 50}
    options = KafkaConfig(group_id="g", options=given).reader_options()
    assert {"group.instance.id", "partition.assignment.strategy"}.isdisjoint(options)
    assert (options["fetch.wait.max.ms"], options["enable.auto.commit"], options["group.id"]) == (
        "50", False, "g.broadcasts"
    )  # fmt: skip


def test_each_client_is_given_only_options_of_its_kind():
    config = KafkaConfig(options={"fetch.wait.max.ms": 50, "compression.type": "zstd", "ssl.ca.location": "ca"})
    assert "compression.type" not in config.consumer_options()
    assert "fetch.wait.max.ms" not in config.producer_options()
    assert {"fetch.wait.max.ms", "compression.type"}.isdisjoint(config.admin_options())
    assert config.admin_options()["ssl.ca.location"] == "ca"
