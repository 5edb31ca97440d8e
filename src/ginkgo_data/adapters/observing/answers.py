# Upstream: adapters.observing.{adjustment_source, bar_source, reference_source, tick_source}
# Downstream: domain.model.{fetch, measures, steps}, ports.{clock, metrics}
# Role: One vendor's answers, each counted by what it was, measured, and said as a step
"""What all observed sources do with an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ginkgo_data.domain.model.fetch import Answer, ProvenEmpty, Unknown
from ginkgo_data.domain.model.measures import VENDOR_ANSWERS, VENDOR_CALLS
from ginkgo_data.domain.model.steps import step
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.metrics import Metrics

Batch = TypeVar("Batch")

FILES = "files"
"""The vendor that is no vendor: reading an archive may take as long as the archive is large."""


class Answers:
    """The answers of `vendor`."""

    def __init__(self, vendor: str, metrics: Metrics, clock: Clock) -> None:
        self._vendor = vendor
        self._step = "read" if vendor == FILES else "fetch"
        self._metrics = metrics
        self._clock = clock

    def observed(self, dataset: str, call: Callable[[], Answer[Batch]]) -> Answer[Batch]:
        """Return what `call` returns; what it raises counts as ``raised``."""
        began, result, calls = self._clock.monotonic(), "raised", 1
        try:
            with step(self._step, vendor=self._vendor, dataset=dataset):
                answer = call()
            result, calls = result_of(answer), answer.calls
            return answer
        finally:
            labels = {"vendor": self._vendor, "dataset": dataset, "result": result}
            self._metrics.count(VENDOR_CALLS, calls, **labels)
            self._metrics.measure(VENDOR_ANSWERS, self._clock.monotonic() - began, **labels)


def result_of(answer: Answer[Batch]) -> str:
    """Return what an answer is, in one word."""
    if isinstance(answer, Unknown):
        return answer.reason.value
    return "empty" if isinstance(answer, ProvenEmpty) else "rows"
