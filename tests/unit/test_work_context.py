"""What is being worked: the ids of log lines, and the trace that outgoing records carry."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.work_context import (
    WorkContext,
    context_of,
    outgoing_headers,
    present_work,
    trace_of,
    w3c_trace_id,
    working,
)
from ginkgo_data.entrypoints.log_output import JsonLines, PlainLines
from support.deliveries import delivery, malformed

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def traced(offset: int = 0, said: str | None = None, **headers: bytes):
    found = delivery(CollectBars(("000001.SZ",)), offset)
    body = replace(found.body, trace_id=said)
    return replace(found, record=replace(found.record, headers=headers), body=body)


def line(formatter: logging.Formatter, **extra: object) -> str:
    return formatter.format(logging.makeLogRecord({"msg": "said", "levelname": "INFO", "name": "x", **extra}))


def test_a_commands_own_trace_id_wins_and_headers_go_on_as_they_came():
    trace = trace_of(traced(said="own", traceparent=PARENT.encode(), tracestate=b"a=1"))
    assert trace.trace_id == "own"
    assert dict(trace.headers) == {"trace_id": b"own", "traceparent": PARENT.encode(), "tracestate": b"a=1"}


def test_headers_alone_are_a_trace_too():
    assert trace_of(traced(trace_id=b"ginkgo-7")).trace_id == "ginkgo-7"
    assert trace_of(traced(traceparent=PARENT.encode())).trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert trace_of(replace(malformed(), record=traced(traceparent=PARENT.encode()).record)) is not None


@pytest.mark.parametrize("header", [b"", b"00-xyz", b"\xff", b"x" * 600, b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01"])
def test_what_is_no_trace_is_none(header):
    assert trace_of(traced(traceparent=header)) is None


def test_a_traceparent_of_a_later_version_may_be_longer():
    assert w3c_trace_id(PARENT + "-more") == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert w3c_trace_id(PARENT.upper()) is None


def test_records_about_one_trace_carry_it_and_about_several_none():
    one, other = traced(0, traceparent=PARENT.encode()), traced(1, "other")
    with working(context_of([one, one], "n", "bar_snapshot")):
        assert outgoing_headers()["traceparent"] == PARENT.encode()
    with working(context_of([one, other], "n", "bar_snapshot")):
        assert outgoing_headers() == {}
        with working(context_of([other], "n", "bar_snapshot")):
            assert outgoing_headers() == {"trace_id": b"other"}
        assert outgoing_headers() == {}
    assert outgoing_headers() == {}
    assert present_work() is None


def test_a_line_says_whose_it_is():
    with working(context_of([traced(0, "t-1")], "n1", "bar_snapshot", "job-1")):
        found = json.loads(line(JsonLines("process")))
        plain = line(PlainLines(), exc_text="Traceback")
    about = {name: found[name] for name in ("node_id", "command", "request_id", "trace_id", "job_id")}
    assert about == {
        "node_id": "n1",
        "command": "bar_snapshot",
        "request_id": "request-0",
        "trace_id": "t-1",
        "job_id": "job-1",
    }
    assert plain.endswith("INFO x: said [request_id=request-0 trace_id=t-1 job_id=job-1]\nTraceback")
    assert "request_id" not in json.loads(line(JsonLines("process")))


def test_a_line_about_many_names_some_and_says_how_many():
    with working(context_of([traced(number) for number in range(30)], "n1", "bar_snapshot")):
        found = json.loads(line(JsonLines("process"), request_id="said-by-the-line"))
    assert (found["requests"], len(found["request_ids"])) == (30, 10)
    assert found["request_id"] == "said-by-the-line"


def test_a_work_without_ids_has_no_fields_for_them():
    assert WorkContext("n", "x", ()).fields() == {"node_id": "n", "command": "x"}
