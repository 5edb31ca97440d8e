# Upstream: adapters, domain.{model, services}, entrypoints, ginkgo_data, ports.heartbeats
# Downstream: domain.model.errors
# Role: States of a worker with their transitions, its counters, and its heartbeat
"""The life of a worker, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from ginkgo_data.domain.model.errors import InvalidTransition


class WorkerStatus(IntEnum):
    """State of a worker; numbers and names are upstream's WORKER_STATUS_TYPES."""

    STOPPED = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    ERROR = 4


ALLOWED: Mapping[WorkerStatus, frozenset[WorkerStatus]] = {
    WorkerStatus.STOPPED: frozenset({WorkerStatus.STARTING}),
    WorkerStatus.STARTING: frozenset({WorkerStatus.RUNNING, WorkerStatus.STOPPING, WorkerStatus.ERROR}),
    WorkerStatus.RUNNING: frozenset({WorkerStatus.STOPPING, WorkerStatus.ERROR}),
    WorkerStatus.STOPPING: frozenset({WorkerStatus.STOPPED, WorkerStatus.ERROR}),
    WorkerStatus.ERROR: frozenset({WorkerStatus.STARTING, WorkerStatus.STOPPING}),
}
"""From each state, the states that may follow: an ERROR worker recovers by STARTING again, or is stopped."""


def transition(current: WorkerStatus, wanted: WorkerStatus) -> WorkerStatus:
    """Return `wanted`; raise `InvalidTransition` naming both when it may not follow `current`."""
    if wanted not in ALLOWED[current]:
        allowed = ", ".join(sorted(status.name for status in ALLOWED[current]))
        raise InvalidTransition(f"a worker in state {current.name} cannot become {wanted.name}; allowed: {allowed}")
    return wanted


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """Counters since the worker started."""

    messages_processed: int = 0
    messages_failed: int = 0
    bars_collected: int = 0
    bars_written: int = 0
    bars_rejected: int = 0
    calls: int = 0
    inserts: int = 0
    rounds: int = 0
    dead_letters: int = 0
    parked: int = 0
    commands_expired: int = 0
    """Records that the broker deleted before they were read."""
    last_message_time: datetime | None = None
    last_error: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker's sign of life, with its progress."""

    node_id: str
    status: WorkerStatus
    sent_at: datetime
    host: str
    pid: int
    stats: WorkerStats
    uptime_seconds: float = 0.0
    degraded: str | None = None
    """Why the worker cannot do all its work just now (held, waiting for the vendor's quota); None: it can."""
    degraded_since: datetime | None = None
    progress: Mapping[str, object] = field(default_factory=dict)
