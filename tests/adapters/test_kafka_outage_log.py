"""What an outage leaves in the log: that it began and that it is over, not a line for each failure."""

from __future__ import annotations

import logging
import time

import pytest

from ginkgo_data.adapters.kafka import client_log
from ginkgo_data.adapters.kafka.broadcasts import KafkaBroadcasts
from ginkgo_data.adapters.kafka.client_log import CLIENT_LOG
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.notifications import KafkaNotifications
from ginkgo_data.adapters.kafka.outage import Outage
from ginkgo_data.adapters.kafka.wire import decode_command
from support.processes import HOST, free_port

LOG = logging.getLogger("ginkgo_data.tests.outage")


def said(caplog, level=logging.INFO):
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


@pytest.fixture(autouse=True)
def everything(caplog):
    caplog.set_level(logging.DEBUG)


def test_an_outage_is_said_when_it_begins_and_when_it_is_over(caplog):
    outage = Outage(LOG, logging.WARNING, "telling")
    outage.over()
    for _ in range(2):
        for _ in range(300):
            outage.failed("nobody there")
        outage.over()
        outage.over()
    assert said(caplog) == ["telling: nobody there", "telling: well again, after 300 failures"] * 2
    assert len(caplog.records) == 2 * 301


class Producer:
    """A producer whose broker is away, or not."""

    away = True

    def post(self, topic, value, key, failed, kept):
        if self.away:
            failed("Local: Message timed out")
        else:
            kept()


def test_what_was_not_told_is_counted_and_said_once(caplog):
    producer, told = Producer(), []
    notifications = KafkaNotifications(producer, "ginkgo.notifications", "data_worker_a")
    for number in range(300):
        notifications.event("stats", {"number": number})
    assert notifications.failures == 300
    assert said(caplog) == ["notifications: stats was not told: Local: Message timed out"]
    producer.away = False
    notifications.event("stats", {})
    assert said(caplog)[1:] == ["notifications: well again, after 300 failures"]
    assert told == []


def test_a_reader_says_little_of_a_broker_that_is_away(caplog):
    config = KafkaConfig(bootstrap_servers=f"{HOST}:{free_port()}")
    reader = KafkaBroadcasts(config, decode_command)
    begun = time.monotonic()
    reader.take(0.5)
    assert time.monotonic() - begun < 4.0
    reader.close()
    lines = said(caplog)
    assert len([line for line in lines if "FAIL" in line]) <= 1
    assert [line for line in lines if "FAIL" not in line] == [
        "the reader of broadcasts: what the topics hold is not known"
    ]


def test_a_line_of_the_client_library_comes_once_a_minute_per_kind_and_client(caplog, monkeypatch):
    class Clock:
        now = 1e9

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(client_log, "time", clock)
    for second in range(130):
        clock.now += 1.0
        for client in ("member#1", "member#2"):
            CLIENT_LOG.error("%s [%s] %s", "FAIL", client, f"refused at {second}")
    assert said(caplog, logging.ERROR) == [
        f"FAIL [{client}] refused at {second}" for second in (0, 60, 120) for client in ("member#1", "member#2")
    ]
    caplog.clear()
    caplog.set_level(logging.INFO)
    CLIENT_LOG.error("%s [%s] %s", "FAIL", "member#1", "refused")
    assert not caplog.records
