"""The image and the shipped Compose file: four workers in containers, killed, stopped, scaled and configured anew.

The workers are containers of the image built here. Kafka and Redis are real ones on this machine, ClickHouse is its
engine behind the HTTP front of the tests, the vendor a double; a run says so, and on which base the image stands.
Run by `make containers`; it takes about three minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.container_engine import EngineFailed, engine_missing
from support.deployed import Deployed, deployed_fleet
from support.servers import missing
from support.vendor import MarketSpec
from support.worker_fleet import snapshot
from support.worker_image import ROOT

pytestmark = pytest.mark.containers

SPEC = MarketSpec(1000, "2020-06-01", 5)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
FIRST, KILLED, STOPPED, SCALED = SPEC.names[:400], SPEC.names[400:600], SPEC.names[600:800], SPEC.names[800:]
"""What is asked for at first, and around what happens to the workers."""
PLANTED = f"planted-{uuid.uuid4().hex}"
"""The secret of everything, to be found nowhere."""
SETTINGS = {
    # One code a call, one call at a time: so that there is work for all, and work to be killed in.
    "worker": {"max_poll_records": 20, "concurrency": 1, "round_budget": 4.0, "shutdown_timeout": 20.0},
    "kafka": {"session_timeout": 6.0},
    "heartbeat": {"interval": 1.0, "ttl": 4.0},
    "sources": {"tushare": {"by_session": False, "codes_per_call": 1, "calls_per_minute": 100_000}},
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Iterator[Deployed]:
    if reason := engine_missing():
        missing("containers", reason)
    directory = tmp_path_factory.mktemp("containers")
    with deployed_fleet(directory, SPEC, SETTINGS, latency=0.1, secret=PLANTED) as found:
        print(f"\n{found.origins}")
        yield found


def send(deployed: Deployed, codes: list[str]) -> None:
    deployed.fleet.send([snapshot(code, **SPAN) for code in codes])


def test_four_workers_are_healthy_and_do_four_hundred_commands(deployed, record_property):
    workers, fleet = deployed.workers, deployed.fleet
    print(workers.run("schema-apply"))
    print(workers.run("topics-apply"))
    began = time.monotonic()
    workers.up()
    deployed.await_workers(4, 60.0)
    seconds = time.monotonic() - began
    record_property("seconds_until_four_healthy", round(seconds, 1))
    print(f"four workers healthy after {seconds:.1f} s")
    assert seconds < 30.0
    idle = [workers.resident(container) for container in workers.running()]
    print(f"resident sets of idle workers: {', '.join(f'{size:.0f}' for size in idle)} MiB")
    assert max(idle) < 150
    send(deployed, FIRST)
    fleet.drain()
    assert fleet.differences(FIRST) == []
    assert fleet.dead_letters() == []
    part = deployed.took_part()
    print(f"commands by node: {dict(part)}")
    assert len(part) == 4
    assert min(part.values()) >= 10
    assert part.keys() == deployed.beating()
    reported = {name for report in fleet.told("data_worker_quality_report") for name in report["request_ids"]}
    assert len(reported) == len(FIRST)


def test_a_worker_in_a_container_is_nobody_and_can_write_nowhere(deployed):
    workers = deployed.workers
    container = workers.running()[0]
    status = Path(f"/proc/{workers.pid(container)}/status").read_text("ascii")
    values = {
        name: text.split() for name, _, text in (line.partition(":") for line in status.splitlines()) if text.split()
    }
    assert set(values["Uid"]) == set(values["Gid"]) == {"10001"}
    assert [name for name, (value, *_) in values.items() if name.startswith("Cap") and int(value, 16)] == []
    assert "CapEff" in values
    assert values["NoNewPrivs"] == ["1"]
    assert workers.inspect(container, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}") == "true false"
    for place in ("/", "/home/ginkgo", "/opt/ginkgo-data", "/etc/ginkgo-data", "/run/secrets", "/var/log/ginkgo"):
        with pytest.raises(EngineFailed, match=r"Read-only file system|Permission denied"):
            workers.execute(container, "sh", "-c", f"echo x > {place}/x")
    limits = workers.inspect(
        container, "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}}"
    )
    assert limits.split() == ["1000000000", str(512 << 20), str(256 << 20)]
    assert workers.inspect(container, "{{.HostConfig.RestartPolicy.Name}}") == "always"
    assert workers.inspect(container, '{{index .HostConfig.LogConfig.Config "max-size"}}') == "10m"


def test_no_secret_is_in_the_image_the_environment_or_the_logs(deployed):
    engine, workers = deployed.engine, deployed.workers
    shown = {
        "history": engine.docker("history", "--no-trunc", "--format", "{{json .}}", deployed.image.name),
        "image": engine.docker("image", "inspect", deployed.image.name),
        "logs": workers.logs(),
    }
    for number, container in enumerate(workers.running()):
        shown[f"container {number}"] = workers.inspect(container, "{{json .}}")
        shown[f"environment {number}"] = workers.execute(container, "env")
        process = Path(f"/proc/{workers.pid(container)}")
        shown[f"process {number}"] = (process / "environ").read_text() + (process / "cmdline").read_text()
        shown[f"health {number}"] = workers.execute(container, "ginkgo-data", "health", "--json")
        shown[f"configuration {number}"] = workers.execute(container, "ginkgo-data", "config", "show", "--origin")
    assert [name for name, text in shown.items() if PLANTED in text] == []
    assert "TUSHARE_TOKEN_FILE" in shown["environment 0"], "it is there, and as a file"
    assert workers.execute(workers.running()[0], "cat", "/run/secrets/tushare_token") == PLANTED


def test_the_image_has_what_runs_and_nothing_else(deployed, record_property):
    engine, name = deployed.engine, deployed.image.name
    look = "cd /opt; ls . ginkgo-data/lib/python3*/site-packages /tmp; command -v gcc cc uv make git pip pip3; true"
    there = set(engine.docker("run", "--rm", "--network", "none", "--entrypoint", "sh", name, "-c", look).split())
    assert {"ginkgo-data", "ginkgo_data", "pyarrow", "exchange_calendars"} <= there
    assert not there & {"chdb", "pytest", "uv", "pip", "hatchling", "mypy"}
    assert not [path for path in there if path.startswith("/usr/")]
    bytecode = (
        "import argparse, json, logging, os, socket, ssl, typing, yaml, ginkgo_data.entrypoints.health_cli, sys; "
        "places = {name: getattr(module, '__cached__', None) for name, module in sys.modules.items()}; "
        "print([name for name, place in places.items() if place and not os.path.exists(place)])"
    )
    assert engine.docker("run", "--rm", "--network", "none", "--entrypoint", "python", name, "-c", bytecode) == "[]"
    config = engine.docker(
        "image", "inspect", "-f", "{{.Config.User}} {{.Config.StopSignal}} {{json .Config.Healthcheck.Test}}", name
    )
    assert config == '10001:10001 SIGTERM ["CMD","ginkgo-data","health"]'
    assert engine.docker("run", "--rm", "--network", "none", name, "version").startswith("ginkgo-data ")
    size = int(engine.docker("image", "inspect", "-f", "{{.Size}}", name)) / 2**20
    record_property("image_mib", round(size))
    print(f"image: {size:.0f} MiB")
    assert size < 600


def test_a_script_says_what_the_image_weighs_and_how_long_a_worker_takes_to_start(deployed):
    words = [sys.executable, str(ROOT / "scripts" / "image_report.py"), deployed.image.name, "--runs", "3"]
    environment = {**os.environ, **deployed.engine.environment}
    ended = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    print(ended.stdout)
    assert re.search(r"^image \S+: \d+ MiB$", ended.stdout, re.MULTILINE)
    (seconds,) = re.findall(r"^start ([\d.]+) s ", ended.stdout, re.MULTILINE)
    assert 0.1 < float(seconds) < 10.0


def test_the_builder_is_shown_what_the_image_is_made_of_and_nothing_else(deployed, tmp_path):
    listing = tmp_path / "Dockerfile"
    base = deployed.engine.docker("image", "inspect", "-f", "{{.Id}}", deployed.image.name)
    listing.write_text(f"FROM {base}\nUSER 0\nCOPY . /context\n", "utf-8")
    name = f"ginkgo-test-{uuid.uuid4().hex[:10]}"
    deployed.engine.docker("build", "-f", str(listing), "-t", name, str(ROOT))
    found = deployed.engine.docker("run", "--rm", "--entrypoint", "find", name, "/context", "-maxdepth", "1")
    assert {Path(line).name for line in found.split()} == {
        "context",
        "LICENSE",
        "README.md",
        "constraints.txt",
        "pyproject.toml",
        "src",
    }


def test_kills_stops_scaling_and_a_new_configuration_lose_and_double_nothing(deployed, record_property):
    workers, fleet = deployed.workers, deployed.fleet
    before = deployed.beating()
    fleet.vendor.forget()
    send(deployed, KILLED)
    fleet.until(lambda: len(fleet.vendor.calls("daily")) > 20, "the work has not begun")

    killed, stopped = workers.running()[:2]
    pid = workers.pid(killed)
    workers.kill(killed)
    workers.until(lambda: workers.pid(killed) not in (0, pid), "the killed worker was not started again", 30.0)
    assert workers.inspect(killed, "{{.RestartCount}}") == "1"
    deployed.await_workers(4, 60.0)

    send(deployed, STOPPED)
    began = time.monotonic()
    assert workers.stop(stopped) == 0
    seconds = time.monotonic() - began
    record_property("seconds_to_stop", round(seconds, 1))
    print(f"docker stop in the middle of work: {seconds:.1f} s, exit code 0")
    assert seconds < 25.0
    left = f"{stopped[:12]}-"
    assert not [name for name in fleet.heartbeats() if name.startswith(left)], "it took its heartbeat along"

    workers.up(2)
    deployed.await_workers(2, 60.0)
    send(deployed, SCALED)
    workers.up(6)
    deployed.await_workers(6, 60.0)
    assert len(before | deployed.beating()) > 6, "others than those before"

    fleet.settings["worker"]["batch_size"] = 4321
    began = time.monotonic()
    workers.configure(fleet.settings)
    everybody = deployed.beating()

    def changed() -> set[str]:
        told = [event for event in fleet.told("config_reload") if event["data"]["outcome"] == "applied"]
        return {event["node_id"] for event in told if "4321" in str(event["data"]["changed"])}

    workers.until(lambda: changed() >= everybody, "not all have the new configuration", 30.0)
    print(f"six workers have the new configuration after {time.monotonic() - began:.1f} s")

    fleet.drain()
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
