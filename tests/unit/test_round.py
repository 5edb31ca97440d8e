"""A round brings every delivery to its end, and finishes none before what its end needs is acknowledged."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import (
    CollectAdjustmentFactors,
    CollectBars,
    CollectTicks,
    ForeignCommand,
    ProbeHeartbeat,
    ReloadConfig,
    SyncSecurities,
    SyncTradingCalendar,
)
from ginkgo_data.domain.model.errors import BrokerUnavailable, ConfigurationError, StoreUnavailable, TerminalError
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.quality import AlertKind
from ginkgo_data.entrypoints.dispatch import Hooks
from support.bars import bars
from support.deliveries import delivery, malformed
from support.stack import BY_CODE, FIVE, NOW, VENDOR, InMemoryBarSource, Stack, listed

A, B = "000001.SZ", "600519.SH"


def stack(**more: object) -> Stack:
    market = BarBatch.concat([bars(A, FIVE), bars(B, FIVE)])
    return Stack(source=InMemoryBarSource(market, capabilities=VENDOR), **more)


def snapshot(code: str, offset: int = 0, **more: object):
    return delivery(CollectBars((code,), full=True), offset, sent=NOW, **more)


def letters(parts: Stack) -> list:
    return list(parts.dead_letters.letters.values())


def test_waiting_snapshots_are_one_call_one_insert_one_report_and_all_finished():
    parts = stack()
    waiting = [snapshot(A, 0), snapshot(B, 1), snapshot(A, 2)]
    result = parts.round.run(waiting)
    assert result.finished == waiting
    assert parts.source.calls <= 2
    (report,) = parts.notifications.reports
    assert report.request_ids == ("request-0", "request-1", "request-2")
    assert (report.records_expected, report.records_actual, report.records_written) == (10, 10, 10)
    assert parts.quality.reports(1)[0].report_id == report.report_id


def test_the_report_of_a_repeated_round_has_the_same_id_and_stays_one():
    parts = stack()
    parts.round.run([snapshot(A)])
    parts.round.run([snapshot(A)])
    assert len(parts.quality.reports(10)) == 1


def test_malformed_records_become_dead_letters_and_the_others_go_on():
    parts = stack()
    bad = malformed(0)
    result = parts.round.run([bad, snapshot(A, 1)])
    assert {d.record.offset for d in result.finished} == {0, 1}
    (letter,) = letters(parts)
    assert (letter.delivery.record.value, letter.error, letter.reason) == (b"\xff", "MalformedCommand", "not JSON")
    (alert,) = [a for a in parts.notifications.alerts if a.kind is AlertKind.DEAD_LETTER]
    assert alert.data["delivery_id"] == "ginkgo.data.commands-0-0"


def test_a_neighbours_command_is_finished_without_work_or_alert():
    parts = stack()
    result = parts.round.run([delivery(ForeignCommand("deploy"))])
    assert len(result.finished) == 1
    assert (letters(parts), list(parts.notifications.alerts)) == ([], [])


@pytest.mark.parametrize("command", [CollectTicks((A,)), CollectAdjustmentFactors((A,))])
def test_what_this_configuration_cannot_do_is_a_typed_dead_letter(command):
    parts = stack()
    parts.round.run([delivery(command)])
    (letter,) = letters(parts)
    assert letter.error == "NotAvailable"
    assert command.word in letter.reason


def test_a_vendor_that_is_down_parks_only_the_codes_without_an_answer():
    class HalfDown:
        capabilities = type(BY_CODE)("test", BY_CODE.series, row_limit=6000, codes_per_call=1)
        inner = InMemoryBarSource(bars(A, FIVE), capabilities=VENDOR)

        def fetch(self, request):
            if B in request.codes:
                return Unknown(UnknownReason.SERVER_ERROR, "HTTP 500")
            return self.inner.fetch(request)

    parts = Stack(source=HalfDown())
    result = parts.round.run([delivery(CollectBars((A, B), full=True), 0, sent=NOW)])
    assert (len(result.finished), result.parked) == (1, 1)
    (item,) = parts.work_queue.parked
    assert (item.codes, item.attempt, item.piece) == ((B,), 0, 1)
    assert item.not_before > NOW
    assert parts.notifications.reports[0].unknown
    assert AlertKind.SOURCE_ERROR in {alert.kind for alert in parts.notifications.alerts}


def test_a_parked_remainder_comes_back_and_is_done():
    class DownOnce:
        capabilities = VENDOR
        inner = InMemoryBarSource(bars(A, FIVE), capabilities=VENDOR)
        asked = 0

        def fetch(self, request):
            self.asked += 1
            return Unknown(UnknownReason.TIMED_OUT, "slow") if self.asked == 1 else self.inner.fetch(request)

    parts = Stack(source=DownOnce(), securities=listed([A]))
    parts.round.run([snapshot(A)])
    assert parts.stream.receive(10, 0.0) == []
    parts.clock.advance(301)
    (again,) = parts.stream.receive(10, 0.0)
    assert (again.piece, again.request_id) == (1, "request-0")
    parts.round.run([again])
    assert parts.notifications.reports[-1].records_actual == 5


def test_a_store_that_is_away_holds_and_finishes_nothing():
    class Away:
        def __getattr__(self, name):
            def refuse(*_, **__):
                raise StoreUnavailable("connection refused")

            return refuse

    parts = stack()
    parts.bars = Away()
    result = parts.round.run([snapshot(A, 0), snapshot(B, 1)])
    assert (result.finished, len(result.held)) == ([], 2)
    assert "connection refused" in result.hold_reason
    assert letters(parts) == []


def test_a_dead_letter_that_cannot_be_written_holds_its_record():
    class Away:
        def write(self, letter):
            raise BrokerUnavailable("no broker")

    parts = stack()
    parts.dead_letters = Away()
    result = parts.round.run([malformed(0), snapshot(A, 1)])
    assert [d.record.offset for d in result.held] == [0]
    assert [d.record.offset for d in result.finished] == [1]


def test_an_end_that_breaks_in_an_unforeseen_way_is_held_and_the_others_are_finished():
    class Breaks:
        def write(self, letter):
            raise RuntimeError("a bug in the adapter")

    parts = stack()
    parts.dead_letters = Breaks()
    result = parts.round.run([malformed(0), snapshot(A, 1)])
    assert [d.record.offset for d in result.held] == [0]
    assert [d.record.offset for d in result.finished] == [1]
    assert "a bug in the adapter" in result.hold_reason


def test_a_refresh_without_an_answer_is_kept_and_told():
    class Away:
        def securities(self, market, version):
            return Unknown(UnknownReason.UNREACHABLE, "no route")

    parts = stack()
    object.__setattr__(parts.universe, "source", Away())
    result = parts.round.run([delivery(SyncSecurities(), 0, sent=NOW)])
    assert (len(result.finished), result.parked) == (1, 1)
    (alert,) = parts.notifications.alerts
    assert (alert.kind, alert.subject) == (AlertKind.SOURCE_ERROR, "stockinfo")


def test_a_job_that_throws_is_halved_until_the_command_at_fault_stands_alone():
    class Fragile:
        capabilities = BY_CODE
        inner = InMemoryBarSource(BarBatch.concat([bars(A, FIVE), bars(B, FIVE)]), capabilities=BY_CODE)

        def fetch(self, request):
            if "600000.SH" in request.codes:
                raise ZeroDivisionError("a bug in an adapter")
            return self.inner.fetch(request)

    parts = Stack(source=Fragile(), securities=listed([A, B, "600000.SH"]))
    result = parts.round.run([snapshot(A, 0), snapshot("600000.SH", 1), snapshot(B, 2)])
    assert len(result.finished) == 3
    (letter,) = letters(parts)
    assert (letter.delivery.record.offset, letter.error) == (1, "ZeroDivisionError")
    assert "a bug in an adapter" in letter.traceback
    assert set(parts.bars.held(None, VENDOR_SERIES, date(2024, 1, 1), date(2024, 1, 31))) == {A, B}


VENDOR_SERIES = next(iter(VENDOR.series))


def test_broadcasts_are_answered_before_anything_is_collected():
    parts = stack()
    answered = []

    def answer(message):
        answered.append((message.request_id, parts.source.calls))

    deliveries = [snapshot(A, 0), delivery(ProbeHeartbeat(), 1), delivery(ReloadConfig(), 2)]
    result = parts.round.run(deliveries, Hooks(answer=answer))
    assert answered == [("request-1", 0), ("request-2", 0)]
    assert len(result.finished) == 3


def test_what_went_to_another_worker_is_neither_finished_nor_held_nor_parked():
    parts = Stack(source=Away(), securities=listed([A, B]))
    lost = snapshot(A, 0)
    result = parts.round.run([lost, snapshot(B, 1)], Hooks(owns=lambda one: one is not lost))
    assert [d.record.offset for d in result.finished] == [1]
    assert [item.delivery.record.offset for item in parts.work_queue.parked] == [1]
    assert result.held == []


class Away:
    """A vendor that does not answer."""

    capabilities = VENDOR

    def fetch(self, request):
        return Unknown(UnknownReason.SERVER_ERROR, "HTTP 503")


class ByCode:
    """A vendor that takes one code a call."""

    capabilities = type(BY_CODE)("test", BY_CODE.series, row_limit=6000, codes_per_call=1)

    def __init__(self):
        self.inner = InMemoryBarSource(BarBatch.concat([bars(A, FIVE), bars(B, FIVE)]), capabilities=BY_CODE)
        self.asked = []

    def fetch(self, request):
        self.asked.append(request.codes)
        return self.inner.fetch(request)


def test_commands_beyond_a_workers_share_are_parked_before_the_first_call_and_each_keeps_its_outcome():
    parts = Stack(source=ByCode())
    deliveries = [snapshot(A, 0), snapshot(B, 1)]
    result = parts.round.run(deliveries, Hooks(most_calls=1))
    assert result.finished == deliveries
    (item,) = parts.work_queue.parked
    assert (item.attempt, item.piece) == (0, 1)
    assert parts.source.asked == [(A,)] if item.codes == (B,) else [(B,)]
    (ended,) = [data for kind, data in parts.notifications.events if kind == "command_ended"]
    told = {o["request_id"]: (o["outcome"], o["parked"]) for o in ended["outcomes"]}
    assert sorted(told.values()) == [("done", 0), ("postponed", 1)]


def test_what_was_left_to_others_once_is_not_left_again():
    parts = Stack(source=ByCode())
    deliveries = [snapshot(A, 0, piece=1), snapshot(B, 1, piece=1)]
    result = parts.round.run(deliveries, Hooks(most_calls=1))
    assert result.finished == deliveries
    assert not parts.work_queue.parked
    assert sorted(parts.source.asked) == [(A,), (B,)]


def test_every_command_is_told_how_it_ended():
    parts = stack()
    parts.round.run([malformed(0), snapshot(A, 1), delivery(ForeignCommand("deploy"), 2)])
    events = [data for kind, data in parts.notifications.events if kind == "command_ended"]
    outcomes = {o["record"]: o for event in events for o in event["outcomes"]}
    assert {record: o["outcome"] for record, o in outcomes.items()} == {
        "ginkgo.data.commands-0-0": "dead_letter",
        "ginkgo.data.commands-0-1": "done",
    }
    assert outcomes["ginkgo.data.commands-0-0"]["error"] == "MalformedCommand"
    (report,) = parts.notifications.reports
    assert {event["report_id"] for event in events} == {None, report.report_id}


def test_a_right_that_is_missing_is_the_workers_business_and_finishes_nothing():
    class Forbidden:
        def write(self, letter):
            raise ConfigurationError("not authorised to write to the dead letters")

    parts = stack()
    parts.dead_letters = Forbidden()
    with pytest.raises(ConfigurationError, match="not authorised"):
        parts.round.run([malformed(0)])


def test_refreshes_are_done_and_told():
    parts = stack()
    result = parts.round.run([delivery(SyncSecurities(), 0), delivery(SyncTradingCalendar(), 1)])
    assert len(result.finished) == 2
    told = [data for kind, data in parts.notifications.events if kind == "reference_synced"]
    assert [(event["command"], event["rows"]) for event in told] == [("stockinfo", 2), ("trade_day", 0)]


def test_a_bare_snapshot_can_be_ignored_by_configuration():
    parts = stack()
    round_ = parts.round
    object.__setattr__(round_.dispatcher, "ignore_bare_snapshots", True)
    result = round_.run([delivery(CollectBars(None, bare=True))])
    assert len(result.finished) == 1
    assert parts.source.calls == 0


def test_alerts_are_told_once_for_the_cooldown():
    parts = stack(securities=listed([A, "600000.SH"]))
    parts.round.run([delivery(CollectBars(None, full=True), 0, sent=NOW)])
    parts.clock.advance(60)
    parts.round.run([delivery(CollectBars(None, full=True), 1, sent=parts.clock.now())])
    missing = [alert for alert in parts.notifications.alerts if alert.kind is AlertKind.DATA_MISSING]
    assert len(missing) == 1


class Counting:
    """A store's part that is away and counts who asks."""

    def __init__(self):
        self.asked = 0

    def __getattr__(self, name):
        def refuse(*_, **__):
            self.asked += 1
            raise StoreUnavailable("timed out")

        return refuse


