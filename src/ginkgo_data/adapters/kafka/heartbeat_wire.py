# Upstream: entrypoints.{container, operator_parts, status}
# Downstream: adapters.kafka, domain.model.{errors, worker}, pydantic
# Role: Heartbeats as the one JSON object that upstream's readers and the specification's both take, and back
"""A heartbeat on the wire: what upstream's code writes (flat), the specification's keys and ours beside it.

`status` stays a flat lower-case word: upstream's readers call `.lower()` on it, and an object there breaks their
list of all workers. `timestamp` stays naive, Shanghai's wall clock, as upstream writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from ginkgo_data.adapters.kafka.command_fields import ZONE, time_of
from ginkgo_data.adapters.kafka.command_shapes import faults_in
from ginkgo_data.adapters.kafka.messages import HeartbeatMessage
from ginkgo_data.adapters.kafka.wire_json import Json, clean, plain, plain_object, shown
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus

_WORDS = {status.name.lower(): status for status in WorkerStatus}
"""Upstream's five words."""


def encode_heartbeat(heartbeat: Heartbeat) -> Json:
    """Return `heartbeat` as strict JSON; `decode_heartbeat` gives it back.

    `stats` holds `WorkerStats` by its own names, which are the specification's, and upstream's `errors` and
    `last_heartbeat` (seconds since 1970).
    """
    stats = plain_object(heartbeat.stats) | {
        "errors": heartbeat.stats.messages_failed,
        "last_heartbeat": heartbeat.sent_at.timestamp(),
        "uptime_seconds": plain(heartbeat.uptime_seconds),
    }
    return HeartbeatMessage(
        status=heartbeat.status.name.lower(),
        timestamp=heartbeat.sent_at.astimezone(ZONE).replace(tzinfo=None).isoformat(),
        node_id=heartbeat.node_id,
        stats=stats,
        component_type="data_worker",
        component_id=heartbeat.node_id,
        host=heartbeat.host,
        pid=heartbeat.pid,
        status_code=int(heartbeat.status),
        status_name=heartbeat.status.name,
        degraded=heartbeat.degraded is not None,
        reason=None if heartbeat.degraded is None else clean(heartbeat.degraded),
        since=heartbeat.degraded_since.isoformat() if heartbeat.degraded_since else None,
        progress=plain_object(heartbeat.progress),
    ).model_dump()


def _status(value: object) -> WorkerStatus:
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    raise ValueError(f"{shown(value)} is no status; allowed: {', '.join(_WORDS)}")


def _sent_at(value: object) -> datetime:
    moment = time_of(value)
    if moment is None:
        raise ValueError("null is no time")
    return moment


class _Uptime(BaseModel):
    uptime_seconds: float | None = None


class _Shape(BaseModel):
    """What is read back; upstream's own workers write only the first four keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Annotated[WorkerStatus, PlainValidator(_status)]
    timestamp: Annotated[datetime, PlainValidator(_sent_at)]
    node_id: str
    stats: WorkerStats = WorkerStats()
    host: str = ""
    pid: int = 0
    degraded: bool = False
    reason: str | None = None
    since: Annotated[datetime | None, PlainValidator(time_of)] = None
    progress: dict[str, object] = {}


def decode_heartbeat(message: Mapping[str, object]) -> Heartbeat:
    """Return the heartbeat that `message` is, ours or upstream's own; raises `SchemaMismatch` naming the keys."""
    try:
        shape = _Shape.model_validate(message)
        uptime = _Uptime.model_validate(message.get("stats", {})).uptime_seconds
    except ValidationError as bad:
        raise SchemaMismatch(f"not a heartbeat: {faults_in(bad)}") from bad
    return Heartbeat(
        node_id=shape.node_id,
        status=shape.status,
        sent_at=shape.timestamp,
        host=shape.host,
        pid=shape.pid,
        stats=shape.stats,
        uptime_seconds=uptime or 0.0,
        degraded=(shape.reason or "") if shape.degraded else None,
        degraded_since=shape.since,
        progress=shape.progress,
    )
