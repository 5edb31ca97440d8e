# Upstream: adapters.redis.{budget_usage, call_budget}
# Downstream: none
# Role: One worker's share of the call budgets while Redis cannot be asked
"""A sliding window of this process alone. Not thread-safe: its owner holds the lock."""

from __future__ import annotations

from collections import deque

MINUTE = 60.0


class LocalShare:
    """`share` of each limit, by a monotonic clock that the caller reads.

    Where the share is less than one call a minute, one call is granted in the time that gives the same rate;
    workers that each do so keep the limit on the average, not in each minute.
    """

    def __init__(self, share: float) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"the share of one worker must be above 0 and at most 1, found {share:g}")
        self._share = share
        self._granted: dict[str, deque[float]] = {}

    def take(self, key: str, per_minute: int, now: float) -> float:
        """Grant one call of `key` (0.0), or return the seconds until one may be granted."""
        # A share is mostly 1/n: the product may lie a hair below the whole number that it is.
        mine = per_minute * self._share + 1e-9
        limit, window = (int(mine), MINUTE) if mine >= 1 else (1, MINUTE / mine)
        granted = self._granted.setdefault(key, deque())
        while granted and granted[0] <= now - MINUTE / self._share:
            granted.popleft()
        if len(granted) >= limit and (opens := granted[-limit] + window) > now:
            return opens - now
        granted.append(now)
        return 0.0

    def move(self, key: str, began: float, now: float) -> None:
        """Count the call of `key` that was granted at `began` from `now` on, if it still counts."""
        granted = self._granted.get(key, deque())
        if began in granted:
            granted.remove(began)
            granted.append(now)

    def last(self, key: str) -> float | None:
        """Return when the latest call of `key` was granted here; None when that no longer counts."""
        granted = self._granted.get(key)
        return granted[-1] if granted else None
