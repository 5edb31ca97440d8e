# Upstream: entrypoints.container
# Downstream: adapters, domain.model, entrypoints.{context_pool, settings, spans}, ports.call_budget
# Role: How clients, pools and exporters are opened and closed again
"""Openers of what is connected: generators that the container keeps as resources."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_schema import check_ginkgo_tables, ensure_ginkgo_tables
from ginkgo_data.adapters.clickhouse.schema import apply_schema, check_schema
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.memory.broker import InMemoryBroker
from ginkgo_data.adapters.redis.call_budget import RedisCallBudget
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.adapters.tushare.client import TushareClient
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.context_pool import ContextPool
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.spans import NoSpans, Spans
from ginkgo_data.ports.call_budget import CallBudget

if TYPE_CHECKING:
    from ginkgo_data.adapters.prometheus.metrics import PrometheusMetrics

log = logging.getLogger(__name__)

PROBE_TIMEOUT = 5
"""Seconds that the store has for telling the time."""


def opened_store(settings: Settings) -> Iterator[ClickHouseClient]:
    """Yield the client of the store, which prepares its tables when it connects."""
    ginkgo = settings.clickhouse.layout == "ginkgo"
    client = ClickHouseClient(settings.clickhouse, _prepare_both if ginkgo else _prepare_schema)
    try:
        yield client
    finally:
        client.close()


def opened_reader(settings: Settings) -> Iterator[ClickHouseClient]:
    """Yield a client for those who look into the store: it makes neither a database nor a table, and checks both.

    A newer program that looked and applied its schema would keep the workers of the older one from starting.
    """
    ginkgo = settings.clickhouse.layout == "ginkgo"
    client = ClickHouseClient(settings.clickhouse, _check_both if ginkgo else check_schema, create=False)
    try:
        yield client
    finally:
        client.close()


def opened_clock_store(settings: Settings, store: ClickHouseClient) -> Iterator[ClickHouseClient]:
    """Yield the client that asks for the time: with little patience, since it also finds out that the store is away."""
    if settings.clickhouse.embedded:
        yield store
        return
    client = ClickHouseClient(
        settings.clickhouse.model_copy(update={"timeout": min(PROBE_TIMEOUT, settings.clickhouse.timeout)})
    )
    try:
        yield client
    finally:
        client.close()


def _prepare_schema(client: ClickHouseClient) -> None:
    apply_schema(client)
    check_schema(client)


def _prepare_both(client: ClickHouseClient) -> None:
    _prepare_schema(client)
    ensure_ginkgo_tables(client)


def _check_both(client: ClickHouseClient) -> None:
    check_schema(client)
    check_ginkgo_tables(client)


def opened_tushare(settings: Settings, budget: CallBudget, clock: SystemClock) -> Iterator[TushareClient]:
    """Yield the client of Tushare."""
    client = TushareClient(settings.sources.tushare, budget, clock)
    try:
        yield client
    finally:
        client.close()


def opened_pool(settings: Settings) -> Iterator[ContextPool]:
    """Yield the threads that make calls."""
    pool = ContextPool(settings.worker.concurrency, thread_name_prefix="ginkgo-data-call")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def made_broker(settings: Settings, clock: SystemClock) -> InMemoryBroker:
    """Return the broker inside this process."""
    return InMemoryBroker(clock, work_topic=settings.kafka.work_topic)


def opened_producer(config: KafkaConfig, topics: KafkaTopics) -> Iterator[KafkaProducer]:
    """Yield the producer of all that goes out."""
    producer = KafkaProducer(config, topics.restore)
    try:
        yield producer
    finally:
        producer.close()


def kafka_or_memory(settings: Settings) -> str:
    """Say which adapters serve the ports of the broker."""
    return "memory" if settings.kafka.in_memory else "kafka"


def opened_redis(settings: Settings, clock: SystemClock) -> Iterator[RedisClient]:
    """Yield the client of Redis."""
    client = RedisClient(settings.redis, clock)
    try:
        yield client
    finally:
        client.close()


def redis_budget(client: RedisClient, clock: SystemClock, settings: Settings) -> RedisCallBudget:
    """Return the budget of the fleet, watched from now on."""
    budget = RedisCallBudget(client, clock, 1 / settings.worker.fleet_size)
    budget.watch()
    return budget


def redis_or_memory(settings: Settings) -> str:
    """Say which adapters serve the ports that a fleet shares."""
    return "memory" if settings.redis.in_memory else "redis"


def of_group(settings: Settings, kind: str) -> str:
    """Return the prefix of the fleet's keys in Redis: a fleet is the members of one consumer group."""
    return f"ginkgo_data:{settings.worker.group_id}:{kind}"


def made_metrics() -> PrometheusMetrics:
    """Return metrics of a registry of their own."""
    # Not before it is needed: commands that run no worker do without the library.
    from ginkgo_data.adapters.prometheus.metrics import PrometheusMetrics

    return PrometheusMetrics()


def opened_spans(settings: Settings, node_id: str) -> Iterator[Spans]:
    """Yield where spans go; raises `ConfigurationError` where the exporter is not installed."""
    endpoint = settings.tracing.otlp_endpoint
    if endpoint is None:
        yield NoSpans()
        return
    try:
        from ginkgo_data.adapters.opentelemetry.spans import open_spans
    except ImportError as error:
        raise ConfigurationError(
            f"tracing.otlp_endpoint needs a package that is not installed ({error}); install ginkgo-data[otel]"
        ) from error
    spans = open_spans(endpoint, node_id)
    try:
        yield spans
    finally:
        spans.close()
