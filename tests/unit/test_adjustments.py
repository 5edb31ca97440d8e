"""Collecting adjustment factors: only what is left, with the fewest calls, proven and told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from ginkgo_data.adapters.memory.adjustment_source import CAPABILITIES, InMemoryAdjustmentSource
from ginkgo_data.adapters.memory.call_lease import InMemoryCallLease, LeaseBoard
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.commands import CollectAdjustmentFactors
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.fetch import Rows, Unknown, UnknownReason
from ginkgo_data.domain.services.factor_revising import FactorRevising
from ginkgo_data.domain.services.pace import Pace
from support.bars import bars
from support.deliveries import delivery
from support.factors import factors, listed_factors
from support.stack import FIVE, NOW, SESSIONS, RunningClock, Stack, listed

A, B = "000001.SZ", "600519.SH"
WEEK = (date(2024, 1, 1), date(2024, 1, 31))
STEPS = [1.0, 1.0, 1.25, 1.25, 1.25]


def vendor(*batches: AdjustmentBatch, **capabilities: object) -> InMemoryAdjustmentSource:
    market = AdjustmentBatch.concat(batches or (factors(A, FIVE, STEPS), factors(B, FIVE)))
    return InMemoryAdjustmentSource(market, replace(CAPABILITIES, **capabilities))


def stack(source: object = None, **more: object) -> Stack:
    return Stack(adjustment_source=source or vendor(), **more)


def collect(parts: Stack, *codes: str, pace: Pace | None = None, since: datetime = NOW, **how: object):
    command = CollectAdjustmentFactors(codes or None, **how)
    return parts.adjustments.collect(command, since, pace or Pace())


def stored(parts: Stack) -> list[tuple[str, str, float]]:
    return listed_factors(parts.factors.read(None, *WEEK).factors())


class Answering:
    """A source whose answers are given, one after the other."""

    capabilities = CAPABILITIES

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def factors(self, codes, first, last, version):
        return self.answers.pop(0)


def test_a_code_is_complete_from_its_list_date_with_one_call():
    parts = stack()
    result = collect(parts, A)
    assert stored(parts) == [(A, day, factor) for day, factor in zip(FIVE, STEPS, strict=True)]
    assert parts.adjustment_source.requests == (((A,), date(2024, 1, 8), date(2024, 1, 12)),)
    assert (result.counts.expected, result.counts.held, result.written, result.calls) == (5, 5, 5, 1)
    assert (str(result.series), result.complete, result.bars_expected) == ("adj_factor", True, 5)


def test_a_second_command_asks_nothing():
    parts = stack()
    collect(parts, A, B)
    asked = len(parts.adjustment_source.requests)
    again = collect(parts, A, B)
    assert (again.calls, again.written, again.counts.held) == (0, 0, 10)
    assert len(parts.adjustment_source.requests) == asked


def test_many_codes_that_lack_few_sessions_are_asked_by_session_and_stored_whole():
    codes = [f"{n:06d}.SZ" for n in range(1, 31)]
    market = [factors(code, FIVE) for code in codes]
    parts = stack(vendor(*market), securities=listed(codes))
    result = collect(parts, *codes[:20])
    assert [request[0] for request in parts.adjustment_source.requests] == [None] * 5
    assert result.calls == 5
    assert len(stored(parts)) == 30 * 5
    assert collect(parts, *codes).calls == 0


def test_incremental_fills_holes_in_the_middle_and_full_goes_back_to_the_list_date():
    parts = stack(vendor(by_session=False))
    parts.factors.write(factors(A, ["2024-01-09", "2024-01-11"], version=1))
    collect(parts, A)
    assert [row[1] for row in stored(parts)] == list(FIVE[1:])
    collect(parts, A, full=True)
    assert [row[1] for row in stored(parts)] == list(FIVE)


def test_what_is_held_is_not_written_again_but_with_force_it_is_and_corrections_win():
    parts = stack(vendor(by_session=False))
    parts.factors.write(factors(A, FIVE[:4], [9.0] * 4, version=1))
    assert collect(parts, A).written == 1
    assert [row[2] for row in stored(parts)] == [9.0] * 4 + [1.25]
    parts.clock.advance(60)
    forced = collect(parts, A, force=True, since=parts.clock.now())
    assert forced.written == 5
    assert [row[2] for row in stored(parts)] == STEPS


def corrected(parts: Stack) -> list[tuple[str, float, float, str]]:
    rows = parts.factor_revisions.revisions(None, *WEEK).table.to_pylist()
    return [(str(row["session"]), row["old_factor"], row["new_factor"], row["request"]) for row in rows]


def test_a_factor_that_force_changes_is_kept_with_old_and_new_and_who_asked():
    parts = stack(vendor(by_session=False))
    parts.factors.write(factors(A, FIVE[:4], [1.0, 1.0 + 1e-12, 1.25, 1.2], version=1, source="files"))
    parts.clock.advance(60)
    sent = parts.clock.now()
    command = delivery(CollectAdjustmentFactors((A,), force=True), sent=sent)
    parts.round.run([command])
    assert corrected(parts) == [(FIVE[3], 1.2, 1.25, command.request_id)]
    (row,) = parts.factor_revisions.revisions([A], *WEEK).table.to_pylist()
    assert (row["old_source"], row["old_version"], row["source"]) == ("files", 1, "test")
    assert row["version"] == parts.factors.read([A], row["session"], row["session"]).table["version"][0].as_py()
    note = "stored adjustment factors corrected by the vendor: 1 (ginkgo-data revisions --factors shows old and new)"
    assert note in parts.notifications.reports[0].notes


def test_a_crash_between_the_old_value_and_the_new_one_loses_neither():
    parts = stack(vendor(by_session=False))
    parts.factors.write(factors(A, FIVE, [9.0] * 5, version=1))
    parts.clock.advance(60)
    since, write = parts.clock.now(), parts.factors.write

    def away(batch: AdjustmentBatch) -> None:
        raise StoreUnavailable("gone")

    parts.factors.write = away
    with pytest.raises(StoreUnavailable):
        collect(parts, A, force=True, since=since)
    assert [(day, old) for day, old, *_ in corrected(parts)] == [(day, 9.0) for day in FIVE]
    parts.factors.write = write
    parts.clock.advance(1)
    collect(parts, A, force=True, since=since)
    assert [(day, old, new) for day, old, new, _ in corrected(parts)] == [
        (day, 9.0, new) for day, new in zip(FIVE, STEPS, strict=True)
    ]
    assert [row[2] for row in stored(parts)] == STEPS


def test_of_a_factor_that_comes_twice_the_later_one_is_the_correction():
    parts = stack()
    parts.factors.write(factors(A, FIVE[:2], [1.0, 2.0], version=1))
    twice = AdjustmentBatch.concat(
        [factors(A, FIVE[:2], [1.5, 2.5], version=9), factors(A, FIVE[:1], [1.4], version=8)]
    )
    found = FactorRevising(parts.factors).corrections(twice).table.to_pylist()
    assert [(row["old_factor"], row["new_factor"], row["version"]) for row in found] == [(1.0, 1.5, 9), (2.0, 2.5, 9)]


def test_what_was_stored_later_than_the_answer_is_not_corrected_by_it():
    parts = stack(vendor(by_session=False))
    later = parts.versions.version() + 3_600_000_000
    parts.factors.write(factors(A, FIVE[:1], [9.0], version=later))
    parts.clock.advance(1)
    collect(parts, A, force=True, full=True, since=parts.clock.now() - timedelta(minutes=1))
    assert (corrected(parts), stored(parts)[0][2]) == ([], 9.0)


def test_a_forced_command_that_comes_again_does_only_what_is_left():
    parts = stack()
    parts.clock.advance(1)
    collect(parts, A, force=True)
    assert collect(parts, A, force=True).calls == 0


def test_all_securities_are_meant_where_no_codes_are_named():
    parts = stack()
    assert collect(parts).counts.held == 10


def test_a_code_that_nobody_knows_is_named_and_the_others_are_done():
    result = collect(stack(), A, "999999.SZ")
    assert result.unknown_codes == ("999999.SZ",)
    assert result.counts.held == 5


def test_without_an_answer_nothing_is_concluded():
    parts = stack(Answering(Unknown(UnknownReason.SERVER_ERROR, "HTTP 500")))
    result = collect(parts, A)
    assert list(result.unknown) == [A]
    assert (stored(parts), result.counts.unexplained) == ([], 5)


def test_sessions_without_a_factor_stay_unexplained_and_are_not_asked_twice_in_a_job():
    parts = stack(vendor(factors(A, FIVE[:3], STEPS[:3])))
    result = collect(parts, A)
    assert (result.counts.held, result.counts.unexplained, result.calls) == (3, 2, 1)


@pytest.mark.parametrize("value", [0.0, -1.5, float("nan"), float("inf")])
def test_a_row_that_is_no_factor_goes_to_quarantine_and_the_others_are_stored(value):
    parts = stack(Answering(Rows(factors(A, FIVE, [1.0, value, 1.25, 1.25, 1.25], version=7))))
    result = collect(parts, A)
    (row,) = parts.quality.quarantined().table.to_pylist()
    assert (row["rule"], row["frequency"], row["code"]) == ("factor_not_positive", "adj_factor", A)
    assert row["timestamp"].isoformat() == "2024-01-09T00:00:00+08:00"
    assert (result.rejected, result.written) == (1, 4)
    assert {finding.rule for finding in result.findings} == {"factor_not_positive"}


def test_rows_that_were_not_asked_for_are_no_sessions_or_repeat_a_key_are_rejected():
    answered = AdjustmentBatch.concat(
        [factors(A, [*FIVE, FIVE[0]]), factors(B, FIVE[:1]), factors(A, ["2024-01-06", "2024-01-13"])]
    )
    parts = stack(Answering(Rows(answered)))
    result = collect(parts, A)
    rules = sorted(row["rule"] for row in parts.quality.quarantined().table.to_pylist())
    assert rules == ["duplicate_key", "outside_call", "outside_call", "outside_call"]
    assert (result.counts.held, len(stored(parts))) == (5, 5)


def test_a_row_on_no_session_is_rejected():
    parts = stack(vendor(factors(A, FIVE)))
    others = [day for day in SESSIONS if str(day) != FIVE[2]]
    parts.calendar = InMemoryTradingCalendar(np.array(others), date(2024, 3, 29))
    assert collect(parts, A).counts.held == 4
    assert [row["rule"] for row in parts.quality.quarantined().table.to_pylist()] == ["not_a_session"]


def test_a_step_that_the_bars_do_not_explain_is_flagged_and_stored_all_the_same():
    parts = stack()
    parts.bars.write(bars(A, FIVE, closes=[10.0, 10.0, 8.0, 8.0, 8.0], pre_closes=[10.0, 10.0, 10.0, 8.0, 8.0]))
    result = collect(parts, A)
    (finding,) = result.findings
    assert (finding.rule, finding.verdict.value, finding.count) == ("factor_step", "flag", 1)
    assert "000001.SZ 2024-01-10" in finding.examples[0]
    assert (result.counts.held, result.rejected) == (5, 0)


@pytest.mark.parametrize(("off", "flagged"), [(1.0004, False), (1.0006, True)])
def test_steps_are_flagged_beyond_five_in_ten_thousand(off, flagged):
    parts = stack(vendor(factors(A, FIVE, [1.0, 1.0, 1.25 * off, 1.25 * off, 1.25 * off])))
    parts.bars.write(
        bars(A, FIVE, closes=[100.0, 100.0, 80.0, 80.0, 80.0], pre_closes=[100.0, 100.0, 80.0, 80.0, 80.0])
    )
    assert bool(collect(parts, A).findings) is flagged


def test_a_difference_that_rounding_to_cents_explains_is_no_finding():
    # 2.00 a share less 0.033: the vendor says 1.97, the factor knows 1.967.
    parts = stack(vendor(factors(A, FIVE, [1.0, 1.0, *[2.0 / 1.967] * 3])))
    parts.bars.write(bars(A, FIVE, closes=[2.0, 2.0, 1.97, 1.97, 1.97], pre_closes=[2.0, 2.0, 1.97, 1.97, 1.97]))
    assert collect(parts, A).findings == ()


def test_a_step_over_a_missing_bar_is_not_judged():
    parts = stack()
    parts.bars.write(bars(A, [FIVE[0], FIVE[2]], closes=[10.0, 30.0], pre_closes=[10.0, 30.0]))
    assert collect(parts, A).findings == ()


def test_a_single_new_session_is_compared_with_the_factor_held_before_it():
    parts = stack()
    parts.factors.write(factors(A, FIVE[:2], STEPS[:2]))
    parts.bars.write(bars(A, FIVE, closes=[10.0, 10.0, 8.0, 8.0, 8.0], pre_closes=[10.0, 10.0, 8.0, 8.0, 8.0]))
    assert collect(parts, A).findings == ()
    parts = stack()
    parts.factors.write(factors(A, FIVE[:2], STEPS[:2]))
    parts.bars.write(bars(A, FIVE, closes=[10.0] * 5, pre_closes=[10.0] * 5))
    assert [finding.rule for finding in collect(parts, A).findings] == ["factor_step"]


def test_a_store_that_acknowledges_and_does_not_keep_is_an_error():
    class Forgetful:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def write(self, batch):
            return self._inner.write(AdjustmentBatch(batch.table.slice(1)))

    parts = stack()
    parts.factors = Forgetful(parts.factors)
    with pytest.raises(StoreUnavailable, match="1 adjustment factors were acknowledged"):
        collect(parts, A)


def test_when_there_is_no_time_the_codes_are_unfinished():
    result = collect(stack(), A, B, pace=Pace(go_on=lambda: False))
    assert set(result.unfinished) == {A, B}
    assert collect(stack(), A, pace=Pace(stopping=lambda: True)).unfinished == (A,)


def test_more_calls_than_the_share_are_left_to_others_before_anything_is_asked():
    shed = []
    parts = stack(vendor(by_session=False))
    result = collect(parts, A, B, pace=Pace(most_calls=1, shed=shed.append))
    assert (shed, result.shed) == ([(B,)], (B,))
    assert len(parts.adjustment_source.requests) == 1


def test_two_workers_make_the_same_call_once():
    clock = RunningClock()
    board = LeaseBoard()
    with ThreadPoolExecutor(2) as calls, ThreadPoolExecutor(2) as workers:
        one = stack(pool=calls, lease=InMemoryCallLease(clock, board))
        other = stack(one.adjustment_source, pool=calls, lease=InMemoryCallLease(clock, board))
        other.factors = one.factors
        results = list(workers.map(lambda parts: collect(parts, A), (one, other)))
    assert len(one.adjustment_source.requests) == 1
    assert [result.counts.held for result in results] == [5, 5]


def test_progress_is_told_call_by_call():
    told = []
    collect(stack(vendor(by_session=False)), A, B, pace=Pace(watch=told.append))
    assert [(p.calls_done, p.calls_planned, p.rows) for p in told] == [(1, 2, 5), (2, 2, 10)]


def test_a_round_ends_deliveries_with_one_job_and_one_report():
    parts = stack()
    waiting = [delivery(CollectAdjustmentFactors((code,)), n, sent=NOW) for n, code in enumerate((A, B))]
    result = parts.round.run(waiting)
    assert result.finished == waiting
    (report,) = parts.notifications.reports
    assert (report.series, report.command, report.records_expected, report.records_actual) == (
        "adj_factor",
        "adjustfactor",
        10,
        10,
    )
    assert parts.quality.reports(1)[0].series == "adj_factor"


def test_the_remainder_is_parked_and_unknown_codes_are_dead_letters():
    parts = stack(Answering(*[Unknown(UnknownReason.TIMED_OUT, "slow")] * 9))
    result = parts.round.run([delivery(CollectAdjustmentFactors((A, "999999.SZ")), sent=NOW)])
    (item,) = parts.work_queue.parked
    (letter,) = parts.dead_letters.letters.values()
    assert (item.codes, item.attempt) == ((A,), 0)
    assert (letter.error, letter.codes) == ("UnknownCode", ("999999.SZ",))
    assert (len(result.finished), result.parked, result.dead_letters) == (1, 1, 1)


def test_a_parked_remainder_comes_back_and_is_done():
    class DownOnce:
        capabilities = CAPABILITIES
        inner, asked = vendor(), 0

        def factors(self, *question):
            self.asked += 1
            return Unknown(UnknownReason.TIMED_OUT, "slow") if self.asked == 1 else self.inner.factors(*question)

    parts = stack(DownOnce())
    parts.round.run([delivery(CollectAdjustmentFactors((A,)), sent=NOW)])
    parts.clock.advance(timedelta(minutes=6).total_seconds())
    back = parts.stream.receive(10, 0.0)
    assert len(back) == 1
    parts.round.run(back)
    assert len(stored(parts)) == 5
    assert not parts.dead_letters.letters
