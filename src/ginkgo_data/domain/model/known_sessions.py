# Upstream: adapters.files.strays, adapters.{calendars, memory}, domain.services, entrypoints.{quickstart, refetching}
# Downstream: domain.model.{bars, errors}, numpy
# Role: Sessions known up to a horizon: the arithmetic every trading calendar shares
"""Session days with the day up to which they are known, and when a session ends.

Facts about the exchanges of mainland China that hold here: Shanghai's first session was 1990-12-19, all of
them have traded on the same days since, never on a weekend (not even on the working weekends that make up
for holidays), and there has been no early close: trading ends at 15:00.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, Sessions
from ginkgo_data.domain.model.errors import CalendarHorizonExceeded

FIRST_SESSION = date(1990, 12, 19)
"""The first session of the Shanghai exchange; no day before it can be a session."""

SESSION_END = time(15, 0)


@dataclass(frozen=True, slots=True, eq=False)
class KnownSessions:
    """All sessions up to and including `horizon`, ascending and unique; the array cannot be written to.

    Raises `ValueError` when a session lies beyond `horizon`.
    """

    sessions: Sessions
    horizon: date

    def __post_init__(self) -> None:
        ordered = np.unique(np.asarray(self.sessions, "datetime64[D]"))
        if len(ordered) and ordered[-1] > np.datetime64(self.horizon, "D"):
            raise ValueError(f"session {ordered[-1]} lies beyond the horizon {self.horizon}")
        ordered.setflags(write=False)
        object.__setattr__(self, "sessions", ordered)

    def between(self, first: date, last: date) -> Sessions:
        """Return the sessions in [first, last], ascending; empty when first > last.

        Raises `CalendarHorizonExceeded` when `last` lies beyond the horizon.
        """
        if first > last:
            return self.sessions[:0]
        if last > self.horizon:
            raise horizon_exceeded(last, self.horizon)
        return window(self.sessions, first, last)


def window(days: Sessions, first: date, last: date) -> Sessions:
    """Return those of `days` (ascending) in [first, last]: a view, nothing is copied."""
    start = np.searchsorted(days, np.datetime64(first, "D"), "left")
    end = np.searchsorted(days, np.datetime64(last, "D"), "right")
    return days[start:end]


def horizon_exceeded(day: date, horizon: date) -> CalendarHorizonExceeded:
    """Return the error that says `day` lies beyond `horizon`."""
    return CalendarHorizonExceeded(f"{day} lies beyond the trading calendar, which is known up to {horizon}")


def end_of(session: date) -> datetime:
    """Return 15:00 Asia/Shanghai of `session`."""
    return datetime.combine(session, SESSION_END, ZoneInfo(EXCHANGE_ZONE))
