# Upstream: domain.services.{collector, completion, session_job}
# Downstream: domain.model.fetch, domain.services.{grid, pace}, ports.{call_lease, clock}
# Role: The leases of a job's calls: what this worker may send, and what others of the fleet are asking just now
"""The same call is made once for the fleet.

A lease is taken just before its call may be sent, and given back when what came of the call is stored. Whoever finds
it taken puts the call aside, works on, and looks into the store again later. Nothing is held while waiting for
others, so that no two can wait for each other.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.services.grid import Standing
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.ports.call_lease import CallLease
from ginkgo_data.ports.clock import Clock


class Readable(Protocol):
    """A grid that can be read once more, where calls want something of it."""

    def read_wanted(self, requests: Sequence[FetchRequest]) -> Standing:
        """Return how the part of the grid stands that `requests` (at least one) want."""


LEASE_SECONDS = 20.0
"""For so long the calls of a worker that died are left alone."""
EXTEND_AFTER = 5.0
"""Leases on calls under way are taken anew after this many seconds."""
LOOK_AGAIN = 0.2
"""Seconds until calls put aside are looked at again."""


class _Alone:
    """The leases of a worker without a fleet: every call is its own."""

    def take(self, keys: Sequence[str], ttl: float) -> frozenset[str]:
        return frozenset(keys)

    def give_back(self, keys: Sequence[str]) -> None:
        return None


ALONE: CallLease = _Alone()
"""Grants everything."""


@dataclass(slots=True)
class Leasing:
    """Lets through the calls of one grid after the other that are this worker's to make."""

    lease: CallLease
    clock: Clock
    pace: Pace
    source: str
    """What is asked: the name of the vendor, with the dataset where it is not bars."""
    window: int
    """Calls whose leases are taken at once: a few more than can be under way."""
    since: int | None = None
    """For a forced command, the version from which on an answer counts."""
    aside: list[FetchRequest] = field(default_factory=list)
    """Calls that others were making when their turn came."""
    _own: deque[FetchRequest] = field(default_factory=deque)
    _queue: deque[FetchRequest] = field(default_factory=deque)
    _held: dict[str, None] = field(default_factory=dict)
    _answered: list[str] = field(default_factory=list)
    _extended_at: float = 0.0

    @property
    def unsent(self) -> list[FetchRequest]:
        """Calls that were not let through: their turn did not come."""
        return [*self._own, *self._queue]

    def granted(self, requests: Sequence[FetchRequest], grid: Readable) -> Iterator[FetchRequest]:
        """Yield those of `requests`, in order, that this worker is to make; forget what was before.

        With the lease in hand the store is read once more: what others have stored since the plan was made needs
        no call. Raises `StoreUnavailable`.
        """
        self.aside = []
        self._own, self._queue = deque(), deque(requests)
        return self._granted(grid)

    def answered(self, request: FetchRequest) -> None:
        """Note that the call was answered; its lease is kept until what came of it is stored."""
        self._answered.append(self._key(request))

    def stored(self) -> None:
        """Give back the leases of the calls answered: what came of them can be read by others."""
        if self._answered:
            self._give_back(self._answered)
            self._answered = []

    def extend(self) -> None:
        """Keep the leases of calls under way, when it is time to."""
        if self._held and self.clock.monotonic() - self._extended_at >= EXTEND_AFTER:
            self.lease.take(list(self._held), LEASE_SECONDS)
            self._extended_at = self.clock.monotonic()

    def give_back(self) -> None:
        """Give back all leases, whatever became of their calls."""
        self._answered = []
        self._give_back(list(self._held))

    def wait_for_others(self) -> bool:
        """Wait until one of the calls put aside is in nobody's hand; False when there is no time for it.

        Only a window of them is looked at each time, the next one the time after.
        """
        keys = deque(self._key(request) for request in self.aside)
        while self.pace.go_on() and not self.pace.stopping():
            looked_at = [keys[place] for place in range(min(self.window, len(keys)))]
            free = self.lease.take(looked_at, LEASE_SECONDS)
            # Not kept: whoever is first with a new plan may have it, and none waits for a worker that reads.
            self.lease.give_back(list(free))
            if free:
                return True
            keys.rotate(-len(looked_at))
            if self.clock.wait(LOOK_AGAIN):
                return False
        return False

    def _granted(self, grid: Readable) -> Iterator[FetchRequest]:
        while self._own or self._queue:
            if self._own:
                yield self._own.popleft()
            else:
                self._take_window(grid)

    def _take_window(self, grid: Readable) -> None:
        """Move the next calls of the queue to `_own` or `aside`; those that are not needed any more vanish."""
        window = [self._queue.popleft() for _ in range(min(self.window, len(self._queue)))]
        if self.lease is ALONE:
            self._own.extend(window)
            return
        keys = [self._key(request) for request in window]
        if not self._held:
            self._extended_at = self.clock.monotonic()
        mine = self.lease.take(keys, LEASE_SECONDS)
        self._held.update(dict.fromkeys(key for key in keys if key in mine))
        own = [request for request, key in zip(window, keys, strict=True) if key in mine]
        self.aside += [request for request, key in zip(window, keys, strict=True) if key not in mine]
        if own:
            needed = grid.read_wanted(own).lacking(own)
            self._own.extend(needed)
            self._give_back([self._key(request) for request in own if request not in needed])

    def _give_back(self, keys: Sequence[str]) -> None:
        if keys:
            self.lease.give_back(keys)
        for key in keys:
            self._held.pop(key, None)

    def _key(self, request: FetchRequest) -> str:
        """Return what is asked, as a text that is the same for every worker.

        A forced call must be sent after its command came: one of another command is not the same.
        """
        codes = ""
        if request.codes is not None:
            codes = hashlib.blake2b("\n".join(sorted(request.codes)).encode(), digest_size=16).hexdigest()
        forced = f"|since {self.since}" if self.since is not None else ""
        return f"{self.source}|{request.series}|{request.first}|{request.last}|{codes}{forced}"
