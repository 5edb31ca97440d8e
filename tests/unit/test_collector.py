"""The collector makes coverage complete, does only what is left, and claims nothing that the store does not show."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain, repeat

import pytest

from ginkgo_data.adapters.memory.reference_repository import InMemoryReferenceRepository
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.collection import WHOLE_UNIVERSE
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.errors import NotAvailable, StoreUnavailable
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.series import Frequency, Series
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.reference import SecuritiesSync
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.bars import bars
from support.stack import BY_CODE, FIVE, NOW, SESSIONS, SHANGHAI, VENDOR, InMemoryBarSource, Stack, listed

A, B = "000001.SZ", "600519.SH"
BOTH = (A, B)
FULL = CollectBars(BOTH, full=True)


def whole_market(**more: object) -> BarBatch:
    return BarBatch.concat([bars(A, FIVE, **more), bars(B, FIVE, **more)])


def stack(vendor: BarBatch | None = None, suspended: Absences | None = None, asked=VENDOR, **more: object) -> Stack:
    known = whole_market() if vendor is None else vendor
    source = InMemoryBarSource(known, capabilities=asked, suspended=suspended or Absences.empty())
    return Stack(source=source, **more)


def held(parts: Stack, code: str) -> list[str]:
    stored = parts.bars.held([code], FULL.series, SESSIONS[0].item(), SESSIONS[-1].item())
    return [str(day) for day in stored.get(code, [])]


def test_everything_due_is_fetched_stored_and_read_back():
    parts = stack()
    result = parts.collector.collect(FULL)
    assert (result.written, result.fetched, result.rejected) == (10, 10, 0)
    assert (result.counts.expected, result.counts.held, result.counts.unexplained) == (10, 10, 0)
    assert result.window == (date(2024, 1, 8), date(2024, 1, 12))
    assert (result.calls, result.inserts) == (1, 1)
    assert held(parts, A) == list(FIVE)
    assert result.complete


def test_a_second_run_makes_no_call_and_writes_nothing():
    parts = stack()
    parts.collector.collect(FULL)
    again = parts.collector.collect(FULL)
    assert (again.calls, again.fetched, again.written, again.inserts) == (0, 0, 0, 0)
    assert again.counts.held == 10


def test_a_hole_in_the_middle_is_filled_and_only_the_hole_is_written():
    parts = stack(asked=BY_CODE)
    parts.bars.write(bars(A, ["2024-01-08", "2024-01-09", "2024-01-11", "2024-01-12"]))
    result = parts.collector.collect(CollectBars((A,)))
    assert result.written == 1
    assert held(parts, A) == list(FIVE)


def test_without_dates_a_code_is_kept_complete_from_its_first_held_session():
    parts = stack(asked=BY_CODE)
    parts.bars.write(bars(A, ["2024-01-10"]))
    assert parts.collector.collect(CollectBars((A,))).counts.due == 3
    assert held(parts, A) == list(FIVE[2:])
    assert parts.collector.collect(CollectBars((B,))).counts.due == 5
    assert held(parts, B) == list(FIVE)


def test_the_last_sessions_are_counted_by_the_calendar():
    parts = stack()
    parts.collector.collect(CollectBars((A,), sessions=2))
    assert held(parts, A) == ["2024-01-11", "2024-01-12"]


def test_a_session_that_is_not_closed_yet_is_not_due():
    parts = stack(now=datetime(2024, 1, 12, 14, 59, 59, tzinfo=SHANGHAI))
    result = parts.collector.collect(FULL)
    assert result.window == (date(2024, 1, 8), date(2024, 1, 11))
    assert result.counts.unexplained == 0


def test_dates_outside_the_listing_window_are_not_due():
    parts = stack(securities=listed([A, B], delisted=[date(2024, 1, 11), None]))
    result = parts.collector.collect(CollectBars(BOTH, start=date(2023, 12, 25), end=date(2024, 1, 12)))
    assert result.counts.due == 3 + 5


def test_a_suspension_is_an_explained_absence_and_never_held():
    gaps = Absences.of([(A, date(2024, 1, 10), AbsenceReason.SUSPENDED, "the vendor says so")], "test", 1)
    vendor = BarBatch.concat([bars(A, [s for s in FIVE if s != "2024-01-10"]), bars(B, FIVE)])
    parts = stack(vendor, gaps)
    result = parts.collector.collect(FULL)
    assert (result.counts.held, result.counts.absent, result.counts.unexplained) == (9, 1, 0)
    assert "2024-01-10" not in held(parts, A)


def test_a_gap_without_a_reason_is_unexplained_and_reported_with_its_code():
    vendor = BarBatch.concat([bars(A, FIVE[:4]), bars(B, FIVE)])
    result = stack(vendor).collector.collect(FULL)
    assert result.counts.unexplained == 1
    assert result.worst == ((A, 1),)
    assert result.newest_missing == date(2024, 1, 12)


def test_a_gap_already_answered_for_this_command_is_not_asked_again_but_is_by_a_later_one():
    parts = stack(BarBatch.concat([bars(A, FIVE[:4]), bars(B, FIVE)]))
    parts.collector.collect(FULL, since=NOW)
    redelivered = parts.collector.collect(FULL, since=NOW)
    assert redelivered.calls == 0
    parts.clock.advance(60)
    later = parts.collector.collect(FULL, since=parts.clock.now())
    assert later.calls >= 1


def test_a_young_suspension_is_asked_again_and_an_old_one_is_not():
    gaps = Absences.of([(A, date(2024, 1, 10), AbsenceReason.SUSPENDED, "the vendor says so")], "test", 1)
    vendor = BarBatch.concat([bars(A, [s for s in FIVE if s != "2024-01-10"]), bars(B, FIVE)])
    parts = stack(vendor, gaps)
    parts.collector.collect(FULL, since=NOW)
    parts.clock.advance(60)
    assert parts.collector.collect(FULL, since=parts.clock.now()).calls == 1
    parts.clock.advance(14 * 86_400)
    week = CollectBars(BOTH, start=date(2024, 1, 8), end=date(2024, 1, 12))
    assert parts.collector.collect(week, since=parts.clock.now()).calls == 0


def test_an_unknown_answer_advances_nothing():
    class Down:
        capabilities = VENDOR

        def fetch(self, request):
            return Unknown(UnknownReason.SERVER_ERROR, "HTTP 500")

    parts = Stack(source=Down())
    result = parts.collector.collect(FULL)
    assert set(result.unknown) == set(BOTH)
    assert (result.written, result.counts.held, result.counts.unexplained) == (0, 0, 10)
    assert len(parts.absences.absences(None, FULL.series, SESSIONS[0].item(), SESSIONS[-1].item())) == 0
    assert not result.complete


def test_rejected_rows_go_to_quarantine_and_their_session_stays_missing():
    vendor = BarBatch.concat([bars(A, FIVE, closes=[10.0, -1.0, 10.0, 10.0, 10.0]), bars(B, FIVE)])
    parts = stack(vendor)
    result = parts.collector.collect(FULL)
    assert (result.rejected, result.written, result.counts.unexplained) == (1, 9, 1)
    (rejected,) = parts.quality.quarantined([A]).table.to_pylist()
    assert (rejected["rule"], str(rejected["timestamp"].date())) == ("negative_price", "2024-01-09")


def test_force_fetches_what_is_held_and_a_correction_wins():
    parts = stack()
    parts.bars.write(bars(A, FIVE, closes=[9.0] * 5))
    parts.clock.advance(1)
    result = parts.collector.collect(CollectBars((A,), start=date(2024, 1, 8), force=True), since=parts.clock.now())
    assert result.written == 5
    stored = parts.bars.read([A], FULL.series, SESSIONS[0].item(), SESSIONS[-1].item())
    assert stored.table["close"].to_pylist() == [10.0] * 5


def test_a_forced_command_that_is_cut_reports_no_gap_where_older_rows_are_held():
    parts = stack()
    parts.collector.collect(CollectBars(BOTH, start=date(2024, 1, 8)))
    parts.clock.advance(60)
    command = CollectBars(BOTH, start=date(2024, 1, 8), force=True)
    result = parts.collector.collect(command, since=parts.clock.now(), pace=Pace(go_on=lambda: False))
    assert set(result.unfinished) == set(BOTH)
    assert (result.counts.held, result.counts.unexplained, result.newest_missing) == (10, 0, None)


def test_a_redelivered_forced_command_does_only_what_is_left():
    parts = stack()
    command = CollectBars(BOTH, start=date(2024, 1, 8), force=True)
    since = parts.clock.now()
    parts.clock.advance(1)
    parts.collector.collect(command, since=since)
    again = parts.collector.collect(command, since=since)
    assert (again.calls, again.written) == (0, 0)


def test_since_ahead_of_the_stores_clock_does_not_hide_what_was_just_written():
    parts = stack()
    result = parts.collector.collect(FULL, since=parts.clock.now() + timedelta(hours=1))
    assert result.counts.held == 10


def test_a_code_that_the_store_does_not_know_refreshes_the_universe_once_and_is_then_named():
    parts = stack(securities=listed([A]))
    result = parts.collector.collect(CollectBars((A, "999999.SZ"), full=True))
    assert result.unknown_codes == ("999999.SZ",)
    assert held(parts, A) == list(FIVE)


def test_a_code_is_unanswered_rather_than_unknown_when_the_universe_cannot_be_refreshed():
    class Away:
        def securities(self, market, version):
            return Unknown(UnknownReason.UNREACHABLE, "no route")

    parts = stack(securities=listed([A]))
    parts.clock.advance(3600)
    object.__setattr__(parts.universe, "source", Away())
    result = parts.collector.collect(CollectBars(("999999.SZ",), full=True))
    assert result.unknown_codes == ()
    assert set(result.unknown) == {"999999.SZ"}


def test_when_time_is_over_the_codes_left_are_unfinished_and_what_was_done_stays():
    narrow = InMemoryBarSource(
        whole_market(), capabilities=type(VENDOR)("test", VENDOR.series, row_limit=6000, codes_per_call=1)
    )
    parts = Stack(source=narrow)
    allowed = chain([True], repeat(False))
    result = parts.collector.collect(FULL, pace=Pace(go_on=lambda: next(allowed)))
    assert (result.written, result.unfinished) == (5, (B,))
    assert parts.collector.collect(FULL).written == 5


def test_progress_is_told_call_by_call():
    seen = []
    stack().collector.collect(FULL, pace=Pace(watch=seen.append))
    assert [(p.calls_done, p.calls_planned, p.rows) for p in seen] == [(1, 1, 10)]


def test_a_series_that_the_source_does_not_have_is_not_available():
    with pytest.raises(NotAvailable, match=r"test has no bars of 5m/none; it offers 1d/none"):
        stack().collector.collect(CollectBars(BOTH, series=Series(Frequency.MIN5)))


def test_a_store_that_acknowledges_and_does_not_keep_is_an_error_and_not_a_success():
    class Forgetful:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def write(self, batch):
            return WriteReceipt(len(batch), 1)

    parts = stack()
    parts.bars = Forgetful(parts.bars)
    with pytest.raises(StoreUnavailable, match="do not read back"):
        parts.collector.collect(FULL)


def test_a_by_session_answer_is_stored_whole_whoever_asked():
    parts = stack(securities=listed([A]))
    parts.source = InMemoryBarSource(
        whole_market(), capabilities=type(VENDOR)("test", VENDOR.series, 6000, codes_per_call=0, by_session=True)
    )
    result = parts.collector.collect(CollectBars((A,), sessions=1))
    assert (result.calls, result.written) == (1, 2)
    assert held(parts, B) == ["2024-01-12"]


def test_minute_sessions_are_held_by_their_count_or_their_mark_and_not_marked_when_a_row_was_rejected():
    minutes = Series(Frequency.MIN60)
    whole = bars(A, FIVE[:2], series=minutes)
    half_day = bars(A, FIVE[2:3], series=minutes, keep=2)
    broken = bars(A, FIVE[3:4], series=minutes, closes=[10.0, -5.0, 10.0, 10.0])
    vendor = BarBatch.concat([whole, half_day, broken], minutes)
    capabilities = type(VENDOR)("test", frozenset({minutes}), 6000, codes_per_call=10)
    parts = Stack(source=InMemoryBarSource(vendor, capabilities=capabilities))
    result = parts.collector.collect(CollectBars((A,), series=minutes, full=True))
    stored = parts.bars.held([A], minutes, SESSIONS[0].item(), SESSIONS[-1].item())
    assert [str(day) for day in stored[A]] == list(FIVE[:3])
    assert result.rejected == 1
    assert (result.counts.held, result.counts.unexplained) == (3, 2)


def test_a_session_is_due_the_moment_it_closes_in_shanghai():
    parts = stack(now=datetime(2024, 1, 12, 7, 0, tzinfo=UTC))
    assert parts.collector.collect(FULL).window == (date(2024, 1, 8), date(2024, 1, 12))


def test_all_codes_of_an_empty_store_ask_for_the_universe_first():
    parts = stack()
    parts.reference = InMemoryReferenceRepository(parts.clock)
    object.__setattr__(parts.universe, "repository", parts.reference)
    result = parts.collector.collect(CollectBars(None, full=True))
    assert (result.counts.held, result.calls) == (10, 2)


def test_all_codes_of_an_empty_store_are_unanswered_when_the_vendor_is_away():
    class Away:
        def securities(self, market, version):
            return Unknown(UnknownReason.UNREACHABLE, "no route")

    parts = stack()
    parts.reference = InMemoryReferenceRepository(parts.clock)
    parts.universe = SecuritiesSync(Away(), parts.reference, parts.versions, parts.clock)
    result = parts.collector.collect(CollectBars(None, full=True))
    assert set(result.unknown) == {WHOLE_UNIVERSE}
    assert not result.complete


def test_of_an_archive_only_full_minute_sessions_are_held():
    minutes = Series(Frequency.MIN60)
    vendor = BarBatch.concat([bars(A, FIVE[:1], series=minutes), bars(A, FIVE[1:2], series=minutes, keep=2)], minutes)
    capabilities = replace(BY_CODE, series=frozenset({minutes}), extent=(date(2024, 1, 8), date(2024, 1, 9)))
    parts = Stack(source=InMemoryBarSource(vendor, capabilities=capabilities))
    week = CollectBars((A,), series=minutes, start=date(2024, 1, 8), end=date(2024, 1, 9))
    result = parts.collector.collect(week)
    assert (result.counts.held, result.counts.unexplained, result.written) == (1, 1, 6)


def test_a_row_on_a_closed_day_at_the_edge_of_the_range_is_seen_and_rejected():
    vendor = BarBatch.concat([bars(A, FIVE), bars(A, ["2024-01-07", "2024-01-13"])])
    parts = stack(vendor, asked=BY_CODE, securities=listed([A]), now=datetime(2024, 1, 15, 10, 0, tzinfo=SHANGHAI))
    result = parts.collector.collect(CollectBars((A,), start=date(2024, 1, 6), end=date(2024, 1, 14)))
    assert (result.written, result.rejected) == (5, 2)
    assert {row["rule"] for row in parts.quality.quarantined([A]).table.to_pylist()} == {"not_a_session"}


def test_a_call_that_throws_leaves_none_behind_it():
    begun = []

    class Throws:
        capabilities = replace(BY_CODE, codes_per_call=1)

        def fetch(self, request):
            begun.append(request)
            if len(begun) == 1:
                raise ZeroDivisionError("a bug")
            return Unknown(UnknownReason.SERVER_ERROR, "HTTP 500")

    with ThreadPoolExecutor(1) as pool:
        parts = Stack(source=Throws(), pool=pool, securities=listed([A, B, "600000.SH", "600036.SH"]))
        with pytest.raises(ZeroDivisionError):
            parts.collector.collect(CollectBars(None, full=True))
        spent = len(begun)
    assert len(begun) == spent
