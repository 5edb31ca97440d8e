"""Steps as spans: of a round, its commands, their calls and inserts; a command's span is its sender's child."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ginkgo_data.adapters.opentelemetry.spans import OpenTelemetrySpans, open_spans
from ginkgo_data.domain.model.work_context import Trace, WorkContext, working
from support.processes import HOST, free_port
from support.working import TOPIC, Working

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()


@pytest.fixture
def exported():
    exporter = InMemorySpanExporter()
    spans = OpenTelemetrySpans(SimpleSpanProcessor(exporter), "n1")
    yield spans, exporter
    spans.close()


def test_steps_are_spans_inside_each_other_and_small_ones_are_none(exported):
    spans, exporter = exported
    outer = spans.begin("round", {"commands": 2})
    assert spans.begin("query", {}) is None
    inner = spans.begin("insert", {"table": "bars", "rows": 9, "odd": object()})
    spans.end(inner, ValueError("no"))
    spans.end(outer, None)
    spans.end(None, None)
    insert, round_ = exporter.get_finished_spans()
    assert (insert.name, round_.name) == ("insert", "round")
    assert insert.parent.span_id == round_.context.span_id
    assert dict(insert.attributes) == {"table": "bars", "rows": 9}
    assert (insert.status.is_ok, insert.status.description) == (False, "ValueError: no")
    assert round_.resource.attributes["service.instance.id"] == "n1"


def test_a_commands_span_belongs_to_its_senders_trace(exported):
    spans, exporter = exported
    outer = spans.begin("round", {})
    with working(WorkContext("n1", "bar_snapshot", ("r1",), "j1", Trace(TRACE, (("traceparent", PARENT),)))):
        work = spans.begin("work", {"requests": 1})
        call = spans.begin("vendor_call", {"api": "daily"})
        spans.end(call, None)
        spans.end(work, None)
    spans.end(outer, None)
    by_name = {span.name: span for span in exporter.get_finished_spans()}
    assert f"{by_name['work'].context.trace_id:032x}" == TRACE
    assert by_name["work"].attributes["request_id"] == "r1"
    assert by_name["vendor_call"].context.trace_id == by_name["work"].context.trace_id
    assert by_name["round"].context.trace_id != by_name["work"].context.trace_id


def test_a_command_without_a_trace_is_part_of_its_round(exported):
    spans, exporter = exported
    outer = spans.begin("round", {})
    with working(WorkContext("n1", "bar_snapshot", ("r1",), trace=Trace("ginkgo-only"))):
        spans.end(spans.begin("work", {}), None)
    spans.end(outer, None)
    work, round_ = exporter.get_finished_spans()
    assert work.parent.span_id == round_.context.span_id
    assert work.attributes["trace_id"] == "ginkgo-only"


def test_a_collector_that_is_away_holds_nobody_up():
    spans = open_spans(f"http://{HOST}:{free_port()}/v1/traces", "n1")
    spans.end(spans.begin("round", {}), None)
    spans.close()


def test_a_worker_makes_spans_of_its_rounds(exported):
    spans, exporter = exported
    stage = Working()
    stage.parts.broker.put(
        TOPIC,
        b'{"command": "bar_snapshot", "params": {"code": "000001.SZ", "full": true}}',
        {"traceparent": PARENT},
    )
    worker = stage.worker(spans=spans)
    worker.start()
    stage.until(lambda: worker.stats.rounds == 1)
    assert worker.stop(10.0)
    by_name = {span.name: span for span in exporter.get_finished_spans()}
    assert set(by_name) == {"round", "work"}
    assert f"{by_name['work'].context.trace_id:032x}" == TRACE
    assert by_name["work"].attributes["command"] == "bar_snapshot"
