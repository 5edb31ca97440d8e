# Upstream: entrypoints.container
# Downstream: adapters.resilience.retrying, domain.model.{fetch, retry}, ports.{bar_source, clock}
# Role: A source of bars whose passing troubles are tried again
"""Any `BarSource`, asked again while it does not know."""

from __future__ import annotations

from ginkgo_data.adapters.resilience.retrying import AnswerRetry
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, SourceCapabilities
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.clock import Clock


class RetryingBarSource:
    """Wraps `inner`; the request, and with it the version, stays the same through all attempts."""

    def __init__(self, inner: BarSource, policy: RetryPolicy, clock: Clock) -> None:
        self._inner = inner
        self._retry = AnswerRetry(policy, clock)

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for: as `inner`."""
        return self._inner.capabilities

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request` as `inner` does, after as many attempts as the policy allows."""
        return self._retry.ask(lambda: self._inner.fetch(request))
