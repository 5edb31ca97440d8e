# Upstream: adapters.kafka.broadcasts
# Downstream: adapters.kafka.{asking, holding}, confluent_kafka
# Role: Where a reader without a group reads on, and which partitions are new
"""Positions of a reader that follows whole topics by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import OFFSET_BEGINNING, Message, TopicPartition

from ginkgo_data.adapters.kafka.asking import BrokerQuestions, TopicSeen
from ginkgo_data.adapters.kafka.holding import Place

LONGEST_BACKOFF = 5.0


class ReadingPlaces:
    """Partitions of `topics`: those of a topic's first look from their ends, later ones from their beginning."""

    def __init__(self, topics: Sequence[str], interval: float) -> None:
        self._topics = topics
        self._interval = interval
        self._positions: dict[Place, int] = {}
        self._seen: dict[str, TopicSeen] = {}
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

    @property
    def unknown(self) -> bool:
        """Whether the last look left something open."""
        return self._failures > 0

    def look(self, broker: BrokerQuestions, timeout: float) -> bool:
        """Look for partitions that are new or gone, when it is time; return whether the positions changed by that.

        Takes up to `timeout` seconds for each of two questions; after a look in vain the next one comes soon.
        """
        if time.monotonic() < self._look_at:
            return False
        before = dict(self._positions)
        found = broker.topics(self._topics, timeout)
        for topic, seen in found.items():
            self._note(topic, seen)
        there = {(topic, number) for topic, seen in found.items() for number in seen.numbers}
        ends = broker.ends(there, timeout)
        for place, end in ends.items():
            if place in self._from_end:
                self._positions[place] = end
            elif self._positions[place] > end:  # made anew under the same name, or cut
                self._positions[place] = OFFSET_BEGINNING
        self._from_end -= ends.keys()
        complete = len(found) == len(set(self._topics)) and len(ends) == len(there)
        self._failures = 0 if complete else self._failures + 1
        soon = min(LONGEST_BACKOFF, 0.25 * 2.0 ** min(self._failures, 10))
        self._look_at = time.monotonic() + (self._interval if complete else min(self._interval, soon))
        return self._positions != before

    def _note(self, topic: str, seen: TopicSeen) -> None:
        """Note what there is of `topic`, and what is new of it."""
        there = {(topic, number) for number in seen.numbers}
        before = self._seen.get(topic)
        anew = before is not None and seen.replaced(before)
        for gone in [place for place in self._positions if place[0] == topic and (anew or place not in there)]:
            del self._positions[gone]
        self._from_end -= {place for place in self._from_end if place[0] == topic and (anew or place not in there)}
        new = there - self._positions.keys()
        if before is None:
            self._from_end |= new
        self._positions |= dict.fromkeys(new - self._from_end, OFFSET_BEGINNING)
        self._seen[topic] = seen
