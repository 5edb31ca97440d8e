# Upstream: domain.services.{collector, completion, second_opinion, session_job}
# Downstream: domain.model.{bars, errors, fetch, steps}, domain.services, ports.{bar_source, clock, version_clock}
# Role: Sending a plan's calls through a bounded pool, and proving each answer as it comes
"""Results stream: at most `concurrency` answers are in memory, each already validated when it is yielded.

Waiting never takes long without a look around: the round is asked whether to go on, which is its sign of progress,
and a worker that stops does not wait for the slowest vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Generic, TypeVar

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.errors import Interrupted
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, Rows
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.services.listings import Listings
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.rule_set import RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import Validated, validate
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.version_clock import VersionClock

Reply = TypeVar("Reply")

STEP = 0.25
"""Seconds of one wait for answers."""
STOP_PATIENCE = 2.0
"""Seconds that calls under way are still waited for when the worker is stopping."""
SILENCE_LIMIT = 600.0
"""Seconds without any answer after which waiting is no progress any more."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Gathered:
    """An answer to a request; rows come with what validation made of them."""

    request: FetchRequest
    answer: BarAnswer
    checked: Validated | None


@dataclass(slots=True)
class Calling(Generic[Reply]):
    """Sends calls. `left` holds those that a stopping worker did not wait for, once iteration is over."""

    ask: Callable[[FetchRequest, Sessions], Reply]
    """Makes one call, in a thread of the pool."""
    pool: Executor
    clock: Clock
    concurrency: int
    pace: Pace
    extend: Callable[[], None] = _nothing
    """Called at least once a second while calls are under way."""
    left: list[FetchRequest] = field(default_factory=list)
    _running: dict[Future[Reply], FetchRequest] = field(default_factory=dict)
    _heard_at: float = 0.0
    _stopped_at: float | None = None

    def replies(self, requests: Iterator[FetchRequest], sessions: Sessions) -> Iterator[Reply]:
        """Yield answers in the order they come; `sessions` are the calendar's over all requests.

        The next request is taken only when it may be sent. Raises `Interrupted` when the pool takes no calls any
        more, and what a call raised.
        """
        self.left = []
        self._heard_at = self.clock.monotonic()
        try:
            while True:
                while len(self._running) < self.concurrency and self._may_send():
                    request = next(requests, None)
                    if request is None:
                        break
                    self._running[self._sent(request, sessions)] = request
                if not self._running:
                    return
                for future in self._ready():
                    del self._running[future]
                    yield self._result(future)
                if self._patience_is_over():
                    return
        finally:
            self._leave()

    def _may_send(self) -> bool:
        return not self.pace.stopping() and self.pace.go_on()

    def _sent(self, request: FetchRequest, sessions: Sessions) -> Future[Reply]:
        try:
            return self.pool.submit(self.ask, request, sessions)
        except RuntimeError as error:
            # The only words that a closed pool has for it; a bug in a pool must not pass for a stop.
            if "cannot schedule new futures after" not in str(error):
                raise
            raise Interrupted(f"no call can be sent any more: {error}") from error

    def _ready(self) -> set[Future[Reply]]:
        """Wait for answers, looking around; return none when they are not to be waited for any longer."""
        while True:
            ready, others = wait(self._running, timeout=STEP, return_when=FIRST_COMPLETED)
            # A closed pool drops calls without waking whoever waits for them.
            ready |= {future for future in others if future.cancelled()}
            if ready:
                self._heard_at = self.clock.monotonic()
            self._look_around()
            if ready or self._patience_is_over():
                return ready

    def _result(self, future: Future[Reply]) -> Reply:
        if future.cancelled():
            raise Interrupted("a call was dropped: the pool was closed")
        return future.result()

    def _look_around(self) -> None:
        self.extend()
        if self.clock.monotonic() - self._heard_at < SILENCE_LIMIT:
            self.pace.go_on()

    def _patience_is_over(self) -> bool:
        if not self.pace.stopping():
            return False
        now = self.clock.monotonic()
        self._stopped_at = now if self._stopped_at is None else self._stopped_at
        return now - self._stopped_at >= STOP_PATIENCE

    def _leave(self) -> None:
        """Let no call outlive the job, after a failure either: those not begun are not spent. A stop waits less."""
        self.left = list(self._running.values())
        waited_for = {future for future in self._running if not future.cancel()}
        self._running.clear()
        while waited_for and not self._patience_is_over():
            _, waited_for = wait(waited_for, timeout=STEP)
            self._look_around()


@dataclass(slots=True)
class Gathering:
    """Works off requests for bars. `left` holds the calls that were not waited for, once iteration is over."""

    source: BarSource
    versions: VersionClock
    pool: Executor
    clock: Clock
    concurrency: int
    newest: date | None
    pace: Pace
    extend: Callable[[], None] = _nothing
    """Called at least once a second while calls are under way."""
    listings: Listings = field(default_factory=Listings)
    rules: RuleSet = DEFAULT_RULES
    _calling: Calling[Gathered] = field(init=False)

    def __post_init__(self) -> None:
        self._calling = Calling(self._ask, self.pool, self.clock, self.concurrency, self.pace, self.extend)

    @property
    def left(self) -> list[FetchRequest]:
        """Calls that a stopping worker did not wait for."""
        return self._calling.left

    def answers(self, requests: Iterator[FetchRequest], sessions: Sessions) -> Iterator[Gathered]:
        """Yield answers as `Calling.replies` does; `sessions` are the calendar's over all requests."""
        return self._calling.replies(requests, sessions)

    def _ask(self, planned: FetchRequest, sessions: Sessions) -> Gathered:
        # The version is the moment of sending: a row fetched later wins over one fetched earlier, whenever stored.
        request = replace(planned, version=self.versions.version())
        answer = self.source.fetch(request)
        if not isinstance(answer, Rows):
            return Gathered(request, answer, None)
        with step("validate", rows=len(answer.batch)):
            checked = validate(
                answer.batch,
                sessions=sessions,
                asked=request,
                places=answer.places,
                newest=self.newest,
                listings=self.listings,
                rules=self.rules,
            )
        return Gathered(request, answer, checked)
