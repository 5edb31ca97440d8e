"""Choosing the fewest calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ginkgo_data.domain.model.coverage import Coverage
from ginkgo_data.domain.model.errors import NotAvailable
from ginkgo_data.domain.model.fetch import FetchPlan, FetchRequest, SourceCapabilities
from ginkgo_data.domain.model.series import DAILY, Frequency, Series
from ginkgo_data.domain.services.planner import plan_fetches

MINUTES_1 = Series(Frequency.MIN1)
MINUTES_60 = Series(Frequency.MIN60)


def grid(due: np.ndarray, held: np.ndarray | None = None) -> Coverage:
    """Return coverage of as many codes and days as `due` has rows and columns."""
    nothing = np.zeros_like(due)
    codes = tuple(f"{number:06d}.SZ" for number in range(len(due)))
    sessions = np.datetime64("2020-01-01") + np.arange(due.shape[1])
    return Coverage(codes, sessions, due, nothing if held is None else held, nothing, nothing)


def all_due(codes: int, sessions: int) -> Coverage:
    return grid(np.ones((codes, sessions), bool))


def only(coverage: Coverage, *parts: tuple[slice | int, slice | int]) -> Coverage:
    """Return `coverage` with everything held but `parts`."""
    held = coverage.due.copy()
    for part in parts:
        held[part] = False
    return grid(coverage.due, held)


def vendor(
    row_limit: int = 6000,
    codes_per_call: int = 1000,
    by_session: bool = False,
    market_rows: int = 5600,
    series: Series = DAILY,
) -> SourceCapabilities:
    return SourceCapabilities("test", frozenset({series}), row_limit, codes_per_call, by_session, market_rows)


def plan(coverage: Coverage, source: SourceCapabilities, series: Series = DAILY) -> FetchPlan:
    return plan_fetches(coverage, coverage.missing, source, series)


def rectangle(coverage: Coverage, request: FetchRequest) -> np.ndarray:
    """Return the cells of the grid that `request` names."""
    codes = np.isin(coverage.codes, coverage.codes if request.codes is None else request.codes)
    inside = (coverage.sessions >= np.datetime64(request.first)) & (coverage.sessions <= np.datetime64(request.last))
    return codes[:, np.newaxis] & inside[np.newaxis, :]


def wanted(coverage: Coverage, request: FetchRequest) -> np.ndarray:
    """Return how often each cell of the grid is wanted by `request`."""
    times = np.zeros(coverage.due.shape, int)
    rows = [coverage.codes.index(request.wanted.codes[i]) for i in request.wanted.index.tolist()]
    np.add.at(times, (np.array(rows, int), np.searchsorted(coverage.sessions, request.wanted.session)), 1)
    return times


def one_after_the_other(asked: np.ndarray, counted: np.ndarray, cells: int) -> int:
    """Return the calls it takes to ask each code alone, each call reaching as far as `cells` allow."""
    calls = 0
    for row in range(len(asked)):
        left = np.flatnonzero(asked[row]).tolist()
        while left:
            begin = left[0]
            reached = begin + np.flatnonzero(np.cumsum(counted[row, begin:]) <= cells).tolist()[-1]
            left = [column for column in left if column > reached]
            calls += 1
    return calls


def test_thirty_five_codes_over_320_sessions_take_two_calls() -> None:
    chosen = plan(all_due(35, 320), vendor())
    assert len(chosen.requests) == chosen.by_code_calls == 2
    assert chosen.by_session_calls == -1


def test_the_whole_market_of_one_session_is_one_call_where_the_vendor_allows_it() -> None:
    market = all_due(5000, 1)
    asked = plan(market, vendor(by_session=True)).requests
    assert [request.codes for request in asked] == [None]
    assert len(asked[0].wanted) == 5000
    assert len(plan(market, vendor()).requests) == 5


def test_a_tie_goes_to_the_by_session_calls() -> None:
    chosen = plan(all_due(5000, 5), vendor(by_session=True))
    assert (chosen.by_code_calls, chosen.by_session_calls) == (5, 5)
    assert all(request.by_session for request in chosen.requests)


def test_few_codes_over_many_sessions_are_asked_by_code() -> None:
    chosen = plan(all_due(35, 320), vendor(by_session=True))
    assert (chosen.by_code_calls, chosen.by_session_calls) == (2, 320)
    assert not any(request.by_session for request in chosen.requests)


def test_a_by_session_request_names_one_session_and_wants_only_the_codes_that_lack_it() -> None:
    coverage = only(all_due(4, 6), (slice(1, 3), 2), (2, 5))
    first, second = plan(coverage, vendor(codes_per_call=0, by_session=True)).requests
    assert first.first == first.last == coverage.sessions[2].item()
    assert second.first == second.last == coverage.sessions[5].item()
    assert first.wanted.codes == ("000001.SZ", "000002.SZ")
    assert second.wanted.pairs() == [("000002.SZ", coverage.sessions[5].item())]


@pytest.mark.parametrize(("market_rows", "pages"), [(0, 1), (5999, 1), (6000, 2), (11_998, 2), (11_999, 3)])
def test_a_session_costs_as_many_calls_as_the_market_has_pages(market_rows: int, pages: int) -> None:
    source = vendor(codes_per_call=0, by_session=True, market_rows=market_rows)
    chosen = plan(all_due(1, 10), source)
    assert chosen.by_session_calls == 10 * pages
    assert len(chosen.requests) == 10


def test_the_pages_of_a_minute_session_hold_all_its_bars() -> None:
    source = vendor(row_limit=8001, codes_per_call=0, by_session=True, market_rows=100, series=MINUTES_1)
    assert plan(all_due(1, 1), source, MINUTES_1).by_session_calls == 3


def test_a_full_reply_counts_as_cut_off_so_requests_stay_below_the_row_limit() -> None:
    source = vendor(row_limit=10)
    assert len(plan(all_due(1, 9), source).requests) == 1
    assert len(plan(all_due(1, 10), source).requests) == 2


def test_a_minute_session_is_reckoned_one_bar_longer_than_continuous_trading() -> None:
    two_sessions = all_due(1, 2)
    assert len(plan(two_sessions, vendor(2 * 241 + 1, series=MINUTES_1), MINUTES_1).requests) == 1
    assert len(plan(two_sessions, vendor(2 * 241, series=MINUTES_1), MINUTES_1).requests) == 2


def test_one_session_of_one_code_above_the_row_limit_is_asked_all_the_same() -> None:
    requests = plan(all_due(2, 3), vendor(row_limit=100, series=MINUTES_1), MINUTES_1).requests
    assert len(requests) == 6
    assert all(len(request.wanted) == 1 for request in requests)


def test_rows_that_are_held_count_against_the_row_limit() -> None:
    ends = only(all_due(1, 20), (0, 0), (0, 19))
    assert len(plan(ends, vendor(row_limit=21)).requests) == 1
    assert [(r.first, r.last) for r in plan(ends, vendor(row_limit=20)).requests] == [
        (day, day) for day in (ends.sessions[0].item(), ends.sessions[19].item())
    ]


def test_rows_held_outside_the_due_window_count_too() -> None:
    due, held = np.zeros((1, 20), bool), np.ones((1, 20), bool)
    due[0, [0, 19]], held[0, [0, 19]] = True, False
    assert len(plan(grid(due, held), vendor(row_limit=20)).requests) == 2


def test_sessions_without_a_due_row_cost_nothing() -> None:
    due = np.zeros((1, 500), bool)
    due[0, [0, 499]] = True
    assert len(plan(grid(due), vendor(row_limit=3)).requests) == 1


def test_a_code_with_an_early_and_a_late_hole_is_not_fetched_over_its_whole_span() -> None:
    holes = only(all_due(2000, 600), (slice(None), 0), (slice(None), 599))
    requests = plan(holes, vendor()).requests
    assert len(requests) == 4
    assert all(request.first == request.last for request in requests)


def test_ranges_far_apart_are_not_lumped() -> None:
    """60 old sessions of 2,000 codes are 120,000 rows: 21 calls; the 5 new ones 2 of 1,000 codes."""
    blocks = only(all_due(2000, 600), (slice(None), slice(0, 60)), (slice(None), slice(595, 600)))
    assert len(plan(blocks, vendor()).requests) <= 24


def test_codes_that_lack_everything_and_codes_that_lack_one_session_are_asked_apart() -> None:
    """100 codes x 600 sessions need 11 calls of at most 5,999 rows, 2,900 codes x 1 session 3 of 1,000 codes."""
    mixed = only(all_due(3000, 600), (slice(0, 100), slice(None)), (slice(None), 599))
    assert len(plan(mixed, vendor()).requests) <= 15


def test_a_full_grid_takes_hardly_more_calls_than_its_rows_need() -> None:
    needed = -(-500 * 1200 // 5999)
    assert len(plan(all_due(500, 1200), vendor()).requests) <= needed * 1.05


def test_scattered_holes_are_asked_in_narrow_strips_with_many_codes() -> None:
    """300 codes with 4 holes each: whole spans would be 91 calls of 3 codes, two strips of them still 50 calls."""
    codes = np.arange(300)
    coverage = only(all_due(300, 300), *((codes, (codes * 119 + part) % 300) for part in (0, 75, 150, 225)))
    assert len(plan(coverage, vendor(row_limit=1000)).requests) <= 20


def drawn(*rows: str) -> Coverage:
    """Return coverage drawn as text, a row per code: ``x`` lacking, ``h`` held, ``.`` not due."""
    cells = np.array([list(row) for row in rows])
    return grid(cells != ".", cells == "h")


def test_where_no_common_cut_is_good_each_code_is_cut_for_itself_and_packed() -> None:
    assert len(plan(drawn("xhx", "hhx", "hxx"), vendor(row_limit=3)).requests) == 3


def test_a_code_with_several_holes_in_one_request_counts_once() -> None:
    coverage = drawn("xxxhxxxhhx", "hxhxhxxhhx", "hhxxxxxxxx", "hhhxhhhxhx", "xxhxxxhhhh")
    assert len(plan(coverage, vendor(row_limit=17, codes_per_call=7)).requests) == 3


@pytest.mark.parametrize(
    ("coverage", "row_limit", "calls"),
    [
        (drawn("xh", "xx", "x.", "xx", "hx", "xx", "xx"), 6, 3),
        (drawn(".x", "xx", "xx", "xx", "xx", ".x"), 4, 4),
    ],
    ids=["one range inside another", "a code whose cells were all taken"],
)
def test_a_cell_within_two_requests_is_wanted_by_one(coverage: Coverage, row_limit: int, calls: int) -> None:
    requests = plan(coverage, vendor(row_limit)).requests
    named = sum(rectangle(coverage, request).astype(int) for request in requests)
    assert len(requests) == calls
    assert (sum(wanted(coverage, request) for request in requests) == coverage.missing).all()
    assert all(request.codes == request.wanted.codes for request in requests)
    assert (named[coverage.missing] >= 1).all()


def test_codes_with_nothing_to_ask_never_appear() -> None:
    coverage = only(all_due(6, 8), (1, slice(2, 5)), (4, slice(3, 7)))
    requests = plan(coverage, vendor()).requests
    assert [request.codes for request in requests] == [("000001.SZ", "000004.SZ")]
    assert requests[0].wanted.codes == requests[0].codes


def test_requests_carry_the_series_and_no_version_yet() -> None:
    for source in (vendor(row_limit=30, series=MINUTES_60), vendor(codes_per_call=0, by_session=True)):
        for request in plan(all_due(2, 9), source, MINUTES_60).requests:
            assert (request.series, request.version) == (MINUTES_60, 0)


def test_with_nothing_to_ask_there_are_no_calls() -> None:
    held = only(all_due(2, 3))
    assert plan(held, vendor()) == FetchPlan((), 0, -1)
    assert plan(held, vendor(codes_per_call=0, by_session=True)) == FetchPlan((), -1, 0)
    assert plan(all_due(0, 0), vendor(by_session=True)) == FetchPlan((), 0, 0)


def test_a_source_that_can_be_asked_neither_way_is_not_available() -> None:
    with pytest.raises(NotAvailable, match="source test can be asked neither by code nor by session for 1d/none"):
        plan(all_due(1, 1), vendor(codes_per_call=0))


@st.composite
def askable(draw) -> tuple[Coverage, np.ndarray]:
    """Draw coverage with listing windows and holes, and the cells to ask: some of those due and not held."""
    shape = draw(st.integers(1, 7)), draw(st.integers(1, 14))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    listed = random.integers(-shape[1], shape[1] + 1, (shape[0], 1))
    due = np.arange(shape[1])[np.newaxis, :] >= listed
    held = random.random(shape) < draw(st.sampled_from((0.0, 0.3, 0.9)))
    block = random.integers(0, shape[1] + 1, 2)
    held[:, min(block) : max(block)] |= draw(st.booleans())
    coverage = grid(due, held)
    return coverage, coverage.missing & (random.random(shape) < draw(st.sampled_from((0.5, 1.0))))


SOURCES = st.builds(vendor, st.integers(2, 60), st.integers(0, 9), st.booleans(), st.integers(1, 60))


@settings(max_examples=100, deadline=None)
@given(case=askable(), source=SOURCES, series=st.sampled_from((DAILY, MINUTES_60)))
def test_every_plan_asks_each_cell_once_within_the_limits_and_wastes_no_call(case, source, series) -> None:
    coverage, asked = case
    if not (source.codes_per_call or source.by_session):
        source = vendor(source.row_limit)
    chosen = plan_fetches(coverage, asked, source, series)

    times = sum((wanted(coverage, request) for request in chosen.requests), np.zeros(asked.shape, int))
    assert (times == asked).all(), "each asked cell is wanted exactly once, and nothing else is"

    rows_per_session = 1 if series is DAILY else series.frequency.bars_per_session + 1
    counted = coverage.due | coverage.held
    for request in chosen.requests:
        inside = rectangle(coverage, request)
        assert not (wanted(coverage, request).astype(bool) & ~inside).any()
        assert set(request.wanted.index.tolist()) == set(range(len(request.wanted.codes)))
        if request.by_session:
            assert request.first == request.last
        else:
            assert request.codes == request.wanted.codes
            assert len(request.codes) <= source.codes_per_call
            rows = int((inside & counted).sum()) * rows_per_session
            assert rows < source.row_limit or int(inside.sum()) == 1

    pages = max(1, -(-source.market_rows * series.frequency.bars_per_session // (source.row_limit - 1)))
    by_session = int(asked.any(axis=0).sum()) * pages
    alone = one_after_the_other(asked, counted, max(1, (source.row_limit - 1) // rows_per_session))
    cost = sum(pages if request.by_session else 1 for request in chosen.requests)
    if source.by_session:
        assert cost <= by_session == chosen.by_session_calls
    if source.codes_per_call:
        assert cost <= alone
        assert chosen.by_code_calls <= alone
    if source.codes_per_call == 1 and not source.by_session:
        assert cost == alone, "one code a call: cutting each as late as possible is the best there is"
    assert cost == min(calls for calls in (chosen.by_code_calls, chosen.by_session_calls) if calls >= 0)
