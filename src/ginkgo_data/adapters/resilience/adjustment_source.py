# Upstream: entrypoints.container
# Downstream: adapters.resilience.retrying, domain.model.{adjustments, fetch, retry}, ports.{adjustment_source, clock}
# Role: A source of adjustment factors whose passing troubles are tried again
"""Any `AdjustmentSource`, asked again while it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ginkgo_data.adapters.resilience.retrying import AnswerRetry
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.fetch import Answer, SourceCapabilities
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.ports.adjustment_source import AdjustmentSource
from ginkgo_data.ports.clock import Clock


class RetryingAdjustmentSource:
    """Wraps `inner`."""

    def __init__(self, inner: AdjustmentSource, policy: RetryPolicy, clock: Clock) -> None:
        self._inner = inner
        self._retry = AnswerRetry(policy, clock)

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for: as `inner`."""
        return self._inner.capabilities

    def factors(self, codes: Sequence[str] | None, first: date, last: date, version: int) -> Answer[AdjustmentBatch]:
        """Answer as `inner` does, after as many attempts as the policy allows."""
        return self._retry.ask(lambda: self._inner.factors(codes, first, last, version))
