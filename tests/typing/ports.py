"""Every adapter fits its port: checked by mypy in `make check`, never run.

A new adapter is added to the line of its port; a method that is missing or of another shape is then a type error.
"""

from __future__ import annotations

from ginkgo_data.adapters.calendars.layered import LayeredTradingCalendar
from ginkgo_data.adapters.calendars.stored import StoredTradingCalendar
from ginkgo_data.adapters.calendars.xshg import ExchangeCalendarsTradingCalendar
from ginkgo_data.adapters.clickhouse.absence_repository import ClickHouseAbsenceRepository
from ginkgo_data.adapters.clickhouse.adjustment_repository import ClickHouseAdjustmentRepository
from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.factor_revision_repository import ClickHouseFactorRevisionRepository
from ginkgo_data.adapters.clickhouse.ginkgo_adjustment_repository import GinkgoAdjustmentRepository
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.adapters.clickhouse.ginkgo_bar_source import GinkgoBarSource
from ginkgo_data.adapters.clickhouse.ginkgo_session_sources import GinkgoAdjustmentSource, GinkgoTickSource
from ginkgo_data.adapters.clickhouse.ginkgo_tick_repository import GinkgoTickRepository
from ginkgo_data.adapters.clickhouse.outbox import ClickHouseOutbox
from ginkgo_data.adapters.clickhouse.quality_repository import ClickHouseQualityRepository
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.adapters.clickhouse.revision_repository import ClickHouseRevisionRepository
from ginkgo_data.adapters.clickhouse.tick_repository import ClickHouseTickRepository
from ginkgo_data.adapters.clickhouse.version_clock import ClickHouseVersionClock
from ginkgo_data.adapters.files.bar_source import FilesBarSource
from ginkgo_data.adapters.files.reference_source import FilesReferenceSource
from ginkgo_data.adapters.files.tick_source import FilesTickSource
from ginkgo_data.adapters.gtm.bar_repository import GtmBarRepository
from ginkgo_data.adapters.gtm.bar_source import GtmBarSource
from ginkgo_data.adapters.gtm.reference_source import GtmReferenceSource
from ginkgo_data.adapters.kafka.broadcasts import KafkaBroadcasts
from ginkgo_data.adapters.kafka.command_stream import KafkaCommandStream
from ginkgo_data.adapters.kafka.dead_letters import KafkaDeadLetters
from ginkgo_data.adapters.kafka.notifications import KafkaNotifications
from ginkgo_data.adapters.kafka.wire import decode_command
from ginkgo_data.adapters.kafka.work_queue import KafkaWorkQueue
from ginkgo_data.adapters.memory.absence_repository import InMemoryAbsenceRepository
from ginkgo_data.adapters.memory.adjustment_repository import InMemoryAdjustmentRepository
from ginkgo_data.adapters.memory.adjustment_source import InMemoryAdjustmentSource
from ginkgo_data.adapters.memory.alert_memory import InMemoryAlertMemory
from ginkgo_data.adapters.memory.bar_repository import InMemoryBarRepository
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.broadcasts import InMemoryBroadcasts
from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.call_lease import InMemoryCallLease
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.command_stream import InMemoryCommandStream
from ginkgo_data.adapters.memory.dead_letters import InMemoryDeadLetters
from ginkgo_data.adapters.memory.factor_revision_repository import InMemoryFactorRevisionRepository
from ginkgo_data.adapters.memory.heartbeats import InMemoryHeartbeats
from ginkgo_data.adapters.memory.metrics import InMemoryMetrics
from ginkgo_data.adapters.memory.notifications import InMemoryNotifications
from ginkgo_data.adapters.memory.outbox import InMemoryOutbox
from ginkgo_data.adapters.memory.quality_repository import InMemoryQualityRepository
from ginkgo_data.adapters.memory.reference_repository import InMemoryReferenceRepository
from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.adapters.memory.revision_repository import InMemoryRevisionRepository
from ginkgo_data.adapters.memory.started_marks import InMemoryStartedMarks
from ginkgo_data.adapters.memory.tick_repository import InMemoryTickRepository
from ginkgo_data.adapters.memory.tick_source import InMemoryTickSource
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.adapters.memory.version_clock import InMemoryVersionClock
from ginkgo_data.adapters.memory.work_queue import InMemoryWorkQueue
from ginkgo_data.adapters.observing.adjustment_source import ObservedAdjustmentSource
from ginkgo_data.adapters.observing.alert_memory import ObservedAlertMemory
from ginkgo_data.adapters.observing.bar_source import ObservedBarSource
from ginkgo_data.adapters.observing.reference_source import ObservedReferenceSource
from ginkgo_data.adapters.observing.tick_source import ObservedTickSource
from ginkgo_data.adapters.prometheus.metrics import PrometheusMetrics
from ginkgo_data.adapters.redis.alert_memory import RedisAlertMemory
from ginkgo_data.adapters.redis.call_budget import RedisCallBudget
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
from ginkgo_data.ports.adjustment_repository import AdjustmentRepository
from ginkgo_data.ports.adjustment_source import AdjustmentSource
from ginkgo_data.ports.alert_memory import AlertMemory
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.broadcasts import Broadcasts
from ginkgo_data.ports.call_budget import CallBudget
from ginkgo_data.ports.call_lease import CallLease
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.command_stream import CommandDecoder, CommandStream
from ginkgo_data.ports.dead_letters import DeadLetters
from ginkgo_data.ports.factor_revision_repository import FactorRevisionRepository
from ginkgo_data.ports.heartbeats import Heartbeats
from ginkgo_data.ports.metrics import Metrics
from ginkgo_data.ports.notifications import Notifications
from ginkgo_data.ports.outbox import Outbox
from ginkgo_data.ports.quality_repository import QualityRepository
from ginkgo_data.ports.reference_repository import ReferenceRepository
from ginkgo_data.ports.reference_source import ReferenceSource
from ginkgo_data.ports.revision_repository import RevisionRepository
from ginkgo_data.ports.started_marks import StartedMarks
from ginkgo_data.ports.tick_repository import TickRepository
from ginkgo_data.ports.tick_source import TickSource
from ginkgo_data.ports.trading_calendar import TradingCalendar
from ginkgo_data.ports.version_clock import VersionClock
from ginkgo_data.ports.work_queue import WorkQueue

