# Upstream: entrypoints.{vital_signs, worker}
# Downstream: domain.model.{health, measures}, entrypoints.parts
# Role: The listener of a worker's steps: measures them, logs slow ones, knows where each thread stands
"""One listener per worker, for all its threads.

A step is slow by its own time, without the steps inside it. Steps that consist of waiting, or that last as long as
there is work, are never slow.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

from ginkgo_data.domain.model.health import Standing
from ginkgo_data.domain.model.measures import (
    BUDGET_WAITS,
    INSERT_FAILURES,
    INSERT_ROWS,
    INSERT_SECONDS,
    STEP_FAILURES,
    STEPS,
)
from ginkgo_data.entrypoints.parts import WorkerOptions, WorkerParts

log = logging.getLogger(__name__)

LONG_BY_NATURE = frozenset({"round", "work", "gather", "budget_wait"})
VENDOR_STEPS = frozenset({"fetch", "vendor_call"})
"""In one of these a thread depends on a vendor alone: a source that reads files is not meant."""
_TICK_TABLES = "_Tick"
"""Ginkgo keeps a table of ticks per code; they are one label."""


class StepWatch:
    """Listens to the steps of one worker."""

    def __init__(self, parts: WorkerParts, options: WorkerOptions) -> None:
        self._monotonic = parts.clock.monotonic
        self._stacks: dict[int, list[_Step]] = {}
        self._lock = threading.Lock()
        self._own_thread: int | None = None
        self.moved_at = self._monotonic()
        """When the loop's thread last began or ended a step."""
        self.renew(parts, options)

    def own(self, thread: int | None) -> None:
        """Take the steps of `thread` for those of the loop."""
        self._own_thread, self.moved_at = thread, self._monotonic()

    def renew(self, parts: WorkerParts, options: WorkerOptions) -> None:
        """Tell these parts and go by these limits from now on."""
        self._metrics, self._spans = parts.metrics, parts.spans
        self._slow_after, self._call_patience = options.slow_step, options.call_patience

    def step(self, name: str, about: Mapping[str, object]) -> AbstractContextManager[object]:
        """Return the context of one step."""
        return _Step(self, name, about)

    def loop_stands(self) -> Standing | None:
        """Return where the loop stands, None between two steps; from any thread."""
        return self._standing(self._own_thread) if self._own_thread is not None else None

    def stuck_calls(self) -> tuple[Standing, ...]:
        """Return the vendor calls under way for too long, the longest first; from any thread."""
        with self._lock:
            threads = list(self._stacks)
        found = [standing for thread in threads if (standing := self._standing(thread)) is not None]
        stuck = [s for s in found if s.step in VENDOR_STEPS and s.still_for > self._call_patience]
        return tuple(sorted(stuck, key=lambda standing: -standing.still_for))

    def _standing(self, thread: int) -> Standing | None:
        stack = self._stacks.get(thread)
        try:
            innermost = stack[-1] if stack else None
        except IndexError:  # it ended while we looked
            innermost = None
        if innermost is None:
            return None
        return Standing(innermost.name, innermost.words, max(0.0, self._monotonic() - innermost.moved_at))

    # -- told by the steps ------------------------------------------------------------------------

    def begun(self, step: _Step) -> None:
        """Note that `step` begins in this thread."""
        thread = threading.get_ident()
        stack = self._stacks.get(thread)
        if stack is None:
            with self._lock:
                stack = self._stacks[thread] = []
        step.began = step.moved_at = self._monotonic()
        stack.append(step)
        step.span = self._spans.begin(step.name, step.about)
        if thread == self._own_thread:
            self.moved_at = step.began

    def over(self, step: _Step, error: BaseException | None) -> None:
        """Note that `step`, the innermost of this thread, has ended."""
        thread, now = threading.get_ident(), self._monotonic()
        stack = self._stacks[thread]
        stack.pop()
        seconds = now - step.began
        if stack:
            stack[-1].inside += seconds
            stack[-1].moved_at = now
        else:
            with self._lock:
                del self._stacks[thread]
        if thread == self._own_thread:
            self.moved_at = now
        self._spans.end(step.span, error)
        self._measure(step, seconds, error is not None)
        if seconds - step.inside >= self._slow_after and step.name not in LONG_BY_NATURE:
            log.warning(
                "slow step %s: %.1f s%s",
                step.name,
                seconds - step.inside,
                f" ({step.words})" if step.about else "",
                extra={"step": step.name, "seconds": round(seconds - step.inside, 3)},
            )

    def _measure(self, step: _Step, seconds: float, failed: bool) -> None:
        metrics = self._metrics
        metrics.measure(STEPS, seconds, step=step.name)
        if failed:
            metrics.count(STEP_FAILURES, step=step.name)
        if step.name == "budget_wait":
            metrics.count(BUDGET_WAITS, seconds, quota=str(step.about.get("quota", "")))
        if step.name == "insert":
            self._measure_insert(step, seconds, failed)

    def _measure_insert(self, step: _Step, seconds: float, failed: bool) -> None:
        metrics = self._metrics
        table, rows = _table_label(str(step.about.get("table", ""))), step.about.get("rows")
        metrics.measure(INSERT_SECONDS, seconds, table=table)
        if failed:
            metrics.count(INSERT_FAILURES, table=table)
        elif isinstance(rows, int):
            metrics.measure(INSERT_ROWS, rows, table=table)


class _Step:
    """One step, entered and left by one thread."""

    __slots__ = ("_watch", "about", "began", "inside", "moved_at", "name", "span")

    def __init__(self, watch: StepWatch, name: str, about: Mapping[str, object]) -> None:
        self._watch = watch
        self.name = name
        self.about = about
        self.began = self.moved_at = 0.0
        self.inside = 0.0
        """Seconds spent in the steps inside it."""
        self.span: object = None

    @property
    def words(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.about.items())

    def __enter__(self) -> None:
        self._watch.begun(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._watch.over(self, error)


def _table_label(table: str) -> str:
    return f"*{_TICK_TABLES}" if table.endswith(_TICK_TABLES) else table
