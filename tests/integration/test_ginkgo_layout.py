"""A worker's parts where the configuration says ``clickhouse.layout: ginkgo``, on real files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import numpy as np
import pytest

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_adjustment_repository import GinkgoAdjustmentRepository
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.adapters.clickhouse.ginkgo_tick_repository import GinkgoTickRepository
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, Rows
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from support.bars import CODE_A, bars
from support.collecting import collecting
from support.factors import factors
from support.ginkgo_tables import insert
from support.shared_data import SHARED, needs_shared
from support.stack import SESSIONS, VENDOR, listed
from support.ticks import tick_day

CENT = Decimal("0.01")

BAR = {"frequency": 1, "open": "10", "high": "10", "low": "10", "close": "10", "volume": 10}
"""What `bars` makes up, in the units of Ginkgo's table."""


def wired(config: ClickHouseConfig, **more: object) -> Container:
    named = {key.replace("__", "."): value for key, value in more.items()}
    common = {"kafka.bootstrap_servers": "memory://", "redis.url": "memory://", "clickhouse.url": config.url}
    overrides = {**common, "clickhouse.layout": "ginkgo", **named}
    return Container(settings=load_settings(None, {}, overrides, search=False).settings)


@pytest.fixture
def container(store_config: ClickHouseConfig) -> Iterator[Container]:
    made = wired(store_config)
    yield made
    made.shutdown_resources()


def fetched(container: Container, lines: list[dict[str, str]]) -> BarAnswer:
    days = np.array(sorted({f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in (line["trade_date"] for line in lines)}), "M8[D]")
    codes = sorted({line["ts_code"] for line in lines})
    cells = Cells.cross(codes, days)
    request = FetchRequest(DAILY, tuple(codes), days[0].item(), days[-1].item(), cells, 1_700_000_000_000_000)
    return container.bar_source().fetch(request)


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_layout_is_native_unless_asked_for(store_config: ClickHouseConfig) -> None:
    native = wired(store_config, clickhouse__layout="native")
    assert isinstance(native.bar_repository(), ClickHouseBarRepository)
    native.prepare()()
    assert native.store().query("EXISTS TABLE bar").column(0)[0].as_py() == 0
    native.shutdown_resources()


def test_a_worker_makes_the_table_and_settles_what_a_crash_left_before_its_first_round(container: Container) -> None:
    assert isinstance(container.bar_repository(), GinkgoBarRepository)
    container.prepare()()
    store = container.store()
    container.bar_repository().write(bars(closes=[10.0, 10.1], version=1))
    store.command("INSERT INTO bar SELECT * REPLACE (generateUUIDv4() AS uuid, close + 1 AS close) FROM bar")
    assert store.query("SELECT count() AS n FROM bar")["n"].to_pylist() == [4]
    container.ginkgo_sweep.reset()
    container.sweep()()
    assert store.query("SELECT toFloat64(close) AS c FROM bar ORDER BY c")["c"].to_pylist() == [10.0, 10.1]
    assert container.sweep()() == 0


def test_a_worker_does_not_start_on_a_table_that_does_not_fit(store_config: ClickHouseConfig) -> None:
    client = open_client(store_config)
    client.command("CREATE TABLE bar (code String, timestamp DateTime, open Float64) ENGINE = MergeTree ORDER BY code")
    container = wired(store_config)
    with pytest.raises(SchemaMismatch, match=r"table bar: column open is Float64, must be Decimal\(16, 2\)"):
        container.prepare()()
    container.shutdown_resources()
    client.close()


def test_factors_and_ticks_lie_in_ginkgos_tables_and_the_sweep_settles_them(container: Container) -> None:
    assert isinstance(container.adjustment_repository(), GinkgoAdjustmentRepository)
    assert isinstance(container.tick_repository(), GinkgoTickRepository)
    container.prepare()()
    store = container.store()
    container.adjustment_repository().write(factors(values=[1.0, 2.0, 4.0]))
    container.tick_repository().replace([tick_day()])
    for table in ("adjustfactor", "`000001_SZ_Tick`"):
        store.command(f"INSERT INTO {table} SELECT * REPLACE (generateUUIDv4() AS uuid) FROM {table} LIMIT 1")
    container.ginkgo_sweep.reset()
    assert container.sweep()() == 2
    assert store.query("SELECT count() AS n FROM adjustfactor")["n"].to_pylist() == [3]
    assert store.query("SELECT count() AS n FROM `000001_SZ_Tick`")["n"].to_pylist() == [3]


def test_a_worker_does_not_start_on_factors_that_do_not_fit(store_config: ClickHouseConfig) -> None:
    client = open_client(store_config)
    client.command("CREATE TABLE adjustfactor (code String, adjustfactor Float64) ENGINE = MergeTree ORDER BY code")
    container = wired(store_config)
    with pytest.raises(SchemaMismatch, match=r"table adjustfactor: column foreadjustfactor .* is missing"):
        container.prepare()()
    container.shutdown_resources()
    client.close()


