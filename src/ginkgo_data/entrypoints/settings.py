# Upstream: entrypoints, ginkgo_data
# Downstream: adapters.{clickhouse, kafka, redis}, domain.model, entrypoints, pydantic
# Role: The configuration as one frozen value, and the rules that hold between its sections
"""Settings: what can be configured, all of it.

The sections are in `sections` and in the `config` of each adapter family. Secrets are `SecretStr`: they never
print. How the values are found (file, environment, GCONF, defaults) is `loading`'s business; a host may build
`Settings(...)` itself.
"""

from __future__ import annotations

from pydantic import ValidationError, model_validator

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.redis.config import RedisConfig
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.data_sections import CommandSettings, LoggingSettings, QualitySettings, SourceSettings
from ginkgo_data.entrypoints.sections import HeartbeatSettings, KafkaSettings, Section, WorkerSettings
from ginkgo_data.entrypoints.watch_sections import HealthSettings, TracingSettings


class Settings(Section):
    """Everything that can be configured."""

    worker: WorkerSettings = WorkerSettings()
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisConfig = RedisConfig()
    clickhouse: ClickHouseConfig = ClickHouseConfig()
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    sources: SourceSettings = SourceSettings()
    quality: QualitySettings = QualitySettings()
    commands: CommandSettings = CommandSettings()
    health: HealthSettings = HealthSettings()
    tracing: TracingSettings = TracingSettings()
    logging: LoggingSettings = LoggingSettings()

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
    def _a_second_opinion_is_anothers(self) -> Settings:
        key, source, sources = "quality.second_opinion.source", self.quality.second_opinion.source, self.sources
        if source is not None and source == sources.bars[0]:
            raise ValueError(
                f"{key} is {source}, which is the first of sources.bars: it would agree with itself; allowed: another "
                "source, or nothing"
            )
        if source == "files" and sources.files is None:
            raise ValueError(f"{key} is files, but sources.files.path is not set")
        if source == "tushare":
            try:
                sources.tushare.require_account()
            except ConfigurationError as error:
                raise ValueError(f"{key} is tushare, but {error}") from None
        return self

    @model_validator(mode="after")
    def _clients_can_be_made(self) -> Settings:
        try:
            self.kafka_config()
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, e['loc']))} {e['msg'].removeprefix('Value error, ')}".strip()
                for e in error.errors()
            )
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
