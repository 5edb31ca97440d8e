"""Stores for tests: one embedded engine per process, a fresh database with the whole schema per test.

A process can have only one engine directory open, so every test that needs the embedded engine takes
`store_config` (an address) or `store` (an open client) from here; a conftest imports the three fixtures by name.
Another way to reach an engine is one more parameter of `engine`.
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

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["embedded"])
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of this session, kept open by one client so that no test pays for its start."""
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
