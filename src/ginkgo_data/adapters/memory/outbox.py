# Upstream: none
# Downstream: adapters.memory.quality_repository, domain.model.{errors, quality}
# Role: Port outbox in memory, beside the quality repository in memory
"""Alerts by id, and the ids that have been told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from datetime import datetime

from ginkgo_data.adapters.memory.quality_repository import InMemoryQualityRepository
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import Alert, DataQualityReport

AT_ONCE = 1000
"""Reports or alerts that one call returns at the most."""


class InMemoryOutbox:
    """Alerts and ids told; reports are those of `quality`. Safe for several threads.

    A reading returns the oldest `AT_ONCE` of what is asked for; the rest comes when these have been told.
    """

    def __init__(self, quality: InMemoryQualityRepository) -> None:
        self._quality = quality
        self._lock = threading.Lock()
        self._alerts: dict[str, Alert] = {}
        self._told: set[str] = set()

    @property
    def told(self) -> frozenset[str]:
        """Ids of the reports and alerts that are marked as told."""
        with self._lock:
            return frozenset(self._told)

    def write_alert(self, alert: Alert) -> None:
        """Store `alert`; a second time changes nothing. Raises `SchemaMismatch` when it was raised in no zone."""
        if alert.raised_at.tzinfo is None:
            raise SchemaMismatch(f"alert {alert.key}: raised_at {alert.raised_at} has no zone; it must say one")
        with self._lock:
            self._alerts[alert.alert_id] = alert

    def untold_reports(self, after: datetime, before: datetime) -> Sequence[DataQualityReport]:
        """Return the untold reports created in [after, before), oldest first."""
        told = self.told
        oldest_first = reversed(self._quality.reports(sys.maxsize))
        return [r for r in oldest_first if after <= r.created_at < before and r.report_id not in told][:AT_ONCE]

    def untold_alerts(self, after: datetime, before: datetime) -> Sequence[Alert]:
        """Return the untold alerts raised in [after, before), oldest first."""
        with self._lock:
            found = [
                (alert.raised_at, alert_id, alert)
                for alert_id, alert in self._alerts.items()
                if after <= alert.raised_at < before and alert_id not in self._told
            ]
        return [alert for *_, alert in sorted(found, key=lambda item: item[:2])][:AT_ONCE]

    def mark_told(self, ids: Sequence[str]) -> None:
        """Note `ids` as told."""
        with self._lock:
            self._told.update(ids)
