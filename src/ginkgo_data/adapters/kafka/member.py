# Upstream: adapters.kafka.client_thread
# Downstream: adapters.kafka, domain.model.delivery, confluent_kafka
# Role: One client in the group: its turns, its rebalances, its pauses and its commits
"""A member of the consumer group, from its subscription to its end. Used by one thread only.

Every rule here rests on a measured behaviour of librdkafka: a pause before `assign()` is void and one that was set
survives a rebalance; a commit of a partition that another member has moves the group back; what a poll returns
while everything is paused is a record like any other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ginkgo_data.adapters.kafka.client_log import CLIENT_LOG
from ginkgo_data.adapters.kafka.closing import close_within
from ginkgo_data.adapters.kafka.errors import MISSING_TOPIC_CODES, RebuildNeededError, broker_errors
from ginkgo_data.adapters.kafka.holding import Place
from ginkgo_data.adapters.kafka.membership import Membership
from ginkgo_data.adapters.kafka.records import CommitNote, offsets_of, places_of, record_of, shown_places
from ginkgo_data.adapters.kafka.weakly import weakly
from ginkgo_data.domain.model.delivery import Partition

log = logging.getLogger(__name__)

POLL = 0.1
"""Seconds of one poll: also the longest that a commit, a resume or a stop waits to be seen."""
COMPANY = 0.05
"""Seconds that a first record waits for others."""
CHUNK = 500


class Member:
    """Takes `own` over from the member before it. Raises `ConfigurationError` when the options cannot make a client."""

    def __init__(self, own: Membership) -> None:
        config = own.config
        self._incremental = config.group_protocol == "consumer"
        self._inbox = own.inbox
        self._commits = own.commits
        self._watch = own.watch
        self._expiry = own.expiry
        self._now = own.now
        self._paused: set[Place] = set()
        self._sent_back: dict[Place, int] = {}
        """First records of topics that the group has not stood in yet, where it is on its way there."""
        self._fault: str | None = None
        self._live = True
        self.missing: dict[str, str] = {}
        """Topics that cannot be read, with the broker's words."""
        with broker_errors(f"joining group {config.group_id}"):
            self._consumer = Consumer(
                config.consumer_options(),
                on_commit=weakly(self._on_commit),
                error_cb=weakly(self._on_error),
                logger=CLIENT_LOG,
            )
            self._consumer.subscribe(
                config.subscription,
                on_assign=weakly(self._on_assign),
                on_revoke=weakly(self._on_revoke),
                on_lost=weakly(self._on_lost),
            )

    def turn(self) -> None:
        """Take in what is there, then bring pauses and commits up to date; raises `RebuildNeededError`."""
        first = self._consumer.poll(POLL)
        if first is not None:
            # Before the next call: a rebalance inside it must not find this record unfiled.
            self._take_in(first)
            for message in self._consumer.consume(CHUNK, COMPANY):
                self._take_in(message)
        self._apply_pauses()
        self._look()
        if anew := self._watch.made_anew():
            raise RebuildNeededError(f"topic {anew} was made anew")
        self.send_commits()
        if stuck := self._stuck():
            raise RebuildNeededError(f"{stuck[0]}-{stuck[1]} has lag and makes no progress")
        if self._fault:
            raise RebuildNeededError(self._fault)

    def finish(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until what was asked for is committed; nothing more is taken in."""
        deadline = time.monotonic() + timeout
        while self._commits.waited() > 0 and time.monotonic() < deadline and not self._fault:
            self._look()
            self.send_commits()
            message = self._consumer.poll(POLL)
            if message is not None and (error := message.error()):
                log.warning("while leaving the group: %s", error)

    def close(self, timeout: float) -> bool:
        """Leave the group; return whether that was done within `timeout` seconds."""
        self._live = False
        return close_within(self._consumer, timeout)

    def send_commits(self) -> None:
        """Send what is asked for, unless a commit is on the way; nothing that could hide what expired."""
        self._send(self._commits.next_batch(self._expiry.settled))

    def _look(self) -> None:
        """Learn where the group stands, where the partitions begin and end, and what expired; bounded as a whole."""
        if self._expiry.learn(self._consumer):
            lows = self._watch.look(self._inbox.following())
            misplaced = self._expiry.identify(self._watch.topic_ids())
            self._expiry.compare(lows, self._paused)
            if firsts := {place: lows[place] for place in misplaced & lows.keys() - self._sent_back.keys()}:
                self._send_back(firsts)

    def _send_back(self, firsts: Mapping[Place, int]) -> None:
        """Move the group to the first record of topics of whose namesakes alone it has committed a place.

        Once that is acknowledged, a new client begins there. Refused, it is tried again after the next look.
        """
        log.warning(
            "%s: the group stood in a topic of that name that is gone; this one is read from its first record",
            shown_places(sorted(firsts)),
        )
        for place, low in firsts.items():
            self._expiry.sent_back(place, low)
        self._sent_back |= firsts
        now = self._now()
        self._commit(firsts, lambda place: self._expiry.since(place) or now)

    def _stuck(self) -> Place | None:
        positions = {
            place: self._expiry.start(place) if offset is None else offset
            for place, offset in self._inbox.following().items()
            if offset is not None or self._expiry.known(place)
        }
        return self._watch.stuck(positions, self._paused)

    # -- records ----------------------------------------------------------------------------------

    def _take_in(self, message: Message) -> None:
        if error := message.error():
            self._on_message_error(message, error)
            return
        record = record_of(message)
        self.missing.pop(record.partition.topic, None)
        if not self._inbox.put(record):
            raise RebuildNeededError(f"the offsets of {record.delivery_id} went back")
        self._expiry.came((record.partition.topic, record.partition.number), record.offset)

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        topic = message.topic()
        if topic and (error.code() in MISSING_TOPIC_CODES or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED):
            if topic not in self.missing:
                log.warning("topic %s cannot be read: %s; the others go on", topic, error.str())
            self.missing[topic] = error.str()
        elif error.fatal():
            self._fault = str(error)
        else:
            log.warning("the client reports: %s", error)

    def _on_error(self, error: KafkaError) -> None:
        """Note an error event; only a fatal one means anything, idle disconnects are errors too."""
        if error.fatal():
            self._fault = str(error)
        else:
            log.debug("the client reports: %s", error)

    # -- rebalances -------------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._incremental:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)
        places = places_of(partitions)
        if not self._live:
            return
        self._watch.assigned(places)
        for topic, _ in places:
            self.missing.pop(topic, None)
        self._expiry.assign(self._inbox.assign(places))
        if places:
            log.info("assigned: %s", shown_places(places))
        self._apply_pauses()

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = places_of(partitions)
        if self._live:
            # Sent before the partitions go; the client orders it before the next join, nobody waits here.
            self._send(self._commits.last_batch(places, self._expiry.settled))
            log.info("revoked: %s", shown_places(places))
        self._let_go(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost: %s; nothing of them is committed", shown_places(places_of(partitions)))
        self._let_go(consumer, partitions)

    def _let_go(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._not_sent_back(places_of(partitions))
        if self._live:
            self._inbox.revoke(places_of(partitions))
            self._expiry.revoke(places_of(partitions))
            self._commits.forget(places_of(partitions))
        if self._incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def _apply_pauses(self) -> None:
        """Make the client's pauses what is wanted; one that outlived a rebalance is ended as well."""
        wanted, assigned = self._inbox.wanted_paused(), self._inbox.following().keys()
        try:
            if more := wanted - self._paused:
                self._consumer.pause([TopicPartition(*place) for place in more])
                self._paused |= more
            if fewer := (self._paused - wanted) & assigned:
                self._consumer.resume([TopicPartition(*place) for place in fewer])
                self._paused -= fewer
        except KafkaException as error:
            log.warning("pauses could not be changed, tried again: %s", error)

    def _not_sent_back(self, places: Iterable[Place]) -> None:
        for place in places:
            self._sent_back.pop(place, None)

    # -- commits ----------------------------------------------------------------------------------

    def _send(self, batch: Mapping[Partition, int]) -> None:
        if not batch:
            return
        now = self._now()
        self._commit({(p.topic, p.number): offset for p, offset in batch.items()}, lambda _: now)

    def _commit(self, batch: Mapping[Place, int], stood_at: Callable[[Place], datetime]) -> None:
        """Send offsets; beside each stand the time that `stood_at` gives, and the id of its topic."""
        offsets = [
            TopicPartition(*place, offset, metadata=str(CommitNote(stood_at(place), self._expiry.topic_id(place))))
            for place, offset in batch.items()
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("a commit could not be sent, tried again: %s", error)
            self._commits.answered(offsets_of(offsets), places_of(offsets))
            self._not_sent_back(batch)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        failed = [p for p in partitions if error or p.error]
        for partition in failed:
            log.warning("commit of %s failed: %s", partition, error or partition.error)
        if not self._live:
            return
        self._commits.answered(offsets_of(partitions), places_of(failed))
        back = {place for place, offset in offsets_of(partitions).items() if self._sent_back.get(place) == offset}
        self._not_sent_back(back & set(places_of(failed)))
        if moved := sorted(back & self._sent_back.keys()):
            self._fault = f"the group was sent back to the first record of {shown_places(moved)}"
        for partition in partitions:
            if partition not in failed and (partition.topic, partition.partition) not in back:
                self._expiry.committed(
                    (partition.topic, partition.partition), CommitNote.read(partition.metadata).at or self._now()
                )
