# Upstream: entrypoints.container
# Downstream: adapters.resilience.retrying, domain.model.{fetch, reference, retry}, ports.{clock, reference_source}
# Role: A source of reference data whose passing troubles are tried again
"""Any `ReferenceSource`, asked again while it does not know."""

from __future__ import annotations

from datetime import date

from ginkgo_data.adapters.resilience.retrying import AnswerRetry
from ginkgo_data.domain.model.fetch import Answer
from ginkgo_data.domain.model.reference import Securities, SessionDays
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.reference_source import ReferenceSource


class RetryingReferenceSource:
    """Wraps `inner`."""

    def __init__(self, inner: ReferenceSource, policy: RetryPolicy, clock: Clock) -> None:
        self._inner = inner
        self._retry = AnswerRetry(policy, clock)

    def securities(self, market: str | None, version: int) -> Answer[Securities]:
        """Answer as `inner` does, after as many attempts as the policy allows."""
        return self._retry.ask(lambda: self._inner.securities(market, version))

    def session_days(self, first: date, last: date, version: int) -> Answer[SessionDays]:
        """Answer as `inner` does, after as many attempts as the policy allows."""
        return self._retry.ask(lambda: self._inner.session_days(first, last, version))
