# Upstream: adapters.kafka, entrypoints
# Downstream: adapters.kafka.wire, pydantic
# Role: Settings of the Kafka family, and the one table of client options per group protocol
"""How to reach the broker, in which group, and which options the clients are given.

Options of librdkafka may be passed through (`options`: TLS, SASL, sizes); those that the family's promises rest
on are refused by name. No value of `options` is ever shown: each is a `SecretStr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from ginkgo_data.adapters.kafka.wire import CONTROL_TOPIC, DATA_TOPIC, WORK_TOPIC

Option = str | int | float | bool

RECONNECT_MS = 1000
"""Longest pause before a broker that went away is tried again; ten seconds, the default, outlast a short question."""
LARGEST_RECORD = 2 * 1024 * 1024
"""Bytes that our own topics and producers take: a record of the usual limit (1 MiB) and headers fits."""

_FIXED = frozenset(
    {
        "bootstrap.servers",
        "group.id",
        "group.protocol",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "allow.auto.create.topics",
        "max.poll.interval.ms",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "message.timeout.ms",
        "delivery.timeout.ms",
    }
)
"""Set by this family; a setting of `KafkaConfig` has the place of each that may vary."""
_CLASSIC_ONLY = frozenset(
    {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy", "group.protocol.type"}
)
"""The broker decides these in KIP-848's protocol; librdkafka refuses them there."""
_CONSUMER_PREFIXES = (
    "fetch.",
    "group.",
    "heartbeat.",
    "isolation.",
    "max.partition.",
    "max.poll.",
    "partition.assignment.",
    "queued.",
    "session.",
)
_MEMBER_PREFIXES = ("group.", "heartbeat.", "max.poll.", "partition.assignment.", "session.")
"""Options of members of a group only."""
_PRODUCER_PREFIXES = ("batch.", "compression.", "linger.", "partitioner", "queue.buffering.", "sticky.")


