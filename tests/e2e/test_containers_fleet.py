"""The image and the shipped Compose file: four workers in containers, killed, stopped, scaled and configured anew.

The workers are containers of the image built here. Kafka and Redis are real ones on this machine, ClickHouse is its
engine behind the HTTP front of the tests, the vendor a double; a run says so, and on which base the image stands.
Run by `make containers`; it takes about three minutes.
"""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.bridged import BridgedServers, bridged_servers
from support.container_engine import ContainerEngine, EngineFailed, container_engine, engine_missing
from support.proxy import TcpProxy
from support.servers import missing
from support.vendor import MarketSpec, Vendor
from support.worker_containers import WorkerContainers
from support.worker_fleet import Fleet, Servers, snapshot
from support.worker_image import ROOT, WorkerImage, build_image

pytestmark = pytest.mark.containers

SPEC = MarketSpec(1000, "2020-06-01", 5)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
FIRST, SECOND = SPEC.names[:400], SPEC.names[400:]
PLANTED = f"planted-{uuid.uuid4().hex}"
"""The secret of everything, to be found nowhere."""
SETTINGS = {
    # One code a call, one call at a time: so that there is work for all, and work to be killed in.
    "worker": {"max_poll_records": 20, "concurrency": 1, "round_budget": 4.0, "shutdown_timeout": 20.0},
    "kafka": {"session_timeout": 6.0},
    "heartbeat": {"interval": 1.0, "ttl": 4.0},
    "health": {"port": 8080},
    "sources": {"tushare": {"by_session": False, "codes_per_call": 1, "calls_per_minute": 100_000}},
}


@dataclass
class Deployed:
    """What a test of this module has: the fleet as its sender and reader, the workers as containers."""

    fleet: Fleet
    workers: WorkerContainers
    image: WorkerImage

    @property
    def engine(self) -> ContainerEngine:
        return self.workers.engine

    def beating(self) -> set[str]:
        """The nodes that beat as running."""
        return {name for name, beat in self.fleet.heartbeats().items() if beat["status"] == "running"}

    def took_part(self) -> Counter[str]:
        """How many commands each node ended."""
        found: Counter[str] = Counter()
        for event in self.fleet.told("command_ended"):
            found[event["node_id"]] += len(event["data"]["outcomes"])
        return found

    def await_workers(self, count: int, seconds: float) -> float:
        """Wait until there are `count` workers, healthy and beating, with every partition theirs."""

        def all_there() -> bool:
            assigned = self.fleet.assigned() >= len(self.fleet.places())
            return self.workers.healthy() == len(self.beating()) == count and assigned

        return self.workers.until(all_there, f"there are not {count} healthy workers", seconds)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Iterator[Deployed]:
    if reason := engine_missing():
        missing("containers", reason)
    directory = tmp_path_factory.mktemp("containers")
    with ExitStack() as stack:
        engine = stack.enter_context(container_engine())
        network, host = stack.enter_context(engine.network())
        with ThreadPoolExecutor(1) as pool:
            building = pool.submit(build_image, engine)
            servers = stack.enter_context(bridged_servers(directory, host, PLANTED))
            vendor = stack.enter_context(Vendor(directory, SPEC, latency=0.2, token=PLANTED))
            image = building.result()
        fleet = stack.enter_context(_fleet(directory, servers, vendor, host, stack))
        print(f"engine: {engine.origin}; image: {image.origin}; Compose: {engine.compose_command}")
        print(f"on this machine: {servers.kafka.origin}; {servers.redis.origin}; {servers.clickhouse.origin}")
        secrets = dict.fromkeys(("tushare_token", "redis_password", "clickhouse_password"), PLANTED)
        workers = WorkerContainers(engine, image, directory, network, _addresses(servers, fleet), secrets)
        workers.configure(fleet.settings)
        stack.callback(workers.down)
        yield Deployed(fleet, workers, image)


def _fleet(directory: Path, servers: BridgedServers, vendor: Vendor, host: str, stack: ExitStack) -> Fleet:
    seen = stack.enter_context(TcpProxy(vendor.port, host=host)).address
    through = {"kafka": servers.kafka_at, "redis": f"redis://{servers.redis_at}/0"}
    through["clickhouse"] = f"clickhouse://default@{servers.clickhouse_at}/ginkgo"
    tushare = {**SETTINGS["sources"]["tushare"], "base_url": f"http://{seen}"}
    settings = {**SETTINGS, "sources": {"tushare": tushare}}
    found = Servers(servers.kafka, servers.redis.url, servers.clickhouse, through)
    return Fleet(directory, found, vendor, settings, partitions=12)


