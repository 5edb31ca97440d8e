# Upstream: adapters.kafka.membership
# Downstream: domain.model.delivery
# Role: Offsets to commit: asked for, on the way, acknowledged or to be sent again
"""The bookkeeping of asynchronous commits: one on the way at a time, the client's callback is the acknowledgement.

Written by the worker (`ask`) and by the thread that owns the client (all else).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from ginkgo_data.domain.model.delivery import Partition

AGAIN_AFTER = 0.5
"""Seconds between a commit that failed and the next one."""


class CommitBook:
    """`may_commit` decides per partition and offset, when it is asked for and again when it is sent.

    `now` gives the present, zoned.
    """

    def __init__(self, may_commit: Callable[[Partition, int], bool], now: Callable[[], datetime]) -> None:
        self._may_commit = may_commit
        self._now = now
        self._asked: dict[Partition, int] = {}
        self._flying: list[dict[Partition, int]] = []
        self._acknowledged: dict[tuple[str, int], tuple[int, int]] = {}
        """Epoch and offset, per place: of one epoch, so that those of old ones do not gather."""
        self.committed_at: datetime | None = None
        """When a commit was last acknowledged, None for never."""
        self._waiting_since: float | None = None
        self._not_before = 0.0
        self._lock = threading.Lock()

    def ask(self, offsets: Mapping[Partition, int]) -> None:
        """Note what is to be committed; what may not be, or stands at or above it already, is left out."""
        allowed = {partition: offset for partition, offset in offsets.items() if self._may_commit(partition, offset)}
        with self._lock:
            for partition, offset in allowed.items():
                if offset > self._highest(partition):
                    self._asked[partition] = offset
                    self._waiting_since = self._waiting_since or time.monotonic()

    def waited(self) -> float:
        """Return for how many seconds something has been waiting without any acknowledgement; 0 when nothing is."""
        with self._lock:
            return time.monotonic() - self._waiting_since if self._waiting_since is not None else 0.0

    def acknowledged(self, partition: Partition) -> int | None:
        """Return the last acknowledged offset, None when there is none."""
        with self._lock:
            return self._acknowledged_in(partition)

    def next_batch(self, ready: Callable[[tuple[str, int]], bool]) -> dict[Partition, int]:
        """Return what to send now, noted as on the way; empty while a commit is, or one just failed.

        What is not `ready` stays asked for.
        """
        with self._lock:
            if self._flying or time.monotonic() < self._not_before:
                return {}
            return self._take_off([p for p in self._asked if ready((p.topic, p.number))])

    def last_batch(
        self, places: Iterable[tuple[str, int]], ready: Callable[[tuple[str, int]], bool]
    ) -> dict[Partition, int]:
        """Return what is asked for of `places`, which are being taken away; also while another is on the way."""
        leaving = {place for place in places if ready(place)}
        with self._lock:
            return self._take_off([p for p in self._asked if (p.topic, p.number) in leaving])

    def answered(self, results: Mapping[tuple[str, int], int], failed: Iterable[tuple[str, int]]) -> None:
        """Note the end of the commit of `results` (offset per place): acknowledged, but for `failed` places.

        A failed offset is asked for again, if its partition is still owned and nothing higher is.
        """
        faults = set(failed)
        with self._lock:
            sent = next((b for b in self._flying if {(p.topic, p.number): o for p, o in b.items()} == results), None)
            if sent is None:
                return
            self._flying.remove(sent)
            for partition, offset in sent.items():
                if (partition.topic, partition.number) not in faults:
                    self._acknowledge(partition, offset)
                elif offset > self._highest(partition):
                    self._asked[partition] = offset
            if faults:
                self._not_before = time.monotonic() + AGAIN_AFTER
            self._settle()

    def forget(self, places: Iterable[tuple[str, int]] | None = None) -> None:
        """Forget `places` and give up what is not acknowledged of them (None: all, also what is on the way)."""
        with self._lock:
            if places is None:
                self._asked.clear()
                self._flying.clear()
                self._acknowledged.clear()
            else:
                gone = set(places)
                self._asked = {p: o for p, o in self._asked.items() if (p.topic, p.number) not in gone}
                for place in gone:
                    self._acknowledged.pop(place, None)
            self._settle()

    def _take_off(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        batch = {p: self._asked.pop(p) for p in partitions}
        batch = {p: offset for p, offset in batch.items() if self._may_commit(p, offset)}
        if batch:
            self._flying.append(batch)
        self._settle()
        return batch

    def _acknowledge(self, partition: Partition, offset: int) -> None:
        """Note an acknowledgement; one that comes late, of an assignment before the present one, says only when."""
        self._waiting_since = time.monotonic()
        self.committed_at = self._now()
        place = (partition.topic, partition.number)
        self._acknowledged[place] = max((partition.epoch, offset), self._acknowledged.get(place, (0, 0)))

    def _acknowledged_in(self, partition: Partition) -> int | None:
        epoch, offset = self._acknowledged.get((partition.topic, partition.number), (None, 0))
        return offset if epoch == partition.epoch else None

    def _highest(self, partition: Partition) -> int:
        known = [self._asked.get(partition, 0), self._acknowledged_in(partition) or 0]
        return max(known + [batch.get(partition, 0) for batch in self._flying])

    def _settle(self) -> None:
        if not self._asked and not self._flying:
            self._waiting_since = None
