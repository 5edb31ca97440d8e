"""`ginkgo-data health`: one line and an exit code, quickly, whatever answers or does not."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading

import pytest

from ginkgo_data.adapters.memory.metrics import InMemoryMetrics
from ginkgo_data.domain.model.health import WorkerHealth
from ginkgo_data.entrypoints import health_cli
from ginkgo_data.entrypoints.health_server import HealthServer
from support.health import WELL
from support.processes import HOST, free_port
from support.program import run

CLIENTS = {"pydantic", "typer", "rich", "pyarrow", "numpy", "prometheus_client", "dependency_injector", "http"}


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No configuration but the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GINKGO_DIR", str(tmp_path / "none"))
    for name in (health_cli.FILE_VARIABLE, health_cli.PORT_VARIABLE, health_cli.HOST_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shown():
    """A page whose verdict the test sets, and its port."""

    class Page:
        health = WorkerHealth(WELL)
        port = free_port()

    page = Page()
    server = HealthServer(lambda: page.health, InMemoryMetrics())
    server.open(HOST, page.port)
    yield page
    server.close()


def asked(capsys, *arguments: object) -> tuple[int, str]:
    code = health_cli.main([str(argument) for argument in arguments])
    return code, capsys.readouterr().out


def test_a_healthy_worker_is_said_in_one_line(shown, capsys):
    shown.health = WorkerHealth(WELL, unready=("its state is STARTING",), notes=("waiting for x",))
    wanted = "healthy: n1 running; 2 partitions; lag 11; its state is STARTING; waiting for x\n"
    assert asked(capsys, "--port", shown.port) == (0, wanted)


def test_an_unhealthy_one_with_its_reasons(shown, capsys):
    shown.health = WorkerHealth(WELL, dead=("the loop has not moved for 60 s",), sick=("store away",))
    assert asked(capsys, "--port", shown.port) == (1, "unhealthy: the loop has not moved for 60 s; store away\n")


def test_a_worker_whose_store_is_away_lives(shown, capsys):
    shown.health = WorkerHealth(WELL, sick=("store away",))
    assert asked(capsys, "--port", shown.port)[0] == 1
    code, line = asked(capsys, "--port", shown.port, "--live")
    assert (code, line) == (0, "alive: n1 running; 2 partitions; lag 11; store away\n")
    shown.health = WorkerHealth(WELL, dead=("it has ended",))
    assert asked(capsys, "--port", shown.port, "--live")[0] == 1


def test_the_page_itself(shown, capsys):
    code, page = asked(capsys, "--port", shown.port, "--json")
    assert (code, json.loads(page)["node_id"]) == (0, "n1")
    shown.health = WorkerHealth(WELL, sick=("store away",))
    code, page = asked(capsys, "--port", shown.port, "--json")
    assert (code, json.loads(page)["sick"]) == (1, ["store away"])


def test_another_page_by_its_address(shown, capsys):
    shown.health = WorkerHealth(WELL, unready=("no partition is assigned to it",))
    url = f"http://{HOST}:{shown.port}"
    assert asked(capsys, "--url", url)[0] == 0
    assert asked(capsys, "--url", f"{url}/readyz") == (1, "unready: no partition is assigned to it\n")


def test_where_nobody_listens(capsys):
    port = free_port()
    code, line = asked(capsys, "--port", port)
    assert code == 1
    assert line.startswith(f"unhealthy: http://{HOST}:{port}/healthz: nobody answers (Connection refused)")
    code, page = asked(capsys, "--port", port, "--json")
    assert (code, json.loads(page)["alive"]) == (1, False)


def test_a_process_that_is_stopped_does_not_answer_in_time(capsys):
    with socket.create_server((HOST, 0)) as frozen:  # its kernel accepts, as it does for a process under SIGSTOP
        code, line = asked(capsys, "--port", frozen.getsockname()[1], "--timeout", 0.2)
    assert (code, "no answer within 0.2 s: the process is stopped" in line) == (1, True)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.0 200 OK\r\n\r\nhello", b'HTTP/1.0 200 OK\r\n\r\n{"other": 1}'])
def test_a_stranger_on_the_port_is_no_worker(capsys, reply):
    with socket.create_server((HOST, 0)) as stranger:

        def answer() -> None:
            connection, _ = stranger.accept()
            connection.recv(1000)
            connection.sendall(reply)
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        code, line = asked(capsys, "--port", stranger.getsockname()[1])
        thread.join()
    assert (code, "what answers is no worker" in line) == (1, True)


def test_the_place_comes_from_the_environment_else_the_file_else_the_default(shown, capsys, monkeypatch, tmp_path):
    file = tmp_path / "data_worker.yml"
    file.write_text(f"# health\nhealth:\n  port: {shown.port}\n  host: 0.0.0.0\n")
    assert asked(capsys)[0] == 0
    assert asked(capsys, "--config", file)[0] == 0
    monkeypatch.setenv(health_cli.PORT_VARIABLE, str(free_port()))
    assert asked(capsys)[0] == 1
    monkeypatch.setenv(health_cli.PORT_VARIABLE, str(shown.port))
    file.write_text("health: [")
    assert asked(capsys)[0] == 0
    monkeypatch.delenv(health_cli.PORT_VARIABLE)
    other = tmp_path / "other.yml"
    other.write_text(f"health: {{port: {shown.port}}}")
    monkeypatch.setenv(health_cli.FILE_VARIABLE, str(other))
    assert asked(capsys)[0] == 0
    monkeypatch.setattr(health_cli, "PORT", shown.port)
    other.write_text("worker: {batch_size: 2000}")
    assert asked(capsys)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "https://x/healthz"], "--url is 'https://x/healthz'; allowed: http://host:port/path"),
        (["--port", "70000"], "the port is 70000; allowed: a whole number from 1 to 65535"),
        (["--port", "0"], "health.port is 0: the worker shows no page"),
    ],
)
def test_wrong_use_is_said(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        health_cli.main(arguments)
    assert (ended.value.code, words in capsys.readouterr().err) == (2, True)


def test_the_program_knows_the_command_and_asks_without_loading_the_others(shown):
    script = "\n".join(
        [
            "import sys",
            "from ginkgo_data.entrypoints.program import main",
            f"sys.argv = ['ginkgo-data', 'health', '--port', '{shown.port}']",
            "try: main()",
            "except SystemExit as ended: print(ended.code, *sorted({n.partition('.')[0] for n in sys.modules}))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    line, loaded = done.stdout.splitlines()
    assert line.startswith("healthy: n1 running")
    assert loaded.split()[0] == "0"
    assert set(loaded.split()) & CLIENTS == set()
    through_cli = run("health", "--port", shown.port)
    assert (through_cli.code, through_cli.out) == (0, line + "\n")
    assert "--live" in run("health", "--help").out
