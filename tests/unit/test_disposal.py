"""How a delivery ends, row by row of the table of ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ginkgo_data.domain.model.collection import WHOLE_UNIVERSE, CollectionResult
from ginkgo_data.domain.model.commands import CollectBars, SyncSecurities
from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.disposition import Disposition
from ginkgo_data.domain.model.errors import Interrupted, MalformedCommand, NotAvailable, StoreUnavailable
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.disposal import DONE, settle_collection, settle_error, settle_sync
from support.deliveries import SENT, delivery

POLICY = RetryPolicy(max_deliveries=3, give_up_after=3600)
CODES = ("000001.SZ", "600000.SH")
DOWN = Unknown(UnknownReason.SERVER_ERROR, "HTTP 500")
EMPTY = Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, "no rows")


def result(**facts: object) -> CollectionResult:
    plain = {
        "series": DAILY,
        "window": None,
        "counts": CoverageCounts(),
        "bars_expected": 0,
        "bars_held": 0,
        "fetched": 0,
        "written": 0,
        "skipped": 0,
        "rejected": 0,
        "calls": 0,
        "inserts": 0,
        "duration": 0.0,
    }
    return CollectionResult(**{**plain, **facts})


def settle(facts: CollectionResult, codes=CODES, now=SENT, **more: object):
    return settle_collection(delivery(CollectBars(codes), **more), codes, facts, POLICY, now, SENT)


def test_a_complete_job_is_done():
    assert settle(result()) == DONE


def test_trouble_of_other_commands_codes_is_not_mine():
    assert settle(result(unknown={"300001.SZ": DOWN}, unknown_codes=("300002.SZ",))) == DONE


def test_codes_without_an_answer_are_worked_later_and_only_they():
    (end,) = settle(result(unknown={"600000.SH": DOWN}))
    assert (end.disposition, end.codes) == (Disposition.WORK_LATER, ("600000.SH",))
    assert not end.counts_as_attempt
    assert 0 < end.delay <= POLICY.max_postponement


def test_the_vendors_own_word_on_waiting_is_kept_within_the_longest_postponement():
    limited = Unknown(UnknownReason.RATE_LIMITED, "每分钟最多访问该接口200次", retry_after=42.0)
    assert settle(result(unknown={"600000.SH": limited}))[0].delay == 42.0
    daily = Unknown(UnknownReason.RATE_LIMITED, "每天最多访问该接口5次", retry_after=40_000.0)
    assert settle(result(unknown={"600000.SH": daily}))[0].delay == POLICY.max_postponement


def test_an_outage_is_no_attempt_but_ends_after_the_time_to_give_up():
    tired = settle(result(unknown={"600000.SH": DOWN}), attempt=2)
    assert tired[0].disposition is Disposition.WORK_LATER
    (end,) = settle(result(unknown={"600000.SH": DOWN}), now=SENT + timedelta(seconds=3601))
    assert (end.disposition, end.codes) == (Disposition.DEAD_LETTER, ("600000.SH",))


def test_an_emptiness_without_evidence_counts_and_becomes_a_dead_letter():
    (first,) = settle(result(unknown={"600000.SH": EMPTY}))
    assert first.disposition is Disposition.WORK_LATER
    assert first.counts_as_attempt
    (last,) = settle(result(unknown={"600000.SH": EMPTY}), attempt=2)
    assert last.disposition is Disposition.DEAD_LETTER


def test_a_code_that_nobody_knows_is_a_dead_letter_and_the_others_go_on():
    ends = settle(result(unknown_codes=("600000.SH",), unknown={"000001.SZ": DOWN}))
    assert [(e.disposition, e.codes) for e in ends] == [
        (Disposition.DEAD_LETTER, ("600000.SH",)),
        (Disposition.WORK_LATER, ("000001.SZ",)),
    ]
    assert ends[0].error == "UnknownCode"


def test_a_command_cut_by_the_end_of_the_round_goes_on_at_once_without_counting():
    (end,) = settle(result(unfinished=("600000.SH",), written=10))
    assert (end.disposition, end.codes, end.delay) == (Disposition.WORK_LATER, ("600000.SH",), 0.0)
    assert not end.counts_as_attempt


def test_a_piece_that_gained_nothing_counts_and_ends_as_a_dead_letter():
    (end,) = settle(result(unfinished=("600000.SH",)))
    assert end.counts_as_attempt
    (end,) = settle(result(unfinished=("600000.SH",)), attempt=2)
    assert end.disposition is Disposition.DEAD_LETTER


def test_a_piece_that_is_excused_from_gaining_does_not_count():
    (end,) = settle(result(unfinished=("600000.SH",), excused=True), attempt=2)
    assert (end.disposition, end.codes) == (Disposition.WORK_LATER, ("600000.SH",))
    assert not end.counts_as_attempt


def test_codes_left_to_others_have_their_end_already():
    assert settle(result(shed=CODES)) == DONE
    (end,) = settle(result(shed=CODES[:1], unknown={CODES[1]: DOWN}))
    assert end.codes == CODES[1:]


def test_a_command_over_everything_takes_all_trouble_as_its_own():
    (end,) = settle(result(unknown={"300001.SZ": DOWN}), codes=None)
    assert end.codes == ("300001.SZ",)


def test_a_refresh_that_got_no_answer_is_worked_later_whole():
    asked = delivery(SyncSecurities())
    assert settle_sync(asked, None, POLICY, SENT, SENT) == DONE
    (end,) = settle_sync(asked, DOWN, POLICY, SENT, SENT)
    assert (end.disposition, end.codes) == (Disposition.WORK_LATER, ())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StoreUnavailable("away"), Disposition.HOLD),
        (Interrupted("stopping"), Disposition.HOLD),
        (NotAvailable("no ticks here"), Disposition.DEAD_LETTER),
        (MalformedCommand("bad"), Disposition.DEAD_LETTER),
        (ZeroDivisionError("a bug"), Disposition.DEAD_LETTER),
    ],
)
def test_our_own_servers_trouble_holds_and_everything_else_is_a_dead_letter(error, expected):
    end = settle_error(error)
    assert end.disposition is expected
    assert str(error) in end.reason
    assert end.error == type(error).__name__


def test_a_universe_that_could_not_be_read_parks_the_whole_command():
    for codes in (None, CODES):
        (end,) = settle(result(unknown={WHOLE_UNIVERSE: DOWN}), codes=codes)
        assert (end.disposition, end.codes) == (Disposition.WORK_LATER, ())
