# Upstream: domain.services
# Downstream: domain.model.quality
# Role: Port: quarantined rows and quality reports
"""Where rejected rows and reports are kept: nothing rejected is ever dropped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ginkgo_data.domain.model.quality import DataQualityReport, Rejects, Release


class QualityRepository(Protocol):
    """Quarantine, what was released of it, and reports.

    Of quarantine there is one row per code, frequency, adjust, timestamp, rule and content; of releases one per
    content and rule; of reports one per id.
    """

    def quarantine(self, rejects: Rejects) -> None:
        """Store; idempotent. Raises `StoreUnavailable`."""

    def quarantined(self, codes: Sequence[str] | None = None) -> Rejects:
        """Return what is in quarantine (of `codes` where given), by code, timestamp and rule."""

    def write_releases(self, releases: Sequence[Release]) -> None:
        """Store; of one content and rule the release of the greatest version counts. Raises `StoreUnavailable`."""

    def releases(self) -> Sequence[Release]:
        """Return the releases, by version."""

    def write_report(self, report: DataQualityReport) -> None:
        """Store; a report written twice is one. Raises `StoreUnavailable`."""

    def reports(self, last: int, since: datetime | None = None) -> Sequence[DataQualityReport]:
        """Return the `last` newest reports, newest first; with `since` (zoned) none that was made before."""
