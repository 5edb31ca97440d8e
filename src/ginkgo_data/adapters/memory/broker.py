# Upstream: adapters.memory.{command_stream, work_queue}, entrypoints.container
# Downstream: domain.model.delivery, ports.clock
# Role: A broker in memory: partitioned logs, one consumer group of one member, its committed offsets
"""The part of a broker that outlives its clients: what was put and what was committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zlib import crc32

from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.ports.clock import Clock

WORK_TOPIC = "ginkgo.data.commands.work"


@dataclass(frozen=True, slots=True)
class _Entry:
    record: RawRecord
    arrival: int
    """Position among all records of the broker."""
    not_before: datetime | None


@dataclass(slots=True)
class _Log:
    """One partition: its records, the group's committed offset and what its member was given last."""

    entries: list[_Entry] = field(default_factory=list)
    committed: int = 0
    position: int = 0


class InMemoryBroker:
    """Topics appear when something is put. The member that joined last owns every partition.

    As on a real broker, a record that is not due holds up those behind it in its partition. Safe to use
    from several threads.
    """

    def __init__(
        self, clock: Clock, partitions: int = 3, work_topic: str = WORK_TOPIC, work_partitions: int = 12
    ) -> None:
        self.work_topic = work_topic
        self._clock = clock
        self._partitions = partitions
        self._work_partitions = work_partitions
        self._logs: dict[tuple[str, int], _Log] = {}
        self._arrivals = 0
        self._epoch = 0
        self._owner: int | None = None
        self._changed = threading.Condition()

    def put(
        self,
        topic: str,
        value: bytes | None,
        headers: Mapping[str, bytes] | None = None,
        key: bytes | None = None,
        not_before: datetime | None = None,
    ) -> RawRecord:
        """Append a record and return it; one key always goes to one partition, no key to each in turn."""
        with self._changed:
            count = self._work_partitions if topic == self.work_topic else self._partitions
            number = (self._arrivals if key is None else crc32(key)) % count
            log = self._logs.setdefault((topic, number), _Log())
            place = Partition(topic, number)
            record = RawRecord(place, len(log.entries), value, dict(headers or {}), self._clock.now(), key)
            log.entries.append(_Entry(record, self._arrivals, not_before))
            self._arrivals += 1
            self._changed.notify_all()
            return record

    @property
    def committed(self) -> Mapping[tuple[str, int], int]:
        """The next offset to deliver, per (topic, partition number) with anything committed."""
        with self._changed:
            return {place: log.committed for place, log in self._logs.items() if log.committed}

    def pending(self) -> Sequence[RawRecord]:
        """Return the records not yet committed, in order of arrival, whether they are due or not."""
        with self._changed:
            waiting = [entry for log in self._logs.values() for entry in log.entries[log.committed :]]
        return [entry.record for entry in sorted(waiting, key=lambda entry: entry.arrival)]

    def join(self) -> int:
        """Take every partition over from its present owner, from the committed offsets on; return the epoch."""
        with self._changed:
            self._epoch += 1
            self._owner = self._epoch
            for log in self._logs.values():
                log.position = log.committed
            self._changed.notify_all()
            return self._epoch

    def leave(self, member: int) -> None:
        """Give the partitions back, if they are still this member's."""
        with self._changed:
            if self._owner == member:
                self._owner = None
                self._changed.notify_all()

    def owns(self, member: int, partition: Partition) -> bool:
        """Whether `partition` was assigned to `member` and still is."""
        with self._changed:
            return self._owns(member, partition)

    def take(self, member: int, limit: int, timeout: float) -> list[RawRecord]:
        """Hand out up to `limit` due records, waiting up to `timeout` real seconds for the first.

        Fresh commands come first, but one place is kept for a work record that is due.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._owner == member:
                if batch := self._hand_out(member, limit):
                    return batch
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, self._until_due()))
        return []

    def commit(self, member: int, offsets: Mapping[Partition, int]) -> None:
        """Raise committed offsets; partitions not owned and offsets not above the committed one are left out.

        Raises `ValueError` for an offset beyond the log's end: it would lose records that are still to come.
        """
        with self._changed:
            owned = {place: offset for place, offset in offsets.items() if self._owns(member, place)}
            for partition, offset in owned.items():
                log = self._logs[partition.topic, partition.number]
                if offset > len(log.entries):
                    raise ValueError(f"offset {offset} of {partition} lies beyond the end, {len(log.entries)}")
                log.committed = max(log.committed, offset)

    def _owns(self, member: int, partition: Partition) -> bool:
        known = (partition.topic, partition.number) in self._logs
        return known and self._owner == member == partition.epoch

    def _hand_out(self, member: int, limit: int) -> list[RawRecord]:
        work = self._due(limit, work=True)
        fresh = self._due(limit - 1 if work and limit > 1 else limit, work=False)
        batch = fresh + work[: limit - len(fresh)]
        given = []
        for entry in batch:
            record = entry.record
            self._logs[record.partition.topic, record.partition.number].position = record.offset + 1
            mine = record.partition._replace(epoch=member)
            given.append(RawRecord(mine, record.offset, record.value, record.headers, record.timestamp, record.key))
        return given

    def _due(self, limit: int, *, work: bool) -> list[_Entry]:
        """Return the first `limit` records by arrival, of the work topic or of the others, that may go now."""
        now = self._clock.now()
        found: list[_Entry] = []
        for (topic, _), log in self._logs.items():
            if (topic == self.work_topic) is work:
                for entry in log.entries[log.position : log.position + limit]:
                    if entry.not_before is not None and entry.not_before > now:
                        break
                    found.append(entry)
        return sorted(found, key=lambda entry: entry.arrival)[:limit]

    def _until_due(self) -> float:
        """Return the seconds until the next record falls due; never so few that waiting becomes spinning."""
        now = self._clock.now()
        heads = [log.entries[log.position] for log in self._logs.values() if log.position < len(log.entries)]
        waits = [(head.not_before - now).total_seconds() for head in heads if head.not_before is not None]
        return max(0.01, min(waits, default=threading.TIMEOUT_MAX))
