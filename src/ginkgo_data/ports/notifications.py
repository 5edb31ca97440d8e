# Upstream: domain.services.reporting, entrypoints.{dispatch, worker}
# Downstream: domain.model.quality
# Role: Port: reports, alerts and events going out
"""Telling people and machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ginkgo_data.domain.model.quality import Alert, DataQualityReport


class Notifications(Protocol):
    """The notification topic. Telling never holds up work: a failure is logged and counted, not raised."""

    def report(self, report: DataQualityReport) -> None:
        """Publish a job's report."""

    def alert(self, alert: Alert) -> None:
        """Publish an alert."""

    def event(self, kind: str, data: Mapping[str, object]) -> None:
        """Publish a state change, statistics or an answer; `data` holds texts, numbers, lists and mappings."""
