# Upstream: entrypoints.show_status
# Downstream: adapters.{kafka, redis, system, tushare}, domain.model, entrypoints.{operator_parts, settings}
# Role: The fleet at one moment: workers, group, lag, quota, dead letters, topics; each part on its own
"""What `ginkgo-data status` knows. A server that is away takes its own part away, never the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from ginkgo_data.adapters.kafka.errors import TopicMissing
from ginkgo_data.adapters.kafka.group_watch import GroupMember, GroupWatch, PartitionLag
from ginkgo_data.adapters.kafka.heartbeat_wire import encode_heartbeat
from ginkgo_data.adapters.kafka.letter_shelf import LetterCount
from ginkgo_data.adapters.kafka.probe import probe
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.kafka.wire_json import plain
from ginkgo_data.adapters.redis.call_budget import RedisCallBudget
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.adapters.tushare.client import BUDGET_SHARE
from ginkgo_data.domain.model.errors import BrokerUnavailable, GinkgoDataError
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStatus
from ginkgo_data.entrypoints.operator_parts import heartbeats_in, opened_reader, opened_redis, operator_kafka
from ginkgo_data.entrypoints.settings import Settings

QUESTION = 5.0
"""Seconds that one question to the broker may take: somebody is looking on."""

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """Everything at one moment. A part that could not be asked is None, its reason in `faults`."""

    taken_at: datetime
    group: str = ""
    """The consumer group that is looked at."""
    workers: Sequence[Heartbeat] | None = None
    """All that are alive, those of other groups too."""
    lags: Sequence[PartitionLag] | None = None
    members: Sequence[GroupMember] | None = None
    calls: Mapping[str, int] | None = None
    """Calls of the last minute, per key of the call budget."""
    closings: Mapping[str, float] | None = None
    """Seconds until a key that the vendor closed opens again."""
    limits: Mapping[str, int] | None = None
    """What the vendor said a key may have in a minute."""
    calls_per_minute: int = 0
    """What one key may have, unless the vendor said less."""
    letters: int | None = None
    missing_topics: Sequence[str] | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    """``Kafka`` or ``Redis`` -> why it could not be asked."""

    def calls_left(self, key: str) -> int:
        """Return how many calls of `key` the fleet may still make in this minute."""
        if (self.closings or {}).get(key, 0.0) > 0:
            return 0
        limit = min(self.calls_per_minute, (self.limits or {}).get(key, self.calls_per_minute))
        return max(0, limit - (self.calls or {}).get(key, 0))

    @property
    def wrong(self) -> list[str]:
        """Everything that somebody should do something about; dead letters are for later."""
        found = [f"{server} cannot be asked: {why}" for server, why in self.faults.items()]
        if self.workers is not None:
            found += _wrong_workers([beat for beat in self.workers if not other_group(beat, self.group)])
        waiting = sum(lag.lag for lag in self.lags or ())
        if waiting and self.members is not None and not any(not member.foreign for member in self.members):
            found.append(f"{waiting:,} commands wait and no worker reads them: group {self.group} has none")
        for member in self.members or ():
            if member.foreign:
                owned = ", ".join(member.partitions) or "no partition"
                found.append(
                    f"foreign member {member.client_id} at {member.host} owns {owned}: what is no ginkgo_data worker "
                    "commits what it never handled; stop it"
                )
        for lag in self.lags or ():
            if lag.expired:
                found.append(f"{lag.topic}-{lag.number}: {lag.expired:,} commands expired before they were read")
        found += [f"topic {name} is missing: ginkgo-data topics status" for name in self.missing_topics or ()]
        return found


def other_group(beat: Heartbeat, group: str) -> str | None:
    """Return the group of a worker that reads for another one than `group`; one that does not say counts as ours."""
    named = beat.progress.get("group")
    return named if isinstance(named, str) and named != group else None


def _wrong_workers(workers: Sequence[Heartbeat]) -> list[str]:
    found = []
    if not any(beat.status in (WorkerStatus.RUNNING, WorkerStatus.STARTING) for beat in workers):
        found.append("no worker is alive: ginkgo-data worker start")
    for beat in workers:
        if beat.degraded is not None:
            found.append(f"worker {beat.node_id} is degraded: {beat.degraded or 'no reason given'}")
        if beat.status is WorkerStatus.ERROR:
            found.append(f"worker {beat.node_id} is in state ERROR: {beat.stats.last_error or 'no reason given'}")
    return found


class FleetWatch:
    """Asks again and again over the same clients. Raises `ConfigurationError` when they cannot be made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = ExitStack()
        self._config = config = operator_kafka(settings)
        reader = self._open.enter_context(opened_reader(config, QUESTION))
        self._group = self._open.enter_context(closing(GroupWatch(config, reader)))
        self._letters = LetterCount(config, reader)
        self._topics = KafkaTopics(config)
        self._redis = None if settings.redis.in_memory else self._open.enter_context(opened_redis(settings))

    def take(self) -> FleetStatus:
        """Return the fleet as it is now; in bounded time, whatever is away."""
        faults: dict[str, str] = {}
        # In the order of what is cheapest to find out: one server that is away is waited for once.
        _asked("Kafka", faults, lambda: probe(self._config))
        lags = _asked("Kafka", faults, self._group.lags)
        members = _asked("Kafka", faults, self._group.members)
        letters = _asked("Kafka", faults, self._count_letters)
        missing = _asked("Kafka", faults, self._missing_topics)
        workers = _asked("Redis", faults, lambda: heartbeats_in(self._client(), self._settings).alive())
        calls = _asked("Redis", faults, lambda: self._budget().usage())
        closings = _asked("Redis", faults, lambda: self._budget().closings())
        limits = _asked("Redis", faults, lambda: self._budget().limits())
        return FleetStatus(
            taken_at=datetime.now(UTC),
            group=self._config.group_id,
            workers=workers,
            lags=lags,
            members=members,
            calls=calls,
            closings=closings,
            limits=limits,
            calls_per_minute=int(self._settings.sources.tushare.calls_per_minute * BUDGET_SHARE),
            letters=letters,
            missing_topics=missing,
            faults=faults,
        )

    def close(self) -> None:
        """Close the clients."""
        self._open.close()

    def _client(self) -> RedisClient:
        if self._redis is None:
            raise BrokerUnavailable("redis.url is memory://, which lives inside one process")
        return self._redis

    def _budget(self) -> RedisCallBudget:
        return RedisCallBudget(self._client(), SystemClock(), 1 / self._settings.worker.fleet_size)

    def _count_letters(self) -> int:
        try:
            return self._letters.count()
        except TopicMissing:
            return 0  # The list of missing topics says it.

    def _missing_topics(self) -> list[str]:
        return [topic.name for topic in self._topics.status() if not topic.partitions]


def as_object(status: FleetStatus) -> dict[str, object]:
    """Return the fleet as strict JSON; what could not be asked is null, and `faults` says why."""
    workers = None if status.workers is None else [encode_heartbeat(beat) for beat in status.workers]
    lags = None if status.lags is None else [{**asdict(lag), "expired": lag.expired} for lag in status.lags]
    shown = plain(
        {
            "taken_at": status.taken_at,
            "well": not status.wrong,
            "wrong": status.wrong,
            "group": status.group,
            "workers": workers,
            "lag": lags,
            "members": status.members,
            "calls": status.calls,
            "closings": status.closings,
            "calls_per_minute": status.calls_per_minute,
            "limits": status.limits,
            "dead_letters": status.letters,
            "missing_topics": status.missing_topics,
            "faults": status.faults,
        }
    )
    assert isinstance(shown, dict)
    return shown


def _asked(server: str, faults: dict[str, str], ask: Callable[[], Part]) -> Part | None:
    if server in faults:
        return None
    try:
        return ask()
    except GinkgoDataError as error:
        faults[server] = str(error)
        return None
