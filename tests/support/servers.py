"""Real servers for tests: what a test asks for is found or started, and ends with the one who started it.

In a test, take the fixture `kafka_server`, `redis_server` or `clickhouse_server`; in a script,
``with kafka_running(directory) as kafka: kafka.bootstrap``. A server comes, in this order, from

1. an address in the environment: ``GINKGO_TEST_KAFKA=host:port``, ``GINKGO_TEST_REDIS=redis://...``,
   ``GINKGO_TEST_CLICKHOUSE=clickhouse://...``. It is someone else's: a test that wants to break it is skipped;
2. a process of this machine, on loopback, on a free port, with its data and log in pytest's temporary directory;
   (containers, where an engine answers, would be one more choice before this one, in the three fixtures below);
3. nowhere: the test is skipped with the reason, or fails with it where ``GINKGO_TEST_REQUIRE`` names the server
   (``kafka,redis,clickhouse``).

A server is shared by the whole session, so a test uses topics, groups, keys and databases of its own. What a
test kills, stops or freezes runs again for the next test (`servers_healed`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from support.clickhouse_server import ClickHouseAddress, ClickHouseServer, clickhouse_missing
from support.kafka_server import KafkaServer, KafkaTopics, kafka_missing
from support.processes import ServerProcess
from support.redis_server import RedisServer, redis_missing

REQUIRE = "GINKGO_TEST_REQUIRE"
Process = TypeVar("Process", bound=ServerProcess)

_shared: list[ServerProcess] = []


def missing(name: str, reason: str) -> NoReturn:
    """Skip the test for want of a server, or fail it where that server is required."""
    required = {word.strip() for word in os.environ.get(REQUIRE, "").split(",")}
    if name in required:
        pytest.fail(f"{REQUIRE} names {name}, but {reason}", pytrace=False)
    pytest.skip(f"no {name}: {reason}")


class Borrowed:
    """The controls of a server that someone else runs: there are none."""

    name: str

    def _not_ours(self) -> NoReturn:
        variable = f"GINKGO_TEST_{self.name.upper()}"
        missing(self.name, f"the one {variable} names is not ours to stop, and this test needs that")

    start = stop = kill = freeze = thaw = _not_ours


class BorrowedKafka(KafkaTopics, Borrowed):
    """A broker at an address of the environment."""

    name = "kafka"

    @property
    def address(self) -> str:
        """The same as `bootstrap`."""
        return self.bootstrap


class BorrowedRedis(Borrowed):
    """A Redis at an address of the environment."""

    name = "redis"

    def __init__(self, url: str) -> None:
        self.url = self.address = url


class BorrowedClickHouse(ClickHouseAddress, Borrowed):
    """A ClickHouse server at an address of the environment."""

    name = "clickhouse"


@contextmanager
def running(server: Process) -> Iterator[Process]:
    """Start a server of one's own, and end it."""
    server.start()
    try:
        yield server
    finally:
        server.kill()


def kafka_running(directory: Path) -> AbstractContextManager[KafkaServer]:
    """A Kafka of one's own, with its data in `directory`, for a ``with`` statement. Raises `StartFailed`."""
    return running(KafkaServer(directory))


def redis_running(directory: Path, password: str = "") -> AbstractContextManager[RedisServer]:
    """A Redis of one's own, as `kafka_running`."""
    return running(RedisServer(directory, password))


def clickhouse_running(directory: Path, password: str = "") -> AbstractContextManager[ClickHouseServer]:
    """A ClickHouse of one's own, as `kafka_running`."""
    return running(ClickHouseServer(directory, password))


@contextmanager
def _shared_with_all(server: Process) -> Iterator[Process]:
    with running(server):
        _shared.append(server)
        yield server
        _shared.remove(server)


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer | BorrowedKafka]:
    """The broker of this session: `bootstrap`, `create_topic`, and the controls of `ServerProcess`."""
    if address := os.environ.get("GINKGO_TEST_KAFKA"):
        yield BorrowedKafka(address)
        return
    if reason := kafka_missing():
        missing("kafka", reason)
    with _shared_with_all(KafkaServer(tmp_path_factory.mktemp("kafka"))) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | BorrowedRedis]:
    """The Redis of this session: `url`, and the controls of `ServerProcess`."""
    if address := os.environ.get("GINKGO_TEST_REDIS"):
        yield BorrowedRedis(address)
        return
    if reason := redis_missing():
        missing("redis", reason)
    with _shared_with_all(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer | BorrowedClickHouse]:
    """The ClickHouse of this session: `url`, `database(name)`, and the controls of `ServerProcess`."""
    if address := os.environ.get("GINKGO_TEST_CLICKHOUSE"):
        yield BorrowedClickHouse(address)
        return
    if reason := clickhouse_missing():
        missing("clickhouse", reason)
    with _shared_with_all(ClickHouseServer(tmp_path_factory.mktemp("clickhouse"))) as server:
        yield server


@pytest.fixture(autouse=True)
def servers_healed() -> Iterator[None]:
    """After every test: the servers of the session run again."""
    yield
    for server in _shared:
        server.heal()
