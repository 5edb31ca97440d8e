# Upstream: entrypoints.container
# Downstream: adapters.kafka, domain.model.{commands, delivery}, ports.command_stream, confluent_kafka
# Role: Port broadcasts on Kafka: a reader of the command topics that is in no group and commits nothing
"""What is for every worker, of a real broker.

Everything on the command topics is read; of nearly all of it only the bytes are searched.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from ginkgo_data.adapters.kafka.asking import BrokerQuestions
from ginkgo_data.adapters.kafka.client_log import CLIENT_LOG
from ginkgo_data.adapters.kafka.closing import close_within
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import broker_errors
from ginkgo_data.adapters.kafka.outage import Outage
from ginkgo_data.adapters.kafka.reading_places import ReadingPlaces
from ginkgo_data.adapters.kafka.records import record_of
from ginkgo_data.adapters.kafka.weakly import weakly
from ginkgo_data.domain.model.commands import CommandMessage, ProbeHeartbeat, ReloadConfig
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.ports.command_stream import CommandDecoder

log = logging.getLogger(__name__)

WORDS = (ReloadConfig().word.encode(), ProbeHeartbeat().word.encode())
"""What is looked for in the bytes, before anything is decoded."""
POLL = 0.2
"""Seconds of one poll: also the longest that `close` waits for a reader at rest."""
CHUNK = 500
LOOK_TIMEOUT = 2.0
"""Seconds that the broker is given to answer a question; where it leaves one open, no other one follows."""


class KafkaBroadcasts:
    """Reads `config.topics` from where they end when this is made, as far as the broker then answers within seconds.

    A broker that is away is waited for, and what is sent before its first answer is not seen. Partitions and topics
    that come later are looked for every `broadcast_interval` and read from their beginning, as is a topic that was
    deleted and made anew. Raises `ConfigurationError` when the options cannot make a client.
    """

    def __init__(self, config: KafkaConfig, decode: CommandDecoder) -> None:
        self._config = config
        self._decode = decode
        self._places = ReadingPlaces(config.topics, config.broadcast_interval)
        self._outage = Outage(log, logging.INFO, "the reader of broadcasts")
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._fault: str | None = None
        self._questions = BrokerQuestions(config)
        self._consumer = self._open()
        self._look()

    def take(self, timeout: float) -> Sequence[Delivery]:
        """Return what has come, waiting up to `timeout` seconds for the first (2 s longer with the broker away).

        An outage looks like silence; a client that cannot go on is replaced and goes on where it was.
        """
        deadline = time.monotonic() + timeout
        while not self._closed.is_set():
            with self._lock:
                found = self._turn(max(0.0, min(POLL, deadline - time.monotonic())))
            if found or time.monotonic() >= deadline:
                return found
        return []

    def close(self) -> None:
        """End the reading, within `close_timeout`; idempotent, from any thread."""
        self._closed.set()
        with self._lock:
            if not close_within(self._consumer, self._config.close_timeout):
                log.warning("the reader of broadcasts did not close in time; it ends with the process")

    def _turn(self, timeout: float) -> list[Delivery]:
        if self._closed.is_set():
            return []
        try:
            self._look()
            first = self._consumer.poll(timeout)
            messages = [first, *self._consumer.consume(CHUNK, 0.0)] if first is not None else []
            found = [delivery for message in messages if (delivery := self._taken(message)) is not None]
        except KafkaException as error:
            self._fault = self._fault or str(error)
            found = []
        if self._fault:
            self._replace(self._fault)
        return found

    def _look(self) -> None:
        changed = self._places.look(self._questions, LOOK_TIMEOUT)
        if self._places.unknown:
            self._outage.failed("what the topics hold is not known")
        else:
            self._outage.over()
        if changed:
            self._consumer.assign(self._places.positions())

    def _taken(self, message: Message) -> Delivery | None:
        """Note that `message` was read; return its delivery if it is for all."""
        if error := message.error():
            self._on_error(error)
            return None
        self._places.read(message)
        value = message.value() or b""
        if not any(word in value for word in WORDS):
            return None
        delivery = self._decode(record_of(message))
        body = delivery.body
        for_all = isinstance(body, CommandMessage) and isinstance(body.command, ReloadConfig | ProbeHeartbeat)
        return delivery if for_all else None

    def _replace(self, fault: str) -> None:
        log.warning("a new reader of broadcasts: %s", fault)
        close_within(self._consumer, LOOK_TIMEOUT)
        self._fault = None
        self._consumer = self._open()
        self._consumer.assign(self._places.positions())

    def _open(self) -> Consumer:
        with broker_errors("opening a reader of broadcasts"):
            return Consumer(self._config.reader_options(), error_cb=weakly(self._on_error), logger=CLIENT_LOG)

    def _on_error(self, error: KafkaError) -> None:
        # Idle disconnects are reported as errors too; only a fatal one means anything.
        log.debug("the reader of broadcasts reports: %s", error)
        self._fault = str(error) if error.fatal() else self._fault
