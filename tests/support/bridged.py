"""Servers of the tests that containers can reach: on loopback as ever, and at this machine's address on a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.clickhouse_server import ClickHouseServer, clickhouse_missing
from support.kafka_server import SETTINGS, KafkaServer, kafka_missing
from support.processes import free_port
from support.proxy import TcpProxy
from support.redis_server import RedisServer, redis_missing
from support.servers import missing, running


class BridgedKafka(KafkaServer):
    """A broker with one more listener. A client is told the address of the listener that it came by."""

    def __init__(self, directory: Path, host: str) -> None:
        self.bridged = f"{host}:{free_port()}"
        """``host:port`` for clients in containers."""
        names = SETTINGS["listener.security.protocol.map"]
        super().__init__(directory, {"listener.security.protocol.map": f"{names},BRIDGE:PLAINTEXT"})

    def _places(self) -> dict[str, object]:
        places = super()._places()
        for name in ("listeners", "advertised.listeners"):
            places[name] = f"{places[name]},BRIDGE://{self.bridged}"
        return places


@dataclass(frozen=True)
class BridgedServers:
    """The servers, and ``host:port`` of each for clients in containers."""

    kafka: BridgedKafka
    redis: RedisServer
    clickhouse: ClickHouseServer
    kafka_at: str
    redis_at: str
    clickhouse_at: str


@contextmanager
def bridged_servers(directory: Path, host: str, password: str) -> Iterator[BridgedServers]:
    """Start the three; Redis and ClickHouse want `password`. Skips, or fails, where one cannot be had."""
    for name, reason in (
        ("kafka", kafka_missing()),
        ("redis", redis_missing()),
        ("clickhouse", clickhouse_missing()),
    ):
        if reason:
            missing(name, reason)
        (directory / name).mkdir()
    with ExitStack() as stack:
        kafka = stack.enter_context(running(BridgedKafka(directory / "kafka", host)))
        redis = stack.enter_context(running(RedisServer(directory / "redis", password)))
        clickhouse = stack.enter_context(running(ClickHouseServer(directory / "clickhouse", password)))
        ports = (redis.port, clickhouse.port)
        redis_at, clickhouse_at = (stack.enter_context(TcpProxy(port, host=host)).address for port in ports)
        yield BridgedServers(kafka, redis, clickhouse, kafka.bridged, redis_at, clickhouse_at)
