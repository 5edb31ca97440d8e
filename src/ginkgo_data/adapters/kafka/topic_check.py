# Upstream: entrypoints.show_topics
# Downstream: adapters.kafka.{config, errors, topics}, confluent_kafka
# Role: Settings of our own topics that would lose or refuse records: found, said, never changed
"""What `KafkaTopics.status` does not see: a topic may be there and still not keep what it is given."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AdminClient,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from ginkgo_data.adapters.kafka.config import LARGEST_RECORD, KafkaConfig
from ginkgo_data.adapters.kafka.errors import MISSING_TOPIC_CODES, broker_errors
from ginkgo_data.adapters.kafka.topics import TIMEOUT, WEEK_MS

log = logging.getLogger(__name__)


class TopicCheck:
    """Raises `ConfigurationError` when the options cannot make a client."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        with broker_errors("opening an admin client"):
            self._admin = AdminClient(config.admin_options(), logger=log)

    def faults(self) -> Mapping[str, Sequence[str]]:
        """Return what is wrong with the work topic and the dead letters, by topic; a missing one has no faults.

        Raises `BrokerUnavailable`, and `ConfigurationError` where settings may not be looked at.
        """
        config = self._config
        checks = {config.work_topic: work_faults, config.dead_letter_topic: dead_letter_faults}
        with broker_errors("looking at the settings of topics"):
            asked = self._admin.describe_configs(
                [ConfigResource(ResourceType.TOPIC, name) for name in checks], request_timeout=TIMEOUT
            )
            described = {resource.name: _settings(done) for resource, done in asked.items()}
        return {name: check(described[name]) for name, check in checks.items() if described[name]}


def work_faults(settings: Mapping[str, str]) -> list[str]:
    """Return what is wrong with these settings of a work topic."""
    faults = []
    if settings["cleanup.policy"] != "delete":
        faults.append(_fault(settings, "cleanup.policy", "delete", "compaction refuses records without a key"))
    if 0 <= int(settings["retention.ms"]) < WEEK_MS:
        faults.append(_fault(settings, "retention.ms", str(WEEK_MS), "work that waits longer is lost"))
    if int(settings["retention.bytes"]) >= 0:
        faults.append(_fault(settings, "retention.bytes", "-1", "work beyond this size is lost"))
    return faults + _too_small(settings)


def dead_letter_faults(settings: Mapping[str, str]) -> list[str]:
    """Return what is wrong with these settings of a dead letter topic."""
    faults = []
    if settings["cleanup.policy"] != "compact":
        faults.append(_fault(settings, "cleanup.policy", "compact", "letters are deleted by age, or pile up"))
    return faults + _too_small(settings)


def _too_small(settings: Mapping[str, str]) -> list[str]:
    if int(settings["max.message.bytes"]) >= LARGEST_RECORD:
        return []
    return [_fault(settings, "max.message.bytes", str(LARGEST_RECORD), "a large command with its headers is refused")]


def _fault(settings: Mapping[str, str], name: str, wanted: str, why: str) -> str:
    return f"{name} is {settings[name]}, wanted {wanted} ({why}); set {name}={wanted}"


def _settings(done: Future[dict[str, ConfigEntry]]) -> dict[str, str]:
    """Return a topic's settings, none where it is missing."""
    try:
        return {name: entry.value or "" for name, entry in done.result(2 * TIMEOUT).items()}
    except KafkaException as error:
        if isinstance(error.args[0], KafkaError) and error.args[0].code() in MISSING_TOPIC_CODES:
            return {}
        raise
