# Upstream: adapters.kafka.{broadcasts, command_stream}, adapters.memory, entrypoints.{intake, parts}
# Downstream: domain.model.{delivery, stream}
# Role: Port: control commands as they are delivered, and the offsets given back
"""The command stream. Bytes are decoded behind this port: a bad record is a `Malformed` in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ginkgo_data.domain.model.delivery import Delivery, Partition, RawRecord
from ginkgo_data.domain.model.stream import ExpiredRecords, StreamState


class CommandDecoder(Protocol):
    """Turns a record into a delivery; never raises, a bad record becomes `Malformed`."""

    def __call__(self, record: RawRecord) -> Delivery:
        """Return the delivery that `record` is."""


class CommandStream(Protocol):
    """Commands of the consumer group, in order within a partition, at least once.

    A record that is received and never committed is delivered again after a restart.
    """

    def receive(self, limit: int, timeout: float) -> Sequence[Delivery]:
        """Return up to `limit` records, waiting at most `timeout` seconds for the first; empty when none came.

        Raises `BrokerUnavailable`.
        """

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Give back offsets: the next record to deliver, per partition.

        A partition not owned any more, or an offset below what was committed, is left out silently. On
        return the commit is under way; the stream acknowledges it by itself. Raises `BrokerUnavailable`.
        """

    def owns(self, partition: Partition) -> bool:
        """Whether `partition`, in that epoch, is still assigned to this member."""

    def hold(self, held: bool) -> None:
        """Stop intake while the worker cannot work, or let it go on. What is in hand can be received all the same."""

    def state(self) -> StreamState:
        """Return assignment, lag and health; from any thread, never waiting for the broker."""

    def expired(self) -> Sequence[ExpiredRecords]:
        """Return the records found expired before they were read, each once."""

    def close(self) -> None:
        """Leave the group; idempotent. Uncommitted records go to another member."""
