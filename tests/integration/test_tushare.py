"""Bars of Tushare over HTTP: what each reply, good or bad, is taken for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.adapters.tushare.bar_source import TushareBarSource
from ginkgo_data.adapters.tushare.client import TushareClient
from ginkgo_data.adapters.tushare.config import TushareConfig
from ginkgo_data.domain.model.coverage import Absences, Cells
from ginkgo_data.domain.model.fetch import DAILY, BarAnswer, FetchRequest, ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.series import Frequency, Series
from ginkgo_data.ports.clock import Clock
from support.bars import business_days
from support.shared_data import needs_shared
from support.tushare_market import REAL_DAILY, made_up_market, read_daily, real_market, suspensions
from support.tushare_server import (
    Fault,
    TushareServer,
    bad_token,
    dripping,
    dropped,
    empty,
    http_status,
    narrow_items,
    no_permission,
    not_json,
    rate_limited,
    rate_limited_as_frequency,
    refused,
    slow,
)

A, B, C = "000001.SZ", "300750.SZ", "600519.SH"
SESSIONS = business_days("2024-01-01", 10)
FIRST, LAST = date(2024, 1, 1), date(2024, 1, 12)
TOKEN = "planted-" + "0123456789abcdef" * 3
VERSION = 1_700_000_000_000_000
NOON = datetime(2024, 1, 15, 4, 0, 20, tzinfo=UTC)
"""Twenty seconds past noon in Shanghai."""

MISSING = {(B, "20240103"): None, (B, "20240104"): "09:30-10:00", (C, "20240105"): "unsaid"}
"""Cells without a bar and what `suspend_d` says of them: whole session, part of it, nothing."""

Open = Callable[..., TushareBarSource]
Serve = Callable[[dict[str, object]], None]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the loopback server directly, whatever proxy the machine uses for the rest of the world."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[TushareServer]:
    market = made_up_market([A, B, C], SESSIONS, missing=MISSING)
    said = [(code, day, timing, "S") for (code, day), timing in MISSING.items() if timing != "unsaid"]
    with TushareServer(replace(market, suspend_d=suspensions(said)), token=TOKEN) as running:
        yield running
        assert not running.errors


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def opened(server: TushareServer, clock: ManualClock) -> Iterator[Open]:
    """Open a source on the server (or another address); its client is closed afterwards."""
    clients: list[TushareClient] = []

    def open_source(
        using: Clock = clock, budget: InMemoryCallBudget | None = None, **settings: object
    ) -> TushareBarSource:
        config = TushareConfig(**{"base_url": server.url, "token": TOKEN, "timeout": 10, **settings})
        clients.append(TushareClient(config, budget or InMemoryCallBudget(using), using))
        return TushareBarSource(clients[-1])

    yield open_source
    for client in clients:
        client.close()


@pytest.fixture
def serve(server: TushareServer) -> Serve:
    """Let the next call of daily be answered with this data."""
    return lambda data: server.script("daily", Fault(body=reply_body(data)))


def asking(
    codes: Sequence[str] | None,
    first: date = FIRST,
    last: date = LAST,
    wanted: Cells | None = None,
    series: Series = DAILY,
) -> FetchRequest:
    """Ask for `codes`, wanting every working day of the range unless told otherwise."""
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    cells = Cells.cross(codes or (A, B, C), days[np.is_busday(days)]) if wanted is None else wanted
    return FetchRequest(series, None if codes is None else tuple(codes), first, last, cells, VERSION)


def await_calls(server: TushareServer, number: int) -> None:
    """Return when so many calls of daily have come in."""
    deadline = time.monotonic() + 5.0
    while server.calls["daily"] < number:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows(answer: BarAnswer) -> Rows:
    assert isinstance(answer, Rows), answer
    return answer


def unknown(answer: BarAnswer, reason: UnknownReason) -> Unknown:
    assert isinstance(answer, Unknown), answer
    assert answer.reason is reason, answer
    return answer


def said(absences: Absences) -> set[tuple[str, str, str]]:
    return {(r["code"], f"{r['session']:%m%d}", r["reason"]) for r in absences.table.to_pylist()}


class TestRows:
    def test_units_become_shares_and_yuan_and_days_become_midnights_of_the_exchange(
        self, opened: Open, serve: Serve
    ) -> None:
        reply = {
            "fields": ["trade_date", "ts_code", "amount", "vol", "open", "high", "low", "close", "pre_close", "extra"],
            "items": [["20180718", A, 460697.377, 525152.77, 8.75, 8.85, 8.69, 8.7, 8.72, 1]],
        }
        source = opened()
        serve(reply)
        bar = rows(source.fetch(asking([A], date(2018, 7, 18), date(2018, 7, 18)))).batch.table.to_pylist()[0]
        assert bar["timestamp"] == datetime(2018, 7, 17, 16, 0, tzinfo=UTC)
        assert (bar["volume"], bar["amount"]) == (52_515_277.0, 460_697_377.0)
        assert (bar["open"], bar["high"], bar["low"], bar["close"], bar["pre_close"]) == (8.75, 8.85, 8.69, 8.7, 8.72)
        assert (bar["code"], bar["session"], bar["source"]) == (A, date(2018, 7, 18), "tushare")
        assert bar["version"] == VERSION

    def test_a_midnight_of_the_last_summer_time_is_that_of_the_exchange(self, opened: Open, serve: Serve) -> None:
        source = opened()
        serve(daily_reply([A, "19910715", 1, 1, 1, 1, 1, 1, 1]))
        table = rows(source.fetch(asking([A], date(1991, 7, 15), date(1991, 7, 15)))).batch.table
        assert table["timestamp"].to_pylist()[0] == datetime(1991, 7, 14, 15, 0, tzinfo=UTC)

    def test_codes_over_a_range_are_one_call_with_a_list(self, opened: Open, server: TushareServer) -> None:
        answer = rows(opened().fetch(asking([A, C], wanted=Cells.none())))
        assert (len(answer.batch), answer.calls) == (19, 1)
        assert dict(server.requests[0].params) == {
            "ts_code": f"{A},{C}",
            "start_date": "20240101",
            "end_date": "20240112",
        }

    def test_a_session_of_the_market_is_one_call_without_codes(self, opened: Open, server: TushareServer) -> None:
        answer = rows(opened().fetch(asking(None, FIRST, FIRST)))
        assert answer.batch.codes() == [A, B, C]
        assert dict(server.requests[0].params) == {"trade_date": "20240101"}

    def test_every_row_knows_the_item_it_came_from(self, opened: Open, serve: Serve) -> None:
        source = opened()
        serve(daily_reply([A, "garbage", *[1] * 7], [A, "20240102", *[1] * 7]))
        answer = rows(source.fetch(asking([A], wanted=Cells.none())))
        assert answer.places is not None
        assert answer.places.text(0) == "tushare daily:2"

    def test_the_address_may_hold_the_name_of_the_api(self, opened: Open, server: TushareServer) -> None:
        source = opened(base_url=server.url + "/dataapi/{api_name}")
        rows(source.fetch(asking([A], wanted=Cells.none())))

    def test_threads_share_one_client(self, opened: Open) -> None:
        source = opened()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: source.fetch(asking([A, C], wanted=Cells.none())), range(32)))
        assert all(len(rows(answer).batch) == 19 for answer in answers)


class TestEvidence:
    def test_a_session_without_a_row_is_suspended_only_if_the_vendor_says_so_for_all_of_it(self, opened: Open) -> None:
        answer = rows(opened().fetch(asking([A, B, C])))
        assert said(answer.absences) == {(B, "0103", "suspended"), (B, "0104", "no_row"), (C, "0105", "no_row")}
        assert answer.calls == 2

    def test_by_session_the_market_is_asked_for_suspensions_of_that_session(
        self, opened: Open, server: TushareServer
    ) -> None:
        answer = rows(opened().fetch(asking(None, date(2024, 1, 3), date(2024, 1, 3))))
        assert said(answer.absences) == {(B, "0103", "suspended")}
        assert dict(server.requests[1].params) == {"trade_date": "20240103", "suspend_type": "S"}

    def test_only_codes_and_sessions_with_gaps_are_asked_about(self, opened: Open, server: TushareServer) -> None:
        opened().fetch(asking([A, B, C]))
        assert dict(server.requests[1].params) == {
            "ts_code": f"{B},{C}",
            "start_date": "20240103",
            "end_date": "20240105",
            "suspend_type": "S",
        }

    def test_evidence_says_in_words_what_was_seen(self, opened: Open) -> None:
        table = rows(opened().fetch(asking([A, B, C]))).absences.table
        words = {(r["code"], r["session"].day): r["evidence"] for r in table.to_pylist()}
        assert words[B, 3] == "suspend_d says suspended (S) with no suspend_timing: for the whole session"
        assert words[C, 5] == "daily has 2 rows of 2024-01-05, none of this code"

    def test_nothing_is_said_of_a_session_that_the_reply_does_not_show_to_be_published(self, opened: Open) -> None:
        answer = rows(opened().fetch(asking([A, B, C], last=date(2024, 1, 16))))
        assert {day for _, day, _ in said(answer.absences)} == {"0103", "0104", "0105"}

    def test_a_later_row_shows_that_a_session_is_published(self, opened: Open) -> None:
        alone = rows(opened().fetch(asking([C], last=date(2024, 1, 16))))
        assert said(alone.absences) == {(C, "0105", "no_row")}
        assert alone.absences.table["evidence"].to_pylist() == ["daily has rows up to 2024-01-12, not this"]

    def test_a_code_that_resumed_trading_was_not_suspended_that_day(self, opened: Open, server: TushareServer) -> None:
        fields = ["ts_code", "trade_date", "suspend_timing", "suspend_type"]
        items = [[C, "20240105", None, "R"], [B, "20240103", "", "S"]]
        server.script("suspend_d", Fault(body=reply_body({"fields": fields, "items": items})))
        answer = rows(opened().fetch(asking([A, B, C])))
        assert said(answer.absences) == {(B, "0103", "suspended"), (B, "0104", "no_row"), (C, "0105", "no_row")}

    def test_without_gaps_nothing_more_is_asked(self, opened: Open, server: TushareServer) -> None:
        assert rows(opened().fetch(asking([A]))).calls == 1
        assert server.calls["suspend_d"] == 0

    def test_rows_stand_when_the_question_about_suspensions_fails_and_the_log_says_so(
        self, opened: Open, server: TushareServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.script("suspend_d", http_status(500))
        answer = rows(opened().fetch(asking([A, B, C])))
        assert len(answer.batch) == 27
        assert {reason for *_, reason in said(answer.absences)} == {"no_row"}
        assert answer.calls == 2
        assert "3 cells" in caplog.text
        assert "HTTP 500" in caplog.text


class TestNothing:
    def test_it_is_proven_when_every_wanted_session_was_suspended(self, opened: Open) -> None:
        day = date(2024, 1, 3)
        answer = opened().fetch(asking([B], day, day))
        assert isinstance(answer, ProvenEmpty)
        assert (said(answer.absences), answer.calls) == ({(B, "0103", "suspended")}, 2)

    def test_it_is_proven_cell_by_cell_when_the_market_traded_without_the_code(
        self, opened: Open, server: TushareServer
    ) -> None:
        answer = opened().fetch(asking([B], date(2024, 1, 3), date(2024, 1, 4)))
        assert isinstance(answer, ProvenEmpty)
        assert said(answer.absences) == {(B, "0103", "suspended"), (B, "0104", "no_row")}
        assert answer.calls == 3
        assert dict(server.requests[2].params) == {"trade_date": "20240104"}
        evidence = answer.absences.table["evidence"].to_pylist()
        assert evidence[1] == "daily(trade_date=20240104) has 2 rows, none of this code"

    def test_it_proves_nothing_where_the_market_has_no_row_either(self, opened: Open) -> None:
        answer = unknown(
            opened().fetch(asking([A], date(2024, 1, 15), date(2024, 1, 15))), UnknownReason.EMPTY_WITHOUT_EVIDENCE
        )
        assert answer.calls == 3
        assert "not published" in answer.detail

    def test_it_proves_nothing_when_the_newest_wanted_session_is_not_published(
        self, opened: Open, server: TushareServer
    ) -> None:
        server.script("daily", empty())
        days = np.array(["2024-01-05", "2024-01-15"], "M8[D]")
        request = asking([C], date(2024, 1, 5), date(2024, 1, 15), Cells.cross([C], days))
        unknown(opened().fetch(request), UnknownReason.EMPTY_WITHOUT_EVIDENCE)
        assert server.requests[-1].params["trade_date"] == "20240115"

    def test_it_proves_nothing_where_the_market_has_the_very_rows(self, opened: Open, server: TushareServer) -> None:
        server.script("daily", empty())
        answer = unknown(opened().fetch(asking([A])), UnknownReason.EMPTY_WITHOUT_EVIDENCE)
        assert "has 1 of them" in answer.detail

    def test_it_proves_nothing_of_a_whole_market(self, opened: Open, server: TushareServer) -> None:
        server.script("daily", empty())
        answer = unknown(opened().fetch(asking(None, FIRST, FIRST)), UnknownReason.EMPTY_WITHOUT_EVIDENCE)
        assert answer.calls == server.calls.total() == 2

    def test_it_proves_nothing_when_no_cell_was_wanted(self, opened: Open, server: TushareServer) -> None:
        server.script("daily", empty())
        unknown(opened().fetch(asking([A], wanted=Cells.none())), UnknownReason.EMPTY_WITHOUT_EVIDENCE)

    @pytest.mark.parametrize(
        ("api", "fault", "calls"), [("suspend_d", http_status(503), 2), ("daily", http_status(503), 3)]
    )
    def test_it_proves_nothing_when_the_proof_fails(
        self, opened: Open, server: TushareServer, api: str, fault: Fault, calls: int
    ) -> None:
        server.script(api, *([fault] if api == "suspend_d" else [None, fault]))
        answer = opened().fetch(asking([B], date(2024, 1, 3), date(2024, 1, 4)))
        assert isinstance(answer, Unknown)
        assert answer.reason is UnknownReason.SERVER_ERROR
        assert answer.calls == calls

    def test_an_account_without_suspensions_is_left_with_what_the_market_shows(
        self, opened: Open, server: TushareServer
    ) -> None:
        server.script("suspend_d", no_permission())
        answer = opened().fetch(asking([B], date(2024, 1, 3), date(2024, 1, 4)))
        assert isinstance(answer, ProvenEmpty)
        assert set(answer.absences.table["reason"].to_pylist()) == {"no_row"}
        assert answer.calls == 3


REPLY_FAULTS = {
    "server error": (http_status(500), UnknownReason.SERVER_ERROR),
    "bad gateway": (http_status(502), UnknownReason.SERVER_ERROR),
    "an error that looks like a reply without rows": (
        http_status(500, b'{"code": 0, "msg": "", "data": {"fields": [], "items": []}}'),
        UnknownReason.SERVER_ERROR,
    ),
    "not found": (http_status(404), UnknownReason.REFUSED),
    "bad request": (http_status(400), UnknownReason.REFUSED),
    "moved": (http_status(302, Location="http://127.0.0.1:9/"), UnknownReason.REFUSED),
    "unauthorised": (http_status(401), UnknownReason.BAD_TOKEN),
    "forbidden": (http_status(403), UnknownReason.NO_PERMISSION),
    "request timeout": (http_status(408), UnknownReason.TIMED_OUT),
    "too many requests": (http_status(429), UnknownReason.RATE_LIMITED),
    "quota of a minute": (rate_limited(), UnknownReason.RATE_LIMITED),
    "quota of an hour": (rate_limited(10, "小时"), UnknownReason.RATE_LIMITED),
    "quota of a day": (rate_limited(5, "天"), UnknownReason.RATE_LIMITED),
    "frequency": (rate_limited_as_frequency(), UnknownReason.RATE_LIMITED),
    "bad token": (bad_token(), UnknownReason.BAD_TOKEN),
    "no permission": (no_permission(), UnknownReason.NO_PERMISSION),
    "no permission by code": (refused("no", 2002), UnknownReason.NO_PERMISSION),
    "too few points": (refused("抱歉，您积分不足", 40203), UnknownReason.NO_PERMISSION),
    "passing trouble": (refused("系统内部错误，请稍后重试", -2003), UnknownReason.SERVER_ERROR),
    "bad parameter": (refused(), UnknownReason.REFUSED),
    "no JSON": (not_json(), UnknownReason.MALFORMED_REPLY),
    "no content": (Fault(body=b""), UnknownReason.MALFORMED_REPLY),
    "a list": (Fault(body=b"[]"), UnknownReason.MALFORMED_REPLY),
    "no code": (Fault(body=b'{"data": {"fields": [], "items": []}}'), UnknownReason.MALFORMED_REPLY),
    "no data": (Fault(body=b'{"code": 0, "data": null}'), UnknownReason.MALFORMED_REPLY),
    "no items": (Fault(body=b'{"code": 0, "data": {"fields": []}}'), UnknownReason.MALFORMED_REPLY),
    "fields missing": (
        Fault(body=b'{"code": 0, "data": {"fields": ["ts_code"], "items": [["000001.SZ"]]}}'),
        UnknownReason.MALFORMED_REPLY,
    ),
    "narrow items": (narrow_items(4), UnknownReason.MALFORMED_REPLY),
    "deep nesting": (Fault(body=b"[" * 100_000), UnknownReason.MALFORMED_REPLY),
    "not the encoding it claims": (
        http_status(200, b"nothing that gzip made", Content_Encoding="gzip"),
        UnknownReason.MALFORMED_REPLY,
    ),
    "connection dropped": (dropped(), UnknownReason.UNREACHABLE),
}


class TestFaults:
    @pytest.mark.parametrize(("fault", "reason"), REPLY_FAULTS.values(), ids=REPLY_FAULTS.keys())
    def test_each_has_its_reason_and_none_is_an_empty_answer(
        self, opened: Open, server: TushareServer, fault: Fault, reason: UnknownReason
    ) -> None:
        server.script("daily", fault)
        answer = unknown(opened().fetch(asking([A])), reason)
        assert answer.calls == server.calls.total() == 1

    @pytest.mark.parametrize(("fault", "reason"), REPLY_FAULTS.values(), ids=REPLY_FAULTS.keys())
    def test_the_call_after_a_fault_is_answered(
        self, opened: Open, server: TushareServer, clock: ManualClock, fault: Fault, reason: UnknownReason
    ) -> None:
        server.script("daily", fault)
        source = opened()
        failed = unknown(source.fetch(asking([A])), reason)
        clock.advance(failed.retry_after or 0)
        assert len(rows(source.fetch(asking([A]))).batch) == 10

    def test_nobody_listening_is_unreachable(self, opened: Open, server: TushareServer) -> None:
        source = opened()
        server.close()
        unknown(source.fetch(asking([A])), UnknownReason.UNREACHABLE)

    @pytest.mark.parametrize("fault", [slow(30), dripping(0.05)], ids=["silent", "dripping"])
    def test_a_reply_that_is_not_whole_in_time_has_timed_out(
        self, opened: Open, server: TushareServer, fault: Fault
    ) -> None:
        server.script("daily", fault)
        source = opened(SystemClock(), timeout=0.3)
        unknown(source.fetch(asking([A])), UnknownReason.TIMED_OUT)

    @pytest.mark.parametrize(
        ("request_", "why"),
        [
            (asking([A], series=Series(Frequency.MIN1)), "1m/none is not offered"),
            (asking([]), "0 codes"),
            (asking([f"{i:06d}.SZ" for i in range(4)]), "4 codes"),
            (asking(None), "one session"),
        ],
    )
    def test_what_the_vendor_cannot_be_asked_costs_no_call(
        self, opened: Open, server: TushareServer, request_: FetchRequest, why: str
    ) -> None:
        answer = unknown(opened(codes_per_call=3).fetch(request_), UnknownReason.REFUSED)
        assert why in answer.detail
        assert answer.calls == server.calls.total() == 0


class TestPages:
    def test_a_reply_as_long_as_the_limit_is_continued(self, opened: Open, server: TushareServer) -> None:
        server.row_limits["daily"] = 4
        answer = rows(opened(row_limits={"daily": 4}).fetch(asking([A, C], wanted=Cells.none())))
        assert (len(answer.batch), answer.calls) == (19, 5)
        assert server.requests[1].params["offset"] == "4"
        keys = {(r["code"], r["session"]) for r in answer.batch.table.select(["code", "session"]).to_pylist()}
        assert len(keys) == 19

    def test_a_reply_exactly_as_long_as_the_limit_is_whole_only_after_an_empty_page(
        self, opened: Open, server: TushareServer
    ) -> None:
        server.says_more = False
        server.row_limits["daily"] = 10
        answer = rows(opened(row_limits={"daily": 10}).fetch(asking([A])))
        assert (len(answer.batch), answer.calls) == (10, 2)

    def test_the_vendors_word_that_there_is_more_is_believed_below_the_limit(
        self, opened: Open, server: TushareServer
    ) -> None:
        server.row_limits["daily"] = 7
        assert len(rows(opened().fetch(asking([A]))).batch) == 10

    def test_a_limit_that_sank_unnoticed_is_found_by_its_round_number(self, clock: ManualClock) -> None:
        codes = [f"{600000 + i:06d}.SH" for i in range(220)]
        with (
            TushareServer(made_up_market(codes, SESSIONS), says_more=False, row_limits={"daily": 1000}) as server,
            open_client(server, clock) as client,
        ):
            answer = rows(TushareBarSource(client).fetch(asking(codes)))
        assert (len(answer.batch), answer.calls) == (2200, 3)

    def test_a_vendor_that_ignores_the_offset_gives_no_answer(self, opened: Open, server: TushareServer) -> None:
        server.row_limits["daily"] = 4
        server.honours_offset = False
        answer = unknown(
            opened(row_limits={"daily": 4}).fetch(asking([A], wanted=Cells.none())), UnknownReason.TRUNCATED
        )
        assert answer.calls == 2

    def test_pages_that_overlap_give_no_answer(self, opened: Open, server: TushareServer) -> None:
        first = [[A, f"202401{day:02d}", *[1] * 7] for day in (2, 3, 4)]
        shifted = [[A, f"202401{day:02d}", *[1] * 7] for day in (4, 5)]
        server.script(
            "daily", Fault(body=reply_body(daily_reply(*first))), Fault(body=reply_body(daily_reply(*shifted)))
        )
        unknown(opened(row_limits={"daily": 3}).fetch(asking([A])), UnknownReason.TRUNCATED)

    @pytest.mark.parametrize("pages_before", [0, 1])
    def test_an_empty_page_that_says_there_is_more_gives_no_answer(
        self, opened: Open, server: TushareServer, pages_before: int
    ) -> None:
        server.row_limits["daily"] = 4
        more = Fault(empty=True, extra={"has_more": True})
        server.script("daily", *[None] * pages_before, more)
        answer = unknown(opened(row_limits={"daily": 4}).fetch(asking([A])), UnknownReason.TRUNCATED)
        assert answer.calls == pages_before + 1

    def test_a_fault_on_a_later_page_leaves_no_rows(self, opened: Open, server: TushareServer) -> None:
        server.row_limits["daily"] = 4
        server.script("daily", None, http_status(502))
        answer = unknown(opened(row_limits={"daily": 4}).fetch(asking([A])), UnknownReason.SERVER_ERROR)
        assert answer.calls == 2

    def test_a_truncated_list_of_suspensions_explains_nothing(self, opened: Open, server: TushareServer) -> None:
        server.row_limits["suspend_d"] = 1
        server.honours_offset = False
        answer = rows(opened(row_limits={"suspend_d": 1}).fetch(asking([A, B, C])))
        assert {reason for *_, reason in said(answer.absences)} == {"no_row"}


class TestQuota:
    def test_no_more_than_its_share_of_the_quota_is_used_in_a_minute(
        self, opened: Open, server: TushareServer, clock: ManualClock
    ) -> None:
        server.calls_per_minute = 20
        source = opened(calls_per_minute=20)
        for _ in range(19):
            rows(source.fetch(asking([A])))
        assert clock.monotonic() == 0.0
        server.calls_per_minute = None
        rows(source.fetch(asking([A])))
        assert clock.monotonic() == pytest.approx(60.0, abs=0.01)

    def test_a_wait_beyond_patience_is_given_up_without_a_call(self, opened: Open, server: TushareServer) -> None:
        source = opened(calls_per_minute=1, budget_patience=10)
        rows(source.fetch(asking([A])))
        answer = unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED)
        assert (answer.retry_after, answer.calls, server.calls.total()) == (60.0, 0, 1)

    def test_a_stop_ends_the_wait_without_a_call(self, opened: Open, server: TushareServer, clock: ManualClock) -> None:
        source = opened(calls_per_minute=1)
        rows(source.fetch(asking([A])))
        clock.interrupt()
        answer = unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED)
        assert (answer.calls, server.calls.total()) == (0, 1)

    def test_apis_have_quotas_of_their_own(self, opened: Open, clock: ManualClock) -> None:
        rows(opened(calls_per_minute=1).fetch(asking([A, B, C])))
        assert clock.monotonic() == 0.0

    @pytest.mark.parametrize("fault", [rate_limited(2), rate_limited_as_frequency(2)])
    def test_the_vendors_refusal_closes_the_budget_until_the_next_minute_and_its_number_becomes_the_limit(
        self, opened: Open, server: TushareServer, clock: ManualClock, fault: Fault
    ) -> None:
        server.script("daily", fault)
        source = opened(calls_per_minute=500)
        answer = unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED)
        assert answer.retry_after == pytest.approx(41.0)
        rows(source.fetch(asking([A])))
        # The refused call still counts in the vendor's minute, so one of two calls a minute is left to wait for.
        assert clock.monotonic() == pytest.approx(60.0, abs=0.01)
        rows(source.fetch(asking([A])))
        assert clock.monotonic() == pytest.approx(120.0, abs=0.01)

    def test_after_a_refusal_clients_of_one_budget_send_one_probe_and_share_what_the_vendor_named(
        self, opened: Open, server: TushareServer, clock: ManualClock
    ) -> None:
        budget = InMemoryCallBudget(clock)
        one, two = (opened(budget=budget, calls_per_minute=500, budget_patience=0) for _ in range(2))
        server.script("daily", rate_limited(3), slow(0.5))
        refused_for = unknown(one.fetch(asking([A])), UnknownReason.RATE_LIMITED).retry_after
        assert unknown(two.fetch(asking([A])), UnknownReason.RATE_LIMITED).retry_after == refused_for
        clock.advance(refused_for or 0)
        with ThreadPoolExecutor(1) as pool:
            probe = pool.submit(one.fetch, asking([A]))
            await_calls(server, 2)
            for _ in range(5):
                assert unknown(two.fetch(asking([A])), UnknownReason.RATE_LIMITED).calls == 0
            rows(probe.result())
        assert server.calls["daily"] == 2
        # 95 % of three calls a minute are two: the refused one and the probe.
        answer = unknown(two.fetch(asking([A])), UnknownReason.RATE_LIMITED)
        assert (answer.calls, answer.retry_after) == (0, pytest.approx(60.0 - 41.0))
        clock.advance(60.0)
        assert [len(rows(two.fetch(asking([A]))).batch) for _ in range(2)] == [10, 10]
        assert unknown(two.fetch(asking([A])), UnknownReason.RATE_LIMITED).calls == 0

    @pytest.mark.parametrize("fault", [no_permission(), http_status(502), not_json()])
    def test_any_answer_to_the_probe_ends_the_probing(
        self, opened: Open, server: TushareServer, clock: ManualClock, fault: Fault
    ) -> None:
        source = opened(budget_patience=0)
        server.script("daily", rate_limited(), fault)
        clock.advance(unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED).retry_after or 0)
        assert isinstance(source.fetch(asking([A])), Unknown)
        rows(source.fetch(asking([A])))
        rows(source.fetch(asking([A])))

    def test_a_probe_without_an_answer_leaves_the_others_waiting_for_the_next_one(
        self, opened: Open, server: TushareServer, clock: ManualClock
    ) -> None:
        source = opened(budget_patience=0)
        server.script("daily", rate_limited(), dropped())
        clock.advance(unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED).retry_after or 0)
        unknown(source.fetch(asking([A])), UnknownReason.UNREACHABLE)
        assert unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED).calls == 0
        clock.advance(30.0)
        rows(source.fetch(asking([A])))
        rows(source.fetch(asking([A])))

    def test_of_a_quota_that_the_vendor_names_the_same_share_is_used_as_of_the_one_that_is_set(
        self, opened: Open, server: TushareServer, clock: ManualClock
    ) -> None:
        source = opened(calls_per_minute=500, budget_patience=0)
        server.script("daily", rate_limited(20))
        unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED)
        clock.advance(60.0)
        for _ in range(19):
            rows(source.fetch(asking([A])))
        unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED)
        assert server.calls["daily"] == 20

    @pytest.mark.parametrize(("unit", "seconds"), [("小时", 3600 - 20 + 1), ("天", 12 * 3600 - 20 + 1)])
    def test_a_quota_of_an_hour_or_a_day_ends_with_it(
        self, opened: Open, server: TushareServer, unit: str, seconds: float
    ) -> None:
        server.script("daily", rate_limited(5, unit))
        source = opened()
        assert unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED).retry_after == pytest.approx(seconds)
        again = unknown(source.fetch(asking([A])), UnknownReason.RATE_LIMITED)
        assert (again.calls, server.calls.total()) == (0, 1)
        assert again.retry_after == pytest.approx(seconds)

    @pytest.mark.parametrize(
        ("header", "seconds"), [("37", 37.0), ("Mon, 15 Jan 2024 04:01:20 GMT", 60.0), ("soon", 41.0)]
    )
    def test_the_header_retry_after_is_seconds_or_a_date(
        self, opened: Open, server: TushareServer, header: str, seconds: float
    ) -> None:
        server.script("daily", http_status(429, Retry_After=header))
        answer = unknown(opened().fetch(asking([A])), UnknownReason.RATE_LIMITED)
        assert answer.retry_after == pytest.approx(seconds)


class TestUnreadableRows:
    def test_each_is_rejected_with_rule_value_and_place_and_the_others_stay(self, opened: Open, serve: Serve) -> None:
        source = opened()
        serve(
            daily_reply(
                [A, "20240102", 1, 1, 1, 1, 1, 1, 1],
                [A, 1704240000, 1, 1, 1, 1, 1, 1, 1],
                [A, "2024-01-04", 1, 1, 1, 1, 1, 1, 1],
                [A, "20240230", 1, 1, 1, 1, 1, 1, 1],
                [A, "2024113", 1, 1, 1, 1, 1, 1, 1],
                [A, None, 1, 1, 1, 1, 1, 1, 1],
                [None, "20240103", 1, 1, 1, 1, 1, 1, 1],
                [C, "20240103", 1, 1, "--", 1, 1, 1, 1],
                [C, 20240104, "9.39", 1, 1, None, "", 1, 1],
            ),
        )
        answer = rows(source.fetch(asking([A, C], wanted=Cells.none())))
        found = answer.rejects.table.to_pylist()
        assert [(r["rule"], r["field"], r["value"], r["place"]) for r in found] == [
            ("unreadable_date", "trade_date", "1704240000", "tushare daily:2"),
            ("unreadable_date", "trade_date", "2024-01-04", "tushare daily:3"),
            ("unreadable_date", "trade_date", "20240230", "tushare daily:4"),
            ("unreadable_date", "trade_date", "2024113", "tushare daily:5"),
            ("unreadable_date", "trade_date", None, "tushare daily:6"),
            ("unreadable_code", "ts_code", None, "tushare daily:7"),
            ("unreadable_number", "low", "--", "tushare daily:8"),
        ]
        assert found[6]["timestamp"] == datetime(2024, 1, 2, 16, 0, tzinfo=UTC)
        assert json.loads(found[6]["row"])["low"] == "--"
        assert len({r["content_hash"] for r in found}) == 7
        kept = answer.batch.table.to_pylist()
        assert [(r["code"], r["session"].day) for r in kept] == [(A, 2), (C, 4)]
        assert (kept[1]["open"], kept[1]["close"], kept[1]["pre_close"]) == (9.39, None, None)

    def test_a_missing_price_stays_missing(self, opened: Open, serve: Serve) -> None:
        source = opened()
        serve(daily_reply([A, "20240102", None, None, None, None, None, None, None]))
        bar = rows(source.fetch(asking([A], wanted=Cells.none()))).batch.table.to_pylist()[0]
        assert [bar[name] for name in ("open", "high", "low", "close", "pre_close", "volume", "amount")] == [None] * 7

    def test_no_absence_is_stated_where_a_rejected_row_may_have_been_the_bar(self, opened: Open, serve: Serve) -> None:
        day = date(2024, 1, 2)
        good = [A, "20240102", *[1] * 7]
        for bad, doubted in (
            ([B, "20240102", "x", *[1] * 6], {B}),
            ([B, "someday", *[1] * 7], {B}),
            ([None, "20240102", *[1] * 7], {B, C}),
            ([None, None, *[1] * 7], {B, C}),
        ):
            source = opened()
            serve(daily_reply(good, bad))
            answer = rows(source.fetch(asking([A, B, C], day, day)))
            assert {code for code, *_ in said(answer.absences)} == {B, C} - doubted, bad

    def test_a_reply_of_rejected_rows_only_is_not_an_empty_market(self, opened: Open, serve: Serve) -> None:
        source = opened()
        serve(daily_reply([A, "20240102", "x", *[1] * 6]))
        answer = rows(source.fetch(asking([A], date(2024, 1, 2), date(2024, 1, 2))))
        assert (len(answer.batch), len(answer.rejects), len(answer.absences)) == (0, 1, 0)


class TestSecrets:
    @pytest.mark.parametrize("before", [0, 60, 100])
    def test_the_token_shows_nowhere_even_if_the_vendor_repeats_it(
        self, opened: Open, server: TushareServer, caplog: pytest.LogCaptureFixture, before: int
    ) -> None:
        caplog.set_level("DEBUG")
        echo = b"-" * before + TOKEN.encode() + b" is no token"
        server.script(
            "daily",
            http_status(400, echo),
            http_status(500, echo),
            Fault(body=echo),
            Fault(body=json.dumps({"code": -1, "msg": echo.decode()}).encode()),
            *(fault for fault, _ in REPLY_FAULTS.values()),
        )
        source = opened(calls_per_minute=10_000)
        texts = [repr(source.fetch(asking([A]))) for _ in range(4 + len(REPLY_FAULTS))]
        for text in (*texts, caplog.text, *(repr(record.__dict__) for record in caplog.records)):
            assert TOKEN not in text
            assert TOKEN[:16] not in text
        assert caplog.records

    def test_the_token_shows_neither_in_the_configuration_nor_in_its_errors(self) -> None:
        config = TushareConfig(base_url="http://localhost", token=TOKEN)
        for text in (repr(config), str(config), str(config.model_dump()), config.model_dump_json()):
            assert TOKEN not in text
        with pytest.raises(ValueError, match="calls_per_minute") as caught:
            TushareConfig(base_url="http://localhost", token=[TOKEN], calls_per_minute=0)
        assert TOKEN[:10] not in str(caught.value)


@needs_shared
class TestRealBars:
    def test_35_codes_over_320_sessions_arrive_whole_in_the_domains_units(self, clock: ManualClock) -> None:
        truth = read_daily(REAL_DAILY).sort_by([("ts_code", "ascending"), ("trade_date", "ascending")])
        codes = truth["ts_code"].unique().to_pylist()
        sessions = np.unique(_days(truth["trade_date"]))
        first, last = sessions[0].item(), sessions[-1].item()
        answers = []
        with TushareServer(real_market()) as server, open_client(server, clock) as client:
            source = TushareBarSource(client)
            for part in (codes[:18], codes[18:]):
                answers.append(rows(source.fetch(asking(part, first, last, Cells.cross(part, sessions)))))
            calls = server.calls
        table = pa.concat_tables([answer.batch.sorted().table for answer in answers])
        assert (len(codes), table.num_rows, calls["daily"]) == (35, 10_774, 2)
        assert table["code"].cast(pa.string()).to_pylist() == truth["ts_code"].to_pylist()
        assert (table["session"].to_numpy() == _days(truth["trade_date"])).all()
        for name in ("open", "high", "low", "close", "pre_close"):
            assert table[name].to_pylist() == truth[name].to_pylist()
        assert table["volume"].to_pylist() == [round(lots * 100) for lots in truth["vol"].to_pylist()]
        assert np.abs(table["amount"].to_numpy() - truth["amount"].to_numpy() * 1000).max() < 0.005
        assert all(len(answer.rejects) == 0 for answer in answers)
        # 000018.SZ was suspended on whole sessions before it was delisted.
        suspended = {code for code, _, reason in said(answers[0].absences) if reason == "suspended"}
        assert "000018.SZ" in suspended

    def test_one_session_of_the_market_is_the_rows_of_that_day(self, clock: ManualClock) -> None:
        truth = read_daily(REAL_DAILY)
        day = date(2020, 1, 2)
        with TushareServer(real_market()) as server, open_client(server, clock) as client:
            answer = rows(TushareBarSource(client).fetch(asking(None, day, day)))
        expected = [
            c
            for c, d in zip(truth["ts_code"].to_pylist(), truth["trade_date"].to_pylist(), strict=True)
            if d == "20200102"
        ]
        assert answer.batch.codes() == sorted(expected)


def open_client(server: TushareServer, clock: Clock) -> closing[TushareClient]:
    config = TushareConfig(base_url=server.url, token=TOKEN)
    return closing(TushareClient(config, InMemoryCallBudget(clock), clock))


def daily_reply(*items: Sequence[object]) -> dict[str, object]:
    """Return items of (ts_code, trade_date, open, high, low, close, pre_close, vol, amount) as data of a reply."""
    fields = ["ts_code", "trade_date", "open", "high", "low", "close", "pre_close", "vol", "amount"]
    return {"fields": fields, "items": [list(item) for item in items], "has_more": False}


def reply_body(data: dict[str, object]) -> bytes:
    return json.dumps({"code": 0, "msg": "", "data": data}).encode()


def _days(column: pa.ChunkedArray) -> np.ndarray:
    return np.array([f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in column.to_pylist()], "M8[D]")
