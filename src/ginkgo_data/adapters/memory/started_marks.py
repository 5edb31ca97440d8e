# Upstream: entrypoints.container
# Downstream: ports.clock
# Role: Port started_marks in memory
"""What was being worked, as far as this process goes: its marks die with it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from ginkgo_data.ports.clock import Clock

DAY = 86_400.0


class InMemoryStartedMarks:
    """Counts per delivery id, each forgotten a day after its latest beginning."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def counts(self, ids: Sequence[str]) -> Mapping[str, int]:
        """Return how often each of `ids` was begun and not cleared; ids that never were are left out."""
        with self._lock:
            self._forget()
            return {one: self._marks[one][0] for one in ids if one in self._marks}

    def begin(self, ids: Sequence[str]) -> None:
        """Count each of `ids` once more, one that is named twice only once; a count is forgotten after a day."""
        with self._lock:
            self._forget()
            until = self._clock.monotonic() + DAY
            for one in dict.fromkeys(ids):
                # Popped first, so that the marks stay in the order in which they end.
                count, _ = self._marks.pop(one, (0, 0.0))
                self._marks[one] = (count + 1, until)

    def clear(self, ids: Sequence[str]) -> None:
        """Forget `ids`; one that is not marked is no error."""
        with self._lock:
            for one in ids:
                self._marks.pop(one, None)

    def _forget(self) -> None:
        now = self._clock.monotonic()
        while self._marks:
            oldest = next(iter(self._marks))
            if self._marks[oldest][1] > now:
                return
            del self._marks[oldest]
