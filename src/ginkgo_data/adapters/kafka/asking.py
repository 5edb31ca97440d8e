# Upstream: adapters.kafka.{broadcasts, lag_watch, membership, reading_places}
# Downstream: adapters.kafka.{config, errors, holding}, confluent_kafka
# Role: Questions about topics and partitions, asked by a client that fetches nothing
"""What a broker says of its topics.

It answers a connection's requests one after the other, and a fetch keeps it busy for up to half a second: a client
that reads waits that long for every other answer. So whoever reads asks through a second client. Each partition and
each topic has its own answer: one that fails keeps no other one back.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Unanswered
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # re-exported without saying so

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import MISSING_TOPIC_CODES, broker_errors
from ginkgo_data.adapters.kafka.holding import Place

GRACE = 0.2
"""Seconds beyond a question's timeout for the client's own word on it."""
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""How the id of a topic is shown where the broker gives none."""


# The library's own words for them have no types.
_LOW, _END = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library has no types here


@dataclass(frozen=True, slots=True)
class TopicSeen:
    """A topic as it is; `numbers` are its partitions, none where it is missing."""

    numbers: frozenset[int] = frozenset()
    topic_id: str | None = None
    """Another one for a topic made anew under the same name; None where the broker (before 2.8) gives none."""

    def replaced(self, before: TopicSeen) -> bool:
        """Whether this is another topic than the one seen before under its name."""
        if self.topic_id and before.topic_id:
            return self.topic_id != before.topic_id
        return 0 < len(self.numbers) < len(before.numbers)


class BrokerQuestions:
    """Each question takes up to its `timeout` (seconds); what has no answer by then is left out, nothing is raised.

    Raises `ConfigurationError` when the options cannot make a client. Used by one thread.
    """

    def __init__(self, config: KafkaConfig) -> None:
        level = config.options.get("isolation.level")
        uncommitted = level is not None and level.get_secret_value() == "read_uncommitted"
        # A reader's end: of the usual level where open transactions begin, of the other one behind them.
        self._level = IsolationLevel.READ_UNCOMMITTED if uncommitted else IsolationLevel.READ_COMMITTED
        with broker_errors("opening a client for questions"):
            # Silent: the client that reads says the same of the same broker.
            self._admin = AdminClient({**config.admin_options(), "log_level": 0})

    def topics(self, names: Collection[str], timeout: float) -> dict[str, TopicSeen]:
        """Return the topics of `names` that there is an answer for; empty when nobody answers."""
        if not names:
            return {}
        asked = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout)
        deadline = time.monotonic() + timeout + GRACE
        return {name: seen for name, answer in asked.items() if (seen := _topic(answer, deadline)) is not None}

    def ends(self, places: Collection[Place], timeout: float) -> dict[Place, int]:
        """Return the offsets after the last records of those of `places` that there is an answer for."""
        (ends,) = self._collect([self._ask(places, _END, timeout)], timeout)
        if places and not ends:
            self._learn_leaders(timeout)
        return ends

    def bounds(self, places: Collection[Place], timeout: float) -> tuple[dict[Place, int], dict[Place, int]]:
        """Return the low watermarks and the ends, as `ends`; both questions are asked at once."""
        asked = [self._ask(places, spec, timeout) for spec in (_LOW, _END)]
        lows, ends = self._collect(asked, timeout)
        if places and not lows and not ends:
            self._learn_leaders(timeout)
        return lows, ends

    def _learn_leaders(self, timeout: float) -> None:
        """Ask who leads what: what a broker said while it went down would otherwise be believed for minutes."""
        with suppress(KafkaException):
            self._admin.list_topics(timeout=timeout)

    def _ask(self, places: Collection[Place], spec: OffsetSpec, timeout: float) -> dict[TopicPartition, Future[Any]]:
        if not places:
            return {}
        return self._admin.list_offsets(
            {TopicPartition(*place): spec for place in places}, isolation_level=self._level, request_timeout=timeout
        )

    @staticmethod
    def _collect(asked: Iterable[dict[TopicPartition, Future[Any]]], timeout: float) -> list[dict[Place, int]]:
        deadline = time.monotonic() + timeout + GRACE
        found: list[dict[Place, int]] = []
        for question in asked:
            answers = {(p.topic, p.partition): _offset(answer, deadline) for p, answer in question.items()}
            found.append({place: offset for place, offset in answers.items() if offset is not None})
        return found


def _offset(answer: Future[Any], deadline: float) -> int | None:
    try:
        offset = int(answer.result(max(0.0, deadline - time.monotonic())).offset)
    except (KafkaException, Unanswered):
        return None
    return offset if offset >= 0 else None


def _topic(answer: Future[Any], deadline: float) -> TopicSeen | None:
    try:
        topic = answer.result(max(0.0, deadline - time.monotonic()))
    except KafkaException as error:
        return TopicSeen() if error.args[0].code() in MISSING_TOPIC_CODES else None
    except Unanswered:
        return None
    known = str(topic.topic_id) if topic.topic_id is not None else _NO_ID
    return TopicSeen(frozenset(p.id for p in topic.partitions), known if known != _NO_ID else None)
