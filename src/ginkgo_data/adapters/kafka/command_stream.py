# Upstream: entrypoints.container
# Downstream: adapters.kafka.{client_thread, config, membership}, domain.model, ports.command_stream
# Role: Port command_stream on Kafka: records of the group's member, decoded, and offsets given back
"""The command stream of a real broker: command topics and the work topic, one consumer group."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from ginkgo_data.adapters.kafka.client_thread import ClientThread
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.membership import Membership
from ginkgo_data.domain.model.delivery import Delivery, Partition
from ginkgo_data.domain.model.errors import BrokerUnavailable
from ginkgo_data.domain.model.stream import ExpiredRecords, StreamState
from ginkgo_data.ports.command_stream import CommandDecoder


def _present() -> datetime:
    return datetime.now(UTC)


class KafkaCommandStream:
    """A member of the group, which joins when this is made. Safe for several threads.

    `now` gives the present, zoned: work records fall due by it, and it stands beside committed offsets. Raises
    `ConfigurationError` when the options cannot make a client; a broker that is away is waited for.
    """

    def __init__(self, config: KafkaConfig, decode: CommandDecoder, now: Callable[[], datetime] = _present) -> None:
        self._decode = decode
        self._now = now
        self._commit_timeout = config.delivery_timeout
        self._close_timeout = config.close_timeout
        self._closing = threading.Lock()
        own = Membership.of(config, now)
        self._inbox, self._commits, self._watch, self._expiry = own.inbox, own.commits, own.watch, own.expiry
        self._client = ClientThread(own)
        self._client.start()

    def receive(self, limit: int, timeout: float) -> Sequence[Delivery]:
        """Return up to `limit` records, fresh ones first, then work that is due (of it at least one).

        Waits up to `timeout` seconds for the first; an outage looks like silence. None after `close`.
        """
        return [self._decode(record) for record in self._inbox.take(limit, timeout)]

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Ask for a commit, sent within a tenth of a second; what may not be committed is left out.

        Raises `BrokerUnavailable` when earlier commits have waited for their acknowledgement for longer than
        `delivery_timeout`; the offsets are asked for all the same.
        """
        self._commits.ask(offsets)
        waited = self._commits.waited()
        if waited > self._commit_timeout:
            raise BrokerUnavailable(f"no commit was acknowledged for {waited:.0f} s")

    def owns(self, partition: Partition) -> bool:
        """Whether `partition`, in that epoch, is still assigned to this member."""
        return self._inbox.owns(partition)

    def hold(self, held: bool) -> None:
        """Stop intake at the broker while the worker cannot work, or let it go on."""
        self._inbox.hold(held)

    def state(self) -> StreamState:
        """Return assignment, lag and health as they were a moment ago; from any thread, waiting for nothing."""
        assigned = tuple(self._inbox.partitions())
        lags = {partition: self._lag(partition) for partition in assigned}
        return StreamState(
            assigned=assigned,
            lag={partition: lag for partition, lag in lags.items() if lag is not None},
            missing_topics=self._client.missing,
            turned_ago=max(0.0, time.monotonic() - self._client.last_turn),
            unanswered_for=self._silent_for(),
            committed_at=self._commits.committed_at,
        )

    def expired(self) -> Sequence[ExpiredRecords]:
        """Return the records found expired before they were read, each once in the life of this stream.

        They are found when a partition is assigned, and while it is paused or slow. No commit of a partition is
        sent before it is known where the group stood in it: a worker that asks before each commit misses none.
        """
        return self._expiry.take()

    def close(self) -> None:
        """Commit what was asked for and leave the group, within `close_timeout`; idempotent.

        With the broker away the thread behind is left alone (it is a daemon), and a warning says so.
        """
        with self._closing:
            self._client.stop()
            self._client.join(self._close_timeout + 1.0)
            self._inbox.close()

    def _silent_for(self) -> float:
        """Return the seconds without an answer: to a question, or to a commit, which is as good a sign of life."""
        silent, heard = self._watch.unanswered_for, self._commits.committed_at
        return silent if heard is None else max(0.0, min(silent, (self._now() - heard).total_seconds()))

    def _lag(self, partition: Partition) -> int | None:
        place = (partition.topic, partition.number)
        acknowledged = self._commits.acknowledged(partition)
        return self._watch.lag(place, self._expiry.start(place) if acknowledged is None else acknowledged)
