# Upstream: adapters.calendars.stored, domain.services
# Downstream: domain.model.reference
# Role: Port: stored securities and trading days
"""Where reference data is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ginkgo_data.domain.model.reference import Securities, SessionDays


class ReferenceRepository(Protocol):
    """Stored reference data: one security per code, one statement per (exchange, day); the greater version wins."""

    def write_securities(self, securities: Securities) -> None:
        """Store; a security that a later list lacks stays. Idempotent. Raises `StoreUnavailable`."""

    def securities(self) -> Securities:
        """Return all stored securities, by code."""

    def securities_refreshed_at(self) -> datetime | None:
        """Return when securities were last stored (zoned Asia/Shanghai), None if never."""

    def write_session_days(self, days: SessionDays) -> None:
        """Store; idempotent. Raises `StoreUnavailable`."""

    def session_days(self) -> SessionDays:
        """Return all stored days, ascending."""
