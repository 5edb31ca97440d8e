"""Securities, trading days, adjustment factors and the account of Tushare over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.tushare.adjustment_source import TushareAdjustmentSource
from ginkgo_data.adapters.tushare.apis import ADJ_FACTOR, DAILY
from ginkgo_data.adapters.tushare.client import TushareClient
from ginkgo_data.adapters.tushare.config import TushareConfig
from ginkgo_data.adapters.tushare.reference_source import TushareReferenceSource
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.fetch import Rows, Unknown, UnknownReason
from support.bars import business_days
from support.shared_data import SHARED, needs_shared
from support.tushare_market import made_up_market, real_market
from support.tushare_server import Fault, TushareServer, bad_token, empty, http_status, no_permission, rate_limited

A, B, C = "000001.SZ", "300750.SZ", "600519.SH"
SESSIONS = business_days("2024-01-01", 10)
FIRST, LAST = date(2024, 1, 1), date(2024, 1, 12)
TOKEN = "planted-" + "f" * 48
VERSION = 77

FAULTS = [
    (http_status(500), UnknownReason.SERVER_ERROR),
    (rate_limited(), UnknownReason.RATE_LIMITED),
    (bad_token(), UnknownReason.BAD_TOKEN),
    (no_permission(), UnknownReason.NO_PERMISSION),
]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the loopback server directly, whatever proxy the machine uses for the rest of the world."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[TushareServer]:
    gone = [(B, day) for day in ("20240110", "20240111", "20240112")]
    market = made_up_market([A, B, C], SESSIONS, missing=[*gone, (C, "20240103")])
    with TushareServer(market, token=TOKEN) as running:
        yield running
        assert not running.errors


@pytest.fixture
def client(server: TushareServer) -> Iterator[TushareClient]:
    yield from connected(server)


def connected(server: TushareServer, **settings: object) -> Iterator[TushareClient]:
    clock = ManualClock(datetime(2024, 1, 15, tzinfo=UTC))
    config = TushareConfig(**{"base_url": server.url, "token": TOKEN, **settings})
    client = TushareClient(config, InMemoryCallBudget(clock), clock)
    yield client
    client.close()


def body(fields: list[str], *items: list[object]) -> Fault:
    return Fault(body=json.dumps({"code": 0, "msg": "", "data": {"fields": fields, "items": items}}).encode())


class TestSecurities:
    def test_listed_paused_and_delisted_ones_are_one_answer(self, client: TushareClient, server: TushareServer) -> None:
        answer = TushareReferenceSource(client).securities(None, VERSION)
        assert isinstance(answer, Rows)
        found = {r["code"]: r for r in answer.batch.table.to_pylist()}
        assert sorted(found) == [A, B, C]
        assert (found[B]["status"], found[B]["delist_date"]) == ("D", date(2024, 1, 10))
        assert (found[A]["status"], found[A]["delist_date"], found[A]["list_date"]) == ("L", None, FIRST)
        assert (found[B]["market"], found[A]["industry"], found[A]["source"]) == ("创业板", "", "tushare")
        assert found[A]["version"] == VERSION
        assert [request.params["list_status"] for request in server.requests] == ["L", "P", "D"]
        assert answer.calls == 3

    def test_a_market_is_asked_for_by_the_vendors_word(self, client: TushareClient) -> None:
        answer = TushareReferenceSource(client).securities("主板", VERSION)
        assert isinstance(answer, Rows)
        assert answer.batch.codes() == [A, C]

    @pytest.mark.parametrize("at", [0, 1, 2])
    @pytest.mark.parametrize(("fault", "reason"), FAULTS)
    def test_all_three_lists_must_answer(
        self, client: TushareClient, server: TushareServer, fault: Fault, reason: UnknownReason, at: int
    ) -> None:
        server.script("stock_basic", *[None] * at, fault)
        answer = TushareReferenceSource(client).securities(None, VERSION)
        assert isinstance(answer, Unknown)
        assert (answer.reason, answer.calls) == (reason, at + 1)

    def test_no_listed_security_is_no_answer(self, client: TushareClient, server: TushareServer) -> None:
        server.script("stock_basic", empty())
        answer = TushareReferenceSource(client).securities(None, VERSION)
        assert isinstance(answer, Unknown)
        assert answer.reason is UnknownReason.EMPTY_WITHOUT_EVIDENCE

    def test_a_code_in_two_lists_is_one_row_as_the_later_list_has_it(
        self, client: TushareClient, server: TushareServer
    ) -> None:
        fields = ["ts_code", "name", "industry", "market", "list_status", "list_date", "delist_date", "exchange"]
        listed = [["000001.SZ", "n", None, None, "L", "19910403", None, None], [B, "n", None, None, "L", None, "", ""]]
        server.script(
            "stock_basic",
            body(fields, *listed),
            None,
            body(fields, [A, "n", "银行", "主板", None, "19910403", "20240105", ""]),
        )
        answer = TushareReferenceSource(client).securities(None, VERSION)
        assert isinstance(answer, Rows)
        found = {r["code"]: (r["status"], r["list_date"], r["delist_date"]) for r in answer.batch.table.to_pylist()}
        assert found == {A: ("D", date(1991, 4, 3), date(2024, 1, 5)), B: ("L", None, None)}
        assert len(answer.batch) == 2

    def test_a_date_that_is_none_rejects_its_security(self, client: TushareClient, server: TushareServer) -> None:
        fields = ["ts_code", "name", "industry", "market", "list_status", "list_date", "delist_date", "exchange"]
        server.script(
            "stock_basic",
            body(fields, [A, "n", "", "", "L", "20240101", None, ""], [B, "n", "", "", "L", "1.1.24", None, ""]),
        )
        answer = TushareReferenceSource(client).securities(None, VERSION)
        assert isinstance(answer, Rows)
        rejects = answer.rejects.table.to_pylist()
        assert [(r["code"], r["rule"], r["value"], r["timestamp"]) for r in rejects] == [
            (B, "unreadable_date", "1.1.24", None)
        ]

    def test_more_securities_than_the_limit_come_in_pages(self, server: TushareServer) -> None:
        server.row_limits["stock_basic"] = 2
        for client in connected(server, row_limits={"stock_basic": 2}):
            answer = TushareReferenceSource(client).securities(None, VERSION)
            assert isinstance(answer, Rows)
            assert (answer.batch.codes(), answer.calls) == ([A, B, C], 4)


class TestSessionDays:
    def test_open_and_closed_days_are_stated(self, client: TushareClient, server: TushareServer) -> None:
        answer = TushareReferenceSource(client).session_days(date(2024, 1, 4), date(2024, 1, 9), VERSION)
        assert isinstance(answer, Rows)
        assert {(r["day"].day, r["is_open"], r["exchange"]) for r in answer.batch.table.to_pylist()} == {
            (4, True, "SSE"),
            (5, True, "SSE"),
            (6, False, "SSE"),
            (7, False, "SSE"),
            (8, True, "SSE"),
            (9, True, "SSE"),
        }
        assert server.requests[0].params["exchange"] == "SSE"

    @pytest.mark.parametrize(("yes", "no"), [(1, 0), ("1", "0"), (1.0, 0.0), (True, False)])
    def test_whether_a_day_is_open_may_be_a_number_or_a_text(
        self, client: TushareClient, server: TushareServer, yes: object, no: object
    ) -> None:
        fields = ["exchange", "cal_date", "is_open"]
        server.script(
            "trade_cal", body(fields, ["SSE", "20240102", yes], ["SSE", "20240106", no], ["SSE", "20240107", "?"])
        )
        answer = TushareReferenceSource(client).session_days(FIRST, LAST, VERSION)
        assert isinstance(answer, Rows)
        assert answer.batch.table["is_open"].to_pylist() == [True, False]
        assert answer.rejects.table["value"].to_pylist() == ["?"]

    @pytest.mark.parametrize(("fault", "reason"), [*FAULTS, (empty(), UnknownReason.EMPTY_WITHOUT_EVIDENCE)])
    def test_trouble_or_no_day_is_no_calendar(
        self, client: TushareClient, server: TushareServer, fault: Fault, reason: UnknownReason
    ) -> None:
        server.script("trade_cal", fault)
        answer = TushareReferenceSource(client).session_days(FIRST, LAST, VERSION)
        assert isinstance(answer, Unknown)
        assert answer.reason is reason


class TestFactors:
    def test_few_codes_are_asked_one_by_one(self, client: TushareClient, server: TushareServer) -> None:
        answer = TushareAdjustmentSource(client).factors([A, C], FIRST, LAST, VERSION)
        assert isinstance(answer, Rows)
        assert (len(answer.batch), answer.calls) == (20, 2)
        assert dict(server.requests[0].params) == {"ts_code": A, "start_date": "20240101", "end_date": "20240112"}

    def test_a_suspended_session_has_a_factor_too(self, client: TushareClient) -> None:
        answer = TushareAdjustmentSource(client).factors([C], FIRST, LAST, VERSION)
        assert isinstance(answer, Rows)
        assert date(2024, 1, 3) in answer.batch.table["session"].to_pylist()

    def test_many_codes_over_few_sessions_are_asked_by_session_without_weekends(
        self, client: TushareClient, server: TushareServer
    ) -> None:
        answer = TushareAdjustmentSource(client).factors(
            [C, A, "600000.SH"], date(2024, 1, 5), date(2024, 1, 8), VERSION
        )
        assert isinstance(answer, Rows)
        assert [dict(r.params) for r in server.requests] == [{"trade_date": "20240105"}, {"trade_date": "20240108"}]
        assert pc.unique(answer.batch.table["code"].cast(pa.string())).to_pylist() == [A, C]
        assert (len(answer.batch), answer.calls) == (4, 2)

    def test_an_account_without_sessions_asks_by_code(self, server: TushareServer) -> None:
        for client in connected(server, by_session=False, adjustment_codes_per_call=2):
            answer = TushareAdjustmentSource(client).factors([A, B, C], FIRST, FIRST, VERSION)
            assert (type(answer), answer.calls) == (Rows, 2)
            assert server.requests[0].params["ts_code"] == f"{A},{B}"

    def test_the_whole_market_of_one_session_is_one_call(self, client: TushareClient, server: TushareServer) -> None:
        source = TushareAdjustmentSource(client)
        answer = source.factors(None, FIRST, FIRST, VERSION)
        assert isinstance(answer, Rows)
        assert sorted(set(answer.batch.table["code"].to_pylist())) == [A, B, C]
        assert server.calls["adj_factor"] == 1
        assert (source.capabilities.codes_per_call, source.capabilities.by_session) == (1, True)
        refused = source.factors(None, FIRST, LAST, VERSION)
        assert isinstance(refused, Unknown)
        assert (refused.reason, refused.calls) == (UnknownReason.REFUSED, 0)

    def test_no_factor_at_all_is_no_answer(self, client: TushareClient) -> None:
        answer = TushareAdjustmentSource(client).factors([A, C], date(2024, 2, 1), date(2024, 2, 9), VERSION)
        assert isinstance(answer, Unknown)
        assert (answer.reason, answer.calls) == (UnknownReason.EMPTY_WITHOUT_EVIDENCE, 2)

    @pytest.mark.parametrize(("fault", "reason"), FAULTS)
    def test_one_failure_of_several_calls_leaves_no_answer(
        self, client: TushareClient, server: TushareServer, fault: Fault, reason: UnknownReason
    ) -> None:
        server.script("adj_factor", None, fault)
        answer = TushareAdjustmentSource(client).factors([A, B, C], FIRST, LAST, VERSION)
        assert isinstance(answer, Unknown)
        assert (answer.reason, answer.calls) == (reason, 2)

    def test_a_factor_that_is_no_positive_number_is_rejected(
        self, client: TushareClient, server: TushareServer
    ) -> None:
        fields = ["ts_code", "trade_date", "adj_factor"]
        values = [108.031, 0, None, -1, "x", "12.5"]
        server.script(
            "adj_factor", body(fields, *([A, f"202401{day:02d}", v] for day, v in enumerate(values, start=2)))
        )
        answer = TushareAdjustmentSource(client).factors([A], FIRST, LAST, VERSION)
        assert isinstance(answer, Rows)
        assert answer.batch.table["factor"].to_pylist() == [108.031, 12.5]
        rules = answer.rejects.table["rule"].to_pylist()
        assert rules == ["factor_not_positive", "factor_not_positive", "factor_not_positive", "unreadable_number"]


@needs_shared
def test_factors_of_real_bars_agree_with_those_derived_from_their_reference_prices() -> None:
    truth = {
        (code, day): factor
        for code, day, factor in (
            line.split(",")
            for line in (SHARED / "adj" / "adj_factor_derived_from_pre_close.csv").read_text().split()[1:]
        )
    }
    with TushareServer(real_market(), token=TOKEN) as server:
        for client in connected(server):
            answer = TushareAdjustmentSource(client).factors(
                ["600030.SH"], date(2019, 1, 2), date(2020, 4, 24), VERSION
            )
    assert isinstance(answer, Rows)
    for row in answer.batch.table.to_pylist():
        known = truth.get((row["code"], f"{row['session']:%Y%m%d}"))
        assert known is None or row["factor"] == pytest.approx(float(known), abs=1e-4)
    assert len(answer.batch) > 300


class TestAccount:
    @pytest.mark.parametrize("address", ["", "  ", "tushare", "ftp://host", "http://", "http://[", "http://host:port"])
    def test_an_address_that_cannot_be_used_is_an_error_that_says_what_to_set(self, address: str) -> None:
        with pytest.raises(
            ConfigurationError, match=r"sources\.tushare\.base_url.*GINKGO_DATA__SOURCES__TUSHARE__BASE_URL"
        ):
            opened(TushareConfig(base_url=address, token=TOKEN))

    @pytest.mark.parametrize("token", ["", " \n"])
    def test_an_empty_token_is_an_error_that_says_what_to_set(self, token: str) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.tushare\.token is empty.*TUSHARE_TOKEN"):
            opened(TushareConfig(base_url="http://localhost", token=token))

    def test_a_token_read_from_a_file_may_end_in_a_line_break(self) -> None:
        assert TushareConfig(token=f"{TOKEN}\n").token.get_secret_value() == TOKEN

    @pytest.mark.parametrize(
        "wrong", [{"calls_per_minute": 0}, {"timeout": 0}, {"row_limits": {"daily": 0}}, {"tokn": ""}]
    )
    def test_settings_that_make_no_sense_are_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TushareConfig(**wrong)

    def test_quotas_are_told_apart_by_api_and_account_without_naming_the_token(self) -> None:
        one, other = TushareConfig(token=TOKEN), TushareConfig(token=TOKEN + "0")
        keys = {one.budget_key(DAILY), one.budget_key(ADJ_FACTOR), other.budget_key(DAILY)}
        assert len(keys) == 3
        assert one.budget_key(DAILY) == replaced(one).budget_key(DAILY)
        assert not any(TOKEN[:8] in key for key in keys)


def opened(config: TushareConfig) -> TushareClient:
    clock = ManualClock(datetime(2024, 1, 15, tzinfo=UTC))
    return TushareClient(config, InMemoryCallBudget(clock), clock)


def replaced(config: TushareConfig) -> TushareConfig:
    return config.model_copy(update={"timeout": 5})
