# Upstream: entrypoints.{container, doctor}
# Downstream: ports.clock
# Role: The call budget of one process: a sliding minute per key
"""Quota of one process. A fleet shares its quota through another adapter of the same port."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from ginkgo_data.ports.clock import Clock

WINDOW = 60.0
PROBE = 30.0
"""Seconds for which a probe counts as under way: after them the next one is granted."""
PROBE_STEP = 0.5
"""Longest wait, in seconds, that is told while a probe is under way: its answer may come at any moment."""
MOST_UNDER_WAY = 1000
"""Calls of a key whose return is waited for; beyond that the oldest have been forgotten by their caller."""
DAY = 86_400.0
"""Seconds for which a limit is believed."""


@dataclass(slots=True)
class _Closing:
    """A closing after which the vendor has not answered yet."""

    until: float
    probe_until: float | None = None
    """Until when a probe counts as under way; None: there has been none since the closing."""


class InMemoryCallBudget:
    """Remembers when calls were granted, per key, on the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._granted: dict[str, deque[float]] = {}
        self._under_way: dict[str, deque[float]] = {}
        self._closings: dict[str, _Closing] = {}
        self._learned: dict[str, tuple[int, float]] = {}
        self._limits: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, key: str, per_minute: int) -> float:
        """Grant one call of `key` (0.0), or return the seconds until one may be granted, rounded up to 1 ms.

        Raises `ValueError` when `per_minute` is below 1.
        """
        _check(per_minute)
        with self._lock:
            now = self._clock.monotonic()
            self._limits[key] = per_minute
            opens = max(self._quota_opens(key, per_minute, now), self._closing_opens(key, now))
            if opens > now:
                return max(math.ceil((opens - now) * 1000), 1) / 1000
            self._granted[key].append(now)
            self._under_way.setdefault(key, deque(maxlen=MOST_UNDER_WAY)).append(now)
            if closing := self._closings.get(key):
                closing.probe_until = now + PROBE
            return 0.0

    def returned(self, key: str) -> None:
        """Count the oldest call of `key` that is under way from now on."""
        with self._lock:
            under_way, granted = self._under_way.get(key), self._granted.get(key, deque())
            if under_way and (began := under_way.popleft()) in granted:
                granted.remove(began)
                granted.append(self._clock.monotonic())

    def close_until_open(self, key: str, seconds: float) -> None:
        """Grant no call of `key` for `seconds`, then one as a probe; a shorter closing opens no longer one early."""
        if seconds <= 0:
            return
        with self._lock:
            until = self._clock.monotonic() + seconds
            known = self._closings.get(key)
            if known is None or until > known.until:
                self._closings[key] = _Closing(until)

    def answered(self, key: str) -> None:
        """End the probing of `key`; an answer while it is closed, or before any probe, is of an older call."""
        with self._lock:
            closing = self._closings.get(key)
            if closing and closing.probe_until is not None:
                del self._closings[key]

    def learn(self, key: str, per_minute: int) -> None:
        """Hold `key` to `per_minute` calls for a day. Raises `ValueError` when that is below 1."""
        _check(per_minute)
        with self._lock:
            self._learned[key] = (per_minute, self._clock.monotonic() + DAY)

    def left(self) -> Mapping[str, int]:
        """Return the calls left in the present minute by key."""
        with self._lock:
            now = self._clock.monotonic()
            return {key: self._left(key, limit, now) for key, limit in self._limits.items()}

    def _left(self, key: str, per_minute: int, now: float) -> int:
        used = sum(at > now - WINDOW for at in self._granted.get(key, ()))
        return max(self._limit(key, per_minute, now) - used, 0)

    def _limit(self, key: str, per_minute: int, now: float) -> int:
        learned, until = self._learned.get(key, (per_minute, math.inf))
        return min(per_minute, learned) if until > now else per_minute

    def _quota_opens(self, key: str, per_minute: int, now: float) -> float:
        """Return when the minute has room for one more call; not after `now`: it has."""
        limit = self._limit(key, per_minute, now)
        granted = self._granted.setdefault(key, deque())
        # Older calls count no more; they are forgotten to bound the memory.
        while granted and granted[0] <= now - WINDOW:
            granted.popleft()
        # Enough of the newest calls must leave the window, also after the limit was lowered.
        return granted[-limit] + WINDOW if len(granted) >= limit else now

    def _closing_opens(self, key: str, now: float) -> float:
        closing = self._closings.get(key)
        if closing is None:
            return now
        if closing.probe_until is None:
            return closing.until
        return min(closing.probe_until, now + PROBE_STEP)


def _check(per_minute: int) -> None:
    if per_minute < 1:
        raise ValueError(f"calls per minute must be at least 1, found {per_minute}")
