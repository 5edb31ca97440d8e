# Upstream: adapters.kafka.{client_thread, command_stream, member}
# Downstream: adapters.kafka.holding, confluent_kafka
# Role: Lag per partition, and the partition that stands still although it should not
"""Looks at one partition at a time, so that the thread that owns the client never waits long.

A partition that stays paused inside the client after a rebalance (librdkafka#5591) shows as lag without progress.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from ginkgo_data.adapters.kafka.holding import Place

if TYPE_CHECKING:
    from confluent_kafka import Consumer

LOOK_EVERY = 1.0
LOOK_TIMEOUT = 1.0
"""Seconds that one question to the broker may take."""


class LagWatch:
    """What is known of the ends of partitions; `lag` may be read from any thread."""

    def __init__(self, stuck_after: float) -> None:
        self._stuck_after = stuck_after
        self._ends: dict[Place, int] = {}
        self._starts: dict[Place, int] = {}
        self._marks: dict[Place, tuple[int | None, float]] = {}
        self._excused: set[tuple[Place, int]] = set()
        self._looked_at = 0.0
        self._turn = 0

    def lag(self, place: Place, committed: int | None) -> int | None:
        """Return how many offsets lie between the group's position and the end; None before it was looked up."""
        end, start = self._ends.get(place), self._starts.get(place)
        position = start if committed is None else committed
        return None if end is None or position is None else max(0, end - position)

    def forget(self, place: Place) -> None:
        """Forget a partition that was taken away, or has just been assigned anew."""
        for known in (self._ends, self._starts, self._marks):
            known.pop(place, None)

    def look(self, consumer: Consumer, following: Mapping[Place, int | None], paused: set[Place]) -> Place | None:
        """Look at the next partition, every `LOOK_EVERY`; return one that stands still, None otherwise."""
        # Those of which nothing is known yet go first, one in each turn.
        unknown = [place for place in following if place not in self._ends]
        now = time.monotonic()
        if not following or (now - self._looked_at < LOOK_EVERY and not unknown):
            return None
        self._looked_at = now
        self._turn += 1
        places = unknown or list(following)
        place = places[self._turn % len(places)]
        try:
            self._ask(consumer, place)
        except KafkaException:
            return None
        return place if self._stands_still(place, following[place], place in paused) else None

    def _ask(self, consumer: Consumer, place: Place) -> None:
        where = TopicPartition(*place)
        low, high = consumer.get_watermark_offsets(where, timeout=LOOK_TIMEOUT, cached=False)
        if place not in self._starts:
            (committed,) = consumer.committed([where], timeout=LOOK_TIMEOUT)
            self._starts[place] = committed.offset if committed.offset >= 0 else low
        self._ends[place] = high

    def _stands_still(self, place: Place, following: int | None, is_paused: bool) -> bool:
        now = time.monotonic()
        position = self._starts[place] if following is None else following
        before, since = self._marks.get(place, (None, now))
        if is_paused or position >= self._ends[place] or before != position:
            self._marks[place] = (position, now)
            return False
        if now - since < self._stuck_after or (place, position) in self._excused:
            return False
        # A log can end in markers that no client is given: a new client at the same place proves it.
        self._excused.add((place, position))
        return True
