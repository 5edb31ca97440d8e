# Upstream: entrypoints.container
# Downstream: adapters.observing.answers, domain.model.{adjustments, fetch}, ports.{adjustment_source, clock, metrics}
# Role: A source of adjustment factors whose answers are counted and measured
"""Any `AdjustmentSource`, observed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ginkgo_data.adapters.observing.answers import Answers
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.fetch import Answer, SourceCapabilities
from ginkgo_data.ports.adjustment_source import AdjustmentSource
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.metrics import Metrics


class ObservedAdjustmentSource:
    """Wraps `inner`, which is a source of `vendor`."""

    def __init__(self, inner: AdjustmentSource, vendor: str, metrics: Metrics, clock: Clock) -> None:
        self._inner = inner
        self._answers = Answers(vendor, metrics, clock)

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for: as `inner`."""
        return self._inner.capabilities

    def factors(self, codes: Sequence[str] | None, first: date, last: date, version: int) -> Answer[AdjustmentBatch]:
        """Return what `inner` returns."""
        return self._answers.observed("factors", lambda: self._inner.factors(codes, first, last, version))
