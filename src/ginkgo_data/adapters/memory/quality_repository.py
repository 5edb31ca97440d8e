# Upstream: adapters.memory.outbox
# Downstream: adapters.memory.latest, domain.model.{errors, quality}
# Role: Quarantine and quality reports in memory
"""Rejected rows as an Arrow table, reports as they are."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from ginkgo_data.adapters.memory.latest import LatestRows, of_codes
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import REJECT_SCHEMA, DataQualityReport, Rejects, Release

_KEY = ("code", "timestamp", "rule", "content_hash", "frequency", "adjust")
_OPTIONAL = ("code", "timestamp", "field", "value", "place", "row", "source")


class InMemoryQualityRepository:
    """Quarantine and reports. Safe for several threads."""

    def __init__(self) -> None:
        self._rejects = LatestRows("quarantine", REJECT_SCHEMA, _KEY, _OPTIONAL)
        self._lock = threading.Lock()
        self._reports: dict[str, DataQualityReport] = {}
        self._releases: dict[tuple[int, str], Release] = {}

    def quarantine(self, rejects: Rejects) -> None:
        """Store; frequency, adjust, rule, content_hash and version may not be null."""
        self._rejects.add(rejects.table)

    def quarantined(self, codes: Sequence[str] | None = None) -> Rejects:
        """Return the rejected rows (of `codes` where given), by code, timestamp and rule, those without one last."""
        return Rejects(of_codes(self._rejects.table(), codes))

    def write_releases(self, releases: Sequence[Release]) -> None:
        """Store; of one content and rule the release of the greatest version counts."""
        with self._lock:
            for release in releases:
                key = (release.content_hash, release.rule)
                held = self._releases.get(key)
                if held is None or held.version <= release.version:
                    self._releases[key] = release

    def releases(self) -> Sequence[Release]:
        """Return the releases, by version."""
        with self._lock:
            return sorted(self._releases.values(), key=lambda r: (r.version, r.content_hash, r.rule))

    def write_report(self, report: DataQualityReport) -> None:
        """Store `report`; one with the same id is replaced unless it is of a later time."""
        if report.created_at.tzinfo is None:
            raise SchemaMismatch(
                f"report {report.report_id}: created_at {report.created_at} has no zone; it must say one"
            )
        with self._lock:
            held = self._reports.get(report.report_id)
            if held is None or held.created_at <= report.created_at:
                self._reports[report.report_id] = report

    def reports(self, last: int, since: datetime | None = None) -> Sequence[DataQualityReport]:
        """Return the `last` newest reports, newest first; with `since` (zoned) none that was made before."""
        with self._lock:
            made = [report for report in self._reports.values() if since is None or report.created_at >= since]
        return sorted(made, key=lambda r: (r.created_at, r.report_id), reverse=True)[: max(last, 0)]
