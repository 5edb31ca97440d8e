# Upstream: entrypoints.{opening, worker_wiring}
# Downstream: adapters.prometheus.worker_collector, domain.model.{health, measures}, prometheus_client
# Role: Port metrics on Prometheus, in a registry of its own, and the page that Prometheus reads
"""One registry per worker: two workers of one process do not add up, and nothing is global."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from ginkgo_data.adapters.prometheus.worker_collector import PREFIX, WorkerCollector
from ginkgo_data.domain.model.health import WorkerHealth
from ginkgo_data.domain.model.measures import ALL, Counted, Measured


class PrometheusMetrics:
    """Counts into `registry`, which a host may show as it likes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self._counters: Mapping[str, Counter] = {
            what.name: Counter(PREFIX + what.name, what.text, what.labels, registry=self.registry)
            for what in ALL
            if isinstance(what, Counted)
        }
        self._histograms: Mapping[str, Histogram] = {
            what.name: Histogram(
                PREFIX + what.name, what.text, what.labels, registry=self.registry, buckets=what.buckets
            )
            for what in ALL
            if isinstance(what, Measured)
        }
        self._collector: WorkerCollector | None = None

    def count(self, what: Counted, amount: float = 1.0, **labels: str) -> None:
        """Add `amount` to a counter."""
        found = self._counters[what.name]
        child = found.labels(**labels) if what.labels else found
        if math.isfinite(amount):
            child.inc(amount)

    def measure(self, what: Measured, value: float, **labels: str) -> None:
        """Add one value to a histogram."""
        found = self._histograms[what.name]
        child = found.labels(**labels) if what.labels else found
        if math.isfinite(value):
            child.observe(value)

    def show(self, health: Callable[[], WorkerHealth]) -> None:
        """Show a worker's state beside what is counted: `health` is asked at every look, and asks no server itself."""
        if self._collector is not None:
            self.registry.unregister(self._collector)
        self._collector = WorkerCollector(health)
        self.registry.register(self._collector)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page in the form that `accept` (an HTTP header) asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
