# Upstream: adapters.kafka.membership
# Downstream: adapters.kafka.{holding, outage, records}, domain.model.{delivery, stream}, confluent_kafka
# Role: Where the group stood when a partition was assigned, and what the broker had deleted before it came
"""Records that expired before they were read.

The offset that is to come next is known: first the committed one, then the one after the last record. A record
that comes beyond it leaves a gap, and the low watermark of the partition tells expiry from markers and compaction.
Where nothing comes, the low watermark alone tells: at once while the partition is paused (a pause throws away what
the client had fetched), else when it has stood so for `SETTLED` seconds. Written by the thread that owns the client.

A committed offset is a place in one topic. The group keeps it when the topic is deleted and made anew under the same
name, or a member commits before it learns of that: what lies below it in the new topic would never be read. So the id
of the topic stands beside each committed offset, and one of another topic is no place to begin at.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from ginkgo_data.adapters.kafka.holding import Place
from ginkgo_data.adapters.kafka.outage import Outage
from ginkgo_data.adapters.kafka.records import CommitNote
from ginkgo_data.domain.model.delivery import Partition
from ginkgo_data.domain.model.stream import ExpiredRecords

if TYPE_CHECKING:
    from confluent_kafka import Consumer

log = logging.getLogger(__name__)

ASK_TIMEOUT = 1.0
"""Seconds that one question to the broker may take."""
LONGEST_BACKOFF = 5.0
SETTLED = 3.0


@dataclass(slots=True)
class _Standing:
    """One partition in one assignment."""

    partition: Partition
    known: bool = False
    """Whether it was looked up where the group stands."""
    start: int | None = None
    """Where it stood, None for nowhere."""
    since: datetime | None = None
    identified: bool = False
    topic_id: str | None = None
    """Of the topic that was assigned, once that is `identified`; it stays, whatever there is under the name later."""
    stood_in: str | None = None
    """Of the topic that `start` is a place in, where that is known."""
    first: int | None = None
    following: int | None = None
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Offset that should have come and offset that came, not yet compared with the low watermark."""
    suspected: tuple[int, float] | None = None
    """Offset to come that lies below the low watermark, and since when (monotonic seconds)."""

    @property
    def misplaced(self) -> bool:
        """Whether the group stood in another topic than this one."""
        return self.at_risk and self.topic_id is not None and self.stood_in != self.topic_id

    @property
    def at_risk(self) -> bool:
        """Whether there is something below the group's place that could be missed in a topic that is not its own."""
        return bool(self.start) and self.stood_in is not None

    def stood(self, start: int | None, note: CommitNote) -> None:
        """Note where the group stood; records may have come already."""
        self.known, self.start, self.since, self.stood_in = True, start, note.at, note.topic_id
        if self.first is None:
            self.following = start
        elif start is not None and start < self.first:
            self.gaps.append((start, self.first))


