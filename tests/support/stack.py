"""The domain on memory adapters: a collector, a round and a worker with everything readable."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.kafka.wire import decode_command, encode_work
from ginkgo_data.adapters.memory.absence_repository import InMemoryAbsenceRepository
from ginkgo_data.adapters.memory.adjustment_repository import InMemoryAdjustmentRepository
from ginkgo_data.adapters.memory.alert_memory import InMemoryAlertMemory
from ginkgo_data.adapters.memory.bar_repository import InMemoryBarRepository
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.broker import InMemoryBroker
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.command_stream import InMemoryCommandStream
from ginkgo_data.adapters.memory.dead_letters import InMemoryDeadLetters
from ginkgo_data.adapters.memory.factor_revision_repository import InMemoryFactorRevisionRepository
from ginkgo_data.adapters.memory.heartbeats import InMemoryHeartbeats
from ginkgo_data.adapters.memory.notifications import InMemoryNotifications
from ginkgo_data.adapters.memory.outbox import InMemoryOutbox
from ginkgo_data.adapters.memory.quality_repository import InMemoryQualityRepository
from ginkgo_data.adapters.memory.reference_repository import InMemoryReferenceRepository
from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.adapters.memory.revision_repository import InMemoryRevisionRepository
from ginkgo_data.adapters.memory.started_marks import InMemoryStartedMarks
from ginkgo_data.adapters.memory.tick_repository import InMemoryTickRepository
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.adapters.memory.version_clock import InMemoryVersionClock
from ginkgo_data.adapters.memory.work_queue import InMemoryWorkQueue
from ginkgo_data.domain.model.fetch import SourceCapabilities
from ginkgo_data.domain.model.reference import SECURITY_SCHEMA, Securities
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.adjustments import AdjustmentCollector
from ginkgo_data.domain.services.collector import BarCollector, CollectorLimits
from ginkgo_data.domain.services.leasing import ALONE
from ginkgo_data.domain.services.reference import SecuritiesSync, TradingCalendarSync
from ginkgo_data.domain.services.reporting import Reporter
from ginkgo_data.domain.services.rule_set import RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.second_opinion import SecondOpinion
from ginkgo_data.domain.services.session_job import JobParts
from ginkgo_data.domain.services.ticks import TickCollector
from ginkgo_data.entrypoints.dispatch import Dispatcher
from ginkgo_data.entrypoints.round import Round
from ginkgo_data.ports.call_lease import CallLease

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2024, 1, 12, 18, 0, tzinfo=SHANGHAI)
"""A Friday evening: the session of that day is closed."""
WEEKDAYS = np.arange("2023-12-25", "2024-03-30", dtype="datetime64[D]")
SESSIONS = WEEKDAYS[np.is_busday(WEEKDAYS)]
FIVE = ("2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12")


class RunningClock:
    """A clock that starts at a zoned time and really runs, for tests of several threads."""

    def __init__(self, start: datetime = NOW) -> None:
        self._start, self._began = start, time.monotonic()
        self._interrupted = threading.Event()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return time.monotonic() - self._began

    def wait(self, seconds: float) -> bool:
        return self._interrupted.wait(seconds)

    def interrupt(self) -> None:
        self._interrupted.set()


class ImmediateExecutor(Executor):
    """Runs a call when it is submitted, in the caller's thread: tests see no races."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def listed(
    codes: Sequence[str], first: date = date(2024, 1, 8), delisted: Sequence[date | None] | None = None
) -> Securities:
    """Return securities listed on `first`."""
    count = len(codes)
    columns = {
        "code": list(codes),
        "name": [f"name of {code}" for code in codes],
        "market": ["主板"] * count,
        "industry": [""] * count,
        "list_date": [first] * count,
        "delist_date": list(delisted) if delisted else [None] * count,
        "status": ["L"] * count,
        "source": ["test"] * count,
        "version": [1] * count,
    }
    return Securities(pa.table(columns, schema=SECURITY_SCHEMA))


VENDOR = SourceCapabilities("test", frozenset({DAILY}), row_limit=6000, codes_per_call=1000, by_session=True)
BY_CODE = replace(VENDOR, by_session=False)


