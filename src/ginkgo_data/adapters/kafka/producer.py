# Upstream: adapters.kafka.{dead_letters, notifications, work_queue}
# Downstream: adapters.kafka.{config, errors}, domain.model.errors, confluent_kafka
# Role: Records out: idempotent, acknowledged by all replicas, awaited with a deadline
"""The producer of the family: `send` waits for the acknowledgement, `post` does not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message, Producer

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import TopicMissing, broker_errors, translated
from ginkgo_data.domain.model.errors import BrokerUnavailable, GinkgoDataError

log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds beyond `delivery_timeout` for the client's own word on a record, which comes by then."""


@dataclass(slots=True)
class _Delivery:
    """What became of one record, told by the client's callback."""

    told: threading.Event = field(default_factory=threading.Event)
    error: KafkaError | None = None

    def __call__(self, error: KafkaError | None, _: Message) -> None:
        self.error = error
        self.told.set()


class KafkaProducer:
    """Safe for several threads. `restore(topic)` makes a topic of ours that is missing and says whether it did.

    Raises `ConfigurationError` when the options cannot make a client.
    """

    def __init__(self, config: KafkaConfig, restore: Callable[[str], bool] = lambda _: False) -> None:
        self._config = config
        self._restore = restore
        self._lock = threading.Lock()
        self._producer = self._open()
        self.renewed = 0
        """How many clients were replaced after a fatal error."""

    def send(
        self, topic: str, value: bytes, key: bytes | None = None, headers: Mapping[str, bytes] | None = None
    ) -> None:
        """Write a record and wait for its acknowledgement.

        A topic of ours that is missing is made, and the record is sent again. Raises `BrokerUnavailable` when
        there is no acknowledgement within `delivery_timeout` (the record may have been kept all the same),
        `TopicMissing`, `RecordTooLarge`, and `ConfigurationError` for a missing right.
        """
        try:
            self._send(topic, value, key, headers)
        except TopicMissing:
            if not self._restore(topic):
                raise
            self._learn(topic)
            self._send(topic, value, key, headers)

    def post(self, topic: str, value: bytes, key: bytes | None, failed: Callable[[str], None]) -> None:
        """Hand a record over without waiting; `failed` is told, here or later, when it was not kept."""

        def done(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._seen(producer, error)
                failed(str(error))

        producer = self._producer
        try:
            with broker_errors(f"writing to {topic}"):
                producer.produce(topic, value, key, on_delivery=done)
                producer.poll(0)
        except GinkgoDataError as error:
            failed(str(error))

    def flush(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for all acknowledgements; return whether all came."""
        return self._producer.flush(timeout) == 0

    def close(self) -> None:
        """Flush within `close_timeout`; what is not acknowledged by then is given up, with a warning."""
        if not self.flush(self._config.close_timeout):
            log.warning("%d records were not acknowledged in time and are given up", len(self._producer))
            self._producer.purge()

    def _send(self, topic: str, value: bytes, key: bytes | None, headers: Mapping[str, bytes] | None) -> None:
        what = f"writing to {topic}"
        producer, delivery = self._producer, _Delivery()
        with broker_errors(what):
            try:
                producer.produce(topic, value, key, headers=dict(headers or {}), on_delivery=delivery)
            except Exception as error:
                self._seen(producer, error.args[0] if error.args else None)
                raise
        deadline = time.monotonic() + self._config.delivery_timeout + GRACE
        while not delivery.told.is_set() and time.monotonic() < deadline:
            # Another thread's poll may serve this record's callback, so nobody polls for long.
            producer.poll(0.05)
        if not delivery.told.is_set():
            raise BrokerUnavailable(f"{what}: not acknowledged within {self._config.delivery_timeout:g} s")
        if delivery.error is not None:
            self._seen(producer, delivery.error)
            raise translated(what, delivery.error)

    def _learn(self, topic: str) -> None:
        """Wait until the client knows a topic that was just made: it remembers that there was none."""
        deadline = time.monotonic() + GRACE
        with broker_errors(f"looking for {topic}"):
            while self._producer.list_topics(topic, timeout=GRACE).topics[topic].error is not None:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.1)

    def _open(self) -> Producer:
        with broker_errors("opening a producer"):
            return Producer(self._config.producer_options(), logger=log, error_cb=self._on_error)

    def _on_error(self, error: KafkaError) -> None:
        # Idle disconnects are reported as errors; a fatal one comes back with the next record as well.
        log.log(logging.ERROR if error.fatal() else logging.INFO, "the producer reports: %s", error)

    def _seen(self, producer: Producer, error: object) -> None:
        """Replace `producer` after a fatal error: it takes no record any more, a new one does."""
        if not isinstance(error, KafkaError) or not (error.fatal() or error.code() == KafkaError._FATAL):
            return
        with self._lock:
            if self._producer is producer:
                log.error("a new producer after a fatal error: %s", error)
                self._producer = self._open()
                self.renewed += 1
