# Upstream: entrypoints.intake
# Downstream: domain.model.delivery
# Role: Which offsets may be committed, by order of delivery
"""Contiguity of commits.

The commit of a partition is (offset of the last record before the first unfinished one, in order of delivery) + 1.
Numbers are compared for nothing but that: gaps between them (transaction markers, compaction, expiry) mean nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from ginkgo_data.domain.model.delivery import Partition, RawRecord


@dataclass(slots=True)
class _Entry:
    offset: int
    finished: bool = False


@dataclass(slots=True)
class _Progress:
    """Records of one partition in one assignment."""

    waiting: deque[_Entry] = field(default_factory=deque)
    """In order of delivery, from the first unfinished record on."""
    unfinished: dict[int, _Entry] = field(default_factory=dict)
    passed: int = 0
    """Next offset after the finished records at the head."""
    committed: int = 0

    def advance(self) -> None:
        while self.waiting and self.waiting[0].finished:
            self.passed = max(self.passed, self.waiting.popleft().offset + 1)

    def next_offset(self) -> int:
        # Numbers go back within an assignment only when a topic was made anew; then its open records hold the commit.
        return min(self.passed, min(self.unfinished)) if self.unfinished else self.passed


class OffsetLedger:
    """Deliveries and their ends, per partition and assignment (a re-assigned partition has a new epoch: a new key).

    Owned by one thread; only `unfinished` may be asked from others.
    """

    def __init__(self) -> None:
        self._partitions: dict[Partition, _Progress] = {}

    def delivered(self, record: RawRecord) -> None:
        """Note `record` as handed out for work.

        A record delivered again while it is unfinished stays one record; delivered again after it was finished
        it is a new one, which must be finished as well.
        """
        progress = self._partitions.setdefault(record.partition, _Progress())
        if record.offset not in progress.unfinished:
            entry = _Entry(record.offset)
            progress.waiting.append(entry)
            progress.unfinished[record.offset] = entry

    def finished(self, record: RawRecord) -> None:
        """Note that all of `record` is done and acknowledged; a record that is not unfinished here is ignored."""
        progress = self._partitions.get(record.partition)
        entry = progress.unfinished.pop(record.offset, None) if progress else None
        if progress and entry:
            entry.finished = True
            progress.advance()

    def committable(self) -> dict[Partition, int]:
        """Return the next offset to deliver, for each partition where it is above the one last `committed`.

        Asking changes nothing: until `committed` is told, the same offsets (or higher ones) are returned again,
        so a commit that failed is offered once more.
        """
        return {
            partition: offset
            for partition, progress in self._partitions.items()
            if (offset := progress.next_offset()) > progress.committed
        }

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Note that `offsets` were given to the stream; they only ever raise, and an unknown partition is ignored."""
        for partition, offset in offsets.items():
            if progress := self._partitions.get(partition):
                progress.committed = max(progress.committed, offset)

    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions that anything was delivered from and that were not dropped."""
        return tuple(self._partitions)

    def drop(self, partition: Partition) -> None:
        """Forget `partition`, which was revoked or lost; idempotent."""
        self._partitions.pop(partition, None)

    def unfinished(self) -> int:
        """Return how many records are delivered and not finished; safe from any thread."""
        return sum(len(progress.unfinished) for progress in tuple(self._partitions.values()))
