# Upstream: domain.services.{collector, landing, reporting, session_job}
# Downstream: domain.model.quality
# Role: Port: quarantined rows and quality reports
"""Where rejected rows and reports are kept: nothing rejected is ever dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ginkgo_data.domain.model.quality import DataQualityReport, Rejects


class QualityRepository(Protocol):
    """Quarantine (one row per code, frequency, adjust, timestamp, rule and content) and reports (one per id)."""

    def quarantine(self, rejects: Rejects) -> None:
        """Store; idempotent. Raises `StoreUnavailable`."""

    def quarantined(self, codes: Sequence[str] | None = None) -> Rejects:
        """Return what is in quarantine (of `codes` where given), by code, timestamp and rule."""

    def write_report(self, report: DataQualityReport) -> None:
        """Store; a report written twice is one. Raises `StoreUnavailable`."""

    def reports(self, last: int) -> Sequence[DataQualityReport]:
        """Return the `last` newest reports, newest first."""
