"""Collecting ticks: whole sessions, the newest first, held by their marks alone."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from ginkgo_data.adapters.memory.tick_source import InMemoryTickSource
from ginkgo_data.domain.model.commands import CollectTicks
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.errors import SchemaMismatch, StoreUnavailable
from ginkgo_data.domain.model.fetch import ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.model.ticks import TickBatch, TickDay
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.entrypoints.dispatch import Hooks
from ginkgo_data.ports.tick_source import TickCapabilities
from support.deliveries import delivery
from support.stack import FIVE, NOW, Stack, listed
from support.ticks import prices_of, tick_day, ticks

A, B = "000001.SZ", "600519.SH"
JANUARY = (date(2024, 1, 1), date(2024, 1, 31))
LONG_AGO = date(2023, 12, 1)


def market(*codes: str, days=FIVE) -> TickBatch:
    return TickBatch.concat([ticks(code, day) for code in codes or (A, B) for day in days])


def vendor(*codes: str, **more: object) -> InMemoryTickSource:
    return InMemoryTickSource(market(*codes), **more)


def stack(source: object = None, **more: object) -> Stack:
    return Stack(tick_source=source or vendor(), **more)


def collect(parts: Stack, *codes: str, pace: Pace | None = None, **how: object):
    return parts.tick_collector.collect(CollectTicks(codes or None, **how), NOW, pace or Pace())


def held(parts: Stack) -> dict[str, list[str]]:
    return {code: [str(day) for day in days] for code, days in parts.ticks.held(None, *JANUARY).items()}


def prices(parts: Stack, code: str = A, day: str = FIVE[-1]) -> list[float]:
    session = date.fromisoformat(day)
    return prices_of(parts.ticks.read([code], session, session))


class Answering:
    """A source whose answers are given, one after the other; reaches everywhere."""

    capabilities = TickCapabilities("test")

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def reach(self, codes):
        return dict.fromkeys(codes, (date(1990, 12, 19), date.max))

    def ticks(self, code, session, version):
        answer = self.answers.pop(0)
        return answer(code, session, version) if callable(answer) else answer


def last_day(parts: Stack, **how: object):
    return collect(parts, A, start=date(2024, 1, 12), **how)


def rows(*prices: float, **columns: object):
    return lambda code, session, version: Rows(ticks(code, str(session), prices, version, **columns))


def test_sessions_are_asked_one_by_one_the_newest_first():
    parts = stack()
    result = collect(parts, A, B, full=True)
    assert parts.tick_source.requests == tuple((code, date.fromisoformat(day)) for day in FIVE[::-1] for code in (A, B))
    assert held(parts) == {A: list(FIVE), B: list(FIVE)}
    assert (str(result.series), result.calls, result.written, result.inserts) == ("tick", 10, 30, 1)
    assert (result.counts.expected, result.bars_expected, result.bars_held) == (10, 10, 10)


def test_incremental_asks_only_what_is_not_held_and_finds_holes():
    parts = stack()
    collect(parts, A, end=date(2024, 1, 8), full=True)
    collect(parts, A, start=date(2024, 1, 10))
    again = collect(parts, A)
    assert parts.tick_source.requests[4:] == ((A, date.fromisoformat(FIVE[1])),)
    assert again.calls == 1


def test_a_code_of_which_nothing_is_held_begins_with_the_newest_sessions():
    parts = stack(securities=listed([A], LONG_AGO))
    collect(parts, A)
    assert [str(session) for _, session in parts.tick_source.requests] == list(FIVE[::-1])


def test_full_stops_at_the_sources_reach_and_says_so():
    parts = stack(vendor(first=date(2024, 1, 10)), securities=listed([A], LONG_AGO))
    result = collect(parts, A, full=True)
    assert [str(session) for _, session in parts.tick_source.requests] == list(FIVE[:1:-1])
    assert result.counts.missing_rate == 0
    assert result.notes == (f"sessions beyond the reach of memory are not asked for: {A}",)


def test_a_range_is_what_is_due():
    parts = stack()
    collect(parts, A, start=date(2024, 1, 9), end=date(2024, 1, 10))
    assert held(parts) == {A: [FIVE[1], FIVE[2]]}


def test_overwrite_fetches_what_is_held_again_and_replaces_it_whole():
    parts = stack()
    parts.ticks.replace([tick_day(A, day, [1.0] * 7, version=1) for day in FIVE])
    assert collect(parts, A).calls == 0
    assert collect(parts, A, overwrite=True).written == 15
    assert prices(parts) == [10.0, 10.01, 10.02]
    assert collect(parts, A, overwrite=True).calls == 0  # the same command again


def test_an_answer_that_is_unknown_replaces_nothing():
    parts = stack(Answering(Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, "no rows")))
    parts.ticks.replace([tick_day(A, FIVE[-1], [1.0], version=1)])
    result = last_day(parts, overwrite=True)
    assert (list(result.unknown), prices(parts)) == ([A], [1.0])
    assert held(parts) == {A: [FIVE[-1]]}


def empty(reason: AbsenceReason | None):
    def answer(code, session, version):
        told = [] if reason is None else [(code, session, reason, "said so")]
        return ProvenEmpty(Absences.of(told, "test", version))

    return answer


def test_a_session_proven_to_have_no_ticks_is_held_without_any():
    parts = stack(Answering(empty(AbsenceReason.SUSPENDED)))
    parts.ticks.replace([tick_day(A, FIVE[-1], [1.0], version=1)])
    result = last_day(parts, overwrite=True)
    assert (prices(parts), held(parts)) == ([], {A: [FIVE[-1]]})
    assert result.counts.unexplained == 0
    assert last_day(parts).calls == 0


def test_a_complete_answer_without_a_reason_empties_the_session_but_explains_nothing():
    parts = stack(Answering(empty(AbsenceReason.NO_ROW)))
    parts.ticks.replace([tick_day(A, FIVE[-1], [1.0], version=1)])
    result = last_day(parts, overwrite=True)
    assert (prices(parts), held(parts), result.counts.unexplained) == ([], {}, 1)


def test_what_an_archive_lacks_takes_nothing_away():
    source = Answering(empty(AbsenceReason.NO_ROW))
    source.capabilities = TickCapabilities("files", archive=True)
    parts = stack(source)
    parts.ticks.replace([tick_day(A, FIVE[-1], [1.0], version=1)])
    last_day(parts, overwrite=True)
    assert (prices(parts), held(parts)) == ([1.0], {A: [FIVE[-1]]})


def test_a_session_whose_daily_absence_is_explained_is_not_asked_for():
    parts = stack()
    told = [(A, date.fromisoformat(FIVE[1]), AbsenceReason.SUSPENDED, "suspend_d")]
    parts.absences.write_absences(Absences.of(told, "test", 1), DAILY)
    result = collect(parts, A, full=True)
    assert (result.calls, result.counts.absent, result.counts.unexplained) == (4, 1, 0)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"price": pa.array([10.0, 0.0])}, "price_not_positive"),
        ({"price": pa.array([10.0, float("nan")])}, "price_not_positive"),
        ({"price": pa.array([10.0, None], pa.float64())}, "price_not_positive"),
        ({"volume": pa.array([100.0, -1.0])}, "volume_not_whole"),
        ({"volume": pa.array([100.0, 0.5])}, "volume_not_whole"),
        ({"side": pa.array(["buy", "up"])}, "unknown_side"),
        ({"seq": pa.array([0, 0], pa.uint32())}, "duplicate_key"),
        ({"code": pa.array([A, B])}, "outside_call"),
        ({"session": pa.array([date(2024, 1, 12), date(2024, 1, 11)])}, "outside_call"),
        (
            {"timestamp": pa.array([1705023000000, 1704936600000], pa.timestamp("ms", "Asia/Shanghai"))},
            "not_in_session",
        ),
    ],
)
def test_a_row_that_can_be_no_trade_goes_to_quarantine_and_the_session_is_not_held(columns, rule):
    parts = stack(Answering(rows(10.0, 10.0, **columns)))
    result = last_day(parts)
    (row,) = parts.quality.quarantined().table.to_pylist()
    assert (row["rule"], row["frequency"]) == (rule, "tick")
    assert (prices(parts), held(parts)) == ([10.0], {})
    assert (result.rejected, result.counts.unexplained) == (1, 1)


def test_a_list_that_lost_rows_does_not_take_the_place_of_a_whole_one():
    parts = stack(Answering(rows(10.0, -1.0)))
    parts.ticks.replace([tick_day(A, FIVE[-1], [1.0, 2.0], version=1)])
    last_day(parts, overwrite=True)
    assert (prices(parts), held(parts)) == ([1.0, 2.0], {A: [FIVE[-1]]})
    assert len(parts.quality.quarantined()) == 1


def test_rows_of_which_none_is_left_replace_nothing():
    parts = stack(Answering(rows(-1.0)))
    parts.ticks.replace([tick_day(A, FIVE[-1], [1.0], version=1, whole=False)])
    last_day(parts)
    assert prices(parts) == [1.0]


def test_a_store_that_acknowledges_and_does_not_hold_is_an_error():
    class Forgetful:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def replace(self, days):
            return self._inner.replace(days[1:])

    parts = stack()
    parts.ticks = Forgetful(parts.ticks)
    with pytest.raises(StoreUnavailable, match="1 sessions of ticks were acknowledged"):
        collect(parts, A, full=True)


def test_lists_are_stored_on_the_way_when_enough_wait():
    parts = stack()
    parts.limits = type(parts.limits)(flush_rows=6)
    assert collect(parts, A, full=True).inserts == 3


def test_a_round_ends_deliveries_with_one_job_and_one_report():
    parts = stack()
    waiting = [delivery(CollectTicks((code,), full=True), n, sent=NOW) for n, code in enumerate((A, B))]
    result = parts.round.run(waiting)
    assert result.finished == waiting
    (report,) = parts.notifications.reports
    assert (report.series, report.command, report.records_actual, report.records_written) == ("tick", "tick", 10, 30)


def test_when_the_round_is_over_the_rest_goes_back_to_the_work_topic():
    parts = stack()
    left = iter([True] * 4)
    hooks = Hooks(go_on=lambda: next(left, False))
    result = parts.round.run([delivery(CollectTicks((A,), full=True), sent=NOW)], hooks)
    (item,) = parts.work_queue.parked
    assert (item.codes, item.piece, result.parked) == ((A,), 1, 1)
    newest = held(parts)[A]
    assert newest == list(FIVE[-len(newest) :])


def test_a_day_holds_only_its_own_ticks_each_at_its_own_place():
    with pytest.raises(SchemaMismatch, match="code is not"):
        TickDay(B, date(2024, 1, 12), 1, ticks(A, "2024-01-12"))
    with pytest.raises(SchemaMismatch, match="version is not 2"):
        TickDay(A, date(2024, 1, 12), 2, ticks(A, "2024-01-12"))
    with pytest.raises(SchemaMismatch, match="there twice"):
        TickDay(A, date(2024, 1, 12), 1, ticks(A, "2024-01-12", [1.0, 2.0], seq=pa.array([1, 1], pa.uint32())))
