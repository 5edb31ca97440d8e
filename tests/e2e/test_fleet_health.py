"""A worker's process as its operator sees it: its page, the command of a HEALTHCHECK, its log, traces passed on."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from ginkgo_data.entrypoints import health_cli
from support.processes import HOST, free_port
from support.program import run
from support.vendor import MarketSpec
from support.worker_fleet import command, snapshot

SPEC = MarketSpec(3, "2020-06-01", 5)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
VENDOR_HOST = "vendor.test"
SLOW_RESOLVER = """
import os, socket, sys, time
resolve = socket.getaddrinfo
def getaddrinfo(host, *more, **options):
    if host not in ("vendor.test", b"vendor.test"):
        return resolve(host, *more, **options)
    while os.path.exists(os.environ["VENDOR_UNRESOLVED"]):
        time.sleep(0.1)
    return resolve("127.0.0.1", *more, **options)
socket.getaddrinfo = getaddrinfo
"""
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01".encode(), "tracestate": b"vendor=1"}


def test_the_health_of_a_process_its_metrics_and_the_trace_of_a_command(fleets, clickhouse_server):
    port = free_port()
    fleet = fleets(SPEC, {"health": {"port": port}})
    (worker,) = fleet.start(wait=True)

    def health(*options: str) -> tuple[int, str]:
        with redirect_stdout(io.StringIO()) as said:
            code = health_cli.main(["--port", str(port), "--timeout", "1", *options])
        return code, said.getvalue()

    def page(path: str) -> tuple[int, str]:
        try:
            with urlopen(f"http://{HOST}:{port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    # Well, and counting.
    well = run("health", "--port", port)
    assert well.code == 0, well
    assert page("/readyz")[0] == 200, page("/readyz")[1]
    fleet.send([snapshot(SPEC.names[0], **SPAN), command("bar_snapshot", {"code": "nonsense"})], HEADERS)
    fleet.drain()
    metrics = page("/metrics")[1].splitlines()
    assert 'ginkgo_data_commands_total{command="bar_snapshot",outcome="done"} 1.0' in metrics
    assert 'ginkgo_data_commands_total{command="malformed",outcome="dead_letter"} 1.0' in metrics
    assert 'ginkgo_data_insert_rows_sum{table="bars"} 5.0' in metrics
    assert any(line.startswith('ginkgo_data_vendor_budget_left{quota="tushare:daily"}') for line in metrics)
    assert any(line.startswith('ginkgo_data_step_seconds_count{step="vendor_call"}') for line in metrics)
    # The trace goes on: to what is told, to the dead letter, into the log.
    fleet.until(lambda: len(fleet.outcomes()) == 2, "the ends were not told")
    assert {outcome["trace_id"] for outcome in fleet.outcomes()} == {TRACE}
    assert {"command_ended", "data_worker_quality_report", "dead_letter"} <= fleet.traces_told(TRACE)
    (letter,) = fleet.dead_letters()
    assert letter.headers["traceparent"] == HEADERS["traceparent"].decode()
    assert (letter.headers["trace_id"], letter.headers["tracestate"]) == (TRACE, "vendor=1")
    lines = [json.loads(line) for line in worker.said().splitlines() if line.startswith("{")]
    (worked,) = [line for line in lines if line["message"].startswith("worked bar_snapshot")]
    assert (worked["trace_id"], worked["node_id"], bool(worked["request_id"])) == (TRACE, worker.node_id, True)
    # The store goes and comes back, while nobody sends anything.
    clickhouse_server.stop()
    fleet.until(lambda: health()[0] == 1, "the worker did not find out that its store is away", 60.0)
    assert health()[1].startswith("unhealthy: store away since "), health()
    assert health("--live")[0] == 0
    assert (page("/healthz")[0], page("/readyz")[0]) == (200, 503)
    clickhouse_server.start()
    fleet.until(lambda: health()[0] == 0, "the worker did not find out that its store is back", 60.0)
    # A process that is stopped in its tracks.
    worker.freeze()
    code, line = health()
    assert (code, "no answer within 1 s" in line) == (1, True)
    worker.thaw()
    fleet.until(lambda: health()[0] == 0, "the worker did not go on", 60.0)


@pytest.mark.soak
def test_a_call_that_never_returns_is_found_while_other_work_goes_on(fleets, tmp_path, monkeypatch):
    # No timeout of a client bounds the resolver of names: where it hangs, so does the call.
    unresolved = tmp_path / "unresolved"
    unresolved.touch()
    (tmp_path / "sitecustomize.py").write_text(SLOW_RESOLVER, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("VENDOR_UNRESOLVED", str(unresolved))
    port = free_port()
    fleet = fleets(SPEC, {"health": {"port": port, "wedged_after": 3.0}, "sources": {"tushare": {"timeout": 1.0}}})
    fleet.settings["sources"]["tushare"]["base_url"] = f"http://{VENDOR_HOST}:{fleet.vendor.port}"
    (worker,) = fleet.start(wait=True)
    fleet.send([snapshot(SPEC.names[0], **SPAN)])

    def wedged() -> bool:
        return "a vendor's call has not returned for " in run("health", "--port", port).out

    fleet.until(wedged, "the worker did not find out that a call hangs", 60.0)
    assert run("health", "--port", port, "--live").code == 1
    assert fleet.lag(), "a call that has not returned was taken for work done"
    unresolved.unlink()
    fleet.drain()
    fleet.until(lambda: run("health", "--port", port).code == 0, "the worker is not well after the call", 60.0)
    assert fleet.differences([SPEC.names[0]]) == []
    assert worker.running
