# Upstream: adapters.kafka.{heartbeat_wire, wire_out}, entrypoints.contracts
# Downstream: domain.model.{quality, worker}, pydantic
# Role: Shapes of what we tell: alerts, events with their data, heartbeats
"""One model per message that this program writes; the encoders fill them, docs/contracts is generated from them.

A model's fields are all of the message's keys, and all of them are always there. Times are ISO texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from ginkgo_data.domain.model.quality import AlertKind, Severity
from ginkgo_data.domain.model.worker import WorkerStats, WorkerStatus

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""An ISO time with its zone."""


class WireMessage(BaseModel):
    """A message of ours."""

    # Built with the first message: a start does not wait for it.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class AlertField(WireMessage):
    """A line of the webhook's card."""

    name: str
    value: str
    inline: bool


class AlertMessage(WireMessage):
    """An alert, in one object for both of its readers.

    The specification's reader takes `type`, `severity` and `data`; Ginkgo's notifier routes by `message_type` and shows
    `title`, `content`, `level` and `fields` to the members of `group_name`. INFO means that what was raised is over.
    """

    type: Annotated[str, WithJsonSchema({"enum": [kind.value for kind in AlertKind]})]
    """What it is about."""
    severity: Annotated[str, WithJsonSchema({"enum": [severity.value for severity in Severity]})]
    data: dict[str, object]
    """The numbers, by name."""
    message_type: Literal["custom_fields"]
    group_name: str
    """Whose webhooks get it."""
    title: str
    """Cut to 256 characters."""
    content: str
    """`text`, cut to 2000 characters."""
    level: Literal["INFO", "WARN", "ERROR"]
    """The card's colour."""
    module: str
    fields: list[AlertField]
    """The first of `data`, as texts."""
    text: str
    """What happened and what to do, whole."""
    alert_id: str
    """The same whenever the alert is told again."""
    subject: str
    """What it is about: a series, a vendor, a topic."""
    key: str
    """Repeats of one key are silent for `quality.alert_cooldown`."""
    node_id: str
    """Who told it."""
    timestamp: Time
    """When it was raised."""


class EventMessage(WireMessage):
    """A state change, progress or an answer.

    Without a `message_type` Ginkgo's notifier drops it: nobody is bothered.
    """

    type: str
    """What happened: the shape of `data` follows from it."""
    node_id: str
    timestamp: Time
    data: dict[str, object]


class WorkerState(WireMessage):
    """A worker entered another state."""

    node_id: str
    before: str = Field(alias="from")
    to: str


class Outcome(WireMessage):
    """How one record of a command ended."""

    request_id: str
    delivery_id: str
    """Of the command's first record."""
    record: str
    """Of this record; the first one where it equals `delivery_id`."""
    command: str | None
    """The word; null where the bytes do not say one."""
    outcome: Literal["done", "postponed", "dead_letter"]
    parked: int
    """Records that what is left was put into: the request is over when all of them have ended too."""
    reason: str
    error: str
    """Class of the error, empty for none."""
    codes: list[str]
    """The first 20 of the codes that this is about."""
    codes_total: int
    attempt: int
    piece: int
    trace_id: str | None


class CommandEnded(WireMessage):
    """Records ended, for certain: everything that their ends need was acknowledged."""

    outcomes: list[Outcome]
    report_id: str | None
    """Of the quality report that accounts for them."""


class CommandProgress(WireMessage):
    """A job is under way, told every few seconds."""

    request_ids: list[str]
    """The first 200."""
    calls_done: int
    calls_planned: int
    rows: int


class ReferenceSynced(WireMessage):
    """Securities or the trading calendar were asked for."""

    command: str
    request_ids: list[str]
    rows: int
    calls: int
    unknown: str | None
    """Why the vendor gave no answer; null: it did."""
    notes: list[str]


class HeartbeatTestAnswer(WireMessage):
    """The answer of one worker to `heartbeat_test`."""

    request_id: str


class ConfigReload(WireMessage):
    """What came of a reload that a signal or a changed file has asked for."""

    outcome: Literal["applied", "unchanged", "restart_needed", "refused"]
    changed: list[dict[str, object]]
    """Each key with its old and its new value, secrets masked."""
    triggers: list[str]
    error: str | None = None
    """Why it was refused."""
    rebuilt: list[str] | None = None
    """What was opened anew."""
    seconds: float | None = None


class ReloadAnswer(ConfigReload):
    """The answer of one worker to the command `reload`."""

    request_id: str


EVENTS: Mapping[str, type[WireMessage]] = {
    "worker_state": WorkerState,
    "command_progress": CommandProgress,
    "command_ended": CommandEnded,
    "reference_synced": ReferenceSynced,
    "heartbeat_test_answer": HeartbeatTestAnswer,
    "config_reload": ConfigReload,
    "reload_answer": ReloadAnswer,
}
"""`type` of an event -> shape of its `data`."""


@dataclass(frozen=True, slots=True)
class StatsOnTheWire(WorkerStats):
    """The specification's counters, upstream's `errors` and `last_heartbeat` beside them."""

    errors: int = 0
    last_heartbeat: float | None = None
    """Seconds since 1970."""
    uptime_seconds: float | None = None


class HeartbeatMessage(WireMessage):
    """A heartbeat: upstream's flat object, the specification's keys and ours beside it.

    It lives `heartbeat.ttl` seconds under `heartbeat.key_prefix` and the node's name.
    """

    status: Annotated[str, WithJsonSchema({"enum": [status.name.lower() for status in WorkerStatus]})]
    """A flat word: an object here breaks upstream's list of all workers."""
    timestamp: Annotated[str, WithJsonSchema({"type": "string"})]
    """Shanghai's wall clock without a zone, as upstream writes it."""
    node_id: str
    stats: dict[str, object]
    """`StatsOnTheWire`."""
    component_type: Literal["data_worker"]
    component_id: str
    host: str
    pid: int
    status_code: Annotated[int, WithJsonSchema({"enum": [int(status) for status in WorkerStatus]})]
    status_name: Annotated[str, WithJsonSchema({"enum": [status.name for status in WorkerStatus]})]
    degraded: bool
    """Whether the worker cannot do all its work just now."""
    reason: str | None
    """Why; null: it can."""
    since: Time | None
    progress: dict[str, object]
    """Group, rounds, lag, partitions, last poll and commit, waits for the quota, reloads."""
