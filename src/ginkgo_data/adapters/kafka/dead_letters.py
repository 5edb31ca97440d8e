# Upstream: entrypoints.container
# Downstream: adapters.kafka.{errors, letter_wire, producer}, domain.model.disposition
# Role: Port dead_letters on Kafka: one record per letter on a compacted topic
"""The key is the delivery's lineage, so that compaction keeps one letter of a delivery given up twice."""

from __future__ import annotations

import logging

from ginkgo_data.adapters.kafka.errors import RecordTooLarge
from ginkgo_data.adapters.kafka.letter_wire import dead_letter_key, encode_cut_dead_letter, encode_dead_letter
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.domain.model.disposition import DeadLetter

log = logging.getLogger(__name__)


class KafkaDeadLetters:
    """Writes to `topic`."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def write(self, letter: DeadLetter) -> None:
        """Keep `letter`, acknowledged; one that is too large for the topic is kept in its cut form.

        Raises `BrokerUnavailable`, and `ConfigurationError` for a missing right.
        """
        key = dead_letter_key(letter).encode()
        value, headers = encode_dead_letter(letter)
        try:
            self._producer.send(self._topic, value, key, headers)
        except RecordTooLarge as error:
            log.warning("the dead letter of %s is cut: %s", key.decode(), error)
            value, headers = encode_cut_dead_letter(letter)
            self._producer.send(self._topic, value, key, headers)
