# Upstream: entrypoints.container
# Downstream: adapters.observing.answers, domain.model.{fetch, ticks}, ports.{clock, metrics, tick_source}
# Role: A source of ticks whose answers are counted and measured
"""Any `TickSource`, observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ginkgo_data.adapters.observing.answers import Answers
from ginkgo_data.domain.model.fetch import Answer
from ginkgo_data.domain.model.ticks import TickBatch
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.metrics import Metrics
from ginkgo_data.ports.tick_source import TickCapabilities, TickSource


class ObservedTickSource:
    """Wraps `inner`, which is a source of `vendor`."""

    def __init__(self, inner: TickSource, vendor: str, metrics: Metrics, clock: Clock) -> None:
        self._inner = inner
        self._answers = Answers(vendor, metrics, clock)

    @property
    def capabilities(self) -> TickCapabilities:
        """What this source is: as `inner`."""
        return self._inner.capabilities

    def reach(self, codes: Sequence[str]) -> Mapping[str, tuple[date, date]]:
        """Return first and last session that may be asked for: as `inner`."""
        return self._inner.reach(codes)

    def ticks(self, code: str, session: date, version: int) -> Answer[TickBatch]:
        """Return what `inner` returns."""
        return self._answers.observed("ticks", lambda: self._inner.ticks(code, session, version))
