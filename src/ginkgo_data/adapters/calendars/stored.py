# Upstream: adapters.calendars.layered, entrypoints.{container, doctor}
# Downstream: domain.model.{bars, errors, known_sessions, reference}, ports.reference_repository, numpy
# Role: The trading calendar made of the days a vendor has told and the store keeps
"""The vendor's trading calendar, read from the store and answered with numpy."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.errors import CalendarHorizonExceeded
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION, end_of, horizon_exceeded, window
from ginkgo_data.domain.model.reference import SessionDays
from ginkgo_data.ports.reference_repository import ReferenceRepository


@dataclass(frozen=True, slots=True, eq=False)
class StatedDays:
    """What the vendor has stated: `days` spoken of, those `opened`, and the `holes` between them, all ascending.

    A hole is a weekday between the first and the last stated day about which nothing was said. A weekend
    that nobody spoke of is none: the exchange does not open on weekends, and some vendors leave them out.
    """

    days: Sessions
    opened: Sessions
    holes: Sessions

    @classmethod
    def of(cls, stored: SessionDays) -> StatedDays:
        """Take the days apart; a day is open when any exchange was. The arrays kept cannot be written to."""
        days, opened = stored.days(), stored.open_days()
        for kept in (days, opened):
            kept.setflags(write=False)
        span = (_as_date(days[0]), _as_date(days[-1])) if len(days) else (date.max, date.min)
        return cls(days, opened, _weekdays_without(days, *span))

    @property
    def horizon(self) -> date:
        """The last day spoken of, `date.min` when there is none."""
        return _as_date(self.days[-1]) if len(self.days) else date.min

    def cover(self, first: date, last: date) -> bool:
        """Whether each day of [first, last] is known; days before the exchange existed always are."""
        if not len(self.days) or last > self.horizon:
            return False
        return max(first, FIRST_SESSION) >= _as_date(self.days[0]) and not len(window(self.holes, first, last))

    def unstated(self, first: date, last: date) -> Sessions:
        """Return the weekdays in [first, last] about which nothing was said."""
        return _weekdays_without(self.days, first, last)


class StoredTradingCalendar:
    """Sessions from the store's `session_days`; they are read at first use and again by `refresh`.

    The horizon is the last stored day, `date.min` while nothing is stored. As the port says, days before the
    first stored one are no sessions: store the vendor's calendar from 1990-12-19, or put a package behind
    this calendar (`LayeredTradingCalendar`). Safe to call from several threads.
    """

    def __init__(self, repository: ReferenceRepository) -> None:
        self._repository = repository
        self._stated: StatedDays | None = None
        self._lock = threading.Lock()

    def sessions(self, first: date, last: date) -> Sessions:
        """Return the sessions in [first, last].

        Raises `CalendarHorizonExceeded` beyond the horizon, when nothing is stored, and when the window holds
        a weekday that the stored days leave out; `StoreUnavailable` when the days could not be read.
        """
        stated = self.stated()
        if first > last:
            return stated.opened[:0]
        if not len(stated.days):
            raise CalendarHorizonExceeded(f"no trading calendar is stored, so {last} cannot be told to be a session")
        if last > stated.horizon:
            raise horizon_exceeded(last, stated.horizon)
        unknown = window(stated.holes, first, last)
        if len(unknown):
            raise CalendarHorizonExceeded(
                f"{unknown[0]} is missing from the stored trading calendar, which reaches from {stated.days[0]} to "
                f"{stated.horizon} with {len(stated.holes)} weekdays left out"
            )
        return window(stated.opened, first, last)

    def horizon(self) -> date:
        """Return the last stored day, `date.min` when there is none. Raises `StoreUnavailable`."""
        return self.stated().horizon

    def close_of(self, session: date) -> datetime:
        """Return 15:00 Asia/Shanghai of `session`."""
        return end_of(session)

    def stated(self) -> StatedDays:
        """Return what is stored, as it was last read. Raises `StoreUnavailable`."""
        with self._lock:
            if self._stated is None:
                self._stated = StatedDays.of(self._repository.session_days())
            return self._stated

    def refresh(self) -> None:
        """Read the stored days again. Raises `StoreUnavailable`, and then what was read before still answers."""
        with self._lock:
            self._stated = StatedDays.of(self._repository.session_days())


def _weekdays_without(days: Sessions, first: date, last: date) -> Sessions:
    if first > last:
        return days[:0]
    span = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)
    return np.setdiff1d(span[np.is_busday(span)], days, assume_unique=True)


def _as_date(day: np.datetime64) -> date:
    converted: date = day.astype("datetime64[D]").item()
    return converted
