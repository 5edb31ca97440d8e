# Upstream: adapters.kafka.{broadcasts, expiry, member, topic_reader}
# Downstream: adapters.kafka.holding, domain.model.delivery, confluent_kafka
# Role: The client library's messages and partitions as values of the domain
"""What librdkafka hands out, translated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Message, TopicPartition

from ginkgo_data.adapters.kafka.holding import Place
from ginkgo_data.domain.model.delivery import Partition, RawRecord

_TOPIC = " topic="


def record_of(message: Message) -> RawRecord:
    """Return the record that `message` (without an error) is, its partition in no assignment yet."""
    kind, moment = message.timestamp()
    return RawRecord(
        partition=Partition(message.topic() or "", message.partition() or 0),
        offset=message.offset() or 0,
        value=message.value(),
        headers=_headers(message),
        timestamp=datetime.fromtimestamp(moment / 1000, UTC) if kind else None,
        key=message.key(),
    )


def _headers(message: Message) -> dict[str, bytes]:
    """Return the headers; of a name that comes twice the last, of a null value the empty one."""
    given: Any = message.headers() or []  # a list of pairs here; the library's type allows what only producers take
    return {name: value or b"" for name, value in given}


@dataclass(frozen=True, slots=True)
class CommitNote:
    """What stands beside a committed offset: when it was sent, and the id of the topic that it is a place in."""

    at: datetime | None = None
    topic_id: str | None = None

    @classmethod
    def read(cls, metadata: str | None) -> CommitNote:
        """Return what `metadata` says; an empty note where others have written something, or nobody anything."""
        text, _, topic_id = (metadata or "").partition(_TOPIC)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return cls()
        # Others write there what they like; the bounds leave room to change the zone.
        if not moment.tzinfo or not 2000 <= moment.year <= 9000:
            return cls()
        return cls(moment, topic_id or None)

    def __str__(self) -> str:
        moment = self.at.isoformat() if self.at else ""
        return f"{moment}{_TOPIC}{self.topic_id}" if self.topic_id else moment


def places_of(partitions: list[TopicPartition]) -> list[Place]:
    """Return topic and number of each."""
    return [(partition.topic, partition.partition) for partition in partitions]


def offsets_of(partitions: list[TopicPartition]) -> dict[Place, int]:
    """Return the offset of each, by topic and number."""
    return {(partition.topic, partition.partition): partition.offset for partition in partitions}


def shown_places(places: list[Place]) -> str:
    """Return the partitions as a text for a log."""
    return ", ".join(f"{topic}-{number}" for topic, number in sorted(places)) or "none"
