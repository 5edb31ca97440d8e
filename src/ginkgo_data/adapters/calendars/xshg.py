# Upstream: entrypoints.{container, doctor}
# Downstream: domain.model.{bars, errors, known_sessions}, exchange_calendars
# Role: The trading calendar that the package exchange_calendars ships
"""Shanghai's sessions (XSHG) as the package exchange_calendars knows them.

The package keeps one calendar for Shanghai and has none for Shenzhen or Beijing, which trade on the same
days. Its sessions equal those of the exchange on every day from 1990-12-19 that could be compared. Its
holidays are kept by hand, one year ahead at most, so its horizon is near.
"""

from __future__ import annotations

import warnings
from datetime import date, datetime

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.errors import NotAvailable
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION, KnownSessions, end_of


class ExchangeCalendarsTradingCalendar:
    """The package's XSHG from its first session to the last day the package has holidays for.

    Constructing it loads exchange_calendars and with it pandas (about half a second and 100 MB); nothing
    else does. Raises `NotAvailable` where the package is not installed.
    """

    def __init__(self) -> None:
        self._known = _load()

    def sessions(self, first: date, last: date) -> Sessions:
        """Return the sessions in [first, last]; raises `CalendarHorizonExceeded` beyond the horizon."""
        return self._known.between(first, last)

    def horizon(self) -> date:
        """Return the last day for which the installed package has recorded holidays."""
        return self._known.horizon

    def close_of(self, session: date) -> datetime:
        """Return 15:00 Asia/Shanghai of `session`."""
        return end_of(session)


def _load() -> KnownSessions:
    try:
        from exchange_calendars.exchange_calendar_xshg import XSHGExchangeCalendar
    except ImportError as error:
        raise NotAvailable(
            "the package exchange_calendars is not installed; pip install 'ginkgo-data[calendars]'"
        ) from error
    # The package's default start is 20 years ago, and it refuses a start before its first session.
    with warnings.catch_warnings():
        # Its own use of pandas is deprecated; that is for its maintainers to act on, not for our host.
        warnings.simplefilter("ignore", DeprecationWarning)
        calendar = XSHGExchangeCalendar(start=FIRST_SESSION.isoformat(), end=XSHGExchangeCalendar.bound_max())
    return KnownSessions(calendar.sessions.to_numpy().astype("datetime64[D]"), XSHGExchangeCalendar.bound_max().date())
