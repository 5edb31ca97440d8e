# Upstream: entrypoints
# Downstream: domain.{model, services}, entrypoints.{intake, round, spans}, ports
# Role: What a worker is made of: its options and its parts, as values
"""A worker gets everything it uses handed in; which adapters they are, the container alone knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ginkgo_data.domain.model.measures import Counted, Measured
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.services.reporting import Reporter
from ginkgo_data.entrypoints.intake import IntakeLimits
from ginkgo_data.entrypoints.round import Round
from ginkgo_data.entrypoints.spans import NoSpans, Spans
from ginkgo_data.ports.broadcasts import Broadcasts
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.command_stream import CommandStream
from ginkgo_data.ports.heartbeats import Heartbeats
from ginkgo_data.ports.metrics import Metrics
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
    wedged_after: float = 50.0
    """Seconds without a move of the loop after which it is taken for wedged."""
    call_patience: float = 50.0
    """Seconds after which a vendor's call should have returned."""
    slow_step: float = math.inf
    """Seconds from which on a step is logged as slow."""
    backoff: RetryPolicy = field(default_factory=lambda: RetryPolicy(first_delay=0.5, max_delay=30.0))

    @property
    def limits(self) -> IntakeLimits:
        """What one round takes in."""
        return IntakeLimits(self.max_poll_records, self.poll_timeout, self.coalesce_wait)


def _nothing() -> None:
    return None


class Reload(Protocol):
    """Reads the configuration again. `request` and `fault` may be called from any thread."""

    def request(self, trigger: str, request_id: str = "") -> None:
        """Ask for a reload, which follows the round under way; the answer is told under `request_id`."""

    def due(self) -> bool:
        """Whether somebody has asked."""

    def attempt(self) -> Renewal | None:
        """Return what the worker is to change to, None where nothing changes. What came of it is told; never raises."""

    def fault(self) -> str | None:
        """Return what is wrong with the configuration: at the start, or why the last reload was refused; else None."""

    def figures(self) -> Mapping[str, object]:
        """Return what the heartbeat says of reloads; empty before the first."""


class NoReload:
    """Refuses: a host gave the settings, there is no file to read again."""

    def __init__(self, notifications: Notifications | None = None, fault: str | None = None) -> None:
        self._notifications = notifications
        self._fault = fault

    def request(self, trigger: str, request_id: str = "") -> None:
        """Answer at once."""
        error = "this worker was given its settings by its host; nothing to read again"
        if self._notifications is not None:
            answer = {"outcome": "refused", "error": error, "changed": [], "triggers": [trigger]}
            self._notifications.event("reload_answer", {"request_id": request_id, **answer})

    def due(self) -> bool:
        """Never."""
        return False

    def attempt(self) -> Renewal | None:
        """Change nothing."""
        return None

    def fault(self) -> str | None:
        """Return what was wrong with the configuration at the start, for as long as the worker lives."""
        return self._fault

    def figures(self) -> Mapping[str, object]:
        """Have none."""
        return {}


class NoMetrics:
    """Counts nothing."""

    def count(self, what: Counted, amount: float = 1.0, **labels: str) -> None:
        """Do nothing."""

    def measure(self, what: Measured, value: float, **labels: str) -> None:
        """Do nothing."""


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
    look: Callable[[], object] = _nothing
    """Looks at how fresh the data are; asked between rounds, returns at once when nothing is due, never raises."""
    reload: Reload = field(default_factory=NoReload)
    waiting: Callable[[], str | None] = _no_wait
    """Why calls wait just now (the vendor's quota), None when none does."""
    budget_left: Callable[[], Mapping[str, int]] = dict
    """Calls left in the present minute by quota, as far as this process knows."""
    metrics: Metrics = field(default_factory=NoMetrics)
    spans: Spans = field(default_factory=NoSpans)
    close: Callable[[], None] = _nothing
    """Releases clients and pools, after the last round."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a worker changes to between two rounds. One of `done` and `failed` is called, once."""

    parts: WorkerParts
    options: WorkerOptions
    rejoins: bool
    """Whether the stream is another one: the group is left and joined anew."""
    done: Callable[[], None]
    """The worker works with them now: closes what they replace, and tells."""
    failed: Callable[[Exception], None]
    """The worker goes on as before: closes what was opened for them, and tells."""
