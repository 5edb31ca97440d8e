# Upstream: entrypoints.container
# Downstream: adapters.observing.answers, domain.model.fetch, ports.{bar_source, clock, metrics}
# Role: A source of bars whose answers are counted and measured
"""Any `BarSource`, observed."""

from __future__ import annotations

from ginkgo_data.adapters.observing.answers import Answers
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, SourceCapabilities
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.metrics import Metrics


class ObservedBarSource:
    """Wraps `inner`, which is a source of `vendor`."""

    def __init__(self, inner: BarSource, vendor: str, metrics: Metrics, clock: Clock) -> None:
        self._inner = inner
        self._answers = Answers(vendor, metrics, clock)

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for: as `inner`."""
        return self._inner.capabilities

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request` as `inner` does."""
        return self._answers.observed("bars", lambda: self._inner.fetch(request))
