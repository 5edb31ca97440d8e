"""Every command word of every sender, from bytes to what the real engine then holds."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime

import pyarrow as pa
import pytest
from dependency_injector import providers

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.reference import SESSION_DAY_SCHEMA, SessionDays
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from support.bars import bars
from support.stack import FIVE, SESSIONS, VENDOR, listed

A, B = "000001.SZ", "600519.SH"
CONTROL, DATA = "ginkgo.live.control.commands", "ginkgo.data.commands"
TASK_TIMER = {"source": "task_timer", "correlation_id": None, "trace_id": None, "span_id": None}
SERVICE = {"message_id": "6f1c7b9e", "service": "KafkaService", "version": "1.0"}


class FridayEvening(SystemClock):
    """The host's clock on the evening of 2024-01-12."""

    def now(self) -> datetime:
        return super().now().replace(year=2024, month=1, day=12, hour=18)


@pytest.fixture
def container(store_config: ClickHouseConfig) -> Iterator[Container]:
    overrides = {
        "kafka.bootstrap_servers": "memory://",
        "redis.url": "memory://",
        "clickhouse.url": store_config.url,
        "worker.poll_timeout": 0.05,
        "worker.coalesce_wait": 0.0,
        "worker.node_id": "node-1",
        "sources.adjustments": [],
    }
    wired = Container(settings=load_settings(None, {}, overrides, search=False).settings)
    market = BarBatch.concat([bars(A, FIVE), bars(B, FIVE)])
    days = {
        "exchange": ["SSE"] * len(SESSIONS),
        "day": SESSIONS,
        "is_open": [True] * len(SESSIONS),
        "source": ["test"] * len(SESSIONS),
        "version": [1] * len(SESSIONS),
    }
    known = SessionDays(pa.table(days, schema=SESSION_DAY_SCHEMA))
    wired.clock.override(providers.Object(FridayEvening()))
    wired.plain_bar_source.override(providers.Object(InMemoryBarSource(market, VENDOR)))
    wired.plain_reference_source.override(providers.Object(InMemoryReferenceSource(listed([A, B]), known)))
    wired.trading_calendar.override(providers.Object(_Calendar(SESSIONS, date(2024, 3, 29))))
    yield wired
    wired.shutdown_resources()


class _Calendar(InMemoryTradingCalendar):
    """A calendar that, like the wired one, can be told to read the store again."""

    def refresh(self) -> None:
        return None


def work(container: Container, *messages: tuple[str, object], then: tuple[tuple[str, object], ...] = ()) -> None:
    """Send messages as bytes and work them to their ends with a real worker; those of `then` are sent after that."""
    worker = container.worker()
    worker.start()
    try:
        for batch in (messages, then):
            for topic, message in batch:
                value = message if isinstance(message, bytes) else json.dumps(message).encode()
                container.broker().put(topic, value)
            _until_worked(container)
    finally:
        assert worker.stop(20)


def _until_worked(container: Container) -> None:
    tick = threading.Event()
    for _ in range(1000):
        if not container.broker().pending():
            return
        tick.wait(0.02)
    pytest.fail("the commands did not end")


def held(container: Container) -> dict[str, int]:
    stored = container.bar_repository().held(None, DAILY, date(2024, 1, 1), date(2024, 1, 31))
    return {code: len(sessions) for code, sessions in stored.items()}


STOCKINFO = {"command": "stockinfo", "timestamp": "2024-01-12T21:00:00.1", "params": {}, **TASK_TIMER}


def test_the_task_timers_evening_is_done(container):
    snapshots = [
        {
            "command": "bar_snapshot",
            "timestamp": "2024-01-12T21:10:00.123456",
            "params": {"full": False, "force": False, "code": code},
            **TASK_TIMER,
        }
        for code in (A, B)
    ]
    work(container, (DATA, STOCKINFO), *((DATA, snapshot) for snapshot in snapshots))
    assert held(container) == {A: 5, B: 5}
    (report,) = container.quality_repository().reports(10)
    assert (report.records_expected, report.records_actual) == (10, 10)


def test_update_data_takes_the_last_sessions_of_the_universe(container):
    work(container, (DATA, STOCKINFO), (DATA, {"command": "update_data", "params": {"days": 2}}))
    assert held(container) == {A: 2, B: 2}


def test_update_selector_refreshes_the_universe_but_not_when_it_is_young(container):
    selector = {"command": "update_selector", "timestamp": "2024-01-12T21:00:00", "params": {}, **TASK_TIMER}
    work(container, (CONTROL, selector), then=((CONTROL, selector),))
    assert container.reference_repository().securities().codes() == [A, B]
    told = [data for kind, data in container.notifications().events if kind == "reference_synced"]
    assert [event["calls"] for event in told] == [1, 0]


def test_trade_day_stores_the_exchanges_days(container):
    work(container, (DATA, {"command": "trade_day", "params": {}, "timestamp": "2024-01-12T10:00:00.1", **SERVICE}))
    assert len(container.reference_repository().session_days()) == len(SESSIONS)


def test_heartbeat_test_is_answered_with_its_request(container):
    work(container, (DATA, {"command": "heartbeat_test", "params": {}, "request_id": "probe-7"}))
    answers = [data for kind, data in container.notifications().events if kind == "heartbeat_test_answer"]
    assert answers == [{"request_id": "probe-7"}]


def test_reload_is_answered_with_what_came_of_it(container):
    work(container, (DATA, {"command": "reload", "params": {}, "request_id": "again-1"}))
    (answer,) = [data for kind, data in container.notifications().events if kind == "reload_answer"]
    assert (answer["request_id"], answer["outcome"]) == ("again-1", "refused")
    assert "given its settings by its host" in answer["error"]


@pytest.mark.parametrize("word", ["tick", "adjustfactor"])
def test_what_no_source_is_configured_for_is_a_dead_letter_that_says_so(container, word):
    work(container, (DATA, {"command": word, "params": {"code": A}, **SERVICE}))
    (letter,) = container.dead_letters().letters.values()
    assert letter.error == "NotAvailable"
    assert word in letter.reason
    assert json.loads(letter.delivery.record.value)["command"] == word


def test_poison_does_not_stop_the_commands_behind_it(container):
    poison = [b"\xff\xfe not json", b"", b"[1, 2]", json.dumps(json.dumps({"command": "no_such_word"})).encode()]
    work(
        container,
        (DATA, STOCKINFO),
        *((DATA, value) for value in poison),
        (CONTROL, {"command": "deploy", "params": {"portfolio_id": "p"}, "timestamp": "2024-01-12T10:00:00"}),
        (DATA, {"command": "bar_snapshot", "params": {"code": "sz000001", "full": True}, **SERVICE}),
    )
    assert held(container)[A] == 5
    errors = sorted(letter.error for letter in container.dead_letters().letters.values())
    assert errors == ["MalformedCommand"] * 3 + ["UnknownCommand"]


def test_a_code_that_nobody_knows_is_given_up_and_the_others_are_done(container):
    snapshot = {"command": "bar_snapshot", "params": {"codes": [A, "999999.SZ"], "full": True}}
    work(container, (DATA, STOCKINFO), (DATA, snapshot))
    assert held(container)[A] == 5
    (letter,) = container.dead_letters().letters.values()
    assert (letter.error, letter.codes) == ("UnknownCode", ("999999.SZ",))
