# Upstream: entrypoints.container
# Downstream: adapters.{clickhouse, kafka, prometheus, tushare}, domain.{model, services}, entrypoints
# Role: From settings to the options of a worker, and what it does before its first round
"""What a worker is told, and how it is prepared."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.tushare.client import BUDGET_SHARE
from ginkgo_data.domain.model.errors import TransientError
from ginkgo_data.domain.services.collector import CollectorLimits
from ginkgo_data.domain.services.tally import Watch
from ginkgo_data.entrypoints.context_pool import ContextPool
from ginkgo_data.entrypoints.parts import WorkerOptions, WorkerParts
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.worker import DataWorker

if TYPE_CHECKING:
    from ginkgo_data.adapters.prometheus.metrics import PrometheusMetrics

log = logging.getLogger(__name__)

CALL_GRACE = 15.0
"""Seconds beyond its time-out within which a vendor's call returns, whatever it waits for."""

Prepare: TypeAlias = Callable[[], None]


def node_id(settings: Settings) -> str:
    """Return the configured name, else one that stays unique where host name and pid repeat (containers)."""
    made = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    return settings.worker.node_id or made.replace(":", "-")


def collector_limits(settings: Settings) -> CollectorLimits:
    """Return how a job is cut and written."""
    rows = max(settings.worker.batch_size, CollectorLimits().flush_rows)
    return CollectorLimits(concurrency=settings.worker.concurrency, flush_rows=rows)


def worker_options(settings: Settings, node_id: str) -> WorkerOptions:
    """Return the options of a worker."""
    worker = settings.worker
    return WorkerOptions(
        node_id=node_id,
        group_id=worker.group_id,
        max_poll_records=worker.max_poll_records,
        poll_timeout=worker.poll_timeout,
        coalesce_wait=worker.coalesce_wait,
        round_budget=worker.round_budget,
        stall_timeout=worker.stall_timeout,
        heartbeat_interval=settings.heartbeat.interval,
        heartbeat_ttl=settings.heartbeat.ttl,
        hold_park_after=worker.hold_park_after,
        max_deliveries=worker.max_deliveries,
        most_calls=_share_of_a_round(settings),
        wedged_after=settings.health.wedged_after,
        call_patience=_call_patience(settings),
        slow_step=settings.logging.slow_step_seconds,
    )


def _call_patience(settings: Settings) -> float:
    """Return the seconds after which a vendor's call should have returned: its own time-out comes first."""
    return max(settings.health.wedged_after, settings.sources.tushare.timeout + CALL_GRACE)


def _share_of_a_round(settings: Settings) -> int | None:
    """Return how many calls of the vendor's quota one worker of the fleet gets in one round."""
    if settings.sources.bars[0] != "tushare":
        return None
    per_minute = settings.sources.tushare.calls_per_minute * BUDGET_SHARE
    return max(1, int(per_minute * settings.worker.round_budget / 60 / settings.worker.fleet_size))


def made_worker(
    parts: WorkerParts, options: WorkerOptions, metrics: PrometheusMetrics, watch: Watch | None = None
) -> DataWorker:
    """Return a worker whose health the metrics show."""
    made = DataWorker(parts, options, watch)
    metrics.show(made.health)
    return made


def preparation(
    store: ClickHouseClient,
    pool: ContextPool,
    threads: int,
    create: Callable[[], object],
    sweep: Callable[[], object],
) -> Prepare:
    """Return what a worker does before its first round: threads, our own topics, the store with its schema."""

    def prepare() -> None:
        # All threads exist before the worker runs: none can be started once the host's program is over.
        together = threading.Barrier(threads + 1)
        for _ in range(threads):
            pool.submit(together.wait, 10.0)
        together.wait(10.0)
        # Each waits for its server, so they wait at the same time.
        created = pool.submit(create)
        away: TransientError | None = None
        for step in (store.connect, created.result):
            try:
                step()
            except TransientError as error:
                away = error
        if away is not None:
            raise away
        sweep()

    return prepare


def restoration(topics: KafkaTopics) -> Callable[[Sequence[str]], None]:
    """Return what makes those of the missing topics that are ours."""

    def restore(missing: Sequence[str]) -> None:
        for topic in missing:
            try:
                if topics.restore(topic):
                    log.warning("topic %s was missing and has been made again", topic)
            except TransientError as error:
                log.warning("topic %s could not be made again: %s", topic, error)

    return restore


def nothing(*_: object) -> None:
    """Do nothing."""
    return
