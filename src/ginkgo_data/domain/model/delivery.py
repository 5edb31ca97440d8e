# Upstream: adapters.{kafka, memory}, domain.{model, services}, entrypoints, ports.{broadcasts, command_stream}
# Downstream: domain.model.commands
# Role: A record as it was delivered: its place, its bytes, and the command or the reason it holds none
"""Deliveries of the command stream, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ginkgo_data.domain.model.commands import CommandMessage


class Partition(NamedTuple):
    """A partition of a topic, in one assignment: after a rebalance the same one has a new `epoch`."""

    topic: str
    number: int
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as the broker holds it."""

    partition: Partition
    offset: int
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    timestamp: datetime | None = None
    """When the broker got it, zoned."""
    key: bytes | None = None

    @property
    def delivery_id(self) -> str:
        """Identity of the record, the same at every redelivery: topic-partition-offset."""
        return f"{self.partition.topic}-{self.partition.number}-{self.offset}"

    @property
    def lineage(self) -> str:
        """`delivery_id` @ millisecond at which the broker got it, where that is known.

        A topic that is deleted and made anew under its name has the same places for other records.
        """
        return _dated(self.delivery_id, self.timestamp)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands in the place of a command that cannot be read; the bytes stay with the record."""

    reason: str
    error: str
    """Class name of the error: MalformedCommand, UnknownCommand …"""
    word: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record with what it says. `attempt` counts faults of the command, `piece` rounds it was worked in."""

    record: RawRecord
    body: CommandMessage | Malformed
    attempt: int = 0
    piece: int = 0
    first_delivered: datetime | None = None
    """When the first delivery of the command was put on Kafka: `since` of a forced command."""
    origin: str = ""
    """Delivery id of the command's first record; empty: this one is the first."""

    @property
    def delivery_id(self) -> str:
        """Identity of the command, the same however often it is delivered or parked."""
        return self.origin or self.record.delivery_id

    @property
    def lineage(self) -> str:
        """`delivery_id` @ millisecond of the first delivery, where that is known; see `RawRecord.lineage`."""
        return _dated(self.delivery_id, self.first_delivered or self.record.timestamp)

    @property
    def request_id(self) -> str:
        """The command's request id, or the delivery's id where it has none."""
        return self.body.request_id or self.record.delivery_id


def _dated(place: str, moment: datetime | None) -> str:
    return f"{place}@{round(moment.timestamp() * 1000)}" if moment else place
