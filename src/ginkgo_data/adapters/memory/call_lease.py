# Upstream: entrypoints.container
# Downstream: ports.clock
# Role: Port call_lease in memory: a board of leases, which several workers of one process may share
"""Who makes which call, as far as this process goes."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ginkgo_data.ports.clock import Clock


class LeaseBoard:
    """Who holds which key until when, on the monotonic clock. Its workers share it."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[object, float]] = {}
        self._lock = threading.Lock()

    def take(self, owner: object, keys: Sequence[str], now: float, until: float) -> frozenset[str]:
        """Give those of `keys` that are free at `now`, or the owner's own, to `owner` until `until`."""
        with self._lock:
            self._held = {key: lease for key, lease in self._held.items() if lease[1] > now}
            mine = frozenset(key for key in keys if key not in self._held or self._held[key][0] is owner)
            self._held |= dict.fromkeys(mine, (owner, until))
            return mine

    def give_back(self, owner: object, keys: Sequence[str]) -> None:
        """Free those of `keys` that are the owner's."""
        with self._lock:
            for key in keys:
                if key in self._held and self._held[key][0] is owner:
                    del self._held[key]


class InMemoryCallLease:
    """The leases of one worker on a board; on a board of its own every key is its own."""

    def __init__(self, clock: Clock, board: LeaseBoard | None = None) -> None:
        self._clock = clock
        self._board = board or LeaseBoard()

    def take(self, keys: Sequence[str], ttl: float) -> frozenset[str]:
        """Return those of `keys` that are this worker's for `ttl` seconds from now: free ones and its own."""
        now = self._clock.monotonic()
        return self._board.take(self, keys, now, now + ttl)

    def give_back(self, keys: Sequence[str]) -> None:
        """End the leases on `keys` that are this worker's; those of others stay."""
        self._board.give_back(self, keys)
