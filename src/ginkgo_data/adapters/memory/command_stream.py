# Upstream: entrypoints.container
# Downstream: adapters.memory.broker, domain.model.{delivery, stream}, ports.command_stream
# Role: Port command_stream in memory: one member of the group of an in-memory broker
"""The command stream of tests and of the embedded profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ginkgo_data.adapters.memory.broker import InMemoryBroker
from ginkgo_data.domain.model.delivery import Delivery, Partition, RawRecord
from ginkgo_data.domain.model.stream import ExpiredRecords, StreamState
from ginkgo_data.ports.command_stream import CommandDecoder

__all__ = ["InMemoryBroker", "InMemoryCommandStream"]


class InMemoryCommandStream:
    """A member of the group: joins when it is made, and takes all partitions from the one before it.

    Waiting in `receive` takes real time, up to its timeout; `close` from another thread ends it.
    """

    def __init__(self, decode: CommandDecoder, broker: InMemoryBroker) -> None:
        self._decode = decode
        self._broker = broker
        self._member = broker.join()

    def receive(self, limit: int, timeout: float) -> Sequence[Delivery]:
        """Return up to `limit` records that are due; none when another member has taken over, or after `close`."""
        return [self._decode(record) for record in self._broker.take(self._member, limit, timeout)]

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit at once; what is not owned or not above the committed offset is left out."""
        self._broker.commit(self._member, offsets)

    def owns(self, partition: Partition) -> bool:
        """Whether `partition` was delivered in this assignment and is still this member's."""
        return self._broker.owns(self._member, partition)

    def hold(self, held: bool) -> None:
        """Hand nothing out, or go on; nothing is in hand here."""
        self._broker.hold(self._member, held)

    def state(self) -> StreamState:
        """Return assignment and lag at this moment; no topic is ever missing, and nothing ever hangs."""
        return self._broker.state(self._member)

    def expired(self) -> Sequence[ExpiredRecords]:
        """Return the records that the broker was told to delete before they were read, each once."""
        return self._broker.expired(self._member)

    def close(self) -> None:
        """Leave the group."""
        self._broker.leave(self._member)

    def put(
        self,
        topic: str,
        value: bytes | None,
        headers: Mapping[str, bytes] | None = None,
        key: bytes | None = None,
    ) -> RawRecord:
        """Send a record, as any sender would."""
        return self._broker.put(topic, value, headers, key)

    def restart(self) -> InMemoryCommandStream:
        """Return the stream of a process started after this one died: it resumes from the committed offsets."""
        return InMemoryCommandStream(self._decode, self._broker)

    @property
    def committed(self) -> Mapping[tuple[str, int], int]:
        """The next offset to deliver, per (topic, partition number) with anything committed."""
        return self._broker.committed

    def pending(self) -> Sequence[RawRecord]:
        """Return the records not yet committed, in order of arrival."""
        return self._broker.pending()
