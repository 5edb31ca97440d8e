# Upstream: none
# Downstream: adapters.memory.latest, domain.model.reference, ports.clock
# Role: Securities and trading days in memory
"""Reference data as Arrow tables."""

from __future__ import annotations

from datetime import datetime

from ginkgo_data.adapters.memory.latest import LatestRows
from ginkgo_data.domain.model.reference import SECURITY_SCHEMA, SESSION_DAY_SCHEMA, Securities, SessionDays
from ginkgo_data.ports.clock import Clock

_OPTIONAL = ("name", "market", "industry", "list_date", "delist_date", "status")


class InMemoryReferenceRepository:
    """Securities and days; `clock` says when they were stored. Safe for several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._securities = LatestRows("securities", SECURITY_SCHEMA, ("code",), _OPTIONAL)
        self._days = LatestRows("trading sessions", SESSION_DAY_SCHEMA, ("day", "exchange"))
        self._refreshed_at: datetime | None = None

    def write_securities(self, securities: Securities) -> None:
        """Store; code, source and version may not be null."""
        if len(securities):
            self._securities.add(securities.table)
            self._refreshed_at = self._clock.now()

    def securities(self) -> Securities:
        """Return all securities, by code."""
        return Securities(self._securities.table())

    def securities_refreshed_at(self) -> datetime | None:
        """Return when securities were last stored, by the clock."""
        return self._refreshed_at

    def write_session_days(self, days: SessionDays) -> None:
        """Store; no column may be null."""
        self._days.add(days.table)

    def session_days(self) -> SessionDays:
        """Return all days, ascending, and by exchange within a day."""
        return SessionDays(self._days.table())
