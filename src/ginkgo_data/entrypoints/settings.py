# Upstream: entrypoints, ginkgo_data
# Downstream: adapters.clickhouse.config, adapters.{files, kafka, redis, tushare}, domain.model, pydantic
# Role: The configuration as one frozen value; each section checked, sizes and times in range
"""Settings: what can be configured, with its defaults and limits.

Times are seconds unless a name says otherwise. Secrets are `SecretStr`: they never print. How the values
are found (file, environment, defaults) is `loading`'s business; a host may build `Settings(...)` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.kafka.config import KafkaConfig, as_text
from ginkgo_data.adapters.redis.config import RedisConfig
from ginkgo_data.adapters.tushare.config import TushareConfig
from ginkgo_data.domain.model.quality import QualityThresholds
from ginkgo_data.domain.model.retry import RetryPolicy

MEMORY = "memory://"
"""Address of a broker or a Redis inside this process."""

Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WorkerSettings(_Section):
    """The loop: whom it listens to, how much it takes, how long it works."""

    node_id: str | None = None
    """Name in heartbeats and reports; made from host, pid and chance when left out."""
    group_id: str = "data_worker_group"
    topics: tuple[str, ...] = Field(default=("ginkgo.live.control.commands", "ginkgo.data.commands"), min_length=1)
    """Command topics; one text is a list of one, and upstream's singular ``topic`` is read too."""
    auto_offset_reset: Literal["earliest", "latest"] = "earliest"
    batch_size: int = Field(default=1000, ge=1000)
    """An insert has at least this many rows, the tail of a job excepted."""
    max_poll_records: int = Field(default=500, ge=1)
    poll_timeout: Seconds = 1.0
    concurrency: int = Field(default=8, ge=1, le=64)
    coalesce_wait: float = Field(default=0.5, ge=0)
    round_budget: Seconds = 60.0
    hold_park_after: Seconds = 900.0
    give_up_after: Seconds = 86_400.0
    fleet_size: int = Field(default=4, ge=1)
    retry_attempts: int = Field(default=3, ge=1, le=10)
    retry_backoff_factor: float = Field(default=2.0, ge=1)
    max_deliveries: int = Field(default=5, ge=1)
    shutdown_timeout: Seconds = 25.0
    stall_timeout: Seconds = 120.0

    @model_validator(mode="before")
    @classmethod
    def _topics_by_either_name(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        values = dict(given)
        if "topic" in values:
            if "topics" in values:
                raise ValueError("topic and topics are both given; allowed: one of them")
            values["topics"] = values.pop("topic")
        if isinstance(values.get("topics"), str):
            values["topics"] = [name.strip() for name in values["topics"].split(",")]
        return values

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy of calls and commands."""
        return RetryPolicy(
            attempts=self.retry_attempts,
            factor=self.retry_backoff_factor,
            max_deliveries=self.max_deliveries,
            give_up_after=self.give_up_after,
        )


class KafkaSettings(_Section):
    """The broker; ``memory://`` is a stream inside this process."""

    bootstrap_servers: str = "localhost:9092"
    group_protocol: Literal["classic", "consumer"] = "classic"
    work_topic: str = "ginkgo.data.commands.work"
    dead_letter_topic: str = "ginkgo.data.commands.dlq"
    notification_topic: str = "ginkgo.notifications"
    work_partitions: int = Field(default=12, ge=1)
    max_poll_interval: Seconds = 300.0
    session_timeout: Seconds = 45.0
    delivery_timeout: Seconds = 30.0
    close_timeout: Seconds = 10.0
    metadata_interval: Seconds = 30.0
    broadcast_interval: Seconds = 60.0
    options: dict[str, Annotated[SecretStr, BeforeValidator(as_text)]] = Field(default_factory=dict)
    """More options of librdkafka, by its names; no value of them is ever shown."""

    @property
    def in_memory(self) -> bool:
        """Whether the stream lives inside this process."""
        return self.bootstrap_servers == MEMORY


class HeartbeatSettings(_Section):
    """Signs of life."""

    interval: Seconds = 10.0
    ttl: Seconds = 30.0
    key_prefix: str = "heartbeat:data_worker"

    @model_validator(mode="after")
    def _lives_through_a_missed_beat(self) -> HeartbeatSettings:
        if self.ttl < 2 * self.interval:
            raise ValueError(f"ttl ({self.ttl:g}) must be at least twice interval ({self.interval:g})")
        return self


SourceName = Literal["tushare", "files"]
AdjustmentSourceName = Literal["tushare"]
TickSourceName = Literal["files"]


class SourceSettings(_Section):
    """Where each dataset comes from, the first source first, and how each vendor is reached."""

    bars: tuple[SourceName, ...] = ("tushare",)
    reference: tuple[SourceName, ...] | None = None
    """Left out: the same as `bars`."""
    adjustments: tuple[AdjustmentSourceName, ...] | None = None
    """Left out: the same as `bars` where that has them, else none; an empty list: none."""
    ticks: tuple[TickSourceName, ...] = ()
    """None when left out."""
    tushare: TushareConfig = TushareConfig()
    files: FilesConfig | None = None

    @model_validator(mode="after")
    def _named_sources_are_described(self) -> SourceSettings:
        for key, names in (("bars", self.bars), ("reference", self.reference or self.bars)):
            if len(names) != 1:
                raise ValueError(f"{key} must name exactly one source in this version, found {list(names)}")
            if "files" in names and self.files is None:
                raise ValueError(f"{key} names the source files, but sources.files.path is not set")
        for key, few in (("adjustments", self.adjustments or ()), ("ticks", self.ticks)):
            if len(few) > 1:
                raise ValueError(f"{key} must name at most one source in this version, found {list(few)}")
        if self.ticks and self.files is None:
            raise ValueError("ticks names the source files, but sources.files.path is not set")
        return self

    @property
    def adjustment_source(self) -> str:
        """The source of adjustment factors, ``none`` where there is none."""
        if self.adjustments is None:
            return "tushare" if self.bars[0] == "tushare" else "none"
        return self.adjustments[0] if self.adjustments else "none"

    @property
    def tick_source(self) -> str:
        """The source of ticks, ``none`` where there is none."""
        return self.ticks[0] if self.ticks else "none"


class QualitySettings(_Section):
    """Thresholds of the report (shares and minutes) and how long repeats of an alert are silent."""

    missing_threshold_warning: Share = 0.05
    missing_threshold_error: Share = 0.20
    delay_threshold_warning: float = Field(default=5, ge=0)
    delay_threshold_error: float = Field(default=10, ge=0)
    alert_cooldown: float = Field(default=3600, ge=0)

    @model_validator(mode="after")
    def _warnings_come_first(self) -> QualitySettings:
        for name in ("missing", "delay"):
            warning, error = getattr(self, f"{name}_threshold_warning"), getattr(self, f"{name}_threshold_error")
            if warning >= error:
                raise ValueError(f"{name}_threshold_warning ({warning:g}) must be below the error one ({error:g})")
        return self

    @property
    def thresholds(self) -> QualityThresholds:
        """The thresholds as the domain takes them."""
        return QualityThresholds(
            self.missing_threshold_warning,
            self.missing_threshold_error,
            self.delay_threshold_warning,
            self.delay_threshold_error,
        )


class CommandSettings(_Section):
    """How commands are understood."""

    bare_bar_snapshot: Literal["all", "ignore"] = "all"
    """A snapshot that names no codes: of all securities (incremental), or ignored."""


class LoggingSettings(_Section):
    """The log on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Settings(_Section):
    """Everything that can be configured."""

    worker: WorkerSettings = WorkerSettings()
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisConfig = RedisConfig()
    clickhouse: ClickHouseConfig = ClickHouseConfig()
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    sources: SourceSettings = SourceSettings()
    quality: QualitySettings = QualitySettings()
    commands: CommandSettings = CommandSettings()
    logging: LoggingSettings = LoggingSettings()

    @model_validator(mode="after")
    def _ginkgos_layout_has_bars_only(self) -> Settings:
        if self.clickhouse.layout == "ginkgo" and self.sources.ticks:
            raise ValueError(
                f"sources.ticks is {list(self.sources.ticks)} and clickhouse.layout is ginkgo, which keeps bars only: "
                "Ginkgo's tables of ticks are not written by this version; allowed: layout native, or no sources.ticks"
            )
        return self

    @model_validator(mode="after")
    def _one_call_is_shorter_than_a_stall(self) -> Settings:
        # A worker whose loop stands still for stall_timeout stops beating, and a hung call stands still.
        timeout, stall = self.clickhouse.timeout, self.worker.stall_timeout
        if not self.clickhouse.embedded and timeout >= stall:
            raise ValueError(
                f"clickhouse.timeout is {timeout} and worker.stall_timeout is {stall:g}: one call that hangs would "
                "take the heartbeat away; allowed: a clickhouse.timeout below worker.stall_timeout"
            )
        return self

    @model_validator(mode="after")
    def _clients_can_be_made(self) -> Settings:
        try:
            self.kafka_config()
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
            raise ValueError(f"kafka: {faults}") from None
        return self

    def kafka_config(self, client_id: str = "ginkgo_data") -> KafkaConfig:
        """Return what the Kafka family needs to know, `client_id` being how the broker names the clients."""
        worker, kafka = self.worker, self.kafka
        return KafkaConfig(
            group_id=worker.group_id,
            topics=worker.topics,
            auto_offset_reset=worker.auto_offset_reset,
            inbox_limit=max(2, 2 * worker.max_poll_records),
            client_id=client_id,
            **{name: getattr(kafka, name) for name in KafkaSettings.model_fields},
        )
