"""Real servers for tests: what a test asks for is found or started, and ends with the one who started it.

In a test, take the fixture `kafka_server`, `redis_server` or `clickhouse_server`; in a script,
``with kafka_running(directory) as kafka: kafka.bootstrap``. A server of a test comes, in this order, from

1. an address in the environment: ``GINKGO_TEST_KAFKA=host:port``, ``GINKGO_TEST_REDIS=redis://...``,
   ``GINKGO_TEST_CLICKHOUSE=clickhouse://...``. It is someone else's: a test that wants to break it is skipped;
2. a container, where an engine answers that has the image already (`containers.py`, compose.yml);
3. a process of this machine, on loopback, on a free port, with its data and log in pytest's temporary directory
   (what a script asks for is always one);
4. nowhere: the test is skipped with the reasons, or fails with them where ``GINKGO_TEST_REQUIRE`` names the server
   (``kafka,redis,clickhouse``).

``GINKGO_TEST_SERVERS=containers`` wants containers: an image that is missing is pulled, a missing engine is a failure.
``GINKGO_TEST_SERVERS=processes`` does not ask for an engine. Where each server came from stands at the end of a run's
report (`pytest_terminal_summary`), for a promise is shown on what was really there.

A server is shared by the whole session, so a test uses topics, groups, keys and databases of its own. What a
test kills, stops or freezes runs again for the next test (`servers_healed`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import pytest

from support.clickhouse_server import ClickHouseAddress, ClickHouseServer, clickhouse_missing
from support.containers import (
    ClickHouseContainer,
    KafkaContainer,
    RedisContainer,
    ServerContainer,
    container_missing,
    in_container,
)
from support.kafka_server import KafkaServer, KafkaTopics, kafka_missing
from support.processes import ServerProcess
from support.redis_server import RedisAddress, RedisServer, redis_missing

REQUIRE = "GINKGO_TEST_REQUIRE"
SERVERS = "GINKGO_TEST_SERVERS"
Process = TypeVar("Process", bound=ServerProcess)

_shared: list[ServerProcess | ServerContainer] = []
_origins: dict[str, str] = {}


def missing(name: str, reason: str) -> NoReturn:
    """Skip the test for want of a server, or fail it where that server is required."""
    required = {word.strip() for word in os.environ.get(REQUIRE, "").split(",")}
    if name in required:
        pytest.fail(f"{REQUIRE} names {name}, but {reason}", pytrace=False)
    pytest.skip(f"no {name}: {reason}")


def wants_container(name: str, process_missing: str | None) -> bool:
    """Whether a server comes from a container here, and not from a process; without either the test ends.

    `process_missing` says what keeps the server from being a process, if anything does.
    """
    wanted = os.environ.get(SERVERS, "")
    if wanted not in ("", "containers", "processes"):
        pytest.fail(f"{SERVERS} is {wanted!r}: it may be 'containers', 'processes' or nothing", pytrace=False)
    reasons = [process_missing] if process_missing else []
    if wanted != "processes":
        reason = container_missing(name, pull=wanted == "containers")
        if reason is None:
            return True
        if wanted == "containers":
            pytest.fail(f"{SERVERS} asks for containers, but {reason}", pytrace=False)
        reasons.append(reason)
    if process_missing:
        missing(name, "; ".join(reasons))
    return False


class Borrowed:
    """The controls of a server that someone else runs: there are none."""

    name: str
    address: str

    @property
    def origin(self) -> str:
        """What it is, for the report of a run: its address, without a password."""
        place = urlsplit(self.address if "//" in self.address else f"//{self.address}")
        return f"someone else's, at {place.hostname}:{place.port}"

    def _not_ours(self) -> NoReturn:
        variable = f"GINKGO_TEST_{self.name.upper()}"
        missing(self.name, f"the one {variable} names is not ours to stop, and this test needs that")

    start = stop = kill = freeze = thaw = _not_ours

    def heal(self) -> None:
        """Do nothing: nobody here has broken it."""


class BorrowedKafka(KafkaTopics, Borrowed):
    """A broker at an address of the environment."""

    name = "kafka"

    @property
    def address(self) -> str:
        """The same as `bootstrap`."""
        return self.bootstrap


class BorrowedRedis(RedisAddress, Borrowed):
    """A Redis at an address of the environment."""

    name = "redis"


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


@dataclass(frozen=True)
class _Kind:
    """One kind of server, and the ways to come by it."""

    name: str
    borrowed: Callable[[str], Borrowed]
    container: Callable[[], ServerContainer]
    process: Callable[[Path], ServerProcess]
    process_missing: Callable[[], str | None]


_KAFKA = _Kind("kafka", BorrowedKafka, KafkaContainer, KafkaServer, kafka_missing)
_REDIS = _Kind("redis", BorrowedRedis, RedisContainer, RedisServer, redis_missing)
_CLICKHOUSE = _Kind("clickhouse", BorrowedClickHouse, ClickHouseContainer, ClickHouseServer, clickhouse_missing)


@contextmanager
def _of_this_session(kind: _Kind, directories: pytest.TempPathFactory) -> Iterator[Any]:
    if address := os.environ.get(f"GINKGO_TEST_{kind.name.upper()}"):
        borrowed = kind.borrowed(address)
        _origins[kind.name] = borrowed.origin
        yield borrowed
        return
    try:
        container = wants_container(kind.name, kind.process_missing())
    except (pytest.skip.Exception, pytest.fail.Exception) as outcome:
        _origins[kind.name] = f"not there ({outcome})"
        raise
    found = in_container(kind.container()) if container else running(kind.process(directories.mktemp(kind.name)))
    with found as server:
        _origins[kind.name] = server.origin
        _shared.append(server)
        yield server
        _shared.remove(server)


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer | KafkaContainer | BorrowedKafka]:
    """The broker of this session: `bootstrap`, `create_topic`, and the controls of `ServerProcess`."""
    with _of_this_session(_KAFKA, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | RedisContainer | BorrowedRedis]:
    """The Redis of this session: `url`, and the controls of `ServerProcess`."""
    with _of_this_session(_REDIS, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ClickHouseServer | ClickHouseContainer | BorrowedClickHouse]:
    """The ClickHouse of this session: `url`, `database(name)`, and the controls of `ServerProcess`."""
    with _of_this_session(_CLICKHOUSE, tmp_path_factory) as server:
        yield server


@pytest.hookimpl(optionalhook=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what the servers were from a process of a parallel run to the one that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["servers"] = dict(_origins)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what `pytest_sessionfinish` handed over."""
    _origins.update(getattr(node, "workeroutput", {}).get("servers", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of each server that was asked for what it was: what a run shows, it shows on that."""
    if _origins:
        terminalreporter.section("servers")
    for name, origin in sorted(_origins.items()):
        terminalreporter.write_line(f"{name}: {origin}")


@pytest.fixture(autouse=True)
def servers_healed() -> Iterator[None]:
    """After every test: the servers of the session run again."""
    yield
    for server in _shared:
        server.heal()
