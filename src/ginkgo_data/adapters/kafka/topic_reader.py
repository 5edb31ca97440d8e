# Upstream: adapters.kafka.{group_watch, letter_shelf}, entrypoints.{operator_parts, show_send}
# Downstream: adapters.kafka.{config, errors, records}, domain.model.{delivery, errors}, confluent_kafka
# Role: Reading a topic in no group: to its end, at one place, or on from where it stood
"""A reader that leaves no trace: it joins no group and commits nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import TopicMissing, broker_errors, translated
from ginkgo_data.adapters.kafka.records import record_of
from ginkgo_data.domain.model.delivery import RawRecord
from ginkgo_data.domain.model.errors import BrokerUnavailable

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds that one question may take, and that a record may let wait for itself."""

_UNLED = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

Bounds = Mapping[int, tuple[int, int]]
"""Per partition: the oldest offset still there, and the one that the next record will get."""


class TopicReader:
    """One client; used by one thread. `timeout` is what one question may take, in seconds.

    Raises `ConfigurationError` when the options cannot make a client.
    """

    def __init__(self, config: KafkaConfig, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        options = {**config.reader_options(), "enable.partition.eof": True}
        with broker_errors("opening a reader"):
            self._consumer = Consumer(options, logger=log, error_cb=_note)

    def bounds(self, topic: str) -> Bounds:
        """Return where `topic` begins and ends just now. Raises `TopicMissing`, `BrokerUnavailable`."""
        what = f"looking for {topic}"
        with broker_errors(what):
            found = self._consumer.list_topics(topic, timeout=self._timeout).topics[topic]
            if found.error is not None:
                raise translated(what, found.error)
            return {number: self._bounds_of(topic, number) for number in sorted(found.partitions)}

    def until_end(self, topic: str, seen: Mapping[int, int] | None = None) -> Iterator[RawRecord]:
        """Yield what stands in `topic` at this moment, partition by partition.

        `seen` holds the next offset per partition, for a reader who comes again; without it, all is read.
        Raises as `bounds`, also when nothing arrives in time.
        """
        for number, (begin, end) in self.bounds(topic).items():
            start = max(begin, (seen or {}).get(number, begin))
            if start < end:
                yield from self._partition(topic, number, start, end)

    def at(self, topic: str, number: int, offset: int) -> RawRecord | None:
        """Return one record, None where it is not there any more (or the topic is not). Raises `BrokerUnavailable`."""
        try:
            begin, end = self.bounds(topic).get(number, (0, 0))
        except TopicMissing:
            return None
        if not begin <= offset < end:
            return None
        found = next(self._partition(topic, number, offset, offset + 1), None)
        return found if found is not None and found.offset == offset else None

    def begin_at_ends(self, topic: str) -> None:
        """Go to the end of `topic`: `next` gives what is written from now on. Raises as `bounds`."""
        # An end looked up first misses nothing; OFFSET_END is resolved some time after the call.
        ends = [TopicPartition(topic, number, end) for number, (_, end) in self.bounds(topic).items()]
        with broker_errors(f"reading {topic}"):
            self._consumer.assign(ends)

    def next(self, timeout: float) -> RawRecord | None:
        """Return the next record, None when none came within `timeout` seconds. Raises `BrokerUnavailable`."""
        deadline = time.monotonic() + timeout
        with broker_errors("reading on"):
            while (left := deadline - time.monotonic()) > 0:
                message = self._consumer.poll(left)
                if message is None:
                    return None
                error = message.error()
                if error is None:
                    return record_of(message)
                if error.code() != KafkaError._PARTITION_EOF:
                    raise translated(f"reading {message.topic()}", error)
        return None

    def close(self) -> None:
        """Close the client; idempotent."""
        self._consumer.close()

    def _bounds_of(self, topic: str, number: int) -> tuple[int, int]:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                found = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=self._timeout)
            except KafkaException as error:
                if error.args[0].code() not in _UNLED or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # a partition that changes its leader, or was just made, has one soon
                continue
            if found is None:
                raise BrokerUnavailable(f"{topic}-{number}: no word within {self._timeout:g} s about where it ends")
            return found

    def _partition(self, topic: str, number: int, start: int, end: int) -> Iterator[RawRecord]:
        """Yield the records of [start, end) that there are: compaction and markers leave gaps, at the end too."""
        what = f"reading {topic}-{number}"
        with broker_errors(what):
            self._consumer.assign([TopicPartition(topic, number, start)])
        while True:
            with broker_errors(what):
                message = self._consumer.poll(self._timeout)
            if message is None:
                raise BrokerUnavailable(f"{what}: nothing came within {self._timeout:g} s, before offset {end}")
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return
                raise translated(what, error)
            record = record_of(message)
            if record.offset >= end:
                return
            yield record
            if record.offset + 1 >= end:
                return


def _note(error: KafkaError) -> None:
    # Idle disconnects are reported as errors; what fails is said by the call that it fails.
    log.info("the reader reports: %s", error)
