# Upstream: domain.services.{reporting, telling}
# Downstream: domain.model.quality
# Role: Port: what was stored to be told, and what of it is not known to have been told
"""The outbox: reports and alerts are told from the store, so that a crash before the telling loses none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ginkgo_data.domain.model.quality import Alert, DataQualityReport


class Outbox(Protocol):
    """Alerts, and which reports (of the quality repository) and alerts have been told. Raises `StoreUnavailable`."""

    def write_alert(self, alert: Alert) -> None:
        """Store; an alert written twice (same `alert_id`) is one."""

    def untold_reports(self, after: datetime, before: datetime) -> Sequence[DataQualityReport]:
        """Return the reports created in [after, before) (zoned) that are not marked as told, oldest first."""

    def untold_alerts(self, after: datetime, before: datetime) -> Sequence[Alert]:
        """Return the alerts raised in [after, before) (zoned) that are not marked as told, oldest first."""

    def mark_told(self, ids: Sequence[str]) -> None:
        """Note that the reports and alerts with these ids (`report_id`, `alert_id`) have been told; idempotent."""
