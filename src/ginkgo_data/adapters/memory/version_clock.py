# Upstream: none
# Downstream: ports.clock
# Role: Versions of rows from a clock in this process
"""The clock of the stores in memory."""

from __future__ import annotations

import threading
from datetime import timedelta

from ginkgo_data.ports.clock import Clock


class InMemoryVersionClock:
    """The given clock's time at the last synchronisation, carried forward. Safe for several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead: int | None = None
        """Microseconds by which the present is ahead of the monotonic clock."""
        self._newest = 0

    def synchronise(self) -> None:
        """Read the clock's time."""
        now = self._clock.now()
        since_1970 = (now - now.fromtimestamp(0, now.tzinfo)) // timedelta(microseconds=1)
        with self._lock:
            self._ahead = since_1970 - self._monotonic()

    def version(self) -> int:
        """Return the present in microseconds since 1970, greater than any returned before."""
        if self._ahead is None:
            self.synchronise()
        with self._lock:
            self._newest = max((self._ahead or 0) + self._monotonic(), self._newest + 1)
            return self._newest

    def _monotonic(self) -> int:
        return round(self._clock.monotonic() * 1_000_000)
