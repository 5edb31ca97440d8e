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

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription  # type: ignore[attr-defined]

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import TopicMissing, broker_errors
from ginkgo_data.adapters.kafka.topic_reader import TopicReader

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TIMEOUT = 5.0
"""Seconds that one question may take: somebody is looking on."""
_MOVING = frozenset(
    {KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR}
)
OWN_CLIENTS = "ginkgo_data"
"""The client ids of this program begin with it, where the configuration gives them no other name."""


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
    """The owner closes `reader`. Raises `ConfigurationError` when the options cannot make a client."""

    def __init__(self, config: KafkaConfig, reader: TopicReader) -> None:
        self._config = config
        self._reader = reader
        with broker_errors("opening an admin client"):
            self._admin = AdminClient(config.admin_options(), logger=log)

    def lags(self) -> Sequence[PartitionLag]:
        """Return every partition of the group's topics that are there, in order. Raises `BrokerUnavailable`."""
        config = self._config
        committed = self._committed()
        lags = []
        for topic in config.subscription:
            try:
                bounds = self._reader.bounds(topic)
            except TopicMissing:
                continue
            for number, (begin, end) in bounds.items():
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

        named = self._config.options.get("client.id")
        ours = (OWN_CLIENTS, named.get_secret_value()) if named else (OWN_CLIENTS,)
        described = _patiently(f"asking for the members of {group}", ask)
        members = [
            GroupMember(
                member.client_id,
                member.host.lstrip("/"),
                tuple(f"{p.topic}-{p.partition}" for p in member.assignment.topic_partitions),
                not member.client_id.startswith(ours),
            )
            for member in (described.members if described else ())
        ]
        return sorted(members, key=lambda member: (not member.foreign, member.client_id))

    def _committed(self) -> dict[tuple[str, int], int]:
        group = self._config.group_id

        def ask() -> ConsumerGroupTopicPartitions:
            asked = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT
            )
            found: ConsumerGroupTopicPartitions = asked[group].result(2 * TIMEOUT)
            return found

        found = _patiently(f"asking where {group} stands", ask)
        places = found.topic_partitions if found else None
        return {(p.topic, p.partition): p.offset for p in places or () if p.offset >= 0}


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
