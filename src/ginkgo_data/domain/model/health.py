# Upstream: adapters.prometheus.{metrics, worker_collector}, domain.services.diagnosis, entrypoints
# Downstream: domain.model.{stream, worker}
# Role: Vital signs of a worker, and the verdict on them
"""How a worker is, as it knows by itself: nothing here has asked a server anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ginkgo_data.domain.model.stream import StreamState
from ginkgo_data.domain.model.worker import WorkerStats, WorkerStatus


class Server(Enum):
    """What a worker lives on."""

    STORE = "store"
    BROKER = "broker"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class Away:
    """A server does not do what it is asked."""

    reason: str
    since: datetime | None = None
    """Zoned."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a thread stands in its work."""

    step: str
    about: str
    """What tells the step from others of its name, such as ``table=bars rows=1000``."""
    still_for: float
    """Seconds since the thread last began or ended a step."""


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """A worker at a moment. Times are seconds."""

    node_id: str
    group_id: str
    at: datetime
    """Zoned."""
    status: WorkerStatus
    began: bool
    """Whether it was ever started."""
    lives: bool
    """Whether its thread runs."""
    still_for: float
    """Since the loop last moved."""
    client_still_for: float
    """Since the broker client's thread last turned."""
    client_patience: float
    loop_patience: float
    standing: Standing | None = None
    """Where the loop stands, None between two steps."""
    place: str = ""
    """Where in the program the loop stands, when it stands still."""
    stuck_calls: tuple[Standing, ...] = ()
    """Vendor calls that should have returned."""
    away: Mapping[Server, Away] = field(default_factory=dict)
    """Servers known not to answer."""
    stats: WorkerStats = field(default_factory=WorkerStats)
    stream: StreamState = field(default_factory=StreamState)
    uptime: float = 0.0
    unfinished: int = 0
    """Commands received and not finished."""
    last_poll: datetime | None = None
    last_commit: datetime | None = None
    heartbeats_missed: int = 0
    waiting: str | None = None
    """Why vendor calls wait just now."""
    config_fault: str | None = None
    budget_left: Mapping[str, int] = field(default_factory=dict)
    """Calls of the present minute that are left by quota, as far as this worker knows."""


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """The verdict: each tuple has reasons in words; an empty one is good."""

    signs: VitalSigns
    dead: tuple[str, ...] = ()
    """Why a new start is the only help."""
    sick: tuple[str, ...] = ()
    """Why it cannot work just now; it goes on by itself when the reason is gone."""
    unready: tuple[str, ...] = ()
    """What else lacks for it to take part."""
    notes: tuple[str, ...] = ()
    """What somebody should know, and is no fault."""

    @property
    def alive(self) -> bool:
        """Whether it makes progress, or would if its servers answered."""
        return not self.dead

    @property
    def healthy(self) -> bool:
        """Whether it lives and can work."""
        return not (self.dead or self.sick)

    @property
    def ready(self) -> bool:
        """Whether it takes part in the group, and all its servers answer."""
        return not (self.dead or self.sick or self.unready)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not healthy."""
        return (*self.dead, *self.sick)
