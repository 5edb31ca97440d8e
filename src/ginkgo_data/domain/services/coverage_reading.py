# Upstream: entrypoints
# Downstream: domain.{model, services}, ports, numpy, pyarrow
# Role: Use case: read the coverage of a window from the store, without asking any vendor
"""Coverage on demand: the same windows, grid and absences as a collection, and no call at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.commands import Codes, CollectBars
from ginkgo_data.domain.model.coverage import Flags
from ginkgo_data.domain.model.coverage_map import CoverageMap
from ginkgo_data.domain.model.errors import MalformedCommand, NotAvailable, UnknownCode
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.reference import SECURITY_SCHEMA, Securities
from ginkgo_data.domain.model.series import DAILY, Series
from ginkgo_data.domain.services.coverage import build_coverage
from ginkgo_data.domain.services.coverage_map import map_coverage
from ginkgo_data.domain.services.sessions import DueWindows, due_windows, newest_closed
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.reference_repository import ReferenceRepository
from ginkgo_data.ports.trading_calendar import TradingCalendar

DEFAULT_DAYS = 365
_NAMED = 5


@dataclass(frozen=True, slots=True)
class CoverageQuestion:
    """What to look at: codes (None: all securities, else all codes with bars), series, window (the last year)."""

    codes: Codes = None
    series: Series = DAILY
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CoverageReading:
    """The answer: the codes for which a session was due in [`first`, `last`], and those without."""

    series: Series
    first: date
    last: date
    """The newest session of the window that has closed, where there is one."""
    cover: CoverageMap
    names: Mapping[str, str]
    """Name per code, where securities have one."""
    idle: tuple[str, ...]
    """Codes for which no session was due: listed later, delisted before, or without a list date."""
    observed: tuple[str, ...]
    """Codes that no security describes: taken as listed from their first bar on."""


@dataclass(frozen=True, slots=True)
class CoverageReader:
    """Reads coverage; stores nothing and asks no vendor."""

    bars: BarRepository
    absences: AbsenceRepository
    reference: ReferenceRepository
    calendar: TradingCalendar
    clock: Clock

    def read(self, question: CoverageQuestion) -> CoverageReading:
        """Answer `question`.

        Raises `MalformedCommand` for a window that cannot be, `UnknownCode` for codes of which the store has
        neither a security nor a bar of the series, `NotAvailable` where it has none at all,
        `CalendarHorizonExceeded`, `StoreUnavailable`.
        """
        series = question.series
        first, last, newest = self._window(question)
        securities = self.reference.securities()
        codes = self._codes(question, securities, newest or last)
        strangers = sorted(set(codes) - set(securities.codes()))
        seen = self.bars.first_held(strangers, series) if strangers else {}
        unknown = [code for code in strangers if code not in seen]
        if unknown:
            raise UnknownCode(_unknown(unknown, series))
        known = Securities.concat([securities, _observed(seen)])
        wanted = CollectBars(tuple(codes), series, first, newest)
        windows = due_windows(wanted, codes, known, self.calendar, newest, {})
        due = _any_due(windows)
        rows = np.flatnonzero(due)
        return CoverageReading(
            series,
            first,
            last,
            self._cover([codes[row] for row in rows.tolist()], windows, rows, series),
            _names(known, codes),
            tuple(code for code, is_due in zip(codes, due.tolist(), strict=True) if not is_due),
            tuple(sorted(seen)),
        )

    def _window(self, question: CoverageQuestion) -> tuple[date, date, date | None]:
        """Return the first and the last day of the window, and the newest session closed by then."""
        start, end = question.start, question.end
        if start and end and start > end:
            raise MalformedCommand(f"start {start} lies after end {end}")
        now = self.clock.now()
        if start and start > now.date():
            raise MalformedCommand(f"start {start} lies in the future: nothing can be due yet")
        newest = newest_closed(self.calendar, now, end)
        asked = min(end or now.date(), now.date())
        first = start or asked - timedelta(days=DEFAULT_DAYS)
        return first, newest if newest and newest >= first else asked, newest

    def _codes(self, question: CoverageQuestion, securities: Securities, last: date) -> list[str]:
        if question.codes is not None:
            return sorted(set(question.codes))
        codes = securities.codes() or sorted(self.bars.held(None, question.series, FIRST_SESSION, last))
        if not codes:
            raise NotAvailable(f"the store has no securities and no session of {question.series} bars: nothing is due")
        return codes

    def _cover(self, codes: list[str], windows: DueWindows, rows: npt.NDArray[np.int64], series: Series) -> CoverageMap:
        span = windows.span
        if span is None:
            return CoverageMap((), np.empty(0, "datetime64[D]"), np.empty((0, 0), np.uint8))
        held = self.bars.held(codes, series, *span)
        absences = self.absences.absences(codes, series, *span)
        inside = (windows.sessions >= np.datetime64(span[0])) & (windows.sessions <= np.datetime64(span[1]))
        bounds = windows.first[rows], windows.last[rows]
        return map_coverage(build_coverage(codes, windows.sessions[inside], *bounds, held, absences), absences)


def _any_due(windows: DueWindows) -> Flags:
    begin = np.searchsorted(windows.sessions, windows.first)
    due: Flags = begin < np.searchsorted(windows.sessions, windows.last, side="right")
    return due


def _observed(seen: Mapping[str, date]) -> Securities:
    """Return what can be said of codes that only their bars tell of: there since the first of them."""
    columns: dict[str, list[object]] = {name: [None] * len(seen) for name in SECURITY_SCHEMA.names}
    columns |= {"code": list(seen), "list_date": list(seen.values()), "status": ["O"] * len(seen)}
    return Securities(pa.table(columns, schema=SECURITY_SCHEMA))


def _names(securities: Securities, codes: Sequence[str]) -> dict[str, str]:
    table = securities.table
    wanted = set(codes)
    pairs = zip(table["code"].to_pylist(), table["name"].to_pylist(), strict=True)
    return {code: name for code, name in pairs if name and name != code and code in wanted}


def _unknown(codes: Sequence[str], series: Series) -> str:
    named = ", ".join(codes[:_NAMED]) + (f" and {len(codes) - _NAMED} more" if len(codes) > _NAMED else "")
    return f"the store has neither a security nor a {series} bar of {named}"
