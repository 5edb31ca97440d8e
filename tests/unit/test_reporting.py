"""Reports and alerts are stored, told, told again until that is acknowledged, and marked; nothing hides or holds up."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from ginkgo_data.adapters.memory.notifications import InMemoryNotifications
from ginkgo_data.adapters.memory.outbox import InMemoryOutbox
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services import telling
from ginkgo_data.domain.services.coalescing import Work, coalesce
from ginkgo_data.domain.services.reporting import Reporter, report_id
from support.bars import bars
from support.deliveries import delivery
from support.stack import FIVE, NOW, VENDOR, InMemoryBarSource, Stack, listed

A = "000001.SZ"
THAT_DAY = (NOW, NOW + timedelta(days=1))
ALERT = Alert(AlertKind.WORKER_HELD, Severity.ERROR, "The worker is held", "store away", NOW, {"seconds": 61}, "n1")
RECOVERY = replace(ALERT, severity=Severity.INFO, title="The worker goes on", raised_at=NOW + timedelta(minutes=5))


class Topic(InMemoryNotifications):
    """A topic that acknowledges when the test says so; `away` it keeps nothing and never acknowledges."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.waiting = []

    def report(self, report, told=None):
        if not self.away:
            super().report(report)
            self.waiting.append(told)

    def alert(self, alert, told=None):
        if not self.away:
            super().alert(alert)
            self.waiting.append(told)

    def acknowledge(self) -> None:
        while self.waiting:
            self.waiting.pop(0)(True)

    def give_up(self) -> None:
        """Say of all that was told that it is not kept, and forget it."""
        self._alerts.clear()
        self._reports.clear()
        while self.waiting:
            self.waiting.pop(0)(False)


class Store(InMemoryOutbox):
    """An outbox that counts its calls; `away` it refuses them."""

    away = False
    calls = 0

    def _reach(self) -> None:
        self.calls += 1
        if self.away:
            raise StoreUnavailable("connection refused")

    def write_alert(self, alert):
        self._reach()
        super().write_alert(alert)

    def untold_reports(self, after, before):
        self._reach()
        return super().untold_reports(after, before)

    def mark_told(self, ids):
        self._reach()
        super().mark_told(ids)


@pytest.fixture
def parts() -> Stack:
    made = Stack(InMemoryBarSource(bars(A, FIVE, [10.4, 10.3, 10.2, 10.1, 10.0]), capabilities=VENDOR), listed([A]))
    made.notifications = Topic()
    made.outbox = Store(made.quality)
    return made


@pytest.fixture
def reporter(parts: Stack) -> Reporter:
    """The worker under test; `parts.reporter` is every time another worker of the fleet."""
    return parts.reporter


def account(parts: Stack, reporter: Reporter, offset: int = 0) -> str:
    (work,) = coalesce([delivery(CollectBars((A,), full=True), offset, sent=NOW)])
    return reporter.account(work, parts.collector.collect(work.command)).report_id


def later(parts: Stack, reporter: Reporter, seconds: float = 61) -> None:
    parts.clock.advance(seconds)
    reporter.settle()


def told(parts: Stack) -> list[str]:
    return [r.report_id for r in parts.notifications.reports] + [a.title for a in parts.notifications.alerts]


# -- the way that all is well ---------------------------------------------------------------------


def test_a_report_is_stored_told_once_acknowledged_and_marked(parts: Stack, reporter: Reporter):
    name = account(parts, reporter)
    assert (told(parts), parts.quality.reports(1)[0].report_id) == ([name], name)
    reporter.settle()
    assert parts.outbox.told == frozenset()
    parts.notifications.acknowledge()
    reporter.settle()
    assert parts.outbox.told == {name}
    for _ in range(5):
        later(parts, reporter)
    assert told(parts) == [name]


def test_an_alert_is_stored_before_it_is_told(parts: Stack):
    class Nosy(InMemoryNotifications):
        def alert(self, alert, told=None):
            stored.extend(parts.outbox.untold_alerts(*THAT_DAY))

    stored: list[Alert] = []
    parts.notifications = Nosy()
    parts.reporter.raise_alerts([ALERT])
    assert stored == [ALERT]


def test_a_repeat_is_neither_stored_nor_told(parts: Stack, reporter: Reporter):
    reporter.raise_alerts([ALERT, replace(ALERT, raised_at=NOW + timedelta(seconds=1))])
    parts.reporter.raise_alerts([ALERT])
    assert told(parts) == ["The worker is held"]
    assert len(parts.outbox.untold_alerts(*THAT_DAY)) == 1


