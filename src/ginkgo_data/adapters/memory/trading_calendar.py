# Upstream: none
# Downstream: domain.model.{bars, known_sessions}, numpy
# Role: A trading calendar given day by day: for tests and hosts that know their sessions
"""Sessions held in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import numpy as np

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.known_sessions import KnownSessions, end_of


class InMemoryTradingCalendar:
    """Exactly the sessions it was given, in any order, known up to `horizon`.

    Raises `ValueError` when a session lies beyond `horizon`.
    """

    def __init__(self, sessions: Iterable[date] | Sessions, horizon: date) -> None:
        days = sessions if isinstance(sessions, np.ndarray) else np.array(list(sessions), "datetime64[D]")
        self._known = KnownSessions(days, horizon)

    def sessions(self, first: date, last: date) -> Sessions:
        """Return the sessions in [first, last]; raises `CalendarHorizonExceeded` beyond the horizon."""
        return self._known.between(first, last)

    def horizon(self) -> date:
        """Return the horizon it was given."""
        return self._known.horizon

    def close_of(self, session: date) -> datetime:
        """Return 15:00 Asia/Shanghai of `session`."""
        return end_of(session)
