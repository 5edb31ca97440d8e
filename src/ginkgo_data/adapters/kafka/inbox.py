# Upstream: adapters.kafka.membership
# Downstream: adapters.kafka.holding, domain.model.delivery
# Role: Records in hand per assigned partition: who owns what, what may go to work, what must pause
"""The inbox between the thread that owns the client and the worker. Safe for both.

Per partition first in, first out: a work record that is not due holds up those behind it, because the commit of a
partition means everything before it. What belongs to a partition that was taken away is forgotten.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ginkgo_data.adapters.kafka.holding import Holding, Place
from ginkgo_data.domain.model.delivery import Partition, RawRecord


class Inbox:
    """Records that came and were not yet taken. `limit` (records) and `limit_bytes` hold per kind: fresh and work."""

    def __init__(self, work_topic: str, limit: int, limit_bytes: int, now: Callable[[], datetime]) -> None:
        self._work_topic = work_topic
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._now = now
        self._holdings: dict[Place, Holding] = {}
        self._epoch = 0
        self._turn = 0
        self._full = {True: False, False: False}
        self._held = False
        self._closed = False
        self._changed = threading.Condition()

    # -- the client's thread ----------------------------------------------------------------------

    def assign(self, places: Iterable[Place]) -> list[Partition]:
        """Note that `places` are this member's from now on, in a new epoch; return them in it."""
        with self._changed:
            self._epoch += 1
            mine = [Partition(topic, number, self._epoch) for topic, number in places]
            for partition in mine:
                is_work = partition.topic == self._work_topic
                self._holdings[partition.topic, partition.number] = Holding(partition, is_work)
            return mine

    def revoke(self, places: Iterable[Place] | None = None) -> None:
        """Forget `places` (None: all) and what is in hand of them; idempotent."""
        with self._changed:
            for place in tuple(self._holdings) if places is None else places:
                self._holdings.pop(place, None)

    def put(self, record: RawRecord) -> bool:
        """Take `record` in, under the epoch of its partition; a partition not assigned is left out.

        Return False when its offset lies before one that came already: then the partition must be read anew
        from the committed offset (a topic was made anew, or the client went back).
        """
        with self._changed:
            holding = self._holdings.get((record.partition.topic, record.partition.number))
            if holding is None:
                return True
            if holding.following is not None and record.offset < holding.following:
                return False
            mine = holding.partition
            holding.put(RawRecord(mine, record.offset, record.value, record.headers, record.timestamp, record.key))
            self._changed.notify_all()
            return True

    def wanted_paused(self) -> set[Place]:
        """Return the partitions from which nothing may come now: HOLD, inbox full, or a head that is not due.

        A kind that was full goes on when half of it is gone: each pause throws the client's prefetch away.
        """
        with self._changed:
            if self._held:
                return set(self._holdings)
            now = self._now()
            asleep = {place for place, h in self._holdings.items() if h.records and not h.due(now)}
            paused = set(asleep)
            for work in (False, True):
                kind = {place: h for place, h in self._holdings.items() if h.is_work is work}
                # What sleeps pauses its own partition only: it must not keep due work of others out.
                awake = [holding for place, holding in kind.items() if place not in asleep]
                filled = max(
                    sum(len(h.records) for h in awake) / self._limit, sum(h.size for h in awake) / self._limit_bytes
                )
                self._full[work] = filled > 0.5 if self._full[work] else filled >= 1.0
                if self._full[work]:
                    paused |= kind.keys()
            return paused

    def following(self) -> dict[Place, int | None]:
        """Return per assigned partition the offset after the last record that came, None before the first."""
        with self._changed:
            return {place: holding.following for place, holding in self._holdings.items()}

    def partitions(self) -> list[Partition]:
        """Return the assigned partitions."""
        with self._changed:
            return [holding.partition for holding in self._holdings.values()]

    # -- the worker -------------------------------------------------------------------------------

    def take(self, limit: int, timeout: float) -> Sequence[RawRecord]:
        """Return up to `limit` records, waiting up to `timeout` seconds for the first.

        Fresh commands come first, but one place is kept for a work record that is due.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                if batch := self._pick(limit):
                    return batch
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, self._until_due()))
        return []

    def owns(self, partition: Partition) -> bool:
        """Whether `partition`, in that epoch, is this member's."""
        with self._changed:
            return self._owns(partition)

    def may_commit(self, partition: Partition, offset: int) -> bool:
        """Whether `offset` is above where this assignment began, of a partition owned in that epoch.

        Raises `ValueError` for an offset beyond what came: it would lose records that are still to come.
        """
        with self._changed:
            if not self._owns(partition):
                return False
            holding = self._holdings[partition.topic, partition.number]
            if holding.first is None or offset <= holding.first:
                return False
            if holding.following is not None and offset > holding.following:
                raise ValueError(f"offset {offset} of {partition} lies beyond what came, {holding.following}")
            return True

    def hold(self, held: bool) -> None:
        """Stop intake, or let it go on; what is in hand can be taken all the same."""
        with self._changed:
            self._held = held

    def close(self) -> None:
        """End every wait, own nothing; idempotent."""
        with self._changed:
            self._closed = True
            self._holdings.clear()
            self._changed.notify_all()

    def _owns(self, partition: Partition) -> bool:
        holding = self._holdings.get((partition.topic, partition.number))
        return holding is not None and holding.partition == partition

    def _pick(self, limit: int) -> list[RawRecord]:
        now = self._now()
        work = [holding for holding in self._holdings.values() if holding.is_work]
        fresh = [holding for holding in self._holdings.values() if not holding.is_work]
        kept = 1 if limit > 1 and any(h.due(now) for h in work) else 0
        batch = self._draw(fresh, limit - kept, now)
        return batch + self._draw(work, limit - len(batch), now)

    def _draw(self, holdings: list[Holding], count: int, now: datetime) -> list[RawRecord]:
        """Take up to `count` records, one of each partition in turn, beginning with another one each time."""
        self._turn += 1
        start = self._turn % len(holdings) if holdings else 0
        waiting = deque(holdings[start:] + holdings[:start])
        drawn: list[RawRecord] = []
        while waiting and len(drawn) < count:
            holding = waiting.popleft()
            if holding.due(now):
                drawn.append(holding.pop())
                waiting.append(holding)
        return drawn

    def _until_due(self) -> float:
        """Return the seconds until the next record in hand falls due; never so few that waiting becomes spinning."""
        now = self._now()
        moments = [holding.due_at() for holding in self._holdings.values()]
        waits = [(moment - now).total_seconds() for moment in moments if moment is not None]
        return max(0.01, min(waits, default=threading.TIMEOUT_MAX))
