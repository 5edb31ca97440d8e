"""The page of a worker: three answers over HTTP, at a place that may change, and in nobody's way."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ginkgo_data.adapters.prometheus.metrics import PrometheusMetrics
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.health import WorkerHealth
from ginkgo_data.entrypoints import worker_cli
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.health_server import HealthServer
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.reloading import Reloading
from support.health import WELL
from support.processes import HOST, free_port


class Shown:
    """A server over a verdict that a test sets."""

    def __init__(self) -> None:
        self.health = WorkerHealth(WELL)
        self.metrics = PrometheusMetrics()
        self.metrics.show(lambda: self.health)
        self.server = HealthServer(lambda: self.health, self.metrics)
        self.port = free_port()
        self.server.open(HOST, self.port)


@pytest.fixture
def shown() -> Iterator[Shown]:
    made = Shown()
    yield made
    made.server.close()


def get(port: int, path: str, method: str = "GET") -> tuple[int, str, str]:
    connection = HTTPConnection(HOST, port, timeout=5)
    connection.request(method, path)
    reply = connection.getresponse()
    found = reply.status, reply.read().decode(), reply.getheader("Content-Type", "")
    connection.close()
    return found


def test_healthz_is_about_a_new_start_and_readyz_about_taking_part(shown):
    verdicts = {
        (): (200, 200),
        ("unready",): (200, 503),
        ("sick",): (200, 503),
        ("dead",): (503, 503),
    }
    for kinds, wanted in verdicts.items():
        shown.health = WorkerHealth(WELL, **{kind: (f"why {kind}",) for kind in kinds})
        answers = [get(shown.port, page) for page in ("/healthz", "/readyz")]
        assert tuple(status for status, _, _ in answers) == wanted, kinds
        for _, body, content_type in answers:
            page = json.loads(body)
            assert content_type == "application/json"
            assert page["healthy"] is (kinds not in {("sick",), ("dead",)})
            for kind in kinds:
                assert page[kind] == [f"why {kind}"]


def test_the_page_has_the_signs_behind_the_verdict(shown):
    page = json.loads(get(shown.port, "/healthz?probe=1")[1])
    assert (page["node_id"], page["status"], page["partitions"], page["lag"]) == ("n1", "running", 2, 11)
    assert page["servers"]["store"] == {"answers": True, "reason": None, "since": None}
    assert page["loop"]["limit_seconds"] == 50.0
    assert page["last_commit"] == WELL.last_commit.isoformat()


def test_metrics_are_prometheus_text(shown):
    status, body, content_type = get(shown.port, "/metrics")
    assert (status, content_type.startswith("text/plain")) == (200, True)
    assert {"ginkgo_data_worker_alive", "ginkgo_data_rounds"} <= {
        family.name for family in text_string_to_metric_families(body)
    }


def test_other_pages_are_named_and_heads_are_answered(shown):
    status, body, _ = get(shown.port, "/")
    assert (status, body) == (404, "pages: /healthz /readyz /metrics\n")
    assert get(shown.port, "/healthz", "HEAD")[:2] == (200, "")
    assert get(shown.port, "/healthz", "POST")[0] == 501


def test_a_page_that_breaks_says_so_and_the_server_goes_on(shown):
    shown.health = None
    status, body, _ = get(shown.port, "/healthz")
    assert (status, "AttributeError" in body) == (500, True)
    shown.health = WorkerHealth(WELL)
    assert get(shown.port, "/healthz")[0] == 200


def test_clients_that_say_nothing_hold_nobody_up_for_long(shown, monkeypatch):
    monkeypatch.setattr("ginkgo_data.entrypoints.health_server._Handler.timeout", 0.3)
    silent = [socket.create_connection((HOST, shown.port)) for _ in range(20)]
    until(lambda: _answers(shown.port))
    for connection in silent:
        connection.close()
    assert sum(thread.name.startswith("Thread-") for thread in threading.enumerate()) <= 8


def _answers(port: int) -> bool:
    try:
        return get(port, "/healthz")[0] == 200
    except OSError:
        return False


def test_a_port_that_is_taken_is_said_with_what_to_do_and_the_old_place_stays(shown):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigurationError, match=rf"health.port: nobody can listen on {HOST}:{port}: .*in use; give"
        ):
            shown.server.open(HOST, port)
    assert get(shown.port, "/healthz")[0] == 200


def test_a_place_may_change_and_end(shown):
    other = free_port()
    shown.server.open(HOST, other)
    assert get(other, "/healthz")[0] == 200
    assert not _answers(shown.port)
    shown.server.open("0.0.0.0", other)
    assert get(other, "/healthz")[0] == 200
    with pytest.raises(ConfigurationError):
        shown.server.open("203.0.113.7", other)
    assert shown.server.address == ("0.0.0.0", other)
    assert get(other, "/healthz")[0] == 200
    shown.server.open(HOST, 0)
    assert shown.server.address is None
    assert not _answers(other)
    shown.server.close()


def test_a_worker_that_is_to_start_without_its_page_says_so_where_the_port_was_named(tmp_path):
    file = tmp_path / "data_worker.yml"
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(f"health: {{port: {port}}}")
        named = load_settings(file, {}, {}, search=False)
        assert f"nobody can listen on {HOST}:{port}" in worker_cli._fault_of_page(named)
        default = load_settings(None, {}, {}, search=False)
        unnamed = replace(default, settings=named.settings)
        assert worker_cli._fault_of_page(unnamed) is None
    assert worker_cli._fault_of_page(named) is None


# -- of real workers, without servers -----------------------------------------------------------------

BARS = """ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
600519.SH,20200102,10,10,10,10,9,1,1,100,100
600519.SH,20200103,11,11,11,11,10,1,1,100,110
"""
SNAPSHOT = b'{"command": "bar_snapshot", "params": {"code": "600519.SH", "start_date": "2020-01-02", "full": true}}'


class Process:
    """What `worker start` wires, in this process."""

    def __init__(self, folder: Path, store: str, node: str) -> None:
        folder.mkdir()
        (folder / "bars.csv").write_text(BARS)
        self.file = folder / "data_worker.yml"
        self.values: dict[str, dict[str, object]] = {
            "kafka": {"bootstrap_servers": "memory://"},
            "redis": {"url": "memory://"},
            "clickhouse": {"url": store},
            "worker": {"poll_timeout": 0.05, "coalesce_wait": 0.0, "node_id": node},
            "heartbeat": {"interval": 0.2, "ttl": 5},
            "health": {"port": free_port()},
            "sources": {"bars": ["files"], "files": {"path": str(folder / "bars.csv")}},
        }
        self.write()
        loaded = self.read()
        self.container = Container(settings=loaded.settings)
        self.reload = Reloading(
            self.container, loaded, self.read, lambda s: self.page.open(s.health.host, s.health.port)
        )
        self.container.reload.override(self.reload)
        self.worker = self.container.worker()
        self.page = HealthServer(self.worker.health, self.container.metrics())
        self.page.open(HOST, self.port)
        self.worker.start()
        self.container.broker().put("ginkgo.data.commands", SNAPSHOT)
        until(lambda: self.worker.stats.rounds == 1)

    @property
    def port(self) -> int:
        return self.values["health"]["port"]

    def read(self):
        return load_settings(self.file, {}, {}, search=False)

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.values))

    def change(self, section: str, **values: object) -> dict[str, object]:
        before = self.reload.figures()
        self.values[section].update(values)
        self.write()
        self.reload.request("test")
        until(lambda: self.reload.figures() is not before)
        return dict(self.reload.figures())

    def metric(self, name: str, **labels: str) -> float | None:
        return self.container.metrics().registry.get_sample_value(f"ginkgo_data_{name}", labels)

    def close(self) -> None:
        assert self.worker.stop(20.0)
        self.reload.close()
        self.page.close()


@contextmanager
def running(*made: Process) -> Iterator[None]:
    try:
        yield
    finally:
        for process in made:
            process.close()


def until(what, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


@pytest.mark.parametrize("engine", ["embedded"], indirect=True)
def test_two_workers_of_one_process_have_a_page_each_also_through_reloads(store_config, engine, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    one = Process(tmp_path / "one", store_config.url, "n1")
    other = Process(tmp_path / "other", engine("other").url, "n2")
    with running(one, other):
        pages = [json.loads(get(process.port, "/readyz")[1]) for process in (one, other)]
        assert [(page["node_id"], page["ready"], page["loop"]["rounds"]) for page in pages] == [
            ("n1", True, 1),
            ("n2", True, 1),
        ]
        assert one.metric("commands_total", command="bar_snapshot", outcome="done") == 1.0
        assert one.metric("insert_rows_sum", table="bars") == 2.0
        assert one.metric("vendor_calls_total", vendor="files", dataset="bars", result="rows") == 1.0
        # A reload that makes most parts anew: counters and the page go on.
        before = one.port
        answer = one.change("health", port=free_port())
        assert (answer["outcome"], answer["rebuilt"]) == ("applied", [])
        assert not _answers(before)
        assert one.change("worker", concurrency=3)["outcome"] == "applied"
        one.container.broker().put("ginkgo.data.commands", SNAPSHOT)
        until(lambda: one.worker.stats.rounds == 2)
        assert json.loads(get(one.port, "/healthz")[1])["loop"]["rounds"] == 2
        assert one.metric("commands_total", command="bar_snapshot", outcome="done") == 2.0
        assert one.metric("reloads_total", outcome="applied") == 2.0
        assert other.metric("commands_total", command="bar_snapshot", outcome="done") == 1.0
        # A port that is taken is refused, and nothing changes.
        answer = one.change("health", port=other.port)
        assert (answer["outcome"], f"nobody can listen on {HOST}:{other.port}" in str(answer["error"])) == (
            "refused",
            True,
        )
        assert one.metric("reloads_total", outcome="refused") == 1.0
        assert one.metric("alerts_total", kind="config_error", severity="ERROR") == 1.0
        assert "config" in json.loads(get(one.page.address[1], "/healthz")[1])["notes"][0]
