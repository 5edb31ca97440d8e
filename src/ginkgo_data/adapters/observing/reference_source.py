# Upstream: entrypoints.container
# Downstream: adapters.observing.answers, domain.model.{fetch, reference}, ports.{clock, metrics, reference_source}
# Role: A source of reference data whose answers are counted and measured
"""Any `ReferenceSource`, observed."""

from __future__ import annotations

from datetime import date

from ginkgo_data.adapters.observing.answers import Answers
from ginkgo_data.domain.model.fetch import Answer
from ginkgo_data.domain.model.reference import Securities, SessionDays
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.metrics import Metrics
from ginkgo_data.ports.reference_source import ReferenceSource


class ObservedReferenceSource:
    """Wraps `inner`, which is a source of `vendor`."""

    def __init__(self, inner: ReferenceSource, vendor: str, metrics: Metrics, clock: Clock) -> None:
        self._inner = inner
        self._answers = Answers(vendor, metrics, clock)

    def securities(self, market: str | None, version: int) -> Answer[Securities]:
        """Return what `inner` returns."""
        return self._answers.observed("securities", lambda: self._inner.securities(market, version))

    def session_days(self, first: date, last: date, version: int) -> Answer[SessionDays]:
        """Return what `inner` returns."""
        return self._answers.observed("calendar", lambda: self._inner.session_days(first, last, version))
