# Upstream: adapters.memory.{broadcasts, command_stream, work_queue}, entrypoints.opening
# Downstream: adapters.memory.partition_log, domain.model.{delivery, stream}, ports.clock
# Role: A broker in memory: partitioned logs, one consumer group of one member, its committed offsets
"""The part of a broker that outlives its clients: what was put and what was committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from zlib import crc32

from ginkgo_data.adapters.memory.partition_log import Entry, PartitionLog
from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.model.stream import ExpiredRecords, StreamState
from ginkgo_data.ports.clock import Clock

WORK_TOPIC = "ginkgo.data.commands.work"

Place = tuple[str, int]
"""Topic and number of a partition."""


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
        self._logs: dict[Place, PartitionLog] = {}
        self._arrivals = 0
        self._epoch = 0
        self._owner: int | None = None
        self._held = False
        self._committed_at: dict[int, datetime] = {}
        self._expired: list[ExpiredRecords] = []
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
            log = self._logs.setdefault((topic, number), PartitionLog())
            record = RawRecord(Partition(topic, number), log.end, value, dict(headers or {}), self._clock.now(), key)
            log.entries.append(Entry(record, self._arrivals, not_before))
            self._arrivals += 1
            self._changed.notify_all()
            return record

    def expire(self, topic: str, number: int, before: int) -> None:
        """Delete the records of a partition below offset `before`, as retention does, whether they were read or not."""
        with self._changed:
            log = self._logs[topic, number]
            log.expire(before)
            if self._owner is not None and log.position < log.low:
                self._note_expired((topic, number), log, log.position)
                log.position = log.low

    # -- the group --------------------------------------------------------------------------------

    @property
    def committed(self) -> Mapping[Place, int]:
        """The next offset to deliver, per (topic, partition number) with anything committed."""
        with self._changed:
            return {place: log.committed for place, log in self._logs.items() if log.committed}

    def pending(self) -> Sequence[RawRecord]:
        """Return the records not yet committed, in order of arrival, whether they are due or not."""
        with self._changed:
            waiting = [entry for log in self._logs.values() for entry in log.since(log.committed)]
        return [entry.record for entry in sorted(waiting, key=lambda entry: entry.arrival)]

    def join(self) -> int:
        """Take every partition over from its present owner, from the committed offsets on; return the epoch."""
        with self._changed:
            self._epoch += 1
            self._owner = self._epoch
            self._held = False
            self._expired.clear()
            for place, log in self._logs.items():
                log.position = max(log.committed, log.low)
                if log.committed_at is not None and log.committed < log.low:
                    self._note_expired(place, log, log.committed)
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

    def hold(self, member: int, held: bool) -> None:
        """Hand nothing out, or go on, if the partitions are this member's."""
        with self._changed:
            if self._owner == member:
                self._held = held
                self._changed.notify_all()

    def state(self, member: int) -> StreamState:
        """Return the partitions that are this member's, their lag, and when it last committed."""
        with self._changed:
            mine = self._logs.items() if self._owner == member else ()
            lag = {
                Partition(topic, number, member): log.end - max(log.committed, log.low) for (topic, number), log in mine
            }
            committed_at = self._committed_at.get(member)
        return StreamState(assigned=tuple(lag), lag=lag, committed_at=committed_at)

    def expired(self, member: int) -> list[ExpiredRecords]:
        """Return what was found expired since this member joined, each once."""
        with self._changed:
            if self._owner != member:
                return []
            found, self._expired = self._expired, []
            return found

    def take(self, member: int, limit: int, timeout: float) -> list[RawRecord]:
        """Hand out up to `limit` due records, waiting up to `timeout` real seconds for the first.

        Fresh commands come first, but one place is kept for a work record that is due.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._owner == member:
                if not self._held and (batch := self._hand_out(member, limit)):
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
                if offset > log.end:
                    raise ValueError(f"offset {offset} of {partition} lies beyond the end, {log.end}")
                if offset > log.committed:
                    log.committed, log.committed_at = offset, self._clock.now()
                    self._committed_at[member] = log.committed_at

    # -- readers in no group ----------------------------------------------------------------------

    def ends(self) -> dict[Place, int]:
        """Return the offset after the last record of every partition."""
        with self._changed:
            return {place: log.end for place, log in self._logs.items()}

    def read(self, positions: dict[Place, int], timeout: float, ended: Callable[[], bool]) -> list[RawRecord]:
        """Return what stands at and after `positions` (a partition not named: all of it), and move them on.

        The work topic is left out. Waits up to `timeout` real seconds for the first, or until `ended`.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not ended():
                found = [entry for place, log in self._logs.items() for entry in log.since(positions.get(place, 0))]
                positions.update({place: log.end for place, log in self._logs.items()})
                fresh = [entry for entry in found if entry.record.partition.topic != self.work_topic]
                left = deadline - time.monotonic()
                if fresh or left <= 0:
                    return [entry.record for entry in sorted(fresh, key=lambda entry: entry.arrival)]
                self._changed.wait(left)
        return []

    def wake(self) -> None:
        """Let every wait look again whether it has ended."""
        with self._changed:
            self._changed.notify_all()

    def _note_expired(self, place: Place, log: PartitionLog, first: int) -> None:
        partition = Partition(*place, self._owner or 0)
        self._expired.append(ExpiredRecords(partition, first, log.low - first, log.committed_at))

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

    def _due(self, limit: int, *, work: bool) -> list[Entry]:
        """Return the first `limit` records by arrival, of the work topic or of the others, that may go now."""
        now = self._clock.now()
        found: list[Entry] = []
        for (topic, _), log in self._logs.items():
            if (topic == self.work_topic) is work:
                for entry in log.since(log.position, limit):
                    if entry.not_before is not None and entry.not_before > now:
                        break
                    found.append(entry)
        return sorted(found, key=lambda entry: entry.arrival)[:limit]

    def _until_due(self) -> float:
        """Return the seconds until the next record falls due; never so few that waiting becomes spinning."""
        now = self._clock.now()
        heads = [entry for log in self._logs.values() for entry in log.since(log.position, 1)]
        waits = [(head.not_before - now).total_seconds() for head in heads if head.not_before is not None]
        return max(0.01, min(waits, default=threading.TIMEOUT_MAX))