def test_the_end_of_an_alert_is_told_once_and_only_if_it_was_told(parts: Stack, reporter: Reporter):
    reporter.resolve(ALERT.key, RECOVERY)
    assert told(parts) == []
    reporter.raise_alerts([ALERT])
    parts.reporter.resolve(ALERT.key, RECOVERY)
    reporter.resolve(ALERT.key, RECOVERY)
    assert told(parts) == ["The worker is held", "The worker goes on"]
    assert list(parts.outbox.untold_alerts(*THAT_DAY)) == [ALERT, RECOVERY]


def test_acknowledgements_from_many_threads_are_marked_with_one_call(parts: Stack, reporter: Reporter):
    alerts = [replace(ALERT, subject=f"n{n}") for n in range(20)]
    reporter.raise_alerts(alerts)
    reporter.settle()
    threads = [threading.Thread(target=told, args=(True,)) for told in parts.notifications.waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = parts.outbox.calls
    reporter.settle()
    assert parts.outbox.told == {alert.alert_id for alert in alerts}
    assert parts.outbox.calls == before + 1


def test_settling_asks_the_store_nothing_when_nothing_waits(parts: Stack, reporter: Reporter):
    account(parts, reporter)
    parts.notifications.acknowledge()
    reporter.settle()
    calls = parts.outbox.calls
    for _ in range(10):
        later(parts, reporter, 5)
    assert parts.outbox.calls == calls


# -- crashes and outages --------------------------------------------------------------------------


def test_killed_between_storing_and_telling_the_next_worker_tells_it(parts: Stack, reporter: Reporter):
    class Killed(InMemoryNotifications):
        def report(self, report, told=None):
            raise SystemExit

        alert = report

    topic, parts.notifications = parts.notifications, Killed()
    for dies in (lambda: account(parts, parts.reporter), lambda: parts.reporter.raise_alerts([ALERT])):
        with pytest.raises(SystemExit):
            dies()
    parts.notifications = topic
    following = parts.reporter
    later(parts, following, 30)
    assert told(parts) == [], "so young that whoever stored it may still tell it"
    later(parts, following, 60)
    (stored,) = parts.quality.reports(10)
    assert told(parts) == [stored.report_id, "The worker is held"]
    parts.notifications.acknowledge()
    later(parts, following)
    later(parts, parts.reporter)
    assert told(parts) == [stored.report_id, "The worker is held"]
    assert parts.outbox.told == {stored.report_id, ALERT.alert_id}


def test_a_notification_topic_that_is_away_delays_and_never_loses(parts: Stack, reporter: Reporter):
    parts.notifications.away = True
    names = {account(parts, reporter, offset) for offset in range(3)}
    reporter.raise_alerts([ALERT])
    for _ in range(60):
        later(parts, reporter)
    assert told(parts) == []
    parts.notifications.away = False
    later(parts, reporter)
    assert {*told(parts)} == names | {"The worker is held"}
    parts.notifications.acknowledge()
    for _ in range(3):
        later(parts, reporter)
    assert len(told(parts)) == 4
    assert parts.outbox.told == names | {ALERT.alert_id}


def test_what_waits_for_its_acknowledgement_is_not_told_again_for_a_minute(parts: Stack, reporter: Reporter):
    reporter.settle()
    reporter.raise_alerts([ALERT])
    for _ in range(11):
        later(parts, reporter, 5)
    assert told(parts) == ["The worker is held"]
    later(parts, reporter, 6)
    assert told(parts) == ["The worker is held"] * 2
    later(parts, reporter, 30)
    assert told(parts) == ["The worker is held"] * 2


def test_what_is_known_not_to_be_kept_is_told_again_after_five_seconds(parts: Stack, reporter: Reporter):
    name = account(parts, reporter)
    reporter.raise_alerts([ALERT])
    parts.notifications.give_up()
    later(parts, reporter, 4)
    assert told(parts) == []
    later(parts, reporter, 1)
    assert told(parts) == [name, "The worker is held"]
    later(parts, reporter, 30)
    assert told(parts) == [name, "The worker is held"], "the topic has not spoken of it yet"
    parts.notifications.acknowledge()
    later(parts, reporter, 120)
    assert told(parts) == [name, "The worker is held"]
    assert parts.outbox.told == {name, ALERT.alert_id}


def test_the_end_of_an_alert_is_not_told_before_the_alert(parts: Stack, reporter: Reporter):
    reporter.raise_alerts([ALERT])
    parts.notifications.give_up()
    reporter.resolve(ALERT.key, RECOVERY)
    assert told(parts) == ["The worker is held", "The worker goes on"]


def test_of_what_is_not_kept_the_newest_thousand_are_remembered(parts: Stack, reporter: Reporter, monkeypatch):
    monkeypatch.setattr(telling, "MOST_FAILED", 2)
    reporter.settle()
    reporter.raise_alerts([replace(ALERT, title=f"number {n}", subject=f"n{n}") for n in range(3)])
    parts.notifications.give_up()
    later(parts, reporter, 5)
    assert told(parts) == ["number 1", "number 2"]
    parts.notifications.acknowledge()
    later(parts, reporter, 60)
    assert told(parts) == ["number 1", "number 2", "number 0"], "the store knows the rest"


def test_what_a_search_tells_again_is_left_alone_by_the_next_ones(parts: Stack):
    reporter = replace(parts.reporter, sweep_interval=20.0)
    parts.outbox.write_alert(ALERT)
    later(parts, reporter, 61)
    for _ in range(2):
        later(parts, reporter, 20)
    assert told(parts) == ["The worker is held"]
    later(parts, reporter, 20)
    assert told(parts) == ["The worker is held"] * 2


def test_what_is_acknowledged_during_a_search_is_not_told_again(parts: Stack):
    class Slow(Store):
        def untold_alerts(self, after, before):
            found = super().untold_alerts(after, before)
            parts.notifications.acknowledge()
            return found

    parts.outbox = Slow(parts.quality)
    reporter = parts.reporter
    reporter.raise_alerts([ALERT])
    later(parts, reporter)
    assert told(parts) == ["The worker is held"]


def test_two_acknowledgements_of_one_message_are_one(parts: Stack, reporter: Reporter):
    reporter.settle()
    reporter.raise_alerts([ALERT])
    later(parts, reporter, 61)
    assert len(parts.notifications.waiting) == 2
    parts.notifications.acknowledge()
    reporter.settle()
    assert parts.outbox.told == {ALERT.alert_id}


def test_the_store_is_searched_at_first_and_then_once_per_interval(parts: Stack):
    reporter = replace(parts.reporter, sweep_interval=300.0)
    reporter.settle()
    assert parts.outbox.calls == 1
    for _ in range(4):
        later(parts, reporter, 60)
    assert parts.outbox.calls == 1
    later(parts, reporter, 60)
    assert parts.outbox.calls == 2


def test_what_is_older_than_a_day_is_told_no_more(parts: Stack, reporter: Reporter):
    parts.outbox.write_alert(replace(ALERT, title="old", raised_at=NOW - timedelta(hours=24, seconds=1)))
    parts.outbox.write_alert(replace(ALERT, title="of today", raised_at=NOW - timedelta(hours=23, minutes=59)))
    reporter.settle()
    assert told(parts) == ["of today"]


def test_a_mark_that_the_store_refuses_is_kept_for_later(parts: Stack, reporter: Reporter, caplog):
    name = account(parts, reporter)
    parts.notifications.acknowledge()
    parts.outbox.away = True
    reporter.settle()
    assert "connection refused" in caplog.text
    calls = parts.outbox.calls
    later(parts, reporter, 1)
    assert parts.outbox.calls == calls, "the store is not asked again at once: each call may block for seconds"
    parts.outbox.away = False
    later(parts, reporter, 10)
    assert parts.outbox.told == {name}
    later(parts, reporter)
    assert told(parts) == [name]


def test_an_alert_is_told_although_the_store_is_away(parts: Stack, reporter: Reporter, caplog):
    parts.outbox.away = True
    reporter.raise_alerts([ALERT])
    assert told(parts) == ["The worker is held"]
    assert "without being stored" in caplog.text
    parts.notifications.acknowledge()
    for _ in range(5):
        later(parts, reporter)
    assert told(parts) == ["The worker is held"]


def test_with_store_and_topic_away_an_alert_is_told_from_memory(parts: Stack, reporter: Reporter):
    parts.outbox.away = parts.notifications.away = True
    reporter.raise_alerts([ALERT])
    later(parts, reporter, 31)
    parts.notifications.away = False
    later(parts, reporter, 29)
    assert told(parts) == []
    later(parts, reporter, 1)
    assert told(parts) == ["The worker is held"]
    later(parts, reporter, 30)
    assert told(parts) == ["The worker is held"] * 2
    parts.notifications.acknowledge()
    later(parts, reporter, 120)
    assert told(parts) == ["The worker is held"] * 2


def test_an_alert_in_memory_is_stored_when_the_store_is_back(parts: Stack, reporter: Reporter):
    parts.outbox.away = parts.notifications.away = True
    reporter.raise_alerts([ALERT])
    parts.outbox.away = False
    later(parts, reporter, 31)
    parts.notifications.away = False
    following = parts.reporter
    later(parts, following, 31)
    assert told(parts) == ["The worker is held"]


def test_an_alert_that_is_stored_at_last_is_the_stores_to_tell(parts: Stack, reporter: Reporter):
    parts.outbox.away = True
    reporter.raise_alerts([ALERT])
    parts.outbox.away = False
    for _ in range(2):
        later(parts, reporter, 31)
    assert told(parts) == ["The worker is held"] * 2
    assert list(parts.outbox.untold_alerts(*THAT_DAY)) == [ALERT]


def test_any_fault_of_storing_hides_no_alert(parts: Stack):
    class Odd(InMemoryOutbox):
        def write_alert(self, alert):
            raise UnicodeError("surrogates not allowed")

    parts.outbox = Odd(parts.quality)
    parts.reporter.raise_alerts([ALERT])
    assert told(parts) == ["The worker is held"]


def test_of_too_many_unstored_alerts_the_oldest_is_given_up_with_a_word(parts: Stack, reporter: Reporter, caplog):
    parts.outbox.away = parts.notifications.away = True
    caplog.set_level(logging.ERROR)
    alerts = [replace(ALERT, subject=f"n{n}") for n in range(telling.MOST_UNSTORED + 1)]
    reporter.raise_alerts(alerts)
    assert [record.message.split(":")[0] for record in caplog.records] == [f"alert {alerts[0].alert_id} is given up"]
    parts.notifications.away = False
    later(parts, reporter, 31)
    assert [a.subject for a in parts.notifications.alerts] == [a.subject for a in alerts[1:]]


def test_settling_never_raises(parts: Stack, caplog):
    class Mad(InMemoryOutbox):
        def untold_reports(self, after, before):
            raise ValueError("what is this")

    parts.outbox = Mad(parts.quality)
    parts.reporter.settle()
    assert "ValueError: what is this" in caplog.text


# -- ids ------------------------------------------------------------------------------------------


def test_the_report_id_follows_the_command_and_not_the_record_that_brings_it():
    first = delivery(CollectBars((A,)), 7)
    parked = delivery(CollectBars((A,)), 900, origin=first.delivery_id)
    assert report_id(work(first)) == report_id(work(parked))
    assert len({report_id(work(d)) for d in (first, replace(parked, piece=1), replace(parked, attempt=1))}) == 3


def work(*deliveries) -> Work:
    return Work(CollectBars((A,)), deliveries)


def test_with_quality_turned_off_reports_are_stored_and_never_told(parts: Stack):
    quiet = replace(parts.reporter, enabled=False)
    name = account(parts, quiet)
    assert [report.report_id for report in parts.quality.reports(10)] == [name]
    for _ in range(3):
        later(parts, quiet)
        later(parts, parts.reporter)
    assert told(parts) == []
    quiet.raise_alerts([ALERT])
    assert told(parts) == ["The worker is held"], "a worker's own trouble is told all the same"


def test_a_source_that_answers_again_is_told_once_and_only_if_its_silence_was(parts: Stack, reporter: Reporter):
    account(parts, reporter, 1)
    silence = Alert(AlertKind.SOURCE_ERROR, Severity.ERROR, "Source error", "no answer", NOW, {}, str(DAILY))
    reporter.raise_alerts([silence])
    for offset in (2, 3):
        (work,) = coalesce([delivery(CollectBars((A,), full=True, force=True), offset, sent=NOW)])
        reporter.account(work, parts.collector.collect(work.command))
    ends = [alert for alert in parts.notifications.alerts if alert.kind is AlertKind.SOURCE_ERROR]
    assert [alert.severity for alert in ends] == [Severity.ERROR, Severity.INFO]
