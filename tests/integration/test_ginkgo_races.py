"""Several workers on the same codes of Ginkgo's table, killed at any moment: nothing doubled, nothing lost, no gap."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import date

import numpy as np
import pytest

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.adapters.clickhouse.ginkgo_schema import ensure_bar_table
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import GinkgoSweep
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.series import DAILY
from support.ginkgo_writer import CODES, DAYS, cents, fetched, now
from support.stack import NOW
from support.writers import Writers

KILLS = int(os.environ.get("GINKGO_TEST_REPEATS", "3"))
WINDOW = (date(2023, 1, 1), date(2024, 12, 31))
KEYS = len(CODES) * len(DAYS)


def prepared(client: ClickHouseClient) -> None:
    apply_schema(client)
    ensure_bar_table(client)


@pytest.fixture
def config(clickhouse_server) -> Iterator[ClickHouseConfig]:
    made = ClickHouseConfig(url=clickhouse_server.database(f"races_{uuid.uuid4().hex}"))
    yield made
    clickhouse_server.start() if hasattr(clickhouse_server, "heal") else None
    client = ClickHouseClient(made)
    client.command(f"DROP DATABASE `{made.database}`")
    client.close()


class Reader:
    """Polls what is stored, once all keys are there; keeps the least it ever saw."""

    def __init__(self, config: ClickHouseConfig) -> None:
        self.least, self.polls = KEYS, 0
        self._client = ClickHouseClient(config)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._done.wait(0.01):
            try:
                found = self._client.query("SELECT uniqExact(code, timestamp) AS keys FROM bar")
            except StoreUnavailable:
                continue  # the server was killed
            self.least = min(self.least, found["keys"][0].as_py())
            self.polls += 1

    def end(self) -> None:
        self._done.set()
        self._thread.join()
        self._client.close()


def stored_cents(repository: GinkgoBarRepository) -> tuple[np.ndarray, np.ndarray]:
    """Return prices and versions of what a reader sees, by code and day."""
    read = repository.read(CODES, DAILY, *WINDOW).table
    assert read.num_rows == KEYS
    prices = np.rint(read["close"].to_numpy() * 100).astype(np.int64)
    return prices.reshape(len(CODES), -1), read["version"].to_numpy().astype(np.int64).reshape(len(CODES), -1)


@pytest.mark.parametrize("server_dies", [False, True], ids=["workers killed", "workers and server killed"])
def test_four_workers_on_the_same_codes_end_exact_whoever_is_killed(
    clickhouse_server, config: ClickHouseConfig, server_dies: bool
) -> None:
    client = ClickHouseClient(config, prepared)
    client.connect()
    chance = random.Random(KILLS)
    writers = Writers("ginkgo_writer.py", config.url, 4)
    try:
        writers.heard()
        reader = Reader(config)
        for turn in range(KILLS):
            time.sleep(chance.uniform(0.2, 0.8))
            if server_dies and turn == KILLS // 2:
                clickhouse_server.kill()
                clickhouse_server.start()
            writers.kill(chance.randrange(4))
        time.sleep(0.5)
    finally:
        writers.end()
    reader.end()
    assert reader.polls > 0
    assert reader.least == KEYS

    repository = GinkgoBarRepository(client)
    GinkgoSweep(client, ManualClock(NOW)).sweep()
    assert client.query("SELECT count() AS n FROM bar")["n"].to_pylist() == [KEYS]
    prices, versions = stored_cents(repository)
    # Each row is what the vendor said when it was fetched, and nothing older than what was acknowledged last.
    at_fetch = {version: cents(version) for version in np.unique(versions).tolist()}
    assert all((prices == said)[versions == version].all() for version, said in at_fetch.items())
    assert (prices >= cents(max(writers.acknowledged))).all()
    assert sum(map(len, repository.held(CODES, DAILY, *WINDOW).values())) == KEYS

    latest = now()
    repository.write(fetched(latest))
    assert client.query("SELECT count() AS n FROM bar")["n"].to_pylist() == [KEYS]
    assert (stored_cents(repository)[0] == cents(latest)).all()
    client.close()