def test_a_store_that_fails_one_job_is_not_waited_for_by_the_others():
    parts = stack()
    parts.bars = Counting()
    jobs = [delivery(CollectBars((A,), full=True, start=date(2024, 1, day)), day, sent=NOW) for day in range(1, 9)]
    result = parts.round.run(jobs)
    assert (len(result.held), result.finished) == (8, [])
    assert parts.bars.asked == 1


def test_a_broker_that_fails_one_end_is_not_waited_for_by_the_others():
    class Away:
        tried = 0

        def write(self, letter):
            self.tried += 1
            raise BrokerUnavailable("no acknowledgement within 30 s")

    parts = stack()
    parts.dead_letters = Away()
    result = parts.round.run([malformed(0), malformed(1), malformed(2), snapshot(A, 3)])
    assert parts.dead_letters.tried == 1
    assert [d.record.offset for d in result.held] == [0, 1, 2]
    assert [d.record.offset for d in result.finished] == [3]


def test_what_has_no_time_left_goes_back_as_it_is_without_an_attempt_and_the_oldest_goes_first():
    parts = stack()
    early, late = NOW - timedelta(hours=1), NOW
    waiting = [
        delivery(CollectBars((A,), full=True, start=date(2024, 1, 9)), 0, sent=late),
        delivery(CollectBars((A,), full=True, start=date(2024, 1, 10)), 1, sent=early),
    ]
    asked = []

    def go_on():
        return not asked

    def watch(work, progress):
        asked.append(work)

    result = parts.round.run(waiting, Hooks(go_on=go_on, watch=watch))
    assert {d.record.offset for d in result.finished} == {0, 1}
    (item,) = parts.work_queue.parked
    assert (item.delivery.record.offset, item.attempt, item.piece, item.codes) == (0, 0, 1, ())
    assert item.not_before == NOW


