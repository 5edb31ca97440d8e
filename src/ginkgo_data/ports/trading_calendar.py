# Upstream: adapters.calendars.layered, domain.services, entrypoints.parts
# Downstream: domain.model.bars
# Role: Port: which days are sessions, when they close, and how far that is known
"""The trading calendar."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from ginkgo_data.domain.model.bars import Sessions


class TradingCalendar(Protocol):
    """Sessions of the exchanges of mainland China (Shanghai, Shenzhen and Beijing share them)."""

    def sessions(self, first: date, last: date) -> Sessions:
        """Return the sessions in [first, last], ascending; empty when first > last.

        Raises `CalendarHorizonExceeded` when `last` lies beyond `horizon`. Days before the first known
        session are no sessions.
        """

    def horizon(self) -> date:
        """Return the last day of which this calendar knows whether it is a session."""

    def close_of(self, session: date) -> datetime:
        """Return when trading of `session` ends, zoned Asia/Shanghai (15:00)."""
