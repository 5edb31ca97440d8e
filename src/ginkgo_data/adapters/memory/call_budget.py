# Upstream: entrypoints.container
# Downstream: ports.clock
# Role: The call budget of one process: a sliding minute per key
"""Quota of one process. A fleet shares its quota through another adapter of the same port."""

from __future__ import annotations

import math
import threading
from collections import deque

from ginkgo_data.ports.clock import Clock

WINDOW = 60.0


class InMemoryCallBudget:
    """Remembers when calls were granted, per key, on the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._granted: dict[str, deque[float]] = {}
        self._closed_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str, per_minute: int) -> float:
        """Grant one call of `key` (0.0), or return the seconds until one may be granted, rounded up to 1 ms."""
        if per_minute < 1:
            raise ValueError(f"calls per minute must be at least 1, found {per_minute}")
        with self._lock:
            now = self._clock.monotonic()
            granted = self._granted.setdefault(key, deque())
            # Older calls count no more; they are forgotten to bound the memory.
            while granted and granted[0] <= now - WINDOW:
                granted.popleft()
            opens = self._closed_until.get(key, now)
            if len(granted) >= per_minute:
                # Enough of the newest calls must leave the window, also after the limit was lowered.
                opens = max(opens, granted[-per_minute] + WINDOW)
            if opens > now:
                return max(math.ceil((opens - now) * 1000), 1) / 1000
            granted.append(now)
            return 0.0

    def close_until_open(self, key: str, seconds: float) -> None:
        """Grant no call of `key` for `seconds`; a shorter closing never opens a longer one early."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._closed_until[key] = max(until, self._closed_until.get(key, until))
