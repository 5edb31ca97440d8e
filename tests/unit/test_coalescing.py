"""Commands that wait together become as few pieces of work as they can."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ginkgo_data.domain.model.commands import (
    CollectAdjustmentFactors,
    CollectBars,
    CollectTicks,
    ProbeHeartbeat,
    SyncSecurities,
    SyncTradingCalendar,
)
from ginkgo_data.domain.services.coalescing import coalesce
from support.deliveries import SENT, delivery, malformed


def test_five_thousand_one_code_snapshots_are_one_job_with_every_delivery():
    waiting = [delivery(CollectBars((f"{n:06d}.SZ",)), n) for n in range(5000)]
    (work,) = coalesce(waiting)
    assert len(work.deliveries) == 5000
    assert work.command.codes == tuple(f"{n:06d}.SZ" for n in range(5000))
    assert len(set(work.request_ids)) == 5000


def test_the_same_code_twice_is_asked_once():
    (work,) = coalesce([delivery(CollectBars(("000001.SZ", "600000.SH")), 0), delivery(CollectBars(("000001.SZ",)), 1)])
    assert work.command.codes == ("000001.SZ", "600000.SH")


def test_commands_that_differ_in_more_than_codes_stay_apart():
    different = [
        CollectBars(("000001.SZ",)),
        CollectBars(("000001.SZ",), full=True),
        CollectBars(("000001.SZ",), force=True),
        CollectBars(("000001.SZ",), start=date(2020, 1, 2)),
        CollectBars(("000001.SZ",), sessions=5, word="update_data"),
    ]
    assert len(coalesce([delivery(command, n) for n, command in enumerate(different)])) == len(different)


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        (CollectAdjustmentFactors, [{"full": True}, {"force": True}]),
        (CollectTicks, [{"full": True}, {"overwrite": True}, {"start": date(2020, 1, 2)}, {"end": date(2020, 1, 2)}]),
    ],
)
def test_factors_and_ticks_are_joined_over_codes_and_kept_apart_by_everything_else(kind, others):
    alike = [kind(("000001.SZ",)), kind(("600000.SH",)), kind(("000001.SZ",)), CollectBars(("000001.SZ",))]
    joined, bars = coalesce([delivery(command, n) for n, command in enumerate(alike)])
    assert (joined.command, len(joined.deliveries)) == (kind(("000001.SZ", "600000.SH")), 3)
    assert bars.command == alike[-1]
    apart = [kind(("000001.SZ",)), kind(None), *(kind(("000001.SZ",), **how) for how in others)]
    assert len(coalesce([delivery(command, n) for n, command in enumerate(apart)])) == len(apart)


def test_commands_over_everything_are_one_job_and_named_codes_stay_their_own():
    named, all_of_them = CollectBars(("000001.SZ",)), CollectBars(None)
    works = coalesce([delivery(named, 0), delivery(all_of_them, 1), delivery(all_of_them, 2)])
    assert [(work.command.codes, len(work.deliveries)) for work in works] == [(("000001.SZ",), 1), (None, 2)]


def test_a_bare_command_is_not_merged_with_one_that_names_all_codes():
    assert len(coalesce([delivery(CollectBars(None, bare=True), 0), delivery(CollectBars(None), 1)])) == 2


def test_refreshes_of_one_universe_are_the_most_demanding_of_them():
    lazy, strict = SyncSecurities(max_age_hours=12, word="update_selector"), SyncSecurities()
    (work,) = coalesce([delivery(lazy, 0), delivery(strict, 1), delivery(lazy, 2)])
    assert work.command == strict
    (work,) = coalesce([delivery(lazy, 0), delivery(SyncSecurities(max_age_hours=6), 1)])
    assert work.command.max_age_hours == 6


def test_refreshes_of_different_markets_stay_apart():
    assert len(coalesce([delivery(SyncSecurities(market="主板"), 0), delivery(SyncSecurities(), 1)])) == 2


def test_order_of_first_appearance_is_kept_and_malformed_records_are_left_out():
    waiting = [
        delivery(SyncTradingCalendar(), 0),
        malformed(1),
        delivery(CollectBars(("000001.SZ",)), 2),
        delivery(ProbeHeartbeat(), 3),
        delivery(SyncTradingCalendar(), 4),
    ]
    assert [type(work.command) for work in coalesce(waiting)] == [SyncTradingCalendar, CollectBars, ProbeHeartbeat]


def test_since_is_the_latest_first_delivery_so_that_it_serves_every_member():
    early = delivery(CollectBars(("000001.SZ",), force=True), 0)
    late = delivery(CollectBars(("600000.SH",), force=True), 1, sent=SENT + timedelta(minutes=3))
    again = delivery(CollectBars(("600036.SH",), force=True), 2, sent=SENT + timedelta(hours=1), first_delivered=SENT)
    (work,) = coalesce([early, late, again])
    assert work.since == SENT + timedelta(minutes=3)
