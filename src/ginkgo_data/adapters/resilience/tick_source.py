# Upstream: entrypoints.container
# Downstream: adapters.resilience.retrying, domain.model.{fetch, retry, ticks}, ports.{clock, tick_source}
# Role: A source of ticks whose passing troubles are tried again
"""Any `TickSource`, asked again while it does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ginkgo_data.adapters.resilience.retrying import AnswerRetry
from ginkgo_data.domain.model.fetch import Answer
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.model.ticks import TickBatch
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.tick_source import TickCapabilities, TickSource


class RetryingTickSource:
    """Wraps `inner`; the version stays the same through all attempts."""

    def __init__(self, inner: TickSource, policy: RetryPolicy, clock: Clock) -> None:
        self._inner = inner
        self._retry = AnswerRetry(policy, clock)

    @property
    def capabilities(self) -> TickCapabilities:
        """What this source is: as `inner`."""
        return self._inner.capabilities

    def reach(self, codes: Sequence[str]) -> Mapping[str, tuple[date, date]]:
        """Return first and last session that may be asked for: as `inner`."""
        return self._inner.reach(codes)

    def ticks(self, code: str, session: date, version: int) -> Answer[TickBatch]:
        """Answer as `inner` does, after as many attempts as the policy allows."""
        return self._retry.ask(lambda: self._inner.ticks(code, session, version))
