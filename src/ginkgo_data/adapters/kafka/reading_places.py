# Upstream: adapters.kafka.broadcasts
# Downstream: adapters.kafka.{errors, holding, lag_watch}, confluent_kafka
# Role: Where a reader without a group reads on, and which partitions are new
"""Positions of a reader that follows whole topics by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, Message, TopicPartition

from ginkgo_data.adapters.kafka.errors import MISSING_TOPIC_CODES
from ginkgo_data.adapters.kafka.holding import Place
from ginkgo_data.adapters.kafka.lag_watch import watermarks

if TYPE_CHECKING:
    from confluent_kafka import Consumer

log = logging.getLogger(__name__)

LONGEST_BACKOFF = 5.0


class ReadingPlaces:
    """Partitions of `topics`: those of a topic's first look from their ends, later ones from their beginning."""

    def __init__(self, topics: Sequence[str], interval: float) -> None:
        self._topics = topics
        self._interval = interval
        self._positions: dict[Place, int] = {}
        self._looked_at: set[str] = set()
        """Topics that were once seen, or seen to be missing: what comes later is new."""
        self._from_end: set[Place] = set()
        """Partitions that are not new, whose ends are still asked for."""
        self._failures = 0
        self._look_at = 0.0

    def positions(self) -> list[TopicPartition]:
        """Return where to read on."""
        return [TopicPartition(topic, number, offset) for (topic, number), offset in self._positions.items()]

    def read(self, message: Message) -> None:
        """Note that `message` was read."""
        self._positions[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1

    def look(self, consumer: Consumer, timeout: float) -> bool:
        """Look for partitions that are new or gone, when it is time; return whether the positions changed by that.

        Takes up to `timeout` seconds; after a look in vain the next one comes soon.
        """
        now = time.monotonic()
        if now < self._look_at:
            return False
        before = dict(self._positions)
        complete = False
        try:
            answered = [self._look_at_topic(consumer, topic, now + timeout) for topic in self._topics]
            complete = all(answered)
        except KafkaException as error:
            log.info("the topics of broadcasts are not known yet: %s", error)
        self._failures = 0 if complete else self._failures + 1
        soon = min(LONGEST_BACKOFF, 0.25 * 2.0 ** min(self._failures, 10))
        self._look_at = time.monotonic() + (self._interval if complete else min(self._interval, soon))
        return self._positions != before

    def _look_at_topic(self, consumer: Consumer, topic: str, deadline: float) -> bool:
        """Return whether all is known of `topic`. Raises `KafkaException` when nobody answers."""
        found = consumer.list_topics(topic, timeout=_left(deadline)).topics[topic]
        if found.error is not None and found.error.code() not in MISSING_TOPIC_CODES:
            return False
        there = {(topic, number) for number in found.partitions} if found.error is None else set()
        for gone in [place for place in self._positions if place[0] == topic and place not in there]:
            del self._positions[gone]
        new = there - self._positions.keys()
        if topic not in self._looked_at:
            self._looked_at.add(topic)
            self._from_end |= new
        self._from_end -= {place for place in self._from_end if place[0] == topic and place not in there}
        self._positions |= dict.fromkeys(new - self._from_end, OFFSET_BEGINNING)
        ends = watermarks(consumer, there, OFFSET_END, _left(deadline)) if there else {}
        for place, end in ends.items():
            if place in self._from_end:
                self._positions[place] = end
            elif self._positions[place] > end:  # made anew under the same name
                self._positions[place] = OFFSET_BEGINNING
        self._from_end -= ends.keys()
        return not any(place[0] == topic for place in self._from_end)


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())
