# Upstream: domain.services.{adjustments, grid, second_opinion}
# Downstream: domain.model.{coverage, errors, fetch, series}, domain.services.{cutting, packing}, numpy
# Role: Choose the fewest calls that answer the cells worth asking for
"""From coverage and a source's capabilities to a plan: calls are the cost, rows are nearly free."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.coverage import Cells, Coverage, Flags
from ginkgo_data.domain.model.errors import NotAvailable
from ginkgo_data.domain.model.fetch import FetchPlan, FetchRequest, SourceCapabilities
from ginkgo_data.domain.model.series import Series
from ginkgo_data.domain.services.cutting import CallLimits, Integers
from ginkgo_data.domain.services.packing import Rectangle, pack

_NOT_OFFERED = -1


def plan_fetches(coverage: Coverage, to_ask: Flags, capabilities: SourceCapabilities, series: Series) -> FetchPlan:
    """Return the calls that answer every cell of `to_ask`, by code or by session, whichever are fewer.

    `to_ask` has the shape of the coverage's grids. A tie goes to the by-session calls, whose answers serve others
    too. Each asked cell is `wanted` by exactly one request, within that request's codes and range. Requests have
    version 0: the caller sets it when sending. By code, the rows in a request's range, held ones included, stay
    below the vendor's row limit, unless one session of one code alone is above it: the source pages then.
    Raises `NotAvailable` when the source can be asked neither way.
    """
    offers_code, offers_session = capabilities.codes_per_call > 0, capabilities.by_session
    if not (offers_code or offers_session):
        raise NotAvailable(f"source {capabilities.name} can be asked neither by code nor by session for {series}")
    rows, columns = np.flatnonzero(to_ask.any(axis=1)), np.flatnonzero(to_ask.any(axis=0))
    if not len(rows):
        return FetchPlan((), 0 if offers_code else _NOT_OFFERED, 0 if offers_session else _NOT_OFFERED)
    asked = _Asked(coverage, to_ask, series, rows, int(columns[0]), int(columns[-1]) + 1)
    by_session = len(columns) * _pages(capabilities, series) if offers_session else _NOT_OFFERED
    rectangles = pack(asked.left, asked.expected(), _limits(capabilities, series)) if offers_code else []
    by_code = len(rectangles) if offers_code else _NOT_OFFERED
    if offers_session and (not offers_code or by_session <= by_code):
        return FetchPlan(asked.for_each_session(), by_code, by_session)
    requests = asked.for_each(rectangles)
    return FetchPlan(requests, len(requests), by_session)


def _pages(capabilities: SourceCapabilities, series: Series) -> int:
    """Return the calls that one session of the whole market takes; a full page does not count as complete."""
    rows = capabilities.market_rows * series.frequency.bars_per_session
    return max(1, -(-rows // max(1, capabilities.row_limit - 1)))


def _limits(capabilities: SourceCapabilities, series: Series) -> CallLimits:
    """Return how many sessions and codes one by-code call may have.

    A minute session is reckoned one bar longer than continuous trading: vendors add the bar of the opening call.
    """
    daily = series.frequency.minutes is None
    rows = 1 if daily else series.frequency.bars_per_session + 1
    return CallLimits(max(1, (capabilities.row_limit - 1) // rows), capabilities.codes_per_call)


class _Asked:
    """The asked part of a grid, turned to (sessions, codes); cells leave `left` as requests take them."""

    def __init__(self, coverage: Coverage, to_ask: Flags, series: Series, rows: Integers, begin: int, end: int) -> None:
        self._coverage, self._series, self._rows = coverage, series, rows
        self._codes: npt.NDArray[np.object_] = np.array(coverage.codes, object)[rows]
        self._span = slice(begin, end)
        self._sessions = coverage.sessions[self._span]
        self._days = self._sessions.tolist()
        self.left: Flags = self._part(to_ask)

    def _part(self, grid: Flags) -> Flags:
        return np.ascontiguousarray(grid[self._rows, self._span].T)

    def expected(self) -> Flags:
        """Return the cells that the vendor may have rows for: due ones, and what is held or asked beyond."""
        return self._part(self._coverage.due) | self._part(self._coverage.held) | self.left

    def for_each_session(self) -> tuple[FetchRequest, ...]:
        """Return one request for the whole market per session with a cell to ask."""
        places = np.arange(len(self._codes))
        requests = []
        for column in np.flatnonzero(self.left.any(axis=1)).tolist():
            codes = self._codes[self.left[column]]
            day = np.full(len(codes), self._sessions[column])
            wanted = Cells(tuple(codes.tolist()), places[: len(codes)], day)
            requests.append(FetchRequest(self._series, None, self._days[column], self._days[column], wanted, 0))
        return tuple(requests)

    def for_each(self, rectangles: list[Rectangle]) -> tuple[FetchRequest, ...]:
        """Return one request per rectangle that has a cell which no earlier one asks for."""
        return tuple(request for request in map(self._request, rectangles) if request is not None)

    def _request(self, rectangle: Rectangle) -> FetchRequest | None:
        codes, window = rectangle.codes, slice(rectangle.first, rectangle.last + 1)
        neighbours = int(codes[-1]) - int(codes[0]) == len(codes) - 1
        # Neighbours are read as a slice: without a copy, and a plan may have a hundred thousand requests.
        part = self.left[window, int(codes[0]) : int(codes[-1]) + 1] if neighbours else self.left[window, codes]
        code, session = np.nonzero(part.T)
        if not len(code):
            return None
        used = part.any(axis=0)
        if not used.all():
            codes, code = codes[used], (np.cumsum(used) - 1)[code]
        self.left[window, rectangle.codes] = False
        session += rectangle.first
        names = tuple(self._codes[codes].tolist())
        wanted = Cells(names, code, self._sessions[session])
        return FetchRequest(self._series, names, self._days[session.min()], self._days[session.max()], wanted, 0)
