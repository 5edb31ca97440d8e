# Upstream: domain.services, entrypoints.quickstart
# Downstream: domain.model.{bars, commands, known_sessions, reference}, ports.trading_calendar, numpy
# Role: Which sessions a command is about: the newest closed one, and each code's window
"""From a command's dates to sessions; business time comes from the trading calendar, never from a clock alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.ports.trading_calendar import TradingCalendar

_LONGEST_BREAK = timedelta(days=30)


def newest_closed(calendar: TradingCalendar, now: datetime, until: date | None = None) -> date | None:
    """Return the newest session whose trading has ended at `now` (zoned), None when there was none for a month.

    With `until`, the newest one up to that day: what is asked about the past needs no calendar of today.
    Raises `CalendarHorizonExceeded` when the calendar does not know the last day looked at.
    """
    today = now.astimezone(calendar.close_of(FIRST_SESSION).tzinfo).date()
    last = today if until is None else min(today, until)
    recent = calendar.sessions(last - _LONGEST_BREAK, last).tolist()
    closed: list[date] = [session for session in recent if calendar.close_of(session) <= now]
    return closed[-1] if closed else None


def young_from(calendar: TradingCalendar, now: datetime, last: date, count: int) -> date | None:
    """Return the first of the `count` newest closed sessions; None when `last` lies before all of them.

    Only for a `last` within a month of today is the calendar asked about today.
    """
    if last < now.date() - _LONGEST_BREAK:
        return None
    newest = newest_closed(calendar, now)
    if newest is None:
        return None
    recent = calendar.sessions(newest - 2 * _LONGEST_BREAK, newest)[-count:]
    first: date = recent[0].item()
    return first if first <= last else None


@dataclass(frozen=True, slots=True, eq=False)
class DueWindows:
    """Per code the first and last session that is due, and all sessions of the range; both bounds included."""

    sessions: Sessions
    first: Sessions
    last: Sessions

    @property
    def span(self) -> tuple[date, date] | None:
        """First and last session due for any code; None when none is."""
        if not len(self.sessions):
            return None
        due = np.searchsorted(self.sessions, self.first) < np.searchsorted(self.sessions, self.last, side="right")
        if not due.any():
            return None
        inside = self.sessions[(self.sessions >= self.first[due].min()) & (self.sessions <= self.last[due].max())]
        bounds: tuple[date, date] = (inside[0].item(), inside[-1].item())
        return bounds


def due_windows(
    command: CollectBars,
    codes: Sequence[str],
    securities: Securities,
    calendar: TradingCalendar,
    newest: date | None,
    first_held: Mapping[str, date],
) -> DueWindows:
    """Return what is due of `codes` for `command`, up to the newest closed session.

    `first_held` is needed only of a command without dates that is not `full`: such a command keeps
    complete what is held, from the first session held on.
    """
    listed, delisted = securities.windows(codes)
    end = min(command.end, newest) if command.end and newest else newest
    if end is None:
        nothing = np.empty(0, "datetime64[D]")
        return DueWindows(nothing, listed, np.minimum(delisted, listed - 1))
    begin = np.maximum(_begin(command, codes, calendar, end, first_held), listed)
    last = np.minimum(delisted, np.datetime64(end, "D"))
    wanted = begin <= last
    if not wanted.any():
        return DueWindows(np.empty(0, "datetime64[D]"), begin, last)
    return DueWindows(calendar.sessions(begin[wanted].min().item(), end), begin, last)


def _begin(
    command: CollectBars, codes: Sequence[str], calendar: TradingCalendar, end: date, first_held: Mapping[str, date]
) -> Sessions:
    if command.start is not None:
        return np.full(len(codes), command.start, "datetime64[D]")
    if command.sessions is not None:
        reach = timedelta(days=command.sessions * 2 + 30)
        recent = calendar.sessions(max(end - reach, FIRST_SESSION), end)[-command.sessions :]
        return np.full(len(codes), recent[0] if len(recent) else end, "datetime64[D]")
    if command.full:
        return np.full(len(codes), FIRST_SESSION, "datetime64[D]")
    return np.array([first_held.get(code, FIRST_SESSION) for code in codes], "datetime64[D]")