decoder: CommandDecoder = decode_command


def absence_repositories(*fit: AbsenceRepository) -> None: ...
def adjustment_repositories(*fit: AdjustmentRepository) -> None: ...
def adjustment_sources(*fit: AdjustmentSource) -> None: ...
def alert_memories(*fit: AlertMemory) -> None: ...
def bar_repositories(*fit: BarRepository) -> None: ...
def bar_sources(*fit: BarSource) -> None: ...
def broadcasts(*fit: Broadcasts) -> None: ...
def call_budgets(*fit: CallBudget) -> None: ...
def call_leases(*fit: CallLease) -> None: ...
def clocks(*fit: Clock) -> None: ...
def command_streams(*fit: CommandStream) -> None: ...
def dead_letters(*fit: DeadLetters) -> None: ...
def heartbeats(*fit: Heartbeats) -> None: ...
def metrics(*fit: Metrics) -> None: ...
def notifications(*fit: Notifications) -> None: ...
def outboxes(*fit: Outbox) -> None: ...
def quality_repositories(*fit: QualityRepository) -> None: ...
def reference_repositories(*fit: ReferenceRepository) -> None: ...
def reference_sources(*fit: ReferenceSource) -> None: ...
def factor_revision_repositories(*fit: FactorRevisionRepository) -> None: ...
def revision_repositories(*fit: RevisionRepository) -> None: ...
def started_marks(*fit: StartedMarks) -> None: ...
def tick_repositories(*fit: TickRepository) -> None: ...
def tick_sources(*fit: TickSource) -> None: ...
def trading_calendars(*fit: TradingCalendar) -> None: ...
def version_clocks(*fit: VersionClock) -> None: ...
def work_queues(*fit: WorkQueue) -> None: ...


def bars_fit(
    a: ClickHouseBarRepository,
    b: InMemoryBarRepository,
    c: ClickHouseAbsenceRepository,
    d: InMemoryAbsenceRepository,
    e: ClickHouseQualityRepository,
    f: InMemoryQualityRepository,
    g: ClickHouseReferenceRepository,
    h: InMemoryReferenceRepository,
    i: ClickHouseVersionClock,
    j: InMemoryVersionClock,
    k: ClickHouseOutbox,
    m: InMemoryOutbox,
    n: GinkgoBarRepository,
) -> None:
    """Stores."""
    bar_repositories(a, b, n)
    absence_repositories(c, d)
    quality_repositories(e, f)
    reference_repositories(g, h)
    version_clocks(i, j)
    outboxes(k, m)


