# Upstream: domain.services.collector, entrypoints.dispatch
# Downstream: domain.model.{bars, fetch}, domain.services.validation, ports.{bar_source, version_clock}
# Role: Sending a plan's calls through a bounded pool, and proving each answer as it comes
"""Results stream: at most `concurrency` answers are in memory, each already validated when it is yielded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeAlias

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, Rows
from ginkgo_data.domain.services.validation import Validated, validate
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.version_clock import VersionClock

GoOn: TypeAlias = Callable[[], bool]
"""Asked before each call: whether there is time (and a wish) to go on."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """An answer to a request; rows come with what validation made of them."""

    request: FetchRequest
    answer: BarAnswer
    checked: Validated | None


@dataclass(slots=True)
class Gathering:
    """Works off requests. `unsent` holds those that `go_on` did not let through, once iteration is over."""

    source: BarSource
    versions: VersionClock
    pool: Executor
    concurrency: int
    go_on: GoOn
    newest: date | None
    unsent: list[FetchRequest] = field(default_factory=list)

    def answers(self, requests: Sequence[FetchRequest], sessions: Sessions) -> Iterator[Gathered]:
        """Yield answers in the order they come; `sessions` are the calendar's over all requests."""
        self.unsent = list(reversed(requests))
        running: set[Future[Gathered]] = set()
        try:
            while True:
                while self.unsent and len(running) < self.concurrency and self.go_on():
                    running.add(self.pool.submit(self._ask, self.unsent.pop(), sessions))
                if not running:
                    return
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield future.result()
        finally:
            # After a failure: calls not begun are not spent, and none outlives the job.
            for future in running:
                future.cancel()
            wait(running)

    def _ask(self, planned: FetchRequest, sessions: Sessions) -> Gathered:
        # The version is the moment of sending: a row fetched later wins over one fetched earlier, whenever stored.
        request = replace(planned, version=self.versions.version())
        answer = self.source.fetch(request)
        if not isinstance(answer, Rows):
            return Gathered(request, answer, None)
        checked = validate(answer.batch, sessions=sessions, asked=request, places=answer.places, newest=self.newest)
        return Gathered(request, answer, checked)
