# Upstream: entrypoints.opening
# Downstream: domain.model.work_context, opentelemetry
# Role: Spans of rounds, commands, vendor calls and inserts; a command's span is a child of its sender's
"""Steps as spans of OpenTelemetry, with a provider of their own: a host's global one is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import Token
from dataclasses import dataclass

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ginkgo_data.domain.model.work_context import TRACEPARENT, TRACESTATE, WorkContext, present_work

EXPORTED = frozenset({"round", "work", "vendor_call", "fetch", "insert", "send"})
"""Steps worth a span; the others are in the metrics."""
PATIENCE = 2.0
"""Seconds for one batch, in a thread of its own; a stop waits for the last one."""


@dataclass(frozen=True, slots=True)
class _Open:
    span: Span
    token: Token[Context]


class OpenTelemetrySpans:
    """Makes spans and gives them to `processor`."""

    def __init__(self, processor: SpanProcessor, node_id: str) -> None:
        resource = Resource.create({"service.name": "ginkgo-data", "service.instance.id": node_id})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("ginkgo_data")

    def begin(self, name: str, about: Mapping[str, object]) -> object:
        """Begin the span of a step, None for a step that has none."""
        if name not in EXPORTED:
            return None
        work = present_work()
        parent = _senders(work) if name == "work" and work is not None else None
        attributes = {key: value for key, value in about.items() if isinstance(value, str | int | float | bool)}
        if name == "work" and work is not None:
            attributes |= {k: v for k, v in work.fields().items() if isinstance(v, str | int)}
        span = self._tracer.start_span(name, parent, attributes=attributes)
        return _Open(span, otel_context.attach(trace.set_span_in_context(span)))

    def end(self, span: object, error: BaseException | None) -> None:
        """End what `begin` returned."""
        if not isinstance(span, _Open):
            return
        if error is not None:
            span.span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
        otel_context.detach(span.token)
        span.span.end()

    def close(self) -> None:
        """Send what is left."""
        with suppress(Exception):  # the collector's trouble is not ours
            self._provider.shutdown()


def open_spans(endpoint: str, node_id: str) -> OpenTelemetrySpans:
    """Return spans that are sent to `endpoint` in batches."""
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=PATIENCE)
    return OpenTelemetrySpans(BatchSpanProcessor(exporter), node_id)


def _senders(work: WorkContext) -> Context | None:
    """Return the context of whoever sent the command, where all commands of the work have the same one."""
    headers = dict(work.trace.headers) if work.trace is not None else {}
    carrier = {name: headers[name].decode("ascii", "ignore") for name in (TRACEPARENT, TRACESTATE) if name in headers}
    return TraceContextTextMapPropagator().extract(carrier) if TRACEPARENT in carrier else None
