"""What the host's clock adds to the contract of clocks."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from ginkgo_data.adapters.system.clock import SystemClock


@pytest.fixture
def host_in_new_york(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("host_in_new_york")
def test_the_present_is_in_the_zone_of_the_exchange_whatever_the_hosts_is():
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert (str(now.tzinfo), now.utcoffset()) == ("Asia/Shanghai", timedelta(hours=8))


def test_an_endless_wait_can_be_interrupted():
    clock = SystemClock()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(clock.wait(float("inf"))), daemon=True)
    waiting.start()
    clock.interrupt()
    waiting.join(10.0)
    assert answers == [True]
