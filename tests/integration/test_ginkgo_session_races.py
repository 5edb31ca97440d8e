"""Several workers on the same factors and the same days of ticks in Ginkgo's tables, killed at any moment."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_adjustment_repository import GinkgoAdjustmentRepository
from ginkgo_data.adapters.clickhouse.ginkgo_schema import ensure_ginkgo_tables
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import GinkgoSweep
from ginkgo_data.adapters.clickhouse.ginkgo_tick_repository import GinkgoTickRepository
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.clickhouse_server import clickhouse_missing
from support.factors import factors
from support.ginkgo_session_writer import (
    CODES,
    DAYS,
    PERIOD,
    TICK_DAYS,
    cents,
    factors_at,
    millionths,
    now,
    ticks_at,
)
from support.servers import clickhouse_running
from support.stack import NOW
from support.ticks import prices_of, tick_day
from support.writers import Writers

KILLS = int(os.environ.get("GINKGO_TEST_REPEATS", "3"))
JANUARY = (date(2024, 1, 1), date(2024, 1, 31))
TICK_TABLES = [f"{code.replace('.', '_')}_Tick" for code in CODES]


@pytest.fixture
def config(clickhouse_server) -> ClickHouseConfig:
    return ClickHouseConfig(url=clickhouse_server.database(f"session_{uuid.uuid4().hex}"))


@pytest.fixture
def client(config: ClickHouseConfig) -> Iterator[ClickHouseClient]:
    made = ClickHouseClient(config)
    apply_schema(made)
    ensure_ginkgo_tables(made)
    yield made
    made.command(f"DROP DATABASE `{config.database}`")
    made.close()


def count(client: ClickHouseClient, table: str) -> int:
    return client.query(f"SELECT count() AS n FROM `{table}`")["n"][0].as_py()


def columns_of(client: ClickHouseClient) -> np.ndarray:
    """Return factor, fore and back of each row, in millionths, by code and day."""
    names = ("adjustfactor", "foreadjustfactor", "backadjustfactor")
    chosen = ", ".join(f"toInt64(toDecimal128({name}, 6) * 1000000) AS {name}" for name in names)
    found = client.query(f"SELECT {chosen} FROM adjustfactor ORDER BY code, timestamp")
    return np.stack([found[name].to_numpy() for name in names], axis=1).reshape(len(CODES), len(DAYS), 3)


def assert_exact(client: ClickHouseClient, acknowledged: int) -> None:
    """Every key is there once, as a fetch brought it, none older than what was acknowledged; columns follow."""
    assert count(client, "adjustfactor") == len(CODES) * len(DAYS)
    history = GinkgoAdjustmentRepository(client).read(CODES, *JANUARY).table
    versions = history["version"].to_numpy().astype(np.int64).reshape(len(CODES), -1)
    rows = columns_of(client)
    for code, day in np.ndindex(versions.shape):
        assert rows[code, day, 0] == millionths(int(versions[code, day]))[day]
    assert (versions[:, -1] // PERIOD >= acknowledged // PERIOD).all()
    factor = rows[:, :, 0]
    assert (rows[:, :, 1] == np.rint(factor / factor[:, -1:] * 1e6)).all()
    assert (rows[:, :, 2] == np.rint(factor / factor[:, :1] * 1e6)).all()
    repository = GinkgoTickRepository(client)
    for code in CODES:
        for day, session in enumerate(TICK_DAYS):
            found = repository.read([code], *[date.fromisoformat(session)] * 2)
            (version,) = set(found.table["version"].to_pylist())
            assert version >= acknowledged
            assert prices_of(found) == [price / 100 for price in cents(version, day)]
    assert sum(count(client, table) for table in TICK_TABLES) == len(repository.read(CODES, *JANUARY))


def test_workers_on_the_same_factors_and_days_end_exact_whoever_is_killed(
    config: ClickHouseConfig, client: ClickHouseClient
) -> None:
    chance = random.Random(KILLS)
    writers = Writers("ginkgo_session_writer.py", config.url, 3)
    try:
        writers.heard()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 0.6))
            writers.kill(chance.randrange(3))
        time.sleep(0.3)
    finally:
        writers.end()
    sweep = GinkgoSweep(client, ManualClock(NOW))
    sweep.sweep()
    assert_exact(client, max(writers.acknowledged))
    assert sweep.sweep() == 0

    latest = now()
    GinkgoAdjustmentRepository(client).write(factors_at(latest))
    GinkgoTickRepository(client).replace(ticks_at(latest))
    assert_exact(client, latest)
    held = GinkgoTickRepository(client).held(CODES, *JANUARY, since=latest)
    assert {code: [str(day) for day in days] for code, days in held.items()} == dict.fromkeys(CODES, TICK_DAYS)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_the_wall_clock_is_the_exchanges_whatever_the_servers_zone(
    zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if clickhouse_missing():
        pytest.skip("no engine to start in another zone")
    monkeypatch.setenv("TZ", zone)
    with clickhouse_running(tmp_path) as server:
        client = ClickHouseClient(ClickHouseConfig(url=server.url), apply_schema)
        ensure_ginkgo_tables(client)
        assert client.query("SELECT timezone() AS z")["z"].to_pylist() == [zone]
        # 1991 had summer time in Shanghai.
        days, window = ["1990-12-19", "1991-07-01", "2024-01-02"], (date(1990, 1, 1), date(2024, 12, 31))
        adjustments, ticks = GinkgoAdjustmentRepository(client), GinkgoTickRepository(client)
        written = factors(sessions=days, values=[1.0, 2.0, 4.0])
        lists = [tick_day(session=day) for day in days]
        for receipt in (WriteReceipt(3, 1), WriteReceipt()):
            assert adjustments.write(written) == receipt
        for _ in range(2):
            ticks.replace(lists)
        assert adjustments.read(None, *window).factors().table["session"].to_pylist() == [
            date.fromisoformat(day) for day in days
        ]
        read = ticks.read(None, *window).table
        assert read["timestamp"].to_pylist() == [
            moment for day in lists for moment in day.ticks.table["timestamp"].to_pylist()
        ]
        for held in (adjustments.held, ticks.held):
            (sessions,) = held(None, *window).values()
            assert [str(day) for day in sessions] == days
            (one,) = held(None, date(1991, 7, 1), date(1991, 7, 1)).values()
            assert [str(day) for day in one] == days[1:2]
        shown = "SELECT toString(timestamp) AS t FROM {} ORDER BY timestamp"
        assert client.query(shown.format("adjustfactor"))["t"].to_pylist() == [f"{day} 00:00:00" for day in days]
        assert client.query(shown.format("`000001_SZ_Tick`"))["t"].to_pylist()[::3] == [
            f"{day} 09:30:00" for day in days
        ]
        client.close()