@needs_shared
def test_every_real_daily_bar_is_stored_as_upstream_stores_it(store_config: ClickHouseConfig) -> None:
    path = SHARED / "daily/tushare_daily_raw_2019_2020.csv"
    container = wired(store_config, sources__bars=["files"], sources__files__path=str(path))
    lines = lines_of(path)
    answer = fetched(container, lines)
    assert isinstance(answer, Rows)
    container.prepare()()
    assert container.bar_repository().write(answer.batch).rows == len(lines)
    stored = container.store().query(
        "SELECT code, toString(timestamp) AS t, toString(open) AS o, toString(high) AS h, toString(low) AS l, "
        "toString(close) AS c, volume, amount FROM bar"
    )
    expected = set()
    for line in lines:
        day = line["trade_date"]
        prices = (str(Decimal(line[name]).normalize().quantize(CENT)) for name in ("open", "high", "low", "close"))
        amount = Decimal(line["amount"]).quantize(CENT, ROUND_HALF_EVEN)
        moment = f"{day[:4]}-{day[4:6]}-{day[6:]} 00:00:00"
        expected.add((line["ts_code"], moment, *map(Decimal, prices), int(Decimal(line["vol"])), amount))
    rows = [tuple(row.values()) for row in stored.to_pylist()]
    assert len(rows) == len(lines)
    found = {(code, t, *map(Decimal, prices), volume, amount) for code, t, *prices, volume, amount in rows}
    assert found == expected
    assert container.bar_repository().write(answer.batch).rows == 0
    container.shutdown_resources()


@needs_shared
def test_a_real_fund_in_thousandths_is_rejected_bar_by_bar_and_never_rounded(store_config: ClickHouseConfig) -> None:
    path = SHARED / "daily/tushare_fund_daily_510300.SH.csv"
    container = wired(store_config, sources__bars=["files"], sources__files__path=str(path))
    lines = lines_of(path)
    fits = [
        line["trade_date"]
        for line in lines
        if all(Decimal(line[name]) % CENT == 0 for name in ("open", "high", "low", "close"))
    ]
    assert 0 <= len(fits) < len(lines)
    answer = fetched(container, lines)
    assert isinstance(answer, Rows)
    assert (len(answer.batch), len(answer.rejects)) == (len(fits), len(lines) - len(fits))
    assert set(answer.rejects.table["rule"].cast("string").to_pylist()) == {"finer_than_cents"}
    container.prepare()()
    container.bar_repository().write(answer.batch)
    found = container.store().query("SELECT formatDateTime(timestamp, '%Y%m%d') AS d FROM bar")["d"].to_pylist()
    assert sorted(found) == sorted(fits)
    container.shutdown_resources()


def test_an_amount_that_upstream_cut_where_we_round_is_no_correction_of_the_vendors(
    store_config: ClickHouseConfig,
) -> None:
    """Its tables hold 1.005 thousand yuan as 1.00 or as 1.01: nothing is written, and nothing said to be corrected."""
    amounts = [10_050.0, 10_040.0, 10_030.0, None]
    days = SESSIONS[-4:]
    source = InMemoryBarSource(bars(CODE_A, days, amounts=amounts), VENDOR)
    with collecting(store_config.url, source, listed([CODE_A]), SESSIONS, layout="ginkgo") as collector:
        client = open_client(store_config)
        for day, amount in zip(days, ("10.04", "10.04", "10.01", "0.01"), strict=True):
            insert(client, "bar", {**BAR, "code": CODE_A, "timestamp": f"{day} 00:00:00", "amount": amount})
        command = CollectBars((CODE_A,), start=days[0].item(), end=days[-1].item(), force=True)
        result = collector.collect(command)
        assert (result.written, result.skipped, result.counts.held) == (1, 3, 4)
        found = collector.revisions.revisions(None, DAILY, days[0].item(), days[-1].item()).table
        columns = (found[name].to_pylist() for name in ("session", "old_amount", "new_amount"))
        assert list(zip(*columns, strict=True)) == [(days[2].item(), 10_010.0, 10_030.0)]
        texts = client.query("SELECT toString(amount) AS amount FROM bar ORDER BY timestamp")["amount"].to_pylist()
        assert texts == ["10.04", "10.04", "10.03", "0.01"]
        client.close()


def test_what_another_program_reads_is_what_was_collected(container: Container) -> None:
    container.prepare()()
    container.bar_repository().write(bars(sessions=["2024-01-02"], closes=[10.5], source="tushare"))
    found = container.store().query(f"SELECT * EXCEPT uuid FROM bar WHERE code = '{CODE_A}'").to_pylist()
    assert (found[0]["volume"], str(found[0]["amount"]), found[0]["source"]) == (10, "10.50", 7)
