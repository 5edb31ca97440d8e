# Upstream: entrypoints.container
# Downstream: ports.{call_budget, clock}
# Role: Port call_budget, wrapped: notes what waits for the vendor's quota just now
"""A budget that can say why nothing seems to happen: calls are waiting for the quota."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from ginkgo_data.ports.call_budget import CallBudget
from ginkgo_data.ports.clock import Clock

FRESH = 3.0
"""Seconds for which a refusal counts as waiting: a caller that waits asks again within a second or two."""


class NotingCallBudget:
    """Passes everything to `inner`; safe for several threads if that is."""

    def __init__(self, inner: CallBudget, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._refused: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: str, per_minute: int) -> float:
        """As the port says."""
        delay = self._inner.take(key, per_minute)
        with self._lock:
            if delay:
                self._refused[key] = (self._clock.monotonic(), delay)
            else:
                self._refused.pop(key, None)
        return delay

    def returned(self, key: str) -> None:
        """As the port says."""
        self._inner.returned(key)

    def close_until_open(self, key: str, seconds: float) -> None:
        """As the port says."""
        self._inner.close_until_open(key, seconds)

    def answered(self, key: str) -> None:
        """As the port says."""
        self._inner.answered(key)

    def learn(self, key: str, per_minute: int) -> None:
        """As the port says."""
        self._inner.learn(key, per_minute)

    def left(self) -> Mapping[str, int]:
        """As the port says."""
        return self._inner.left()

    def quotas_left(self) -> Mapping[str, int]:
        """Return the calls left by quota, as people may see it; of several accounts the fewest."""
        found: dict[str, int] = {}
        for key, calls in self._inner.left().items():
            found[_shown(key)] = min(calls, found.get(_shown(key), calls))
        return found

    def waiting(self) -> str | None:
        """Return which quota calls wait for, and for how long; None when none was refused just now."""
        now = self._clock.monotonic()
        with self._lock:
            fresh = {key: delay for key, (at, delay) in self._refused.items() if now - at < FRESH}
        if not fresh:
            return None
        shown = [f"{_shown(key)} for {delay:.1f} s" for key, delay in sorted(fresh.items())]
        return f"waiting for the call budget: {', '.join(shown)}"


def _shown(key: str) -> str:
    """Return a key without its last part, the hash of an account: nobody needs to see it."""
    return key.rpartition(":")[0] or key
