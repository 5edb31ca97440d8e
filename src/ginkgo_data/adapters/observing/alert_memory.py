# Upstream: entrypoints.container
# Downstream: domain.model.{measures, quality}, ports.{alert_memory, metrics}
# Role: Port alert_memory, wrapped: alerts that are news are counted
"""Any `AlertMemory`, observed: what is news to the fleet is told by the worker that hears so."""

from __future__ import annotations

from ginkgo_data.domain.model.measures import ALERTS
from ginkgo_data.domain.model.quality import Alert
from ginkgo_data.ports.alert_memory import AlertMemory
from ginkgo_data.ports.metrics import Metrics


class ObservedAlertMemory:
    """Wraps `inner`."""

    def __init__(self, inner: AlertMemory, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics

    def is_news(self, alert: Alert, cooldown: float) -> bool:
        """Whether `alert` should be told: as `inner`; if so it is counted."""
        news = self._inner.is_news(alert, cooldown)
        if news:
            self._metrics.count(ALERTS, kind=alert.kind.value, severity=alert.severity.value)
        return news

    def silence(self, alert: Alert, cooldown: float) -> None:
        """As `inner`."""
        self._inner.silence(alert, cooldown)

    def resolve(self, key: str) -> bool:
        """As `inner`."""
        return self._inner.resolve(key)
