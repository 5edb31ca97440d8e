# Upstream: entrypoints.status
# Downstream: adapters.kafka.{config, errors, topic_reader}, confluent_kafka
# Role: The consumer group as an onlooker sees it: how far it is behind, and who its members are
"""Asks about the group without joining it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription  # type: ignore[attr-defined]  # re-exported

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import TopicMissing, broker_errors, translated
from ginkgo_data.adapters.kafka.topic_reader import TopicReader

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TIMEOUT = 5.0
"""Seconds that one question may take: somebody is looking on."""
_MOVING = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._WAIT_COORD,
    }
)
OWN_MEMBERS = "ginkgo_data."
"""The client ids of workers begin with it, where the configuration gives them no other name."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far the group is behind in one partition."""

    topic: str
    number: int
    committed: int | None
    """The next offset to read; None where the group never committed."""
    begin: int
    end: int
    lag: int
    """Records that are there and not yet committed."""

    @property
    def expired(self) -> int:
        """Records that were gone before the group read them."""
        return 0 if self.committed is None else max(0, self.begin - self.committed)


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of the group; a foreign one commits what this program never handled."""

    client_id: str
    host: str
    partitions: tuple[str, ...]
    foreign: bool
    """Whether it is no worker of this program."""


class GroupWatch:
    """Used by one thread. The owner closes it, and `reader`.

    Raises `ConfigurationError` when the options cannot make a client.
    """

    def __init__(self, config: KafkaConfig, reader: TopicReader) -> None:
        self._config = config
        self._reader = reader
        with broker_errors("opening an admin client"):
            self._admin = AdminClient(config.admin_options(), logger=log)
        # It names the group, subscribes to nothing and so never joins. The admin client's own question for offsets is
        # not asked: where a coordinator moves, its answer ends the process (librdkafka refreshes a group it has not).
        with broker_errors("opening a client that asks for offsets"):
            options = {**config.reader_options(), "group.id": config.group_id}
            self._onlooker = Consumer(options, logger=log, error_cb=_note)

    def lags(self) -> Sequence[PartitionLag]:
        """Return every partition of the group's topics that are there, in order. Raises `BrokerUnavailable`."""
        config = self._config
        bounds: dict[tuple[str, int], tuple[int, int]] = {}
        for topic in config.subscription:
            try:
                found = self._reader.bounds(topic)
            except TopicMissing:
                continue
            bounds |= {(topic, number): ends for number, ends in found.items()}
        committed = self._committed(list(bounds))
        lags = []
        for (topic, number), (begin, end) in bounds.items():
            offset = committed.get((topic, number))
            unread = end if offset is None and config.auto_offset_reset == "latest" else begin
            lag = end - max(unread, offset or 0)
            lags.append(PartitionLag(topic, number, offset, begin, end, max(0, lag)))
        return lags

    def members(self) -> Sequence[GroupMember]:
        """Return the members of the group, none where there is no such group. Raises `BrokerUnavailable`."""
        group = self._config.group_id

        def ask() -> ConsumerGroupDescription:
            asked = self._admin.describe_consumer_groups([group], request_timeout=TIMEOUT)
            described: ConsumerGroupDescription = asked[group].result(2 * TIMEOUT)
            return described

        given = self._config.options.get("client.id")
        named = given.get_secret_value() if given else None
        described = _patiently(f"asking for the members of {group}", ask)
        members = [
            GroupMember(
                member.client_id,
                member.host.lstrip("/"),
                tuple(f"{p.topic}-{p.partition}" for p in member.assignment.topic_partitions),
                not (member.client_id == named or member.client_id.startswith(OWN_MEMBERS)),
            )
            for member in (described.members if described else ())
        ]
        return sorted(members, key=lambda member: (not member.foreign, member.client_id))

    def close(self) -> None:
        """Close the client; idempotent."""
        self._onlooker.close()

    def _committed(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        if not places:
            return {}

        def ask() -> list[TopicPartition]:
            return self._onlooker.committed([TopicPartition(*place) for place in places], timeout=TIMEOUT)

        what = f"asking where {self._config.group_id} stands"
        found = _patiently(what, ask) or []
        for place in found:
            if place.error is not None:
                raise translated(what, place.error)
        return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}


def _patiently(what: str, ask: Callable[[], Answer]) -> Answer | None:
    """Return the coordinator's answer, None where there is no such group; one that moves house is asked again."""
    deadline = time.monotonic() + TIMEOUT
    with broker_errors(what):
        while True:
            try:
                return ask()
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_ID_NOT_FOUND:
                    return None
                if code not in _MOVING or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


def _note(error: KafkaError) -> None:
    # Idle disconnects are reported as errors; what fails is said by the call that it fails.
    log.info("the onlooker reports: %s", error)
