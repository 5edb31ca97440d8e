# Upstream: entrypoints.{container, doctor}
# Downstream: adapters.calendars.stored, domain.model.{bars, errors, known_sessions}, ports.trading_calendar, numpy
# Role: The stored calendar with a package's behind it, loaded only when it is needed
"""The vendor's stored days win for every day they speak of; a package answers for the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta

import numpy as np

from ginkgo_data.adapters.calendars.stored import StoredTradingCalendar
from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.errors import CalendarHorizonExceeded, NotAvailable
from ginkgo_data.domain.model.known_sessions import end_of, horizon_exceeded, window
from ginkgo_data.ports.trading_calendar import TradingCalendar


class LayeredTradingCalendar:
    """A stored calendar over the one that `package_factory` makes.

    The factory is called once, and only when a question cannot be answered from the stored days alone: a
    start with a stored calendar loads no package. Asking for the horizon does need both; ask `sessions` for
    what is wanted and let it raise, where that will do. Safe to call from several threads.
    """

    def __init__(self, stored: StoredTradingCalendar, package_factory: Callable[[], TradingCalendar]) -> None:
        self._stored = stored
        self._package_factory = package_factory
        self._package: TradingCalendar | None = None
        self._lock = threading.Lock()

    def sessions(self, first: date, last: date) -> Sessions:
        """Return the sessions in [first, last].

        Raises `CalendarHorizonExceeded` beyond the horizon and when the window holds a weekday after the
        package's horizon that is not stored; `NotAvailable` when days are asked for that are not stored and
        there is no package to answer; `StoreUnavailable`.
        """
        stated = self._stored.stated()
        if first > last or stated.cover(first, last):
            return window(stated.opened, first, last)
        horizon = self.horizon()
        if last > horizon:
            raise horizon_exceeded(last, horizon)
        package = self._loaded()
        assumed_to = min(last, package.horizon())
        unknown = stated.unstated(max(first, assumed_to + timedelta(days=1)), last)
        if len(unknown):
            raise CalendarHorizonExceeded(
                f"{unknown[0]} is neither stored nor known to the package, whose calendar ends on {package.horizon()}"
            )
        assumed = package.sessions(first, assumed_to)
        return np.union1d(np.setdiff1d(assumed, stated.days, assume_unique=True), window(stated.opened, first, last))

    def horizon(self) -> date:
        """Return the later of both horizons; without a package the stored one.

        Raises `NotAvailable` when nothing is stored and there is no package, `StoreUnavailable`.
        """
        stated = self._stored.stated()
        try:
            return max(stated.horizon, self._loaded().horizon())
        except NotAvailable:
            if not len(stated.days):
                raise
            return stated.horizon

    def close_of(self, session: date) -> datetime:
        """Return 15:00 Asia/Shanghai of `session`."""
        return end_of(session)

    def disagreements(self, first: date, last: date) -> list[date]:
        """Return the days in [first, last] that both speak of and only one calls a session, ascending.

        Loads the package. Raises `NotAvailable` when there is none, `StoreUnavailable`.
        """
        package = self._loaded()
        common_last = min(last, package.horizon())
        stated = self._stored.stated()
        days = window(stated.days, first, common_last)
        differs = np.isin(days, stated.opened) != np.isin(days, package.sessions(first, common_last))
        return list(days[differs].tolist())

    def refresh(self) -> None:
        """Read the stored days again. Raises `StoreUnavailable`, and then what was read before still answers."""
        self._stored.refresh()

    def _loaded(self) -> TradingCalendar:
        with self._lock:
            if self._package is None:
                self._package = self._package_factory()
            return self._package
