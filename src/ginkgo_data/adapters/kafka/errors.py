# Upstream: adapters.kafka, entrypoints.{letters, show_send, status}
# Downstream: domain.model.errors, confluent_kafka
# Role: What a failed call of the broker means: librdkafka's errors as errors of the package
"""The exception map of the family.

What names, rights or options cause becomes `ConfigurationError`; a record that is too large or a topic that is not
there has its own class here; everything else becomes `BrokerUnavailable`, since holding work is safe where giving it
up is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from ginkgo_data.domain.model.errors import BrokerUnavailable, ConfigurationError, GinkgoDataError, TerminalError


class RecordTooLarge(TerminalError):
    """The broker or the topic takes no record of this size."""


class TopicMissing(BrokerUnavailable):
    """The topic that was written to does not exist."""


class RebuildNeededError(Exception):
    """The client cannot go on; a new one can. Never leaves the family."""


CONFIGURATION_CODES = frozenset(
    {
        KafkaError._INVALID_ARG,
        KafkaError._UNKNOWN_PROTOCOL,
        KafkaError._NOT_IMPLEMENTED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
    }
)
"""Codes that speak of rights, names and options."""
MISSING_TOPIC_CODES = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
)
"""Codes that say that a topic is not there."""


def translated(what: str, error: KafkaError) -> GinkgoDataError:
    """Return the error of the package that `error` is; `what` says in words what was tried."""
    code = error.code()
    text = f"{what}: {error.name()}: {error.str()}"
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return RecordTooLarge(text)
    if code in MISSING_TOPIC_CODES:
        return TopicMissing(text)
    return ConfigurationError(text) if code in CONFIGURATION_CODES else BrokerUnavailable(text)


@contextmanager
def broker_errors(what: str) -> Iterator[None]:
    """Translate what the client library raises inside; `what` says in words what was tried.

    Raises `BrokerUnavailable` (`TopicMissing`), `RecordTooLarge` or `ConfigurationError`.
    """
    try:
        yield
    except KafkaException as raised:
        error = raised.args[0] if raised.args else None
        if isinstance(error, KafkaError):
            raise translated(what, error) from raised
        raise BrokerUnavailable(f"{what}: {raised}") from raised
    except BufferError as full:
        raise BrokerUnavailable(f"{what}: the client's queue is full, nothing is acknowledged") from full