def as_text(value: object) -> object:
    """Return an option as librdkafka spells it: ``true`` and ``false``, numbers as digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


class KafkaConfig(BaseModel):
    """Section `kafka`; times in seconds. Raises pydantic's `ValidationError` for what cannot work together."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    bootstrap_servers: str = Field(default="localhost:9092", min_length=1)
    client_id: str = Field(default="ginkgo_data", min_length=1)
    """How the broker names the clients, in its logs and in the group's list; ``client.id`` in `options` wins."""
    group_id: str = Field(default="data_worker_group", min_length=1)
    topics: tuple[str, ...] = Field(default=(DATA_TOPIC, CONTROL_TOPIC), min_length=1)
    """Command topics; the work topic is read beside them."""
    auto_offset_reset: Literal["earliest", "latest"] = "earliest"
    group_protocol: Literal["classic", "consumer"] = "classic"
    """``consumer`` is KIP-848's protocol (broker 4.0 or newer)."""
    work_topic: str = WORK_TOPIC
    dead_letter_topic: str = "ginkgo.data.commands.dlq"
    notification_topic: str = "ginkgo.notifications"
    work_partitions: int = Field(default=12, ge=1)
    max_poll_interval: float = Field(default=300.0, gt=0)
    session_timeout: float = Field(default=45.0, gt=0)
    """Classic protocol only; of the other one the broker has the say."""
    delivery_timeout: float = Field(default=30.0, gt=0)
    """A produced record or a commit that is not acknowledged by then has failed."""
    close_timeout: float = Field(default=10.0, gt=0)
    inbox_limit: int = Field(default=1000, ge=2)
    """Records in hand, of fresh commands and of due work each, at which intake pauses."""
    inbox_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    """The same in bytes."""
    metadata_interval: float = Field(default=30.0, gt=0)
    """How often a missing topic or new partitions are looked for."""
    stuck_after: float = Field(default=60.0, gt=0)
    """A partition with lag and without progress for so long means a new client (librdkafka#5591)."""
    broadcast_interval: float = Field(default=60.0, gt=0)
    """How often the private reader of broadcasts looks for new partitions."""
    options: Mapping[str, Annotated[SecretStr, BeforeValidator(as_text)]] = Field(default_factory=dict)
    """More options of librdkafka, by its names: ``security.protocol``, ``sasl.password``, ``ssl.ca.location`` …"""

    @model_validator(mode="after")
    def _check(self) -> KafkaConfig:
        strategy = self._option("partition.assignment.strategy")
        if "cooperative" in strategy:
            raise ValueError(
                f"options: partition.assignment.strategy is {strategy!r}; allowed: range, roundrobin. With manual "
                "commits cooperative-sticky can fail every commit with ILLEGAL_GENERATION for ever (librdkafka#4059); "
                "group_protocol: consumer rebalances incrementally without that fault"
            )
        refused = sorted(set(self.options) & _FIXED)
        if refused:
            raise ValueError(f"options: {refused[0]} is set by this program; allowed: the options beside it")
        if self.group_protocol == "consumer" and (given := sorted(set(self.options) & _CLASSIC_ONLY)):
            raise ValueError(
                f"options: {given[0]} does not go with group_protocol: consumer, where the broker decides it; "
                "allowed with group_protocol: classic"
            )
        if self.group_protocol == "classic" and self.session_timeout > self.max_poll_interval:
            raise ValueError(
                f"session_timeout is {self.session_timeout:g}; allowed: at most max_poll_interval, "
                f"{self.max_poll_interval:g}"
            )
        if self.work_topic in self.topics:
            raise ValueError(f"topics has {self.work_topic!r}, the work topic; allowed: command topics")
        return self

    @property
    def subscription(self) -> list[str]:
        """All topics that the group reads."""
        return [*self.topics, self.work_topic]

    def consumer_options(self) -> dict[str, Option]:
        """Return the options of a member of the group, secrets in clear."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": self.client_id,
            "group.id": self.group_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": self.auto_offset_reset,
            "allow.auto.create.topics": False,
            "max.poll.interval.ms": _ms(self.max_poll_interval),
            "topic.metadata.refresh.interval.ms": _ms(self.metadata_interval),
            # Little prefetch: what lies in the client's queue is thrown away by every pause.
            "queued.min.messages": min(1000, self.inbox_limit),
            "queued.max.messages.kbytes": 16 * 1024,
            "socket.keepalive.enable": True,
            # A connection that was cut without a word is given up after this; the default would be a minute.
            "socket.timeout.ms": 15_000,
            "log.connection.close": False,
            "reconnect.backoff.max.ms": RECONNECT_MS,
            **self._protocol_options(),
            **self._passed_through(_PRODUCER_PREFIXES),
        }

    def reader_options(self) -> dict[str, Option]:
        """Return the options of a reader that is in no group and commits nothing, secrets in clear."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": self.client_id,
            # Demanded by the client library; never joined, and in nobody's list of groups.
            "group.id": f"{self.group_id}.broadcasts",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # A log that lost what was to come next, or was made anew, is read from its beginning.
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "queued.min.messages": 1000,
            "queued.max.messages.kbytes": 4 * 1024,
            "socket.keepalive.enable": True,
            "socket.timeout.ms": 15_000,
            "log.connection.close": False,
            "reconnect.backoff.max.ms": RECONNECT_MS,
            **self._passed_through((*_PRODUCER_PREFIXES, *_MEMBER_PREFIXES)),
        }

    def producer_options(self) -> dict[str, Option]:
        """Return the options of an idempotent producer, secrets in clear."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": self.client_id,
            "enable.idempotence": True,
            "acks": "all",
            "message.timeout.ms": _ms(self.delivery_timeout),
            "message.max.bytes": LARGEST_RECORD,
            "linger.ms": 0,
            "sticky.partitioning.linger.ms": 0,
            # How long a topic may be unknown before a record for it fails; 30 s would outlast a record's own time.
            "topic.metadata.propagation.max.ms": _ms(min(5.0, self.delivery_timeout / 2)),
            "socket.keepalive.enable": True,
            "log.connection.close": False,
            "reconnect.backoff.max.ms": RECONNECT_MS,
            **self._passed_through(_CONSUMER_PREFIXES),
        }

    def admin_options(self) -> dict[str, Option]:
        """Return the options of a client that asks and creates only, secrets in clear."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": self.client_id,
            "log.connection.close": False,
            "reconnect.backoff.max.ms": RECONNECT_MS,
            **self._passed_through(_CONSUMER_PREFIXES + _PRODUCER_PREFIXES),
        }

    def _protocol_options(self) -> dict[str, Option]:
        """Return what each group protocol is told: the table."""
        if self.group_protocol == "consumer":
            return {"group.protocol": "consumer"}
        return {
            "group.protocol": "classic",
            "session.timeout.ms": _ms(self.session_timeout),
            "heartbeat.interval.ms": _ms(min(3.0, self.session_timeout / 10)),
            "partition.assignment.strategy": "roundrobin,range",
        }

    def _passed_through(self, others: tuple[str, ...]) -> dict[str, Option]:
        return {name: value.get_secret_value() for name, value in self.options.items() if not name.startswith(others)}

    def _option(self, name: str) -> str:
        value = self.options.get(name)
        return value.get_secret_value() if value else ""


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
