# Upstream: domain.services
# Downstream: domain.{model, services}, ports.{bar_repository, clock, trading_calendar}, numpy
# Role: Some codes of a command over the sessions due for them: what the store has, and what is left to ask
"""One grid of a collection, and how it stands at the moment of reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.coverage import Absences, Cells, Coverage, Flags, Held
from ginkgo_data.domain.model.fetch import FetchRequest, SourceCapabilities
from ginkgo_data.domain.services.coverage import build_coverage
from ginkgo_data.domain.services.planner import plan_fetches
from ginkgo_data.domain.services.readback import CellMarks, positions
from ginkgo_data.domain.services.sessions import DueWindows, young_from
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.trading_calendar import TradingCalendar


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A grid as it was read: its coverage, and the cells worth asking for."""

    coverage: Coverage
    left: Flags

    def without(self, answered: CellMarks) -> Standing:
        """Return the same with nothing left of what `answered` marks, whatever the answer was."""
        return replace(self, left=self.left & ~answered.flags)

    def lacking(self, requests: Iterable[FetchRequest]) -> list[FetchRequest]:
        """Return those of `requests` of whose wanted cells any is left."""
        rows = self._rows()
        return [request for request in requests if self.left[self._cells(rows, request.wanted)].any()]

    def lacking_codes(self, requests: Iterable[FetchRequest]) -> tuple[str, ...]:
        """Return the codes with a wanted cell of `requests` that is left, in the order of the grid."""
        rows = self._rows()
        open_rows = np.zeros(len(self.coverage.codes), np.bool_)
        for request in requests:
            row, column = self._cells(rows, request.wanted)
            open_rows[row[self.left[row, column]]] = True
        return tuple(self.coverage.codes[row] for row in np.flatnonzero(open_rows).tolist())

    def _rows(self) -> dict[str, int]:
        return {code: row for row, code in enumerate(self.coverage.codes)}

    def _cells(self, rows: dict[str, int], cells: Cells) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        row = np.array([rows[code] for code in cells.codes], np.int64)[cells.index]
        return row, np.searchsorted(self.coverage.sessions, cells.session)


@dataclass(frozen=True, slots=True, eq=False)
class Beforehand:
    """What the store had of some sessions before any of them was asked for."""

    whole: Held
    """Sessions held."""
    begun: Held
    """Sessions with a row, whole or not."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Codes of a command, over the sessions due for them (`span`: the first and the last for any of them)."""

    command: CollectBars
    since: int
    """Version from which on what was stored, or recorded as absent, was done for this very command."""
    codes: Sequence[str]
    windows: DueWindows
    span: tuple[date, date]
    bars: BarRepository
    absences: AbsenceRepository
    calendar: TradingCalendar
    clock: Clock
    recheck: int
    """Explained absences of this many newest sessions are asked again."""

    def read(self) -> Standing:
        """Read how the grid stands. Raises `StoreUnavailable`."""
        return self._standing(self.codes, self.windows, self.span)

    def as_stored(self, standing: Standing) -> Coverage:
        """Return the coverage that a report speaks of: what is held counts, whenever it was fetched.

        To a forced command an older row is not held, which is its plan and nobody's gap.
        """
        before = standing.coverage
        if not self.command.force or not (before.due & ~before.held).any():
            return before
        held = self.bars.held(self.codes, self.command.series, *self.span)
        absences = self.absences.absences(self.codes, self.command.series, *self.span)
        return build_coverage(self.codes, self.windows.sessions, self.windows.first, self.windows.last, held, absences)

    def read_wanted(self, requests: Sequence[FetchRequest]) -> Standing:
        """Read how the part of the grid stands that `requests` (at least one) want. Raises `StoreUnavailable`."""
        wanted = {code for request in requests for code in request.wanted.codes}
        rows = np.array([row for row, code in enumerate(self.codes) if code in wanted], np.int64)
        first = min(request.wanted.session.min() for request in requests)
        last = max(request.wanted.session.max() for request in requests)
        windows = self.windows
        inside = (windows.sessions >= first) & (windows.sessions <= last)
        part = DueWindows(windows.sessions[inside], windows.first[rows], windows.last[rows])
        return self._standing([self.codes[row] for row in rows.tolist()], part, (first.item(), last.item()))

    def requests(self, standing: Standing, source: SourceCapabilities) -> list[FetchRequest]:
        """Return the fewest calls that ask for all that is left.

        Those at the edges of the range are widened to the days that the command named, sessions or not: a row on
        a closed day before the first session, or after the last, is then seen and rejected by name.
        """
        plan = plan_fetches(standing.coverage, standing.left, source, self.command.series)
        span = self.span
        first = min(self.command.start or span[0], span[0])
        last = max(min(self.command.end or span[1], self.clock.now().date()), span[1])
        return [
            request
            if request.by_session
            else replace(
                request,
                first=first if request.first == span[0] else request.first,
                last=last if request.last == span[1] else request.last,
            )
            for request in plan.requests
        ]

    def stored_beforehand(self, requests: Sequence[FetchRequest], before: Coverage) -> Beforehand | None:
        """Return what is stored of everything the answers may contain; only that is compared with what comes.

        None: everything that comes is compared, since a forced command asks for what is stored again, whole or not.
        """
        if self.command.force:
            return None
        series = self.command.series
        span = min(request.first for request in requests), max(request.last for request in requests)
        if any(request.by_session for request in requests):
            return Beforehand(self.bars.held(None, series, *span), self.bars.begun(None, series, *span))
        asked = {code for request in requests for code in request.codes or ()}
        held = {code: before.sessions[before.held[row]] for row, code in enumerate(before.codes) if code in asked}
        return Beforehand(held, self.bars.begun(sorted(asked), series, *span))

    def _standing(self, codes: Sequence[str], windows: DueWindows, span: tuple[date, date]) -> Standing:
        series = self.command.series
        since = self.since if self.command.force else None
        held = self.bars.held(codes, series, *span, since=since)
        absences = self.absences.absences(codes, series, *span)
        coverage = build_coverage(codes, windows.sessions, windows.first, windows.last, held, absences)
        return Standing(coverage, self._left(coverage, absences))

    def _left(self, coverage: Coverage, absences: Absences) -> Flags:
        """Return the cells to ask for: what is left, less what this very command has been answered already."""
        if self.command.force:
            wanted: Flags = coverage.due & ~coverage.held
        else:
            last: date = coverage.sessions[-1].item()
            wanted = coverage.to_ask(young_from(self.calendar, self.clock.now(), last, self.recheck))
        answered = absences.table.filter(absences.table["version"].to_numpy() >= self.since)
        row, column, inside = positions(answered, coverage)
        wanted[row[inside], column[inside]] = False
        return wanted
