# Upstream: adapters.kafka, entrypoints.{letters, opening, operator_parts}
# Downstream: adapters.kafka, domain.model.{errors, steps, work_context}, confluent_kafka
# Role: Records out: idempotent, acknowledged by all replicas, awaited with a deadline
"""The producer of the family: `send` waits for the acknowledgement, `post` does not.

A thread of the producer serves its callbacks, so an acknowledgement is known at once, whoever sends next or not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ginkgo_data.adapters.kafka.client_log import CLIENT_LOG
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import TopicMissing, broker_errors, translated
from ginkgo_data.adapters.kafka.weakly import weakly
from ginkgo_data.domain.model.errors import BrokerUnavailable, GinkgoDataError
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.model.work_context import outgoing_headers

log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds beyond `delivery_timeout` for the client's own word on a record, which comes by then."""
SERVE = 0.5
"""Seconds of one wait for callbacks; `close` takes no longer to be seen."""
FULL_WAIT = 1.0
"""Seconds that `post` waits for room in the client's queue …"""
FULL_REST = 10.0
"""… and seconds for which it does not wait again where that was in vain: telling never holds up work."""


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

    The owner closes it, which also ends its thread. Raises `ConfigurationError` when the options cannot make a client.
    """

    def __init__(self, config: KafkaConfig, restore: Callable[[str], bool] = lambda _: False) -> None:
        self._config = config
        self._restore = restore
        self._lock = threading.Lock()
        self._producer = self._open()
        self._retired: list[Producer] = []
        self._rest_until = 0.0
        self._closed = threading.Event()
        self.renewed = 0
        """How many clients were replaced after a fatal error."""
        self._serving = threading.Thread(target=self._serve, name="ginkgo-data-kafka-producer", daemon=True)
        self._serving.start()

    def send(
        self, topic: str, value: bytes | None, key: bytes | None = None, headers: Mapping[str, bytes] | None = None
    ) -> None:
        """Write a record (a null value is a tombstone) and wait for its acknowledgement.

        It carries the trace of the present work, unless `headers` have their own. A topic of ours that is missing is
        made, and the record is sent again. Raises `BrokerUnavailable` when there is no acknowledgement within
        `delivery_timeout` (the record may have been kept all the same), `TopicMissing`, `RecordTooLarge`, and
        `ConfigurationError` for a missing right.
        """
        traced = outgoing_headers() | dict(headers or {})
        with step("send", topic=topic):
            try:
                self._send(topic, value, key, traced)
            except TopicMissing:
                if not self._restore(topic):
                    raise
                self._learn(topic)
                self._send(topic, value, key, traced)

    def post(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        failed: Callable[[str], None],
        kept: Callable[[], None] | None = None,
    ) -> None:
        """Hand a record over without waiting for the broker; it carries the trace of the present work.

        `kept` is called, from any thread, when it is acknowledged; `failed`, here or later, when it was not kept.
        A full queue of the client (a burst, a broker that is away) is waited for, up to `FULL_WAIT`.
        """

        def done(error: KafkaError | None, _: Message) -> None:
            try:
                if error is not None:
                    self._seen(producer, error)
                    failed(str(error))
                elif kept is not None:
                    kept()
            except Exception:  # a caller's fault must not end the thread that serves all
                log.exception("the end of a record for %s could not be told", topic)

        producer = self._producer
        try:
            with broker_errors(f"writing to {topic}"):
                self._produce_patiently(producer, topic, value, key, done)
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
            self._producer.poll(0)
        self._closed.set()
        self._serving.join(2 * SERVE)

    def _serve(self) -> None:
        """Serve callbacks until `close`; those of a client that was replaced until it has none left."""
        while not self._closed.is_set():
            self._producer.poll(SERVE)
            for producer in tuple(self._retired):
                producer.poll(0)
                if not len(producer):
                    self._retired.remove(producer)

    def _produce_patiently(
        self,
        producer: Producer,
        topic: str,
        value: bytes,
        key: bytes | None,
        done: Callable[[KafkaError | None, Message], None],
    ) -> None:
        patient = time.monotonic() >= self._rest_until
        deadline = time.monotonic() + (FULL_WAIT if patient else 0.0)
        while True:
            try:
                return producer.produce(topic, value, key, headers=list(outgoing_headers().items()), on_delivery=done)
            except BufferError:
                if time.monotonic() >= deadline:
                    self._rest_until = time.monotonic() + FULL_REST if patient else self._rest_until
                    raise
                producer.poll(0.01)
            except KafkaException as error:
                self._seen(producer, error.args[0])
                raise

    def _send(self, topic: str, value: bytes | None, key: bytes | None, headers: Mapping[str, bytes]) -> None:
        what = f"writing to {topic}"
        producer, delivery = self._producer, _Delivery()
        with broker_errors(what):
            try:
                producer.produce(topic, value, key, headers=dict(headers), on_delivery=delivery)
            except Exception as error:
                self._seen(producer, error.args[0] if error.args else None)
                raise
        deadline = time.monotonic() + self._config.delivery_timeout + GRACE
        while not delivery.told.wait(0.05) and time.monotonic() < deadline:
            producer.poll(0)  # nobody else does for a client that was just closed
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
            return Producer(self._config.producer_options(), logger=CLIENT_LOG, error_cb=weakly(self._on_error))

    def _on_error(self, error: KafkaError) -> None:
        # Idle disconnects are reported as errors; a fatal one comes back with the next record as well.
        log.log(logging.ERROR if error.fatal() else logging.DEBUG, "the producer reports: %s", error)

    def _seen(self, producer: Producer, error: object) -> None:
        """Replace `producer` after a fatal error: it takes no record any more, a new one does."""
        if not isinstance(error, KafkaError) or not (error.fatal() or error.code() == KafkaError._FATAL):
            return
        with self._lock:
            if self._producer is producer:
                log.error("a new producer after a fatal error: %s", error)
                self._retired.append(producer)
                self._producer = self._open()
                self.renewed += 1
