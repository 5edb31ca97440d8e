"""Who asked for a code is known of every delivery behind a piece of work, and kept with what it revised."""

from __future__ import annotations

from datetime import date

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars, SyncTradingCalendar
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.coalescing import coalesce
from ginkgo_data.domain.services.requesters import requesters
from support.bars import bars
from support.deliveries import delivery
from support.stack import FIVE, NOW, VENDOR, InMemoryBarSource, Stack

A, B = "000001.SZ", "600519.SH"


def test_each_code_names_the_requests_that_named_it():
    (work,) = coalesce([delivery(CollectBars(codes), place) for place, codes in enumerate([(A,), (B,), (A, B)])])
    request_of = requesters(work)
    assert request_of(A) == "request-0, request-2"
    assert request_of(B) == "request-1, request-2"
    assert request_of("600000.SH") == ""


def test_a_request_for_all_codes_is_behind_each():
    (work,) = coalesce([delivery(CollectBars(None), 7)])
    assert requesters(work)(A) == "request-7"


def test_of_many_requests_some_are_named_and_the_others_counted():
    (work,) = coalesce([delivery(CollectBars((A,)), place) for place in range(8)])
    assert requesters(work)(A) == "request-0, request-1, request-2, request-3, request-4 and 3 more"


def test_work_that_is_about_no_codes_names_its_requests_all_the_same():
    (work,) = coalesce([delivery(SyncTradingCalendar(), 3)])
    assert requesters(work)(A) == "request-3"


def test_a_forced_command_stands_in_the_revisions_of_what_it_corrected():
    market = [BarBatch.concat([bars(A, FIVE, closes=closes), bars(B, FIVE)]) for closes in ([10.0] * 5, [10.5] * 5)]
    parts = Stack(source=InMemoryBarSource(market[0], capabilities=VENDOR))
    parts.round.run([delivery(CollectBars((A, B), full=True), 0, sent=NOW)])
    parts.source = InMemoryBarSource(market[1], capabilities=VENDOR)
    parts.clock.advance(60)
    week = CollectBars((A,), start=date(2024, 1, 8), force=True)
    forced = [
        delivery(command, place, sent=parts.clock.now())
        for place, command in ((1, week), (2, week.for_codes((B,))), (3, week))
    ]
    assert parts.round.run(forced).finished == forced
    table = parts.revisions.revisions(None, DAILY, date(2024, 1, 1), date(2024, 1, 31)).table
    assert set(table["code"].to_pylist()) == {A}
    assert table["request"].to_pylist() == ["request-1, request-3"] * 5
    assert any("corrected by the vendor: 5" in note for note in parts.notifications.reports[-1].notes)