@dataclass
class Stack:
    """Everything between the command stream and the store, in memory; parts may be replaced before use."""

    source: object = None
    securities: Securities = field(default_factory=lambda: listed(["000001.SZ", "600519.SH"]))
    limits: CollectorLimits = field(default_factory=CollectorLimits)
    pool: Executor = field(default_factory=ImmediateExecutor)
    now: datetime = NOW
    lease: CallLease = ALONE
    adjustment_source: object = None
    tick_source: object = None
    second_source: object = None
    """Is asked for a second opinion, where there is one."""
    second_cells: int = 3
    rules: RuleSet = DEFAULT_RULES

    def __post_init__(self) -> None:
        self.clock = ManualClock(self.now)
        self.versions = InMemoryVersionClock(self.clock)
        self.bars = InMemoryBarRepository()
        self.absences = InMemoryAbsenceRepository()
        self.factors = InMemoryAdjustmentRepository()
        self.ticks = InMemoryTickRepository()
        self.quality = InMemoryQualityRepository()
        self.revisions = InMemoryRevisionRepository()
        self.factor_revisions = InMemoryFactorRevisionRepository()
        self.outbox = InMemoryOutbox(self.quality)
        self.reference = InMemoryReferenceRepository(self.clock)
        self.reference_source = InMemoryReferenceSource(self.securities)
        self.calendar = InMemoryTradingCalendar(SESSIONS, date(2024, 3, 29))
        self.broker = InMemoryBroker(self.clock)
        self.stream = InMemoryCommandStream(decode_command, self.broker)
        self.work_queue = InMemoryWorkQueue(self.broker, encode_work)
        self.dead_letters = InMemoryDeadLetters()
        self.notifications = InMemoryNotifications()
        self.heartbeats = InMemoryHeartbeats(self.clock)
        self.alert_memory = InMemoryAlertMemory(self.clock)
        self.marks = InMemoryStartedMarks(self.clock)
        self.universe = SecuritiesSync(self.reference_source, self.reference, self.versions, self.clock)
        self.reference.write_securities(self.securities)

    @property
    def collector(self) -> BarCollector:
        """A collector over the parts as they are now."""
        return BarCollector(
            source=self.source,
            bars=self.bars,
            absences=self.absences,
            quality=self.quality,
            revisions=self.revisions,
            reference=self.reference,
            universe=self.universe,
            calendar=self.calendar,
            versions=self.versions,
            clock=self.clock,
            pool=self.pool,
            lease=self.lease,
            limits=self.limits,
            rules=self.rules,
        )

    @property
    def second_opinion(self) -> SecondOpinion | None:
        """Who asks the second source, where there is one."""
        if self.second_source is None:
            return None
        parts = (self.calendar, self.versions, self.clock, self.pool)
        return SecondOpinion(lambda: self.second_source, *parts, self.second_cells, self.rules)

    @property
    def job_parts(self) -> JobParts:
        """What collections of factors and ticks work with."""
        return JobParts(
            self.quality,
            self.reference,
            self.universe,
            self.calendar,
            self.versions,
            self.clock,
            self.pool,
            self.lease,
            self.limits,
        )

    @property
    def adjustments(self) -> AdjustmentCollector | None:
        """A collector of factors, where there is a source of them."""
        if self.adjustment_source is None:
            return None
        return AdjustmentCollector(
            self.adjustment_source, self.factors, self.factor_revisions, self.bars, self.job_parts
        )

    @property
    def tick_collector(self) -> TickCollector | None:
        """A collector of ticks, where there is a source of them."""
        if self.tick_source is None:
            return None
        return TickCollector(self.tick_source, self.ticks, self.absences, self.job_parts)

    @property
    def reporter(self) -> Reporter:
        """A reporter over the parts as they are now."""
        return Reporter(
            self.quality,
            self.notifications,
            self.alert_memory,
            self.outbox,
            self.calendar,
            self.clock,
            node_id="node-1",
        )

    @property
    def round(self) -> Round:
        """A round over the parts as they are now."""
        reporter = self.reporter
        calendar_sync = TradingCalendarSync(self.reference_source, self.reference, self.versions, self.clock)
        dispatcher = Dispatcher(
            self.collector,
            self.universe,
            calendar_sync,
            reporter,
            self.notifications,
            self.clock,
            adjustments=lambda: self.adjustments,
            ticks=lambda: self.tick_collector,
            second_opinion=self.second_opinion,
        )
        return Round(dispatcher, self.work_queue, self.dead_letters, reporter, self.notifications, self.clock)


__all__ = [
    "BY_CODE",
    "FIVE",
    "NOW",
    "SESSIONS",
    "VENDOR",
    "ImmediateExecutor",
    "InMemoryBarSource",
    "RunningClock",
    "Stack",
    "listed",
]