def revisions_fit(
    a: ClickHouseRevisionRepository,
    b: InMemoryRevisionRepository,
    c: ClickHouseFactorRevisionRepository,
    d: InMemoryFactorRevisionRepository,
) -> None:
    """What bars and factors were before."""
    revision_repositories(a, b)
    factor_revision_repositories(c, d)


def session_data_fits(
    a: ClickHouseAdjustmentRepository,
    b: InMemoryAdjustmentRepository,
    c: ClickHouseTickRepository,
    d: InMemoryTickRepository,
    e: FilesTickSource,
    f: InMemoryTickSource,
    g: RetryingTickSource,
    h: GinkgoAdjustmentRepository,
    i: GinkgoTickRepository,
    j: GinkgoTickSource,
) -> None:
    """Factors and ticks: stores, and vendors of ticks."""
    adjustment_repositories(a, b, h)
    tick_repositories(c, d, i)
    tick_sources(e, f, g, j)


def sources_fit(
    a: TushareBarSource,
    b: FilesBarSource,
    c: InMemoryBarSource,
    d: RetryingBarSource,
    e: TushareReferenceSource,
    f: FilesReferenceSource,
    g: InMemoryReferenceSource,
    h: RetryingReferenceSource,
    i: TushareAdjustmentSource,
    j: InMemoryAdjustmentSource,
    k: RetryingAdjustmentSource,
    m: GinkgoBarSource,
    n: GinkgoAdjustmentSource,
) -> None:
    """Vendors."""
    bar_sources(a, b, c, d, m)
    reference_sources(e, f, g, h)
    adjustment_sources(i, j, k, n)


def host_and_broker_fit(
    a: SystemClock,
    b: ManualClock,
    c: LayeredTradingCalendar,
    d: StoredTradingCalendar,
    e: ExchangeCalendarsTradingCalendar,
    f: InMemoryTradingCalendar,
    g: InMemoryCommandStream,
    h: InMemoryWorkQueue,
    i: InMemoryDeadLetters,
    j: InMemoryNotifications,
    k: InMemoryHeartbeats,
    m: InMemoryAlertMemory,
    n: InMemoryCallBudget,
    o: RedisHeartbeats,
    p: RedisAlertMemory,
    q: RedisCallBudget,
) -> None:
    """Clocks, calendars, broker and memory."""
    clocks(a, b)
    trading_calendars(c, d, e, f)
    command_streams(g)
    work_queues(h)
    dead_letters(i)
    notifications(j)
    heartbeats(k, o)
    alert_memories(m, p)
    call_budgets(n, q)


def fleet_fits(
    a: InMemoryStartedMarks,
    b: RedisStartedMarks,
    c: InMemoryCallLease,
    d: RedisCallLease,
) -> None:
    """What workers know of each other."""
    started_marks(a, b)
    call_leases(c, d)


def kafka_and_its_double_fit(
    a: KafkaCommandStream,
    b: KafkaWorkQueue,
    c: KafkaDeadLetters,
    d: KafkaNotifications,
    e: KafkaBroadcasts,
    f: InMemoryBroadcasts,
) -> None:
    """The broker."""
    command_streams(a)
    work_queues(b)
    dead_letters(c)
    notifications(d)
    broadcasts(e, f)


def observing_fits(
    a: InMemoryMetrics,
    b: PrometheusMetrics,
    c: ObservedBarSource,
    d: ObservedReferenceSource,
    e: ObservedAdjustmentSource,
    f: ObservedTickSource,
    g: ObservedAlertMemory,
    h: NotingCallBudget,
) -> None:
    """Metrics, and ports wrapped in the same port."""
    metrics(a, b)
    bar_sources(c)
    reference_sources(d)
    adjustment_sources(e)
    tick_sources(f)
    alert_memories(g)
    call_budgets(h)


def hosts_fit(a: GtmBarRepository, b: GtmBarSource, c: GtmReferenceSource) -> None:
    """Objects of a host program."""
    bar_repositories(a)
    bar_sources(b)
    reference_sources(c)
