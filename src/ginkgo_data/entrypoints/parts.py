# Upstream: entrypoints.{container, loop, worker}
# Downstream: domain.{model, services}, entrypoints.{intake, round}, ports
# Role: What a worker is made of: its options and its parts, as values
"""A worker gets everything it uses handed in; which adapters they are, the container alone knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.services.reporting import Reporter
from ginkgo_data.entrypoints.intake import IntakeLimits
from ginkgo_data.entrypoints.round import Round
from ginkgo_data.ports.broadcasts import Broadcasts
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.command_stream import CommandStream
from ginkgo_data.ports.heartbeats import Heartbeats
from ginkgo_data.ports.notifications import Notifications
from ginkgo_data.ports.started_marks import StartedMarks
from ginkgo_data.ports.trading_calendar import TradingCalendar
from ginkgo_data.ports.version_clock import VersionClock
from ginkgo_data.ports.work_queue import WorkQueue


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Times (seconds) and sizes of the loop."""

    node_id: str
    group_id: str = ""
    max_poll_records: int = 500
    poll_timeout: float = 1.0
    coalesce_wait: float = 0.5
    round_budget: float = 60.0
    stall_timeout: float = 120.0
    heartbeat_interval: float = 10.0
    heartbeat_ttl: float = 30.0
    hold_alert_after: float = 60.0
    hold_park_after: float = 900.0
    max_deliveries: int = 5
    most_calls: int | None = None
    """Vendor calls that are this worker's share of a round; None: no limit."""
    backoff: RetryPolicy = field(default_factory=lambda: RetryPolicy(first_delay=0.5, max_delay=30.0))

    @property
    def limits(self) -> IntakeLimits:
        """What one round takes in."""
        return IntakeLimits(self.max_poll_records, self.poll_timeout, self.coalesce_wait)


def _nothing() -> None:
    return None


def no_reload() -> Mapping[str, object]:
    """Refuse: a host gave the settings, there is no file to read again."""
    return {"outcome": "refused", "error": "this worker was given its settings by its host; nothing to read again"}


def _no_wait() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker works with. `stream` and `broadcasts` are made by the worker, when it starts."""

    stream: Callable[[], CommandStream]
    """Joins the group."""
    broadcasts: Callable[[], Broadcasts]
    round: Round
    work_queue: WorkQueue
    heartbeats: Heartbeats
    notifications: Notifications
    reporter: Reporter
    marks: StartedMarks
    calendar: TradingCalendar
    versions: VersionClock
    clock: Clock
    prepare: Callable[[], None] = _nothing
    """Schema, topics, threads: whatever must be there before the first round. Repeatable."""
    restore: Callable[[Sequence[str]], None] = lambda _: None
    """Makes those of the missing topics that are ours."""
    tidy: Callable[[], object] = _nothing
    """What the store needs from time to time; asked when there is no work, returns at once when nothing is due."""
    reload: Callable[[], Mapping[str, object]] = no_reload
    """Reads the configuration again and says what came of it."""
    waiting: Callable[[], str | None] = _no_wait
    """Why calls wait just now (the vendor's quota), None when none does."""
    close: Callable[[], None] = _nothing
    """Releases clients and pools, after the last round."""
