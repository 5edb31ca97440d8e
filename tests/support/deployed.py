"""The deployed fleet of the container tests: shipped image and Compose file, the tests' servers and vendor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.bridged import BridgedServers, bridged_servers
from support.container_engine import ContainerEngine, container_engine
from support.proxy import TcpProxy
from support.vendor import MarketSpec, Vendor
from support.worker_containers import WorkerContainers
from support.worker_fleet import Fleet, Servers, Settings
from support.worker_image import WorkerImage, build_image

SECRETS = ("tushare_token", "redis_password", "clickhouse_password")
_PORT = 8080
"""Of every worker's page: each has a network of its own."""


@dataclass
class Deployed:
    """The fleet as its sender and reader, and its workers as containers."""

    fleet: Fleet
    workers: WorkerContainers
    image: WorkerImage
    origins: str
    """On what all of this stands, for the report of a run."""

    @property
    def engine(self) -> ContainerEngine:
        """What runs the containers."""
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
        """Wait until there are `count` workers, healthy and beating, with every partition theirs; return how long."""

        def all_there() -> bool:
            assigned = self.fleet.assigned() >= len(self.fleet.places())
            return self.workers.healthy() == len(self.beating()) == count and assigned

        return self.workers.until(all_there, f"there are not {count} healthy workers", seconds)


@contextmanager
def deployed_fleet(
    directory: Path, spec: MarketSpec, settings: Settings, *, latency: float, secret: str
) -> Iterator[Deployed]:
    """Build the image and start the servers; no worker is up yet. `secret` is the vendor's, Redis' and ClickHouse's.

    Skips, or fails, where a server cannot be had; ask `engine_missing` first. Raises `EngineFailed`, `StartFailed`.
    """
    with ExitStack() as stack:
        engine = stack.enter_context(container_engine())
        network, host = stack.enter_context(engine.network())
        pool = stack.enter_context(ThreadPoolExecutor(1))
        building = pool.submit(build_image, engine)
        servers = stack.enter_context(bridged_servers(directory, host, secret))
        vendor = stack.enter_context(Vendor(directory, spec, latency=latency, token=secret))
        vendor_at = stack.enter_context(TcpProxy(vendor.port, host=host)).address
        image = building.result()
        found = Servers(servers.kafka, servers.redis.url, servers.clickhouse, _through(servers))
        fleet = stack.enter_context(Fleet(directory, found, vendor, _settings(settings, vendor_at), partitions=12))
        secrets = dict.fromkeys(SECRETS, secret)
        workers = WorkerContainers(engine, image, directory, network, _environment(servers, fleet), secrets)
        workers.configure(fleet.settings)
        stack.callback(workers.down)
        origins = (
            f"engine: {engine.origin}; Compose: {engine.compose_command}\nimage: {image.origin}\non this machine: "
            f"{servers.kafka.origin}; {servers.redis.origin}; {servers.clickhouse.origin}; the vendor's double"
        )
        yield Deployed(fleet, workers, image, origins)


def _through(servers: BridgedServers) -> dict[str, str]:
    """The addresses in data_worker.yml, without their passwords."""
    return {
        "kafka": servers.kafka_at,
        "redis": f"redis://{servers.redis_at}/0",
        "clickhouse": f"clickhouse://default@{servers.clickhouse_at}/ginkgo",
    }


def _settings(settings: Settings, vendor_at: str) -> Settings:
    sources = settings.get("sources", {})
    tushare = sources.get("tushare", {})
    assert isinstance(tushare, Mapping)
    page = {"port": _PORT}
    return {
        **settings,
        "health": page,
        "sources": {**sources, "tushare": {**tushare, "base_url": f"http://{vendor_at}"}},
    }


def _environment(servers: BridgedServers, fleet: Fleet) -> dict[str, str]:
    """What the shipped file says of its own servers, of the tests'."""
    found = {"GINKGO_CLICKHOUSE_USER": "default", "GINKGO_CLICKHOUSE_DATABASE": fleet.database}
    places = {"KAFKA": servers.kafka_at, "REDIS": servers.redis_at, "CLICKHOUSE": servers.clickhouse_at}
    for name, place in places.items():
        found[f"GINKGO_{name}_HOST"], found[f"GINKGO_{name}_PORT"] = place.split(":")
    return found
