# Upstream: adapters.kafka.topic_check, entrypoints
# Downstream: adapters.kafka.{config, errors}, domain.model.errors, confluent_kafka
# Role: Topics: our own are made where they are missing, all are described, none is ever deleted
"""The topics this program lives on.

The work topic and the dead letters are ours: made at start, and again when they are found missing (upstream's reset
deletes every topic and makes only its own). All others are looked at; they grow only when that is asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from ginkgo_data.adapters.kafka.config import LARGEST_RECORD, KafkaConfig
from ginkgo_data.adapters.kafka.errors import broker_errors
from ginkgo_data.domain.model.errors import BrokerUnavailable

log = logging.getLogger(__name__)

TIMEOUT = 15.0
"""Seconds that one question may take."""
WEEK_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """A topic as it is: `partitions` is 0 where it is missing; `own` says that `create_own` makes it."""

    name: str
    partitions: int
    wanted: int
    own: bool

    @property
    def ready(self) -> bool:
        """Whether it is there with the partitions it is meant to have."""
        return self.partitions >= self.wanted


class KafkaTopics:
    """Raises `ConfigurationError` when the options cannot make a client."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        with broker_errors("opening an admin client"):
            self._admin = AdminClient(config.admin_options(), logger=log)

    def status(self) -> Sequence[TopicStatus]:
        """Return every topic of the configuration, commands first; raises `BrokerUnavailable`."""
        config = self._config
        with broker_errors("listing topics"):
            found = self._admin.list_topics(timeout=TIMEOUT).topics
        there = {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}
        wanted = dict.fromkeys(config.topics, 1)
        wanted |= {config.work_topic: config.work_partitions, config.dead_letter_topic: 1, config.notification_topic: 1}
        own = {config.work_topic, config.dead_letter_topic}
        return [TopicStatus(name, there.get(name, 0), count, name in own) for name, count in wanted.items()]

    def create_own(self) -> list[str]:
        """Make our own topics where they are missing; return the names of those made.

        Two workers may do it at once. Raises `BrokerUnavailable`, and `ConfigurationError` for a missing right.
        """
        made = []
        with broker_errors("creating topics"):
            for name, done in self._admin.create_topics(
                [self._work_topic(), self._dead_letter_topic()], operation_timeout=TIMEOUT, request_timeout=TIMEOUT
            ).items():
                try:
                    done.result(2 * TIMEOUT)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
                else:
                    made.append(name)
        return made

    def restore(self, topic: str) -> bool:
        """Make `topic` again if it is one of ours; return whether it is."""
        if topic not in (self._config.work_topic, self._config.dead_letter_topic):
            return False
        self.create_own()
        return True

    def grow(self, topic: str, partitions: int) -> None:
        """Give `topic` more partitions, in all `partitions`; keys then go to other ones than before.

        On return `status` shows them: the broker acknowledges before it tells. Raises `ConfigurationError` when there
        are as many already, `TopicMissing`, and `BrokerUnavailable`, also when they are not shown within `TIMEOUT`.
        """
        what = f"growing {topic} to {partitions} partitions"
        with broker_errors(what):
            asked = self._admin.create_partitions([NewPartitions(topic, partitions)], request_timeout=TIMEOUT)
            asked[topic].result(2 * TIMEOUT)
            deadline = time.monotonic() + TIMEOUT
            while len(self._admin.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions) < partitions:
                if time.monotonic() > deadline:
                    raise BrokerUnavailable(f"{what}: acknowledged, but not shown after {TIMEOUT:g} s")
                time.sleep(0.05)

    def _work_topic(self) -> NewTopic:
        return NewTopic(
            self._config.work_topic,
            self._config.work_partitions,
            config={
                "cleanup.policy": "delete",
                "retention.ms": str(WEEK_MS),
                "max.message.bytes": str(LARGEST_RECORD),
            },
        )

    def _dead_letter_topic(self) -> NewTopic:
        # Compacted, no time limit: a letter stays until a tombstone. One partition, so that a list has one order.
        return NewTopic(
            self._config.dead_letter_topic,
            1,
            config={"cleanup.policy": "compact", "retention.ms": "-1", "max.message.bytes": str(LARGEST_RECORD)},
        )
