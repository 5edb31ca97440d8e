# Upstream: adapters.gtm.glog, adapters.kafka, adapters.opentelemetry.spans, entrypoints.{log_output, outcomes, round}
# Downstream: domain.model.{commands, delivery}
# Role: What is being worked in this context: the ids that log lines and outgoing records carry
"""Ids of the present work, for whoever writes a line or a record about it: nobody hands them through.

They belong to a context (`contextvars`): a thread has its own, and a call in a pool has that of whoever sent it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ginkgo_data.domain.model.commands import CommandMessage
from ginkgo_data.domain.model.delivery import Delivery

TRACE_ID, TRACEPARENT, TRACESTATE = "trace_id", "traceparent", "tracestate"
"""Headers of Kafka records: Ginkgo's own, and the two of W3C Trace Context."""
TRACE_HEADERS = (TRACE_ID, TRACEPARENT, TRACESTATE)
LONGEST_HEADER = 512
"""Bytes; a longer one is not passed on (W3C asks for that much of `tracestate`)."""
MOST_IDS = 10
"""Request ids on one log line; the report of the job has all of them."""

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Trace:
    """Whose doing a command is, as its sender says it."""

    trace_id: str
    headers: tuple[tuple[str, bytes], ...] = ()
    """To pass on unchanged: we are no span of our own in it."""


@dataclass(frozen=True, slots=True)
class WorkContext:
    """What is being worked: one command, or some that are one job."""

    node_id: str
    command: str
    request_ids: tuple[str, ...]
    job_id: str = ""
    """Id of the report that accounts for it."""
    trace: Trace | None = None
    """The commands' own, None where they have none or not the same."""

    def fields(self) -> dict[str, object]:
        """Return what a log line says of it."""
        found: dict[str, object] = {"node_id": self.node_id, "command": self.command}
        if self.request_ids:
            found["request_id"] = self.request_ids[0]
        if len(self.request_ids) > 1:
            found |= {"requests": len(self.request_ids), "request_ids": list(self.request_ids[:MOST_IDS])}
        if self.trace is not None:
            found["trace_id"] = self.trace.trace_id
        if self.job_id:
            found["job_id"] = self.job_id
        return found


_present: ContextVar[WorkContext | None] = ContextVar("ginkgo_data_work", default=None)


def present_work() -> WorkContext | None:
    """Return what is being worked in this context, None for nothing."""
    return _present.get()


@contextmanager
def working(context: WorkContext) -> Iterator[None]:
    """Let `context` be what is being worked, until the end of the block."""
    token = _present.set(context)
    try:
        yield
    finally:
        _present.reset(token)


def context_of(deliveries: Sequence[Delivery], node_id: str, command: str, job_id: str = "") -> WorkContext:
    """Return the context of work on `deliveries`."""
    traces = {trace_of(delivery) for delivery in deliveries}
    shared = next(iter(traces)) if len(traces) == 1 else None
    return WorkContext(node_id, command, tuple(delivery.request_id for delivery in deliveries), job_id, shared)


def trace_of(delivery: Delivery) -> Trace | None:
    """Return the trace of a command: by its own word, or by its headers; None where it has none."""
    headers = trace_headers(delivery.record.headers)
    said = delivery.body.trace_id if isinstance(delivery.body, CommandMessage) else None
    trace_id = said or _text(headers.get(TRACE_ID)) or w3c_trace_id(_text(headers.get(TRACEPARENT)))
    if trace_id is None:
        return None
    own = {TRACE_ID: trace_id.encode("utf-8", "backslashreplace")[:LONGEST_HEADER]}
    return Trace(trace_id, tuple((own | headers).items()))


def trace_headers(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those of `headers` that say whose doing a record is, but for monstrous ones."""
    known = ((name, headers.get(name)) for name in TRACE_HEADERS)
    return {name: value for name, value in known if value and len(value) <= LONGEST_HEADER}


def w3c_trace_id(traceparent: str | None) -> str | None:
    """Return the trace id in a ``traceparent``, None where it is none (all zeros are none, too)."""
    parts = (traceparent or "").split("-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    whole = all(_HEX.issuperset(part) for part in parts[:4])
    return parts[1] if whole and parts[1].strip("0") else None


def outgoing_headers() -> dict[str, bytes]:
    """Return the headers that a record about the present work carries; none where there is no work or no trace."""
    work = _present.get()
    return dict(work.trace.headers) if work is not None and work.trace is not None else {}


def _text(value: bytes | None) -> str | None:
    try:
        return (value or b"").decode("utf-8") or None
    except UnicodeDecodeError:
        return None