def test_what_has_no_time_left_because_the_worker_stops_stays_in_hand():
    parts = stack()
    result = parts.round.run([snapshot(A, 0)], Hooks(go_on=lambda: False, stopping=lambda: True))
    assert ([d.record.offset for d in result.held], result.hold_reason) == ([0], "")
    assert not parts.work_queue.parked


def test_a_remainder_that_can_never_be_kept_is_a_dead_letter():
    class TooLarge:
        def park(self, item):
            raise TerminalError("no record of this size")

    parts = Stack(source=Away(), securities=listed([A]))
    parts.work_queue = TooLarge()
    result = parts.round.run([snapshot(A, 0)])
    assert len(result.finished) == 1
    (letter,) = letters(parts)
    assert "no record of this size" in letter.reason


def test_what_was_left_to_others_is_not_left_again_when_the_delivery_is_held_and_tried_again():
    class RefusesInserts:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def write(self, bars):
            raise StoreUnavailable("too many parts")

    parts = Stack(source=ByCode())
    parts.bars = RefusesInserts(parts.bars)
    hooks = Hooks(most_calls=1)
    for _ in range(3):
        result = parts.round.run([snapshot(A, 0), snapshot(B, 1)], hooks)
        assert result.hold_error is not None
    assert len(parts.work_queue.parked) == 1


def test_fresh_commands_come_first_and_leave_time_to_work_records():
    parts = stack()
    begun = []

    def watch(work, progress):
        begun.append([d.record.offset for d in work.deliveries])

    waiting = [
        delivery(CollectBars((A,), full=True, start=date(2024, 1, 9)), 0, sent=NOW - timedelta(hours=9), piece=3),
        delivery(CollectBars((A,), full=True, start=date(2024, 1, 10)), 1, sent=NOW),
        delivery(CollectBars((A,), full=True, start=date(2024, 1, 11)), 2, sent=NOW - timedelta(hours=1)),
    ]
    hooks = Hooks(go_on=lambda: True, go_on_fresh=lambda: not begun, watch=watch)
    result = parts.round.run(waiting, hooks)
    assert len(result.finished) == 3
    assert begun == [[2], [0]]
    (item,) = parts.work_queue.parked
    assert (item.delivery.record.offset, item.piece, item.attempt) == (1, 1, 0)


def test_without_work_records_fresh_commands_have_all_the_time():
    parts = stack()
    hooks = Hooks(go_on_fresh=lambda: False)
    parts.round.run([snapshot(A, 0)], hooks)
    assert not parts.work_queue.parked
