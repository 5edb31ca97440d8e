# Upstream: adapters.redis.call_budget
# Downstream: none
# Role: Calls of one worker that were granted and are not over, each by the name that it was granted under
"""Which call of a key is over does not matter to a window: any of them may stand for another."""

from __future__ import annotations

from collections import deque

MOST = 1000
"""Calls of a key whose return is waited for; beyond that the oldest have been forgotten by their caller."""


class CallsUnderWay:
    """First granted, first returned. A call that Redis granted has Redis' time (int), one granted here ours (float).

    Not thread-safe: its owner holds the lock.
    """

    def __init__(self) -> None:
        self._calls: dict[str, deque[int | float]] = {}

    def granted(self, key: str, name: int | float) -> None:
        """Note a call of `key`."""
        self._calls.setdefault(key, deque(maxlen=MOST)).append(name)

    def returned(self, key: str) -> int | float | None:
        """Forget the oldest call of `key` and return its name; None where none is under way."""
        calls = self._calls.get(key)
        return calls.popleft() if calls else None
