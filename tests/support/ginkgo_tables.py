"""One database with Ginkgo's tables and ours for all tests of a file, emptied for each.

Making the tables takes longer than what a test does with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pyarrow as pa
import pytest

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_schema import ensure_ginkgo_tables
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from support.engine import Engine

_NAME = "ginkgo_tables"


@pytest.fixture(scope="module")
def ginkgo_config(engine: Engine) -> Iterator[ClickHouseConfig]:
    """The address of a database with all tables, for the tests of one file."""
    config = engine(_NAME)
    client = open_client(config)
    apply_schema(client)
    ensure_ginkgo_tables(client)
    yield config
    client.command(f"DROP DATABASE `{config.database}`")
    client.close()


@pytest.fixture
def table(ginkgo_config: ClickHouseConfig) -> Iterator[ClickHouseClient]:
    """An open client of that database; factors, ticks and their marks are none."""
    client = open_client(ginkgo_config)
    found = client.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%\\_Tick'")
    for name in found["name"].to_pylist():
        client.command(f"DROP TABLE `{name}` SYNC")
    for name in ("adjustfactor", "adjustment_factors", "held_ticks"):
        client.command(f"TRUNCATE TABLE {name}")
    yield client
    client.close()


ON_ONE_ENGINE = pytest.mark.parametrize("engine", ["embedded"], indirect=True)
"""For tests to which the way to the engine makes no difference."""

Clients = Callable[[Callable[[str], bool]], ClickHouseClient]


@pytest.fixture
def odd(ginkgo_config: ClickHouseConfig) -> Iterator[Clients]:
    """Gives clients that ask a function with the table's name before each insert, and leave it out if it says no."""
    opened: list[ClickHouseClient] = []

    def client(before: Callable[[str], bool]) -> ClickHouseClient:
        class Odd(ClickHouseClient):
            def insert(self, table: str, rows: pa.Table) -> None:
                if before(table):
                    super().insert(table, rows)

        opened.append(Odd(ginkgo_config))
        return opened[-1]

    yield client
    for each in opened:
        each.close()


def insert(client: ClickHouseClient, table: str, *rows: dict[str, object]) -> None:
    """Store rows as another program does: in the server's own words, with random ids."""
    for row in rows:
        given = {"uuid": uuid4().hex, "meta": "{}", "desc": "", "source": 7, **row}
        client.command(f"INSERT INTO `{table}` ({', '.join(given)}) VALUES ({', '.join(map(repr, given.values()))})")


def stored(client: ClickHouseClient, table: str, columns: str) -> list[tuple]:
    """Return columns of all rows, by code, time and id."""
    found = client.query(f"SELECT {columns} FROM `{table}` ORDER BY code, timestamp, uuid")
    return [tuple(row.values()) for row in found.to_pylist()]
