"""Stores for tests: one engine per session and way to reach it, an empty database with the whole schema per test.

A process can have only one engine directory open, so every test that needs a store takes `store_config` (an
address) or `store` (an open client) from here; a conftest imports the three fixtures by name. Such a test runs with
the engine inside this process, and in the soak over HTTP as well, with the server of `support.servers`; those that are
about the way to the store run `BOTH_WAYS` always.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
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


@dataclass(frozen=True)
class Prepared:
    """A database with all tables, as they were made, and a client that stays open."""

    config: ClickHouseConfig
    client: ClickHouseClient
    made: pa.Table

    @classmethod
    def of(cls, config: ClickHouseConfig) -> Prepared:
        client = open_client(config)
        apply_schema(client)
        return cls(config, client, client.query(_MADE))

    def empty(self) -> bool:
        """Empty the tables, and return whether all is as it was made."""
        if not self.client.query(_MADE).equals(self.made):
            return False
        for name in self.client.query(_FILLED)["name"].to_pylist():
            self.client.command(f"TRUNCATE TABLE `{name}`")
        return True

    def drop(self) -> None:
        self.client.command(f"DROP DATABASE `{self.config.database}`")
        self.client.close()


class Pool:
    """Databases with all tables, handed out again when they are as they were made: making one takes half a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: list[Prepared] = []

    def take(self) -> Prepared:
        """Return a database whose tables are empty."""
        return self._free.pop() if self._free else Prepared.of(self._engine(f"test_{next(_numbers)}"))

    def give_back(self, database: Prepared) -> None:
        """Empty a database for the next test; one that was changed otherwise is dropped."""
        if database.empty():
            self._free.append(database)
        else:
            database.drop()

    def close(self) -> None:
        """Drop what is there."""
        while self._free:
            self._free.pop().drop()


_MADE = "SELECT name, create_table_query AS ddl FROM system.tables WHERE database = currentDatabase() ORDER BY name"
_FILLED = (
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 AND name != 'schema_versions'"
)


@pytest.fixture(scope="session")
def prepared(engine: Engine) -> Iterator[Pool]:
    """Databases with all tables."""
    pool = Pool(engine)
    yield pool
    pool.close()


@pytest.fixture
def store_config(engine: Engine, prepared: Pool, request: pytest.FixtureRequest) -> Iterator[ClickHouseConfig]:
    """The address of a database: of an empty one with all tables beside `store`, else of one that does not exist."""
    if "store" in request.fixturenames:
        database = prepared.take()
        yield database.config
        prepared.give_back(database)
        return
    config = engine(f"test_{next(_numbers)}")
    yield config
    client = open_client(config)
    client.command(f"DROP DATABASE `{config.database}`")
    client.close()


@pytest.fixture
def store(store_config: ClickHouseConfig) -> Iterator[ClickHouseClient]:
    """An open client of an empty database with all tables."""
    client = open_client(store_config)
    yield client
    client.close()
