# Upstream: entrypoints.{data_sections, quickstart, settings, watch_sections}
# Downstream: adapters.kafka.config, domain.model.retry, pydantic
# Role: Sections of the configuration about the worker itself; each checked, sizes and times in range
"""Sections worker, kafka and heartbeat, and what all sections share. Times are seconds unless a name says otherwise.

A docstring below a key is what `config init`, `config schema` and docs/configuration.md say about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from ginkgo_data.adapters.kafka.config import as_text
from ginkgo_data.domain.model.retry import RetryPolicy

MEMORY = "memory://"
"""Address of a broker or a Redis inside this process."""
SPARE_TO_CLOSE = 2.0
"""Seconds between the worker's last moment and the kill: for closing clients and the last lines of the log."""

HOUR, DAY, YEAR = 3600.0, 86_400.0, 31_536_000.0


def _one_or_more(value: object) -> object:
    """Return a text as the list of the names in it, separated by commas: the environment has no lists."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, le=DAY)]
Names = BeforeValidator(_one_or_more)


class Section(BaseModel):
    """What all sections share: frozen, without unknown keys, silent about values that are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class WorkerSettings(Section):
    """The loop: whom it listens to, how much it takes, how long it works."""

    node_id: str | None = None
    """Name in heartbeats, reports and logs; made from host, pid and chance when left out."""
    group_id: str = Field(default="data_worker_group", min_length=1)
    """Consumer group: its members share the commands and are one fleet."""
    topics: Annotated[tuple[str, ...], Names] = Field(
        default=("ginkgo.live.control.commands", "ginkgo.data.commands"), min_length=1
    )
    """Command topics; one text is a list of one, and upstream's singular ``topic`` is read too."""
    auto_offset_reset: Literal["earliest", "latest"] = "earliest"
    """Where a new group begins."""
    batch_size: int = Field(default=1000, ge=1000, le=10_000_000)
    """An insert has at least this many rows, the tail of a job excepted."""
    max_poll_records: int = Field(default=500, ge=1, le=100_000)
    """Commands that one round takes in at most."""
    poll_timeout: Seconds = 1.0
    """Seconds that a round waits for its first command."""
    concurrency: int = Field(default=8, ge=1, le=64)
    """Vendor calls under way at once."""
    coalesce_wait: float = Field(default=0.5, ge=0, le=HOUR)
    """Seconds that a round waits for more commands after the first one: they become one job."""
    round_budget: Seconds = 60.0
    """Seconds after which a round ends; what is left of its work goes to the work topic."""
    hold_park_after: Seconds = 900.0
    """Seconds without a store after which waiting commands move to the work topic, where they do not expire."""
    give_up_after: float = Field(default=DAY, gt=0, le=YEAR)
    """Seconds for which an outage alone does not make a command a dead letter."""
    fleet_size: int = Field(default=4, ge=1, le=10_000)
    """Workers that share the vendor's quota; a worker that sees no Redis takes this share of it."""
    retry_attempts: int = Field(default=3, ge=1, le=10)
    """Attempts of one vendor call."""
    retry_backoff_factor: float = Field(default=2.0, ge=1, le=10)
    """Each pause between attempts is so many times the one before; the first is a second, the longest a minute."""
    max_deliveries: int = Field(default=5, ge=1, le=1000)
    """Faults of one command, or workers it has killed, before it is a dead letter."""
    shutdown_timeout: Seconds = 25.0
    """Seconds that a worker has after SIGTERM; what it did not finish is delivered again."""
    stop_grace_period: Seconds | None = None
    """Seconds between SIGTERM and SIGKILL, as whoever runs the container has set them (Compose `stop_grace_period`,
    Kubernetes `terminationGracePeriodSeconds`). Given, `shutdown_timeout` must end 2 s before; left out, nothing is
    compared."""
    stall_timeout: Seconds = 120.0
    """Seconds without progress of the loop after which the heartbeat stops."""

    @model_validator(mode="before")
    @classmethod
    def _topics_by_either_name(cls, given: object) -> object:
        if not isinstance(given, Mapping) or "topic" not in given:
            return given
        if "topics" in given:
            raise ValueError("topic and topics are both given; allowed: one of them")
        values = dict(given)
        values["topics"] = values.pop("topic")
        return values

    @model_validator(mode="after")
    def _ends_before_it_is_killed(self) -> WorkerSettings:
        grace = self.stop_grace_period
        if grace is not None and self.shutdown_timeout > grace - SPARE_TO_CLOSE:
            raise ValueError(
                f"shutdown_timeout is {self.shutdown_timeout:g} and stop_grace_period {grace:g}: the worker would be "
                f"killed while it stops; allowed: a shutdown_timeout of at most stop_grace_period less "
                f"{SPARE_TO_CLOSE:g}"
            )
        return self

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy of calls and commands."""
        return RetryPolicy(
            attempts=self.retry_attempts,
            factor=self.retry_backoff_factor,
            max_deliveries=self.max_deliveries,
            give_up_after=self.give_up_after,
        )


class KafkaSettings(Section):
    """The broker."""

    bootstrap_servers: str = Field(default="localhost:9092", min_length=1)
    """Where the broker is: ``host:port``, several separated by commas; ``memory://`` is a stream in this process."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """``consumer`` is KIP-848's protocol (broker 4.0 or newer)."""
    work_topic: str = Field(default="ginkgo.data.commands.work", min_length=1)
    """Where long work waits for its next round."""
    dead_letter_topic: str = Field(default="ginkgo.data.commands.dlq", min_length=1)
    """Where commands that were given up are kept."""
    notification_topic: str = Field(default="ginkgo.notifications", min_length=1)
    """Where reports, alerts and events are told."""
    work_partitions: int = Field(default=12, ge=1, le=10_000)
    """Partitions that the work topic is made with."""
    max_poll_interval: Seconds = 300.0
    """Seconds without a poll after which the broker gives the partitions to others."""
    session_timeout: float = Field(default=45.0, gt=0, le=HOUR)
    """Seconds without a sign of life after which the broker does so. Classic protocol only."""
    delivery_timeout: Seconds = 30.0
    """Seconds after which a record or a commit that is not acknowledged has failed."""
    close_timeout: float = Field(default=10.0, gt=0, le=HOUR)
    """Seconds for leaving the group and sending what is on its way."""
    metadata_interval: float = Field(default=30.0, gt=0, le=HOUR)
    """Seconds between two looks for missing topics and new partitions."""
    broadcast_interval: float = Field(default=60.0, gt=0, le=HOUR)
    """Seconds between two such looks of the reader of broadcasts."""
    options: dict[str, Annotated[SecretStr, BeforeValidator(as_text)]] = Field(default_factory=dict)
    """More options of librdkafka by its names (``security.protocol``, ``sasl.password``); no value is ever shown."""

    @property
    def in_memory(self) -> bool:
        """Whether the stream lives inside this process."""
        return self.bootstrap_servers == MEMORY


class HeartbeatSettings(Section):
    """Signs of life in Redis."""

    interval: Seconds = 10.0
    """Seconds between two heartbeats."""
    ttl: Seconds = 30.0
    """Seconds after which a heartbeat expires; at least twice the interval."""
    key_prefix: str = Field(default="heartbeat:data_worker", min_length=1)
    """The key is this, a colon and the node's name."""

    @model_validator(mode="after")
    def _lives_through_a_missed_beat(self) -> HeartbeatSettings:
        if self.ttl < 2 * self.interval:
            raise ValueError(f"ttl ({self.ttl:g}) must be at least twice interval ({self.interval:g})")
        return self
