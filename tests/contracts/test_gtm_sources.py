"""The contract of bars' sources for a host's own source, and what only frames and foreign errors can get wrong."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from contracts.bar_source import CODES, HALTED, NEVER, VENDOR_BARS, VERSION, WHOLE, BarSourceContract, by_code, rows
from ginkgo_data.adapters.gtm.bar_source import GtmBarSource
from ginkgo_data.adapters.gtm.reference_source import GtmReferenceSource
from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.fetch import FetchRequest, ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.series import DAILY
from support.bars import bars
from support.gtm_host import DAYBAR, FakeTushare
from support.stack import NOW


@pytest.fixture
def host() -> FakeTushare:
    return FakeTushare(VENDOR_BARS)


class TestGtmBarSource(BarSourceContract):
    tells_suspensions = False

    @pytest.fixture
    def source(self, host: FakeTushare) -> GtmBarSource:
        return GtmBarSource(host)


class Answering(FakeTushare):
    """Answers every question with one frame."""

    def __init__(self, frame: object) -> None:
        super().__init__()
        self.frame = frame

    def fetch_cn_stock_daybar(self, code, start_date, end_date):
        return self.frame


def frame(**columns: object) -> pd.DataFrame:
    """Return a frame of one bar of `WHOLE` on Monday, with some columns replaced."""
    values = {name: [1.0] for name in DAYBAR} | {"ts_code": [WHOLE], "trade_date": ["20240108"], "vol": [2.0]}
    return pd.DataFrame(values | columns)


def ask(answer: object) -> object:
    return GtmBarSource(Answering(answer)).fetch(by_code([WHOLE], "2024-01-08", "2024-01-08"))


def test_units_are_shares_and_yuan_and_dates_are_dates() -> None:
    answer = ask(frame(vol=[1234.57], amount=[99.123]))
    assert isinstance(answer, Rows)
    ((code, day, _, *_, volume, amount),) = rows(answer)
    assert (code, day, volume, amount) == (WHOLE, date(2024, 1, 8), 123_457.0, 99_123.0)
    assert answer.places.text(0) == "tushare fetch_cn_stock_daybar:1"


@pytest.mark.parametrize(
    "day", ["20240108", 20240108, np.int64(20240108), pd.Timestamp("2024-01-08"), date(2024, 1, 8)]
)
def test_a_day_is_eight_digits_or_a_date_never_seconds(day: object) -> None:
    answer = ask(frame(trade_date=[day]))
    assert [str(row[1]) for row in rows(answer)] == ["2024-01-08"]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("trade_date", "2024-13-40", "unreadable_date"),
        ("trade_date", 1704672000, "unreadable_date"),
        ("trade_date", None, "unreadable_date"),
        ("ts_code", None, "unreadable_code"),
        ("close", "n/a", "unreadable_number"),
    ],
)
def test_a_row_that_cannot_be_read_is_rejected_with_its_place_and_proves_nothing(column, value, rule) -> None:
    answer = ask(pd.concat([frame(), frame(**{column: [value]})], ignore_index=True))
    assert isinstance(answer, Rows)
    assert len(answer.batch) == 1
    (reject,) = answer.rejects.table.to_pylist()
    assert (reject["rule"], reject["field"], reject["place"]) == (rule, column, "tushare fetch_cn_stock_daybar:2")
    alone = ask(frame(**{column: [value]}))
    assert isinstance(alone, Rows)
    assert (len(alone.batch), len(alone.rejects), len(alone.absences)) == (0, 1, 0)


def test_a_session_whose_row_cannot_be_read_is_not_absent() -> None:
    days = ["20240108", "20240109", "20240110"]
    answers = pd.concat([frame(trade_date=[day]) for day in days], ignore_index=True)
    answers["close"] = [1.0, "n/a", 1.0]
    answer = GtmBarSource(Answering(answers)).fetch(by_code([WHOLE], "2024-01-08", "2024-01-10"))
    assert isinstance(answer, Rows)
    assert (len(answer.batch), len(answer.rejects), len(answer.absences)) == (2, 1, 0)


def test_missing_numbers_are_null_and_zeros_stay_for_validation_to_find() -> None:
    answer = ask(frame(open=[0.0], close=[float("nan")], amount=[pd.NA]))
    (row,) = answer.batch.table.to_pylist()
    assert (row["open"], row["close"], row["amount"]) == (0.0, None, None)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (None, "NoneType is no frame"),
        ("error", "str is no frame"),
        (frame().drop(columns=["vol"]), "column 'vol' is missing; present: ts_code, trade_date"),
    ],
)
def test_a_reply_that_is_no_frame_of_bars_is_malformed(reply: object, said: str) -> None:
    answer = ask(reply)
    assert isinstance(answer, Unknown)
    assert answer.reason is UnknownReason.MALFORMED_REPLY
    assert said in answer.detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Exception("抱歉，您每分钟最多访问该接口200次"), UnknownReason.RATE_LIMITED),
        (Exception("您的token不对，请确认。"), UnknownReason.BAD_TOKEN),
        (Exception("抱歉，您没有接口访问权限"), UnknownReason.NO_PERMISSION),
        (TimeoutError("read timed out"), UnknownReason.TIMED_OUT),
        (ConnectionError("reset by peer"), UnknownReason.UNREACHABLE),
        (AttributeError("'NoneType' object has no attribute 'daily'"), UnknownReason.REFUSED),
        (NotImplementedError("not for minutes"), UnknownReason.REFUSED),
    ],
)
def test_what_the_host_raises_is_an_unknown_with_its_reason(
    host: FakeTushare, error: Exception, reason: UnknownReason
) -> None:
    host.error = error
    answer = GtmBarSource(host).fetch(by_code([WHOLE]))
    assert isinstance(answer, Unknown)
    assert answer.reason is reason
    assert "fetch_cn_stock_daybar of 000001.SZ" in answer.detail


def test_a_token_in_an_error_does_not_show(host: FakeTushare) -> None:
    token = "0123456789abcdef" * 3
    host.error = RuntimeError(f"POST failed, token={token}")
    answer = GtmBarSource(host).fetch(by_code([WHOLE]))
    assert isinstance(answer, Unknown)
    assert token not in answer.detail


def test_a_long_range_is_asked_in_windows_that_the_host_asks_once(host: FakeTushare) -> None:
    answer = GtmBarSource(host).fetch(by_code([WHOLE], "2018-01-01", "2024-01-12"))
    assert isinstance(answer, Rows)
    assert rows(answer) == rows(Rows(VENDOR_BARS))[:5]
    assert [(first, last) for _, first, last in host.asked] == [
        (date(2018, 1, 1), date(2020, 12, 31)),
        (date(2021, 1, 1), date(2024, 1, 1)),
        (date(2024, 1, 2), date(2024, 1, 12)),
    ]
    assert answer.calls == 3


def test_no_rows_without_a_witness_prove_nothing(host: FakeTushare) -> None:
    unpublished = by_code([HALTED], "2024-01-15", "2024-01-16")
    answer = GtmBarSource(host).fetch(unpublished)
    assert isinstance(answer, Unknown)
    assert answer.reason is UnknownReason.EMPTY_WITHOUT_EVIDENCE
    assert [code for code, *_ in host.asked] == [HALTED, WHOLE]


def test_a_witness_is_asked_once_for_what_it_has_shown(host: FakeTushare) -> None:
    source = GtmBarSource(host)
    for _ in range(2):
        assert isinstance(source.fetch(by_code(["999999.SH"])), ProvenEmpty)
    assert [code for code, *_ in host.asked] == ["999999.SH", WHOLE, "999999.SH"]


def test_a_session_after_the_newest_row_is_left_open(host: FakeTushare) -> None:
    answer = GtmBarSource(host).fetch(by_code([WHOLE], "2024-01-11", "2024-01-15"))
    assert isinstance(answer, Rows)
    assert len(answer.absences) == 0


def test_a_call_that_the_budget_does_not_grant_is_not_made(host: FakeTushare) -> None:
    budget = InMemoryCallBudget(ManualClock(NOW))
    source = GtmBarSource(host, budget=budget, calls_per_minute=1)
    assert isinstance(source.fetch(by_code([WHOLE])), Rows)
    answer = source.fetch(by_code([WHOLE]))
    assert isinstance(answer, Unknown)
    assert (answer.reason, answer.calls) == (UnknownReason.RATE_LIMITED, 0)
    assert 0 < answer.retry_after <= 60
    assert len(host.asked) == 1


def test_more_codes_than_one_are_refused(host: FakeTushare) -> None:
    for request in (by_code(CODES), FetchRequest(DAILY, None, NOW.date(), NOW.date(), Cells.none(), VERSION)):
        answer = GtmBarSource(host).fetch(request)
        assert isinstance(answer, Unknown)
        assert answer.reason is UnknownReason.REFUSED
    assert NEVER not in GtmBarSource(host).capabilities.series
    assert host.asked == []


def test_an_object_without_the_method_is_no_source() -> None:
    with pytest.raises(ConfigurationError, match="source: object has no fetch_cn_stock_daybar"):
        GtmBarSource(object())
    with pytest.raises(ConfigurationError, match="has no fetch_cn_stockinfo, fetch_cn_stock_trade_day"):
        GtmReferenceSource(object())


class TestGtmReferenceSource:
    LISTED = pd.DataFrame(
        {
            "ts_code": ["000001.SZ", "600519.SH", "600519.SH", "300750.SZ"],
            "symbol": ["000001", "600519", "600519", "300750"],
            "name": ["平安银行", "贵州茅台", "贵州茅台", None],
            "area": [""] * 4,
            "industry": ["银行", "白酒", "白酒", ""],
            "list_date": ["19910403", "20010827", "20010827", "yesterday"],
            "curr_type": ["CNY"] * 4,
            "delist_date": [None] * 4,
        }
    )

    def test_listed_securities_come_once_each_and_bad_rows_are_rejected(self) -> None:
        answer = GtmReferenceSource(FakeTushare(listed=self.LISTED)).securities(None, 7)
        assert isinstance(answer, Rows)
        assert [(r["code"], r["name"], str(r["list_date"])) for r in answer.batch.table.to_pylist()] == [
            ("000001.SZ", "平安银行", "1991-04-03"),
            ("600519.SH", "贵州茅台", "2001-08-27"),
        ]
        (reject,) = answer.rejects.table.to_pylist()
        assert (reject["code"], reject["rule"], reject["value"]) == ("300750.SZ", "unreadable_date", "yesterday")

    def test_a_market_is_refused_and_no_securities_are_unknown(self) -> None:
        source = GtmReferenceSource(FakeTushare())
        for market, reason in (("主板", UnknownReason.REFUSED), (None, UnknownReason.EMPTY_WITHOUT_EVIDENCE)):
            answer = source.securities(market, 7)
            assert isinstance(answer, Unknown)
            assert answer.reason is reason

    def test_days_of_the_exchange_come_open_and_closed(self) -> None:
        host = FakeTushare()
        host.days = pd.DataFrame(
            {"exchange": "SSE", "cal_date": ["20240105", "20240106", "20240108"], "is_open": [1, 0, "1"]}
        )
        answer = GtmReferenceSource(host).session_days(date(2024, 1, 6), date(2024, 1, 31), 7)
        assert isinstance(answer, Rows)
        assert [(str(r["day"]), r["is_open"]) for r in answer.batch.table.to_pylist()] == [
            ("2024-01-06", False),
            ("2024-01-08", True),
        ]
        assert isinstance(GtmReferenceSource(host).session_days(date(2030, 1, 1), date(2030, 1, 2), 7), Unknown)

    def test_what_the_host_raises_is_an_unknown(self) -> None:
        host = FakeTushare(bars())
        host.error = ConnectionError("reset by peer")
        for answer in (
            GtmReferenceSource(host).securities(None, 7),
            GtmReferenceSource(host).session_days(date(2024, 1, 1), date(2024, 1, 2), 7),
        ):
            assert isinstance(answer, Unknown)
            assert answer.reason is UnknownReason.UNREACHABLE
