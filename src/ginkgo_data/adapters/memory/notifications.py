# Upstream: entrypoints.container
# Downstream: domain.model.quality, ports.notifications
# Role: Port notifications in memory
"""What was told, for a test to read."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from ginkgo_data.domain.model.quality import Alert, DataQualityReport
from ginkgo_data.ports.notifications import Told


class InMemoryNotifications:
    """Keeps everything told, in order."""

    def __init__(self) -> None:
        self._reports: list[DataQualityReport] = []
        self._alerts: list[Alert] = []
        self._events: list[tuple[str, Mapping[str, object]]] = []
        self._lock = threading.Lock()

    @property
    def reports(self) -> Sequence[DataQualityReport]:
        """Reports told."""
        with self._lock:
            return tuple(self._reports)

    @property
    def alerts(self) -> Sequence[Alert]:
        """Alerts told."""
        with self._lock:
            return tuple(self._alerts)

    @property
    def events(self) -> Sequence[tuple[str, Mapping[str, object]]]:
        """Events told, as (kind, data)."""
        with self._lock:
            return tuple(self._events)

    def report(self, report: DataQualityReport, told: Told | None = None) -> None:
        """Keep a report; `told` is called at once."""
        with self._lock:
            self._reports.append(report)
        if told:
            told(True)

    def alert(self, alert: Alert, told: Told | None = None) -> None:
        """Keep an alert; `told` is called at once."""
        with self._lock:
            self._alerts.append(alert)
        if told:
            told(True)

    def event(self, kind: str, data: Mapping[str, object]) -> None:
        """Keep an event as it is now, whatever becomes of `data`."""
        with self._lock:
            self._events.append((kind, dict(data)))
