"""Stores for tests: one engine per session and way to reach it, a fresh database with the whole schema per test.

A process can have only one engine directory open, so every test that needs a store takes `store_config` (an
address) or `store` (an open client) from here; a conftest imports the three fixtures by name. Such a test runs with
the engine inside this process, and in the soak over HTTP as well, with the server of `support.servers`; those that are
about the way to the store run `BOTH_WAYS` always.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.schema import apply_schema

Engine = Callable[[str], ClickHouseConfig]
"""Gives the address of a database of the engine."""

BOTH_WAYS = pytest.mark.parametrize("engine", ["embedded", "http"], indirect=True)
"""Run inside this process and over HTTP, not only in the soak."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["embedded", pytest.param("http", marks=pytest.mark.soak)])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of this session, kept open by one client so that no test pays for its start."""
    if request.param == "http":
        server = request.getfixturevalue("clickhouse_server")
        yield lambda database: ClickHouseConfig(url=server.database(database))
        return
    directory = tmp_path_factory.getbasetemp() / "engine"

    def address(database: str) -> ClickHouseConfig:
        return ClickHouseConfig(url=f"chdb://{directory}?database={database}")

    keeper = open_client(address("keeper"))
    yield address
    keeper.close()


@pytest.fixture
def store_config(engine: Engine) -> Iterator[ClickHouseConfig]:
    """The address of a database that nobody has used; it is dropped afterwards."""
    config = engine(f"test_{next(_numbers)}")
    yield config
    client = open_client(config)
    client.command(f"DROP DATABASE `{config.database}`")
    client.close()


@pytest.fixture
def store(store_config: ClickHouseConfig) -> Iterator[ClickHouseClient]:
    """An open client of a fresh database with all tables."""
    client = open_client(store_config)
    apply_schema(client)
    yield client
    client.close()
