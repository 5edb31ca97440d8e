# Upstream: adapters.kafka.membership
# Downstream: adapters.kafka.{asking, holding}
# Role: Ends and lag per partition, the partition that stands still although it should not, the topic made anew
"""Looks at all partitions at once, through a client of its own; fewer looks while nobody answers.

A partition that stays paused inside the client after a rebalance (librdkafka#5591) shows as lag without progress. A
topic that was deleted and made anew is another topic: a client that goes on with what it knew of the old one can
stand still for minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ginkgo_data.adapters.kafka.asking import BrokerQuestions, TopicSeen
from ginkgo_data.adapters.kafka.holding import Place

LOOK_EVERY = 1.0
LOOK_TIMEOUT = 0.9
"""Seconds that one question may take; a look asks two, the second one only where the first was answered."""
LONGEST_BACKOFF = 3.0


@dataclass(slots=True)
class _Mark:
    """Where a partition stands still, for how long it did so while it was this member's, and when that was seen."""

    position: int
    stood: float
    seen: float


class LagWatch:
    """What is known of the ends of partitions; `lag` may be read from any thread."""

    def __init__(self, broker: BrokerQuestions, stuck_after: float) -> None:
        self._broker = broker
        self._stuck_after = stuck_after
        self._lows: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._marks: dict[Place, _Mark] = {}
        self._excused: set[tuple[Place, int]] = set()
        self._topics: dict[str, TopicSeen] = {}
        self._fresh: set[str] = set()
        """Topics that were seen since a partition of theirs was last assigned."""
        self._cut: dict[Place, int] = {}
        """Partitions that ended below what had come of them, at the last look."""
        self._anew: set[str] = set()
        self._look_at = 0.0
        self._failures = 0
        self._silent_since: float | None = None

    @property
    def unanswered_for(self) -> float:
        """Seconds since the first of the looks in a row that nothing was answered at; 0.0 when the last one was."""
        since = self._silent_since
        return time.monotonic() - since if since is not None else 0.0

    def lag(self, place: Place, position: int | None) -> int | None:
        """Return how many offsets lie between the group's position (None: it has none) and the end, if that is known.

        What has expired is no lag: it will never be read.
        """
        low, end = self._lows.get(place), self._ends.get(place)
        return None if low is None or end is None else max(0, end - max(position or 0, low))

    def assigned(self, places: Iterable[Place]) -> None:
        """Note that `places` have just been assigned, anew or for the first time; they are looked at in the next turn.

        For how long one has stood still at a position stays known, or each rebalance would begin the count again;
        the time for which it was somebody else's does not count.
        """
        now = time.monotonic()
        for place in places:
            self._fresh.discard(place[0])
            for known in (self._lows, self._ends, self._cut):
                known.pop(place, None)
            if mark := self._marks.get(place):
                mark.seen = now
        self._look_at = 0.0

    def look(self, following: Mapping[Place, int | None]) -> Mapping[Place, int]:
        """Look at partitions, every `LOOK_EVERY`; return the low watermarks of those that answer, none between looks.

        `following` gives for each the offset after the last record that came. Takes two seconds at the most.
        """
        if not following or time.monotonic() < self._look_at:
            return {}
        lows, ends = self._broker.bounds(following.keys(), LOOK_TIMEOUT)
        topics = self._broker.topics({topic for topic, _ in following}, LOOK_TIMEOUT) if lows or ends else {}
        if lows or ends:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = time.monotonic()
        self._failures = 0 if len(lows) == len(ends) == len(following) else self._failures + 1
        soon = min(LONGEST_BACKOFF, 0.25 * 2.0 ** min(self._failures, 10))
        self._look_at = time.monotonic() + (soon if self._failures else LOOK_EVERY)
        self._lows.update(lows)
        self._ends.update(ends)
        self._compare(topics, following, ends)
        return lows

    def topic_ids(self) -> dict[str, str | None]:
        """Return the ids of the topics seen since they were last assigned; None where the broker has no such."""
        return {topic: self._topics[topic].topic_id for topic in self._fresh}

    def made_anew(self) -> str | None:
        """Return a topic that was found made anew, each once."""
        return self._anew.pop() if self._anew else None

    def stuck(self, positions: Mapping[Place, int | None], paused: set[Place]) -> Place | None:
        """Return a partition that has stood still for `stuck_after` at its position, though there is more to come."""
        for place, position in positions.items():
            low, end = self._lows.get(place), self._ends.get(place)
            if low is None or end is None:
                continue
            if self._stands_still(place, max(position or 0, low), end, place in paused):
                return place
        return None

    def _compare(
        self, topics: Mapping[str, TopicSeen], following: Mapping[Place, int | None], ends: Mapping[Place, int]
    ) -> None:
        """Find topics made anew: by their ids, or by ends below what came of them, twice running.

        After a change of leaders an end can lie too low for a moment.
        """
        for topic, seen in topics.items():
            if not seen.numbers:
                continue
            if topic in self._topics and seen.replaced(self._topics[topic]):
                self._anew.add(topic)
            self._topics[topic] = seen
            self._fresh.add(topic)
        came = {place: following[place] or 0 for place in ends}
        cut = {place: came[place] for place, end in ends.items() if end < came[place]}
        for place, position in cut.items():
            if self._cut.get(place) == position and (place, position) not in self._excused:
                self._excused.add((place, position))
                self._anew.add(place[0])
        self._cut = cut

    def _stands_still(self, place: Place, position: int, end: int, is_paused: bool) -> bool:
        now = time.monotonic()
        mark = self._marks.get(place)
        if mark is None or is_paused or position >= end or mark.position != position:
            self._marks[place] = _Mark(position, 0.0, now)
            return False
        mark.stood += now - mark.seen
        mark.seen = now
        if mark.stood < self._stuck_after or (place, position) in self._excused:
            return False
        # A log can end in markers that no client is given: a new client at the same place proves it.
        self._excused.add((place, position))
        return True
