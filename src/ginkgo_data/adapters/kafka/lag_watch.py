# Upstream: adapters.kafka.{client_thread, command_stream, member, reading_places}
# Downstream: adapters.kafka.holding, confluent_kafka
# Role: Ends and lag per partition, and the partition that stands still although it should not
"""Looks at all partitions of a topic at once: two short questions, and fewer of them while nobody answers.

A partition that stays paused inside the client after a rebalance (librdkafka#5591) shows as lag without progress.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, TopicPartition

from ginkgo_data.adapters.kafka.holding import Place

if TYPE_CHECKING:
    from confluent_kafka import Consumer

LOOK_EVERY = 1.0
LOOK_TIMEOUT = 0.6
"""Seconds that one question to the broker may take; of a topic that does not answer nothing more is asked."""
LONGEST_BACKOFF = 8.0


class LagWatch:
    """What is known of the ends of partitions; `lag` may be read from any thread."""

    def __init__(self, stuck_after: float) -> None:
        self._stuck_after = stuck_after
        self._lows: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._marks: dict[Place, tuple[int, float]] = {}
        self._excused: set[tuple[Place, int]] = set()
        self._look_at = 0.0
        self._failures = 0
        self._answered_at: float | None = None

    @property
    def unanswered_for(self) -> float:
        """Seconds for which no question has been answered; 0.0 while the last one was."""
        answered = self._answered_at
        return time.monotonic() - answered if self._failures and answered is not None else 0.0

    def lag(self, place: Place, position: int | None) -> int | None:
        """Return how many offsets lie between the group's position (None: it has none) and the end, if that is known.

        What has expired is no lag: it will never be read.
        """
        low, end = self._lows.get(place), self._ends.get(place)
        return None if low is None or end is None else max(0, end - max(position or 0, low))

    def forget(self, place: Place) -> None:
        """Forget a partition that was taken away, or has just been assigned anew; it is looked at in the next turn."""
        for known in (self._lows, self._ends, self._marks):
            known.pop(place, None)
        self._look_at = 0.0

    def look(self, consumer: Consumer, places: Collection[Place]) -> Mapping[Place, int]:
        """Look at `places`, every `LOOK_EVERY`; return the low watermarks of those that answer, none between looks."""
        if not places or time.monotonic() < self._look_at:
            return {}
        lows: dict[Place, int] = {}
        ends: dict[Place, int] = {}
        for topic in {topic for topic, _ in places}:
            mine = [place for place in places if place[0] == topic]
            with suppress(KafkaException):  # a topic that is just being deleted keeps no other one back
                lows |= watermarks(consumer, mine, OFFSET_BEGINNING, LOOK_TIMEOUT)
                ends |= watermarks(consumer, mine, OFFSET_END, LOOK_TIMEOUT)
        if lows or self._answered_at is None:
            self._answered_at = time.monotonic()
        self._failures = 0 if len(lows) == len(ends) == len(places) else self._failures + 1
        soon = min(LONGEST_BACKOFF, 0.25 * 2.0 ** min(self._failures, 10))
        self._look_at = time.monotonic() + (soon if self._failures else LOOK_EVERY)
        self._lows.update(lows)
        self._ends.update(ends)
        return lows

    def stuck(self, positions: Mapping[Place, int | None], paused: set[Place]) -> Place | None:
        """Return a partition that has stood still for `stuck_after` at its position, though there is more to come."""
        for place, position in positions.items():
            low, end = self._lows.get(place), self._ends.get(place)
            if low is None or end is None:
                continue
            if self._stands_still(place, max(position or 0, low), end, place in paused):
                return place
        return None

    def _stands_still(self, place: Place, position: int, end: int, is_paused: bool) -> bool:
        now = time.monotonic()
        before, since = self._marks.get(place, (None, now))
        if is_paused or position >= end or before != position:
            self._marks[place] = (position, now)
            return False
        if now - since < self._stuck_after or (place, position) in self._excused:
            return False
        # A log can end in markers that no client is given: a new client at the same place proves it.
        self._excused.add((place, position))
        return True


def watermarks(consumer: Consumer, places: Collection[Place], which: int, timeout: float) -> dict[Place, int]:
    """Return the low (`which` is OFFSET_BEGINNING) or high (OFFSET_END) watermarks of those that answer.

    One question for all. Raises `KafkaException` when nobody answers within `timeout` seconds.
    """
    asked = [TopicPartition(topic, number, which) for topic, number in places]
    answers = consumer.offsets_for_times(asked, timeout=timeout)
    return {
        (answer.topic, answer.partition): answer.offset for answer in answers if not answer.error and answer.offset >= 0
    }
