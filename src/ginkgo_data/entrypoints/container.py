# Upstream: entrypoints
# Downstream: adapters, domain.services, entrypoints, dependency_injector
# Role: The dependency-injector container: the only file that picks adapters
"""Wiring. Which adapter serves a port follows from the settings alone; a part is replaced by overriding it.

``container.bar_source.override(...)`` is the same call in a test and in a host program. Clients are
resources: ``container.shutdown_resources()`` closes what was opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dependency_injector import containers, providers

from ginkgo_data.adapters.calendars.layered import LayeredTradingCalendar
from ginkgo_data.adapters.calendars.stored import StoredTradingCalendar
from ginkgo_data.adapters.calendars.xshg import ExchangeCalendarsTradingCalendar
from ginkgo_data.adapters.clickhouse.absence_repository import ClickHouseAbsenceRepository
from ginkgo_data.adapters.clickhouse.adjusted_bars import ClickHouseAdjustedBars
from ginkgo_data.adapters.clickhouse.adjustment_repository import ClickHouseAdjustmentRepository
from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.factor_revision_repository import ClickHouseFactorRevisionRepository
from ginkgo_data.adapters.clickhouse.ginkgo_adjustment_repository import GinkgoAdjustmentRepository
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.adapters.clickhouse.ginkgo_bar_source import GinkgoBarSource
from ginkgo_data.adapters.clickhouse.ginkgo_session_sources import GinkgoAdjustmentSource, GinkgoTickSource
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import GinkgoSweep
from ginkgo_data.adapters.clickhouse.ginkgo_tick_repository import GinkgoTickRepository
from ginkgo_data.adapters.clickhouse.outbox import ClickHouseOutbox
from ginkgo_data.adapters.clickhouse.quality_repository import ClickHouseQualityRepository
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.adapters.clickhouse.revision_repository import ClickHouseRevisionRepository
from ginkgo_data.adapters.clickhouse.tick_repository import ClickHouseTickRepository
from ginkgo_data.adapters.clickhouse.version_clock import ClickHouseVersionClock
from ginkgo_data.adapters.kafka.broadcasts import KafkaBroadcasts
from ginkgo_data.adapters.kafka.command_stream import KafkaCommandStream
from ginkgo_data.adapters.kafka.dead_letters import KafkaDeadLetters
from ginkgo_data.adapters.kafka.heartbeat_wire import decode_heartbeat, encode_heartbeat
from ginkgo_data.adapters.kafka.letter_wire import dead_letter_key
from ginkgo_data.adapters.kafka.notifications import KafkaNotifications
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.kafka.wire import decode_command, encode_work
from ginkgo_data.adapters.kafka.work_queue import KafkaWorkQueue
from ginkgo_data.adapters.memory.alert_memory import InMemoryAlertMemory
from ginkgo_data.adapters.memory.broadcasts import InMemoryBroadcasts
from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.call_lease import InMemoryCallLease
from ginkgo_data.adapters.memory.command_stream import InMemoryCommandStream
from ginkgo_data.adapters.memory.dead_letters import InMemoryDeadLetters
from ginkgo_data.adapters.memory.heartbeats import InMemoryHeartbeats
from ginkgo_data.adapters.memory.notifications import InMemoryNotifications
from ginkgo_data.adapters.memory.started_marks import InMemoryStartedMarks
from ginkgo_data.adapters.memory.work_queue import InMemoryWorkQueue
from ginkgo_data.adapters.observing.adjustment_source import ObservedAdjustmentSource
from ginkgo_data.adapters.observing.alert_memory import ObservedAlertMemory
from ginkgo_data.adapters.observing.bar_source import ObservedBarSource
from ginkgo_data.adapters.observing.reference_source import ObservedReferenceSource
from ginkgo_data.adapters.observing.tick_source import ObservedTickSource
from ginkgo_data.adapters.redis.alert_memory import RedisAlertMemory
from ginkgo_data.adapters.redis.call_lease import RedisCallLease
from ginkgo_data.adapters.redis.heartbeats import RedisHeartbeats
from ginkgo_data.adapters.redis.started_marks import RedisStartedMarks
from ginkgo_data.adapters.resilience.adjustment_source import RetryingAdjustmentSource
from ginkgo_data.adapters.resilience.bar_source import RetryingBarSource
from ginkgo_data.adapters.resilience.call_budget import NotingCallBudget
from ginkgo_data.adapters.resilience.reference_source import RetryingReferenceSource
from ginkgo_data.adapters.resilience.tick_source import RetryingTickSource
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.adapters.tushare.adjustment_source import TushareAdjustmentSource
from ginkgo_data.adapters.tushare.bar_source import TushareBarSource
from ginkgo_data.adapters.tushare.reference_source import TushareReferenceSource
from ginkgo_data.domain.services.adjustments import AdjustmentCollector
from ginkgo_data.domain.services.collector import BarCollector
from ginkgo_data.domain.services.coverage_reading import CoverageReader
from ginkgo_data.domain.services.reference import SecuritiesSync, TradingCalendarSync
from ginkgo_data.domain.services.reporting import Reporter
from ginkgo_data.domain.services.second_opinion import SecondOpinion
from ginkgo_data.domain.services.session_job import JobParts
from ginkgo_data.domain.services.telling import Telling
from ginkgo_data.domain.services.ticks import TickCollector
from ginkgo_data.entrypoints import file_sources, opening, worker_wiring
from ginkgo_data.entrypoints.dispatch import Dispatcher
from ginkgo_data.entrypoints.freshness_parts import freshness_watch, look_of
from ginkgo_data.entrypoints.parts import NoReload, WorkerParts
from ginkgo_data.entrypoints.round import Round
from ginkgo_data.entrypoints.settings import Settings

if TYPE_CHECKING:
    pass


class Container(containers.DeclarativeContainer):
    """All parts, each made when it is first asked for."""

    settings = providers.Dependency(instance_of=Settings)

    clock = providers.Singleton(SystemClock)
    node_id = providers.Singleton(worker_wiring.node_id, settings)
    metrics = providers.Singleton(opening.made_metrics)
    spans = providers.Resource(opening.opened_spans, settings, node_id)
    store = providers.Resource(opening.opened_store, settings)
    store_to_look_into = providers.Resource(opening.opened_reader, settings)
    pool = providers.Resource(opening.opened_pool, settings)

    layout = settings.provided.clickhouse.layout
    bar_repository = providers.Selector(
        layout,
        native=providers.Singleton(ClickHouseBarRepository, store),
        ginkgo=providers.Singleton(GinkgoBarRepository, store),
    )
    ginkgo_sweep = providers.Singleton(GinkgoSweep, store, clock)
    sweep = providers.Selector(
        layout, native=providers.Object(worker_wiring.nothing), ginkgo=ginkgo_sweep.provided.sweep_when_due
    )
    absence_repository = providers.Singleton(ClickHouseAbsenceRepository, store)
    adjustment_repository = providers.Selector(
        layout,
        native=providers.Singleton(ClickHouseAdjustmentRepository, store),
        ginkgo=providers.Singleton(GinkgoAdjustmentRepository, store),
    )
    tick_repository = providers.Selector(
        layout,
        native=providers.Singleton(ClickHouseTickRepository, store),
        ginkgo=providers.Singleton(GinkgoTickRepository, store),
    )
    adjusted_bars = providers.Singleton(ClickHouseAdjustedBars, store)
    revision_repository = providers.Singleton(ClickHouseRevisionRepository, store)
    factor_revision_repository = providers.Singleton(ClickHouseFactorRevisionRepository, store)
    quality_repository = providers.Singleton(ClickHouseQualityRepository, store)
    outbox = providers.Singleton(ClickHouseOutbox, store)
    reference_repository = providers.Singleton(ClickHouseReferenceRepository, store)
    clock_store = providers.Resource(opening.opened_clock_store, settings, store)
    version_clock = providers.Singleton(ClickHouseVersionClock, clock_store, clock)

    trading_calendar = providers.Singleton(
        LayeredTradingCalendar,
        providers.Singleton(StoredTradingCalendar, reference_repository),
        providers.Object(ExchangeCalendarsTradingCalendar),
    )

    redis_or_memory = providers.Callable(opening.redis_or_memory, settings)
    redis = providers.Resource(opening.opened_redis, settings, clock)
    plain_call_budget = providers.Selector(
        redis_or_memory,
        memory=providers.Singleton(InMemoryCallBudget, clock),
        redis=providers.Singleton(opening.redis_budget, redis, clock, settings),
    )
    call_budget = providers.Singleton(NotingCallBudget, plain_call_budget, clock)
    call_lease = providers.Selector(
        redis_or_memory,
        memory=providers.Singleton(InMemoryCallLease, clock),
        redis=providers.Singleton(RedisCallLease, redis, providers.Callable(opening.of_group, settings, "lease")),
    )
    started_marks = providers.Selector(
        redis_or_memory,
        memory=providers.Singleton(InMemoryStartedMarks, clock),
        redis=providers.Singleton(RedisStartedMarks, redis, providers.Callable(opening.of_group, settings, "started")),
    )
    heartbeats = providers.Selector(
        redis_or_memory,
        memory=providers.Singleton(InMemoryHeartbeats, clock),
        redis=providers.Singleton(
            RedisHeartbeats,
            redis,
            providers.Object(encode_heartbeat),
            providers.Object(decode_heartbeat),
            settings.provided.heartbeat.key_prefix,
        ),
    )
    plain_alert_memory = providers.Selector(
        redis_or_memory,
        memory=providers.Singleton(InMemoryAlertMemory, clock),
        redis=providers.Singleton(
            RedisAlertMemory, redis, clock, providers.Callable(opening.of_group, settings, "alert")
        ),
    )
    alert_memory = providers.Singleton(ObservedAlertMemory, plain_alert_memory, metrics)
    tushare = providers.Resource(opening.opened_tushare, settings, call_budget, clock)
    archive = providers.Singleton(file_sources.file_archive, settings.provided.sources.files)
    policy = providers.Singleton(lambda settings: settings.worker.policy, settings)
    plain_bar_source = providers.Selector(
        providers.Callable(lambda settings: settings.sources.bars[0], settings),
        tushare=providers.Singleton(TushareBarSource, tushare),
        files=providers.Singleton(file_sources.bars_of_files, settings.provided.sources.files, archive),
    )
    observed_bar_source = providers.Singleton(
        ObservedBarSource, plain_bar_source, settings.provided.sources.bars[0], metrics, clock
    )
    retrying_bar_source = providers.Singleton(RetryingBarSource, observed_bar_source, policy, clock)
    bar_source = providers.Selector(
        layout, native=retrying_bar_source, ginkgo=providers.Singleton(GinkgoBarSource, retrying_bar_source)
    )
    second_source = providers.Selector(
        settings.provided.quality.second_opinion.source,
        tushare=providers.Singleton(TushareBarSource, tushare),
        files=providers.Singleton(file_sources.bars_of_files, settings.provided.sources.files, archive),
    )
    observed_second_source = providers.Singleton(
        ObservedBarSource, second_source, settings.provided.quality.second_opinion.source, metrics, clock
    )
    plain_tick_source = providers.Selector(
        settings.provided.sources.tick_source,
        none=providers.Object(None),
        files=providers.Singleton(file_sources.ticks_of_files, settings.provided.sources.files),
    )
    plain_reference_source = providers.Selector(
        providers.Callable(lambda settings: (settings.sources.reference or settings.sources.bars)[0], settings),
        tushare=providers.Singleton(TushareReferenceSource, tushare),
        files=providers.Singleton(
            file_sources.reference_of_files, settings.provided.sources.files, archive, plain_tick_source
        ),
    )
    observed_reference_source = providers.Singleton(
        ObservedReferenceSource,
        plain_reference_source,
        providers.Callable(lambda settings: (settings.sources.reference or settings.sources.bars)[0], settings),
        metrics,
        clock,
    )
    reference_source = providers.Singleton(RetryingReferenceSource, observed_reference_source, policy, clock)
    plain_adjustment_source = providers.Selector(
        settings.provided.sources.adjustment_source,
        tushare=providers.Singleton(TushareAdjustmentSource, tushare),
    )
    observed_adjustment_source = providers.Singleton(
        ObservedAdjustmentSource, plain_adjustment_source, settings.provided.sources.adjustment_source, metrics, clock
    )
    retrying_adjustment_source = providers.Singleton(
        RetryingAdjustmentSource, observed_adjustment_source, policy, clock
    )
    adjustment_source = providers.Selector(
        layout,
        native=retrying_adjustment_source,
        ginkgo=providers.Singleton(GinkgoAdjustmentSource, retrying_adjustment_source),
    )
    observed_tick_source = providers.Singleton(
        ObservedTickSource, plain_tick_source, settings.provided.sources.tick_source, metrics, clock
    )
    retrying_tick_source = providers.Singleton(RetryingTickSource, observed_tick_source, policy, clock)
    tick_source = providers.Selector(
        layout, native=retrying_tick_source, ginkgo=providers.Singleton(GinkgoTickSource, retrying_tick_source)
    )

    kafka_or_memory = providers.Callable(opening.kafka_or_memory, settings)
    kafka_config = providers.Singleton(
        lambda settings, node: settings.kafka_config(f"ginkgo_data.{node}"), settings, node_id
    )
    topics = providers.Singleton(KafkaTopics, kafka_config)
    producer = providers.Resource(opening.opened_producer, kafka_config, topics)
    broker = providers.Singleton(opening.made_broker, settings, clock)
    command_stream = providers.Selector(
        kafka_or_memory,
        memory=providers.Factory(InMemoryCommandStream, providers.Object(decode_command), broker),
        kafka=providers.Factory(KafkaCommandStream, kafka_config, providers.Object(decode_command)),
    )
    broadcasts = providers.Selector(
        kafka_or_memory,
        memory=providers.Factory(InMemoryBroadcasts, providers.Object(decode_command), broker),
        kafka=providers.Factory(KafkaBroadcasts, kafka_config, providers.Object(decode_command)),
    )
    work_queue = providers.Selector(
        kafka_or_memory,
        memory=providers.Singleton(InMemoryWorkQueue, broker, providers.Object(encode_work)),
        kafka=providers.Singleton(KafkaWorkQueue, producer, settings.provided.kafka.work_topic),
    )
    dead_letters = providers.Selector(
        kafka_or_memory,
        memory=providers.Singleton(InMemoryDeadLetters, providers.Object(dead_letter_key)),
        kafka=providers.Singleton(KafkaDeadLetters, producer, settings.provided.kafka.dead_letter_topic),
    )
    notifications = providers.Selector(
        kafka_or_memory,
        memory=providers.Singleton(InMemoryNotifications),
        kafka=providers.Singleton(KafkaNotifications, producer, settings.provided.kafka.notification_topic, node_id),
    )

    securities_sync = providers.Singleton(SecuritiesSync, reference_source, reference_repository, version_clock, clock)
    calendar_sync = providers.Singleton(
        TradingCalendarSync, reference_source, reference_repository, version_clock, clock
    )
    collector = providers.Singleton(
        BarCollector,
        source=bar_source,
        bars=bar_repository,
        absences=absence_repository,
        quality=quality_repository,
        revisions=revision_repository,
        reference=reference_repository,
        universe=securities_sync,
        calendar=trading_calendar,
        versions=version_clock,
        clock=clock,
        pool=pool,
        lease=call_lease,
        limits=providers.Singleton(worker_wiring.collector_limits, settings),
        rules=settings.provided.quality.rule_set,
    )
    coverage_reader = providers.Singleton(
        CoverageReader,
        bars=bar_repository,
        absences=absence_repository,
        reference=reference_repository,
        calendar=trading_calendar,
        clock=clock,
    )
    job_parts = providers.Singleton(
        JobParts,
        quality=quality_repository,
        reference=reference_repository,
        universe=securities_sync,
        calendar=trading_calendar,
        versions=version_clock,
        clock=clock,
        pool=pool,
        lease=call_lease,
        limits=providers.Singleton(worker_wiring.collector_limits, settings),
        rules=settings.provided.quality.rule_set,
    )
    adjustment_collector = providers.Selector(
        settings.provided.sources.adjustment_source,
        none=providers.Object(None),
        tushare=providers.Singleton(
            AdjustmentCollector,
            source=adjustment_source,
            factors=adjustment_repository,
            revisions=factor_revision_repository,
            bars=bar_repository,
            parts=job_parts,
        ),
    )
    tick_collector = providers.Selector(
        settings.provided.sources.tick_source,
        none=providers.Object(None),
        files=providers.Singleton(
            TickCollector,
            source=tick_source,
            ticks=tick_repository,
            absences=absence_repository,
            parts=job_parts,
        ),
    )
    asked_second = providers.Singleton(
        SecondOpinion,
        source=observed_second_source.provider,
        calendar=trading_calendar,
        versions=version_clock,
        clock=clock,
        pool=pool,
        cells=settings.provided.quality.second_opinion.cells,
        rules=settings.provided.quality.rule_set,
        concurrency=settings.provided.worker.concurrency,
    )
    second_opinion = providers.Selector(
        providers.Callable(lambda settings: settings.quality.second_opinion.source or "none", settings),
        none=providers.Object(None),
        tushare=asked_second,
        files=asked_second,
    )
    telling = providers.Singleton(Telling, outbox, notifications, clock)
    reporter = providers.Singleton(
        Reporter,
        quality=quality_repository,
        notifications=notifications,
        memory=alert_memory,
        outbox=outbox,
        calendar=trading_calendar,
        clock=clock,
        node_id=node_id,
        thresholds=settings.provided.quality.thresholds,
        cooldown=settings.provided.quality.alert_cooldown,
        telling=telling,
        enabled=settings.provided.quality.enabled,
    )
    dispatcher = providers.Singleton(
        Dispatcher,
        collector=collector,
        securities=securities_sync,
        trading_calendar=calendar_sync,
        reporter=reporter,
        notifications=notifications,
        clock=clock,
        policy=policy,
        ignore_bare_snapshots=providers.Callable(lambda s: s.commands.bare_bar_snapshot == "ignore", settings),
        calendar_changed=trading_calendar.provided.refresh,
        adjustments=adjustment_collector.provider,
        ticks=tick_collector.provider,
        second_opinion=second_opinion,
    )
    round = providers.Singleton(
        Round,
        dispatcher=dispatcher,
        work_queue=work_queue,
        dead_letters=dead_letters,
        reporter=reporter,
        notifications=notifications,
        clock=clock,
    )
    create_topics = providers.Selector(
        kafka_or_memory, memory=providers.Object(worker_wiring.nothing), kafka=topics.provided.create_own
    )
    restore_topics = providers.Selector(
        kafka_or_memory,
        memory=providers.Object(worker_wiring.nothing),
        kafka=providers.Callable(worker_wiring.restoration, topics),
    )
    prepare = providers.Singleton(
        worker_wiring.preparation, store, pool, settings.provided.worker.concurrency, create_topics, sweep
    )
    start_fault: providers.Provider[str | None] = providers.Object(None)
    reload = providers.Singleton(NoReload, notifications, start_fault)
    freshness = providers.Singleton(
        freshness_watch,
        settings,
        bar_repository,
        absence_repository,
        adjustment_repository,
        reference=reference_repository,
        calendar=trading_calendar,
        reporter=reporter,
        clock=clock,
    )
    worker_parts = providers.Singleton(
        WorkerParts,
        stream=command_stream.provider,
        broadcasts=broadcasts.provider,
        round=round,
        work_queue=work_queue,
        heartbeats=heartbeats,
        notifications=notifications,
        reporter=reporter,
        marks=started_marks,
        calendar=trading_calendar,
        versions=version_clock,
        clock=clock,
        prepare=prepare,
        restore=restore_topics,
        tidy=sweep,
        look=providers.Callable(look_of, settings, freshness),
        reload=reload,
        waiting=call_budget.provided.waiting,
        budget_left=call_budget.provided.quotas_left,
        metrics=metrics,
        spans=spans,
    )
    worker_options = providers.Singleton(worker_wiring.worker_options, settings, node_id)
    worker = providers.Factory(worker_wiring.made_worker, worker_parts, worker_options, metrics)
