"""Dated price limits: by board, session, listing age and special treatment, exact to the tick."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.price_limits import Board, board_of, leaving, treated
from ginkgo_data.domain.model.reference import SECURITY_SCHEMA, Securities
from ginkgo_data.domain.services.listings import Listing, Listings
from ginkgo_data.domain.services.validation import validate
from support.bars import bars

EPOCH = np.datetime64("1970-01-01")
LONG_AGO = "1991-01-02"


def day(text: str) -> int:
    return int((np.datetime64(text, "D") - EPOCH).astype(np.int64))


def found(
    code: str, session: str, before: float, price: float, listing: Listing | None = None, earlier: bool = True
) -> dict[str, list[str]]:
    """Return (rule -> examples) for a bar at `price` after a reference price, the code having traded before."""
    end = np.datetime64(session, "D")
    days = np.busday_offset(end, np.arange(-9, 1), roll="backward")
    traded = days[-2:] if earlier else days[-1:]
    batch = bars(code, traded, [before, price][-len(traded) :], pre_closes=[before] * len(traded))
    listings = Listings({code: listing or Listing(listed=day(LONG_AGO))})
    outcome = validate(batch, sessions=days, listings=listings)
    return {finding.rule: list(finding.examples) for finding in outcome.findings}


def limits(code: str, session: str, before: float) -> tuple[float, float]:
    """Return the lowest and the highest price that pass: every tick is tried, by a share of the board for each."""
    tick = 0.001 if code.startswith("9") else 0.01
    prices = np.round(np.arange(1, round(before * 1.5 / tick) + 3) * tick, 3)
    codes = [f"{int(code[:6]) // 1000 * 1000 + n:06d}{code[6:]}" for n in range(len(prices))]
    days = np.busday_offset(np.datetime64(session), np.array([-1, 0]), roll="backward")
    earlier = bars(codes, [days[0]] * len(codes), [before] * len(codes))
    asked = bars(codes, [days[1]] * len(codes), prices.tolist(), pre_closes=[before] * len(codes))
    listings = Listings(dict.fromkeys(codes, Listing(listed=day(LONG_AGO))))
    hits = validate(BarBatch.concat([earlier, asked]), sessions=days, listings=listings).hits["price_limit"]
    inside = np.delete(prices, hits - len(codes))
    assert len(inside) == round((inside[-1] - inside[0]) / tick) + 1
    return inside[0].item(), inside[-1].item()


@pytest.mark.parametrize(
    ("code", "board"),
    [
        ("600000.SH", Board.SSE_MAIN),
        ("605499.SH", Board.SSE_MAIN),
        ("688001.SH", Board.SSE_STAR),
        ("689009.SH", Board.SSE_STAR),
        ("900901.SH", Board.SSE_B),
        ("000001.SZ", Board.SZSE_MAIN),
        ("003816.SZ", Board.SZSE_MAIN),
        ("300750.SZ", Board.SZSE_CHINEXT),
        ("302132.SZ", Board.SZSE_CHINEXT),
        ("200002.SZ", Board.SZSE_B),
        ("430047.BJ", Board.BSE),
        ("920002.BJ", Board.BSE),
        ("000001.SH", None),
        ("399001.SZ", None),
        ("510300.SH", None),
        ("159915.SZ", None),
        ("600000", None),
    ],
)
def test_a_board_is_read_off_the_code_and_what_is_no_share_has_none(code: str, board: Board | None) -> None:
    assert board_of(code) is board


@pytest.mark.parametrize(
    ("code", "session", "before", "lowest", "highest"),
    [
        ("600000.SH", "2024-01-03", 10.0, 9.0, 11.0),
        ("600000.SH", "1996-12-16", 10.0, 9.0, 11.0),
        # 0.045 and 0.055 are halves: both round up. Python's round() would say 0.04 and 0.06.
        ("600000.SH", "2024-01-03", 0.05, 0.04, 0.06),
        ("600000.SH", "2024-01-03", 1.05, 0.95, 1.16),
        ("600000.SH", "2024-01-03", 10.05, 9.05, 11.06),
        ("600000.SH", "2024-01-03", 0.04, 0.03, 0.05),
        ("600000.SH", "2024-01-03", 0.02, 0.01, 0.03),
        ("300750.SZ", "2020-08-21", 10.0, 9.0, 11.0),
        ("300750.SZ", "2020-08-24", 10.0, 8.0, 12.0),
        ("688001.SH", "2024-01-03", 10.0, 8.0, 12.0),
        ("430047.BJ", "2024-01-03", 10.0, 7.0, 13.0),
        ("900901.SH", "2024-01-03", 0.505, 0.455, 0.556),
        ("200002.SZ", "2024-01-03", 5.05, 4.55, 5.56),
    ],
)
def test_the_limit_is_rounded_half_up_to_the_tick_and_never_closer_than_one(
    code: str, session: str, before: float, lowest: float, highest: float
) -> None:
    assert limits(code, session, before) == (lowest, highest)


@pytest.mark.parametrize(
    ("code", "session"),
    [
        ("600000.SH", "1996-12-13"),
        ("300001.SZ", "2009-10-29"),
        ("688001.SH", "2019-07-19"),
        ("430047.BJ", "2021-11-12"),
        ("510300.SH", "2024-01-03"),
        ("000001.SH", "2024-01-03"),
    ],
)
def test_before_the_first_rule_and_for_what_is_no_share_nothing_is_judged(code: str, session: str) -> None:
    assert found(code, session, 10.0, 19.0) == {}


def test_a_breach_names_range_and_limits_and_is_rejected() -> None:
    hits = found("600000.SH", "2024-01-03", 10.0, 11.01)
    assert list(hits) == ["price_limit"]
    assert hits["price_limit"] == [
        "600000.SH 2024-01-03 test row 2: high 11.01 … 11.01 from 10, limits 9 … 11",
    ]


def test_without_the_session_before_a_breach_is_only_told() -> None:
    # After an interruption there may be no limit for one session, and one row alone does not show that there was none.
    assert list(found("600000.SH", "2024-01-03", 10.0, 11.01, earlier=False)) == ["price_limit_unproven"]
    batch = bars("600000.SH", ["2024-01-02", "2024-01-04"], [10.0, 12.0], pre_closes=[10.0, 10.0])
    days = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    known = Listings({"600000.SH": Listing(listed=0)})
    assert [f.rule for f in validate(batch, sessions=days, listings=known).findings] == ["price_limit_unproven"]


def test_a_session_without_trading_is_no_session_before() -> None:
    batch = bars("600000.SH", ["2024-01-02", "2024-01-03"], [10.0, 12.0], pre_closes=[10.0] * 2, volumes=[0.0, 1000.0])
    days = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    outcome = validate(batch, sessions=days, listings=Listings({"600000.SH": Listing(listed=0)}))
    assert [f.rule for f in outcome.findings] == ["price_limit_unproven"]


def test_what_nobody_listed_is_not_judged_nor_without_a_reference_price() -> None:
    batch = bars("600000.SH", ["2024-01-02", "2024-01-03"], [10.0, 20.0], pre_closes=[10.0, 10.0])
    days = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    assert validate(batch, sessions=days).findings == ()
    assert validate(batch, sessions=days, listings=Listings({"600000.SH": Listing()})).findings == ()
    nothing = bars("600000.SH", ["2024-01-02", "2024-01-03"], [10.0, 20.0], pre_closes=[None, None])
    assert validate(nothing, sessions=days, listings=Listings({"600000.SH": Listing(listed=0)})).findings == ()


@pytest.mark.parametrize(
    ("code", "listed", "sessions_free"),
    [
        ("600000.SH", "2023-04-10", 5),
        ("000001.SZ", "2023-04-10", 5),
        ("688001.SH", "2021-03-01", 5),
        ("300750.SZ", "2020-08-24", 5),
        ("430047.BJ", "2022-03-01", 1),
        ("600000.SH", "2013-12-12", 1),
        ("000001.SZ", "2014-06-12", 1),
        ("200002.SZ", "2000-03-01", 1),
    ],
)
def test_the_first_sessions_of_a_listing_have_no_limit_and_the_next_one_has(
    code: str, listed: str, sessions_free: int
) -> None:
    days = np.busday_offset(np.datetime64(listed), np.arange(10), roll="forward")
    batch = bars(code, days, [10.0 * 2**n for n in range(10)], pre_closes=[10.0] * 10)
    outcome = validate(batch, sessions=days, listings=Listings({code: Listing(listed=day(listed))}))
    assert outcome.hits["price_limit"].tolist() == list(range(max(sessions_free, 1), 10))


@pytest.mark.parametrize(("code", "listed"), [("600000.SH", "2013-12-13"), ("300001.SZ", "2014-06-13")])
def test_the_first_session_of_the_years_before_registration_moves_by_44_and_36_percent(code: str, listed: str) -> None:
    listing = Listing(listed=day(listed))
    assert found(code, listed, 10.0, 14.4, listing, earlier=False) == {}
    assert found(code, listed, 10.0, 6.4, listing, earlier=False) == {}
    for beyond in (14.41, 6.39):
        assert list(found(code, listed, 10.0, beyond, listing, earlier=False)) == ["price_limit_unproven"]


def test_of_a_listing_before_the_calendar_at_hand_the_first_sessions_are_over_after_a_month() -> None:
    session = "2024-03-01"
    for listed, judged in (("2024-01-31", True), ("2024-02-16", False), ("2024-03-02", False)):
        days = np.array(["2024-02-29", session], "datetime64[D]")
        batch = bars("600000.SH", days, [10.0, 20.0], pre_closes=[10.0, 10.0])
        outcome = validate(batch, sessions=days, listings=Listings({"600000.SH": Listing(listed=day(listed))}))
        assert bool(outcome.findings) is judged


def test_near_a_delisting_nothing_is_judged() -> None:
    delisted = Listing(listed=0, delisted=day("2024-02-20"))
    assert found("600000.SH", "2024-01-03", 10.0, 20.0, delisted) == {}
    assert list(found("600000.SH", "2023-12-20", 10.0, 20.0, delisted)) == ["price_limit"]
    assert found("600000.SH", "2024-01-03", 10.0, 20.0, Listing(listed=0, leaving=True)) == {}


def test_special_treatment_is_told_from_the_day_its_name_was_read_until_the_rule_ended() -> None:
    marked = Listing(listed=0, treated_from=day("2024-01-03"))
    assert found("600000.SH", "2024-01-02", 10.0, 10.6, marked) == {}
    assert list(found("600000.SH", "2024-01-03", 10.0, 10.51, marked)) == ["price_limit_treated"]
    assert found("600000.SH", "2024-01-03", 10.0, 10.5, marked) == {}
    assert list(found("600000.SH", "2024-01-03", 10.0, 9.49, marked)) == ["price_limit_treated"]
    assert list(found("600000.SH", "2026-07-03", 10.0, 10.51, marked)) == ["price_limit_treated"]
    assert found("600000.SH", "2026-07-06", 10.0, 11.0, marked) == {}
    # Beyond both limits it is the wider one that is named.
    assert list(found("600000.SH", "2024-01-03", 10.0, 11.01, marked)) == ["price_limit"]
    assert found("300750.SZ", "2024-01-03", 10.0, 12.0, marked) == {}


@pytest.mark.parametrize(
    ("name", "is_treated"),
    [
        ("*ST博信 ", True),
        ("ST 康美", True),
        ("S*ST前锋", True),
        ("SST华新", True),
        ("XDST安泰", True),
        ("浦发银行", False),
    ],
)
def test_special_treatment_is_read_off_the_name(name: str, is_treated: bool) -> None:
    assert treated(name) is is_treated


def test_a_name_tells_when_a_delisting_is_near() -> None:
    assert leaving("退市海润")
    assert leaving("华信退")
    assert not leaving("浦发银行")


def test_listings_are_read_off_securities_with_the_day_on_which_a_name_was_read() -> None:
    microseconds = day("2024-01-03") * 86_400_000_000 + 5
    columns = {
        "code": ["600000.SH", "600001.SH", "600002.SH"],
        "name": ["*ST一", "退市二", None],
        "market": [""] * 3,
        "industry": [""] * 3,
        "list_date": [date(2000, 1, 4), None, date(1999, 1, 4)],
        "delist_date": [None, None, date(2020, 5, 1)],
        "status": ["L"] * 3,
        "source": ["test"] * 3,
        "version": [microseconds, 1, 2**63],
    }
    found = Listings.of(Securities(pa.table(columns, schema=SECURITY_SCHEMA))).by_code
    assert found["600000.SH"] == Listing(day("2000-01-04"), treated_from=day("2024-01-03"))
    assert found["600001.SH"] == Listing(leaving=True)
    assert found["600002.SH"] == Listing(day("1999-01-04"), day("2020-05-01"))


def test_the_order_of_rows_and_the_size_of_blocks_do_not_matter() -> None:
    codes = ["600000.SH", "000001.SZ"]
    days = np.busday_offset(np.datetime64("2020-01-01"), np.arange(12_000), roll="forward")[:9_000]
    parts = [bars(code, days, [10.0] * 9_000) for code in codes]
    batch = BarBatch.concat(parts)
    highs = batch.table["high"].to_numpy().copy()
    highs[[3, 12_345, 17_999]] = 11.01
    table = batch.table.set_column(4, batch.table.schema.field(4), pa.array(highs))
    listings = Listings(dict.fromkeys(codes, Listing(listed=0)))
    shuffled = np.random.default_rng(7).permutation(len(batch))
    straight = validate(BarBatch(table), sessions=days, listings=listings).hits["price_limit"]
    mixed = validate(BarBatch(table).take(shuffled), sessions=days, listings=listings).hits["price_limit"]
    assert straight.tolist() == [3, 12_345, 17_999]
    assert sorted(shuffled[mixed].tolist()) == [3, 12_345, 17_999]