class ExpiryWatch:
    """`start` and `take` may be called from any thread."""

    def __init__(self) -> None:
        self._standings: dict[Place, _Standing] = {}
        self._found: deque[ExpiredRecords] = deque()
        self._seen: set[tuple[Place, str | None, int]] = set()
        self._outage = Outage(log, logging.INFO, "where the group stands")
        self._failures = 0
        self._ask_at = 0.0

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Note that `partitions` have just been assigned: where the group stands in them is to be looked up."""
        for partition in partitions:
            self._standings[partition.topic, partition.number] = _Standing(partition)
        self._ask_at = 0.0

    def revoke(self, places: Iterable[Place] | None = None) -> None:
        """Forget `places` (None: all); what was found stays to be taken."""
        for place in tuple(self._standings) if places is None else places:
            self._standings.pop(place, None)

    def settled(self, place: Place) -> bool:
        """Whether all that expired so far is known; a commit before that could hide it from everybody."""
        standing = self._standings.get(place)
        if standing is None or not standing.known or standing.gaps:
            return False
        return not standing.misplaced and (standing.identified or not standing.at_risk)

    def identify(self, topic_ids: Mapping[str, str | None]) -> set[Place]:
        """Take in the ids of topics, and return the places whose group stood in another topic of that name."""
        for place, standing in self._standings.items():
            if not standing.identified and place[0] in topic_ids:
                standing.identified, standing.topic_id = True, topic_ids[place[0]]
        return {place for place, standing in self._standings.items() if standing.misplaced}

    def sent_back(self, place: Place, low: int) -> None:
        """Note that the group of a misplaced `place` goes to its first record, `low`; what was before, nobody read."""
        if standing := self._standings.get(place):
            self._expired(standing, 0, low)

    def since(self, place: Place) -> datetime | None:
        """Return when the last commit of `place` was sent that is known of."""
        standing = self._standings.get(place)
        return standing.since if standing else None

    def topic_id(self, place: Place) -> str | None:
        """Return the id of the topic that was assigned with `place`, where it is known."""
        standing = self._standings.get(place)
        return standing.topic_id if standing else None

    def known(self, place: Place) -> bool:
        """Whether it was looked up where the group stood when `place` was assigned."""
        standing = self._standings.get(place)
        return standing is not None and standing.known

    def start(self, place: Place) -> int | None:
        """Return where the group stood when `place` was assigned; None for nowhere, or not yet known."""
        standing = self._standings.get(place)
        return standing.start if standing else None

    def learn(self, consumer: Consumer) -> bool:
        """Look up where the group stands in newly assigned partitions, all at once; later again what has no answer.

        Return False when the broker was asked in vain.
        """
        places = [place for place, standing in self._standings.items() if not standing.known]
        if not places or time.monotonic() < self._ask_at:
            return True
        try:
            answers = consumer.committed([TopicPartition(*place) for place in places], timeout=ASK_TIMEOUT)
        except KafkaException as error:
            self._outage.failed(f"not known yet: {error}")
            answers = []
        for answer in answers:
            if answer.error is None:
                start = answer.offset if answer.offset >= 0 else None
                self._standings[answer.topic, answer.partition].stood(start, CommitNote.read(answer.metadata))
        if all(self._standings[place].known for place in places):
            self._failures = 0
            self._outage.over()
            return True
        self._failures += 1
        self._ask_at = time.monotonic() + min(LONGEST_BACKOFF, 0.25 * 2.0 ** min(self._failures, 10))
        return False

    def came(self, place: Place, offset: int) -> None:
        """Note a record that came."""
        standing = self._standings.get(place)
        if standing is None:
            return
        if standing.following is not None and offset > standing.following:
            standing.gaps.append((standing.following, offset))
        if standing.first is None:
            standing.first = offset
        standing.following = offset + 1

    def committed(self, place: Place, at: datetime) -> None:
        """Note that a commit of `place` was acknowledged, which was sent at `at`."""
        if standing := self._standings.get(place):
            standing.since = at

    def compare(self, lows: Mapping[Place, int], paused: set[Place]) -> None:
        """Find what expired, now that the low watermarks are known."""
        for place, low in lows.items():
            if (standing := self._standings.get(place)) and not standing.misplaced:
                for expected, came in standing.gaps:
                    self._expired(standing, expected, min(low, came))
                standing.gaps.clear()
                self._suspect(standing, low, at_once=place in paused)

    def take(self) -> list[ExpiredRecords]:
        """Return what was found, each once."""
        taken = []
        while self._found:
            taken.append(self._found.popleft())
        return taken

    def _suspect(self, standing: _Standing, low: int, at_once: bool) -> None:
        following, now = standing.following, time.monotonic()
        if following is None or following >= low:
            standing.suspected = None
            return
        if standing.suspected is None or standing.suspected[0] != following:
            standing.suspected = (following, now)
        if at_once or now - standing.suspected[1] >= SETTLED:
            self._expired(standing, following, low)
            standing.following, standing.suspected = low, None

    def _expired(self, standing: _Standing, first: int, end: int) -> None:
        partition = standing.partition
        key = ((partition.topic, partition.number), standing.topic_id, first)
        if end > first and key not in self._seen:
            self._seen.add(key)
            self._found.append(ExpiredRecords(partition, first, end - first, standing.since))
            log.warning(
                "%d offsets of %s-%d, from %d on, expired before they were read",
                end - first, partition.topic, partition.number, first,
            )  # fmt: skip
