# Upstream: adapters.kafka
# Downstream: adapters.kafka.work_wire, domain.model.delivery
# Role: What is in hand of one assigned partition, first in, first out
"""One partition's part of the inbox. Guarded by the inbox's lock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from ginkgo_data.adapters.kafka.work_wire import due_at
from ginkgo_data.domain.model.delivery import Partition, RawRecord

Place = tuple[str, int]
"""Topic and number of a partition, whatever the assignment."""


@dataclass(slots=True)
class Holding:
    """What is in hand of one partition in one assignment."""

    partition: Partition
    is_work: bool
    records: deque[RawRecord] = field(default_factory=deque)
    size: int = 0
    first: int | None = None
    """Offset of the first record that came in this assignment: the group stood there or below."""
    following: int | None = None
    """Offset after the last record that came."""

    def put(self, record: RawRecord) -> None:
        """Take `record` in, the last one."""
        self.records.append(record)
        self.size += _size(record)
        self.first = record.offset if self.first is None else self.first
        self.following = record.offset + 1

    def pop(self) -> RawRecord:
        """Hand the first one out."""
        record = self.records.popleft()
        self.size -= _size(record)
        return record

    def due(self, now: datetime) -> bool:
        """Whether the head may be worked; False when there is none."""
        moment = self.due_at()
        return bool(self.records) and (moment is None or moment <= now)

    def due_at(self) -> datetime | None:
        """Return when the head is due, None for at once: only the work topic knows waiting."""
        return due_at(self.records[0]) if self.is_work and self.records else None


def _size(record: RawRecord) -> int:
    return len(record.value or b"") + len(record.key or b"") + sum(len(value) for value in record.headers.values())
