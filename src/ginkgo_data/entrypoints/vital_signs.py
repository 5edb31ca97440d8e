# Upstream: entrypoints.worker
# Downstream: domain.model.{health, stream, worker}, entrypoints.{heartbeat, holding, intake, loop, parts, step_watch}
# Role: A worker's vital signs, put together from what its parts know anyway
"""Looking costs nothing and waits for nobody: no server is asked, no lock of a client is taken."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass

from ginkgo_data.domain.model.health import Away, Server, VitalSigns
from ginkgo_data.domain.model.stream import StreamState
from ginkgo_data.domain.model.worker import WorkerStatus
from ginkgo_data.entrypoints.heartbeat import HeartbeatThread
from ginkgo_data.entrypoints.holding import Hold
from ginkgo_data.entrypoints.intake import Intake
from ginkgo_data.entrypoints.loop import Loop
from ginkgo_data.entrypoints.parts import WorkerOptions, WorkerParts
from ginkgo_data.entrypoints.step_watch import StepWatch

_FRAMES = 3
"""Frames of a loop that stands still, the innermost first."""
_LOOKED_AT_AFTER = 5.0
"""Seconds after which a standstill is worth a look at the stack."""


@dataclass(frozen=True, slots=True)
class Body:
    """The parts of a worker that have signs of life."""

    parts: WorkerParts
    options: WorkerOptions
    loop: Loop
    steps: StepWatch
    heartbeat: HeartbeatThread
    intake: Intake | None
    thread: int | None
    """Ident of the worker's thread."""


def client_patience(options: WorkerOptions) -> float:
    """Return the seconds within which the broker client's thread turns."""
    return 3 * options.poll_timeout + 5.0


def loop_patience(options: WorkerOptions, *, waits: bool) -> float:
    """Return the seconds within which the loop moves; `waits`: it pauses between its tries."""
    intake = options.poll_timeout + options.coalesce_wait
    return options.wedged_after + intake + (options.backoff.max_delay if waits else 0.0)


def vital_signs(body: Body, status: WorkerStatus, stream: StreamState, uptime: float, *, lives: bool) -> VitalSigns:
    """Return the signs of this moment; from any thread."""
    parts, options, loop = body.parts, body.options, body.loop
    still_for = max(0.0, parts.clock.monotonic() - max(loop.progress_at, body.steps.moved_at))
    patience = loop_patience(options, waits=loop.hold.reason is not None or status is WorkerStatus.ERROR)
    return VitalSigns(
        node_id=options.node_id,
        group_id=options.group_id,
        at=parts.clock.now(),
        status=status,
        began=body.thread is not None,
        lives=lives,
        still_for=still_for,
        client_still_for=stream.turned_ago,
        client_patience=client_patience(options),
        loop_patience=patience,
        standing=body.steps.loop_stands(),
        place=_place(body.thread) if still_for >= min(_LOOKED_AT_AFTER, patience) else "",
        stuck_calls=body.steps.stuck_calls(),
        away=_away(loop.hold, body.heartbeat),
        stats=loop.stats,
        stream=stream,
        uptime=uptime,
        unfinished=body.intake.unfinished() if body.intake else 0,
        last_poll=body.intake.last_poll if body.intake else None,
        last_commit=stream.committed_at,
        heartbeats_missed=body.heartbeat.missed,
        waiting=parts.waiting(),
        config_fault=parts.reload.fault(),
        budget_left=parts.budget_left(),
    )


def _away(hold: Hold, heartbeat: HeartbeatThread) -> dict[Server, Away]:
    found: dict[Server, Away] = {}
    if (reason := hold.reason) is not None:
        found[Server.BROKER if hold.of_broker else Server.STORE] = Away(reason, hold.since)
    if (failing := heartbeat.failing) is not None:
        found[Server.REDIS] = failing
    return found


def _place(thread: int | None) -> str:
    """Return the innermost frames of `thread`, ``file:line function`` each."""
    frame = sys._current_frames().get(thread) if thread is not None else None
    if frame is None:
        return ""
    innermost = reversed(traceback.extract_stack(frame, limit=None)[-_FRAMES:])
    return " < ".join(f"{_short(one.filename)}:{one.lineno} {one.name}" for one in innermost)


def _short(filename: str) -> str:
    """Return the end of a path: a package and its file."""
    return "/".join(filename.split("/")[-2:])
