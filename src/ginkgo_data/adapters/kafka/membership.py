# Upstream: adapters.kafka.{client_thread, command_stream, member}
# Downstream: adapters.kafka.{asking, commit_book, config, expiry, inbox, lag_watch}
# Role: What the members of a stream work with, one after the other: it outlives each of them
"""A client that is given up leaves all of this to the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ginkgo_data.adapters.kafka.asking import BrokerQuestions
from ginkgo_data.adapters.kafka.commit_book import CommitBook
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.expiry import ExpiryWatch
from ginkgo_data.adapters.kafka.inbox import Inbox
from ginkgo_data.adapters.kafka.lag_watch import LagWatch


@dataclass(frozen=True, slots=True)
class Membership:
    """`now` gives the present, zoned, which stands beside each committed offset."""

    config: KafkaConfig
    now: Callable[[], datetime]
    inbox: Inbox
    commits: CommitBook
    watch: LagWatch
    expiry: ExpiryWatch

    @classmethod
    def of(cls, config: KafkaConfig, now: Callable[[], datetime]) -> Membership:
        """Return one in which nothing has come yet. Raises `ConfigurationError` for options that make no client."""
        inbox = Inbox(config.work_topic, config.inbox_limit, config.inbox_bytes, now)
        return cls(
            config,
            now,
            inbox,
            CommitBook(inbox.may_commit, now),
            LagWatch(BrokerQuestions(config), config.stuck_after),
            ExpiryWatch(),
        )