def _addresses(servers: BridgedServers, fleet: Fleet) -> dict[str, str]:
    kafka, redis, clickhouse = (
        dict(zip(("HOST", "PORT"), at.split(":"), strict=True))
        for at in (servers.kafka_at, servers.redis_at, servers.clickhouse_at)
    )
    named = {"KAFKA": kafka, "REDIS": redis, "CLICKHOUSE": clickhouse}
    places = {f"GINKGO_{name}_{part}": text for name, parts in named.items() for part, text in parts.items()}
    return {**places, "GINKGO_CLICKHOUSE_USER": "default", "GINKGO_CLICKHOUSE_DATABASE": fleet.database}


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
    values = {name: text.split() for name, _, text in (line.partition(":") for line in status.splitlines())}
    assert set(values["Uid"]) == set(values["Gid"]) == {"10001"}
    assert {name: int(values[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0
    )
    assert values["NoNewPrivs"] == ["1"]
    assert workers.inspect(container, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}") == "true false"
    for place in ("/", "/home/ginkgo", "/opt/ginkgo-data", "/etc/ginkgo-data", "/run/secrets", "/var/log/ginkgo"):
        with pytest.raises(EngineFailed, match="Read-only file system|Permission denied"):
            workers.execute(container, "sh", "-c", f"echo x > {place}/x")
    limits = workers.inspect(container, "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}}")
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
    look = "cd /opt; ls; ls ginkgo-data/lib/python3*/site-packages; command -v gcc cc uv make git; ls -A /tmp /root 2>/dev/null"
    there = set(engine.docker("run", "--rm", "--network", "none", "--entrypoint", "sh", name, "-c", f"{look}; true").split())
    assert {"ginkgo-data", "ginkgo_data", "pyarrow", "exchange_calendars"} <= there
    assert not there & {"chdb", "pytest", "uv", "pip", "hatchling", "mypy"}
    assert not [path for path in there if path.startswith("/usr/bin/")]
    config = engine.docker("image", "inspect", "-f", "{{.Config.User}} {{.Config.StopSignal}} {{json .Config.Healthcheck.Test}}", name)
    assert config == '10001:10001 SIGTERM ["CMD","ginkgo-data","health"]'
    size = int(engine.docker("image", "inspect", "-f", "{{.Size}}", name)) / 2**20
    record_property("image_mib", round(size))
    print(f"image: {size:.0f} MiB")
    assert size < 600


def test_the_builder_is_shown_what_the_image_is_made_of_and_nothing_else(deployed, tmp_path):
    listing = tmp_path / "Dockerfile"
    base = deployed.engine.docker("image", "inspect", "-f", "{{.Id}}", deployed.image.name)
    listing.write_text(f"FROM {base}\nUSER 0\nCOPY . /context\n", "utf-8")
    name = f"ginkgo-test-{uuid.uuid4().hex[:10]}"
    deployed.engine.docker("build", "-f", str(listing), "-t", name, str(ROOT))
    found = deployed.engine.docker("run", "--rm", "--entrypoint", "find", name, "/context", "-maxdepth", "1")
    assert {Path(line).name for line in found.split()} == {"context", "LICENSE", "README.md", "constraints.txt", "pyproject.toml", "src"}


def test_kills_stops_scaling_and_a_new_configuration_lose_and_double_nothing(deployed, record_property):
    workers, fleet = deployed.workers, deployed.fleet
    before = deployed.beating()
    fleet.vendor.forget()
    send(deployed, SECOND)
    fleet.until(lambda: len(fleet.vendor.calls("daily")) > 20, "the work has not begun")

    killed, stopped = workers.running()[:2]
    pid = workers.pid(killed)
    workers.kill(killed)
    workers.until(lambda: workers.pid(killed) not in (0, pid), "the killed worker was not started again", 30.0)
    assert workers.inspect(killed, "{{.RestartCount}}") == "1"
    deployed.await_workers(4, 60.0)

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
    assert fleet.lag(), "there was work left for those who come"
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
    assert re.fullmatch(r"\d+", str(fleet.doubles()))
