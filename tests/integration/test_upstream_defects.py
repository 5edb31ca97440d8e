"""Defects of upstream's worker that nobody has reported there (its contract, "Defects with no upstream thread").

Each is a test that passes here and fails on code that works as upstream's does. Over the real engine, in both layouts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from dependency_injector import providers

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from support.bars import bars
from support.stack import SESSIONS, VENDOR, listed

A, DATA = "000001.SZ", "ginkgo.data.commands"
DAYS = SESSIONS[np.datetime64("2024-01-08") <= SESSIONS]
"""Every session since the code was listed."""
ALL = len(DAYS)
pytestmark = pytest.mark.parametrize("engine", ["embedded"], indirect=True)


class Changing:
    """A source of bars that can be exchanged under a worker."""

    capabilities = VENDOR

    def __init__(self) -> None:
        self.inner = InMemoryBarSource(bars(A, DAYS), VENDOR)

    def fetch(self, request: FetchRequest) -> BarAnswer:
        return self.inner.fetch(request)


class Calendar(InMemoryTradingCalendar):
    """A calendar that, like the wired one, can be told to read the store again."""

    def refresh(self) -> None:
        return None


class Market:
    """A worker on the real store; the vendor has the bars of `has`, and what is stored can be read."""

    def __init__(self, store: ClickHouseConfig, layout: str) -> None:
        overrides = {
            "kafka.bootstrap_servers": "memory://",
            "redis.url": "memory://",
            "clickhouse.url": store.url,
            "clickhouse.layout": layout,
            "worker.poll_timeout": 0.02,
            "worker.coalesce_wait": 0.0,
            "sources.adjustments": [],
        }
        self.container = Container(settings=load_settings(None, {}, overrides, search=False).settings)
        self.container.plain_reference_source.override(providers.Object(InMemoryReferenceSource(listed([A]))))
        self.container.trading_calendar.override(providers.Object(Calendar(SESSIONS, date(2024, 3, 29))))
        self.container.reference_repository().write_securities(listed([A]))
        self.source = Changing()
        self.container.plain_bar_source.override(providers.Object(self.source))

    def has(self, days: np.ndarray, close: float = 10.0, batch: BarBatch | None = None) -> None:
        market = bars(A, days, [close] * len(days)) if batch is None else batch
        self.source.inner = InMemoryBarSource(market, VENDOR)

    def send(self, patience: float = 20.0, **params: object) -> bool:
        """Send a snapshot of the code and work it; return whether it came to its end."""
        span = {"start_date": str(DAYS[0]), "end_date": str(DAYS[-1])}
        command = {"command": "bar_snapshot", "params": {"code": A, **span, **params}}
        self.container.broker().put(DATA, json.dumps(command).encode())
        worker = self.container.worker()
        worker.start()
        try:
            return self.until(lambda: not self.container.broker().pending(), patience)
        finally:
            assert worker.stop(20)

    def until(self, what: Callable[[], bool], patience: float) -> bool:
        deadline = time.monotonic() + patience
        while not what() and time.monotonic() < deadline:
            time.sleep(0.01)
        return what()

    def stored(self) -> dict[date, float]:
        table = self.container.bar_repository().read([A], DAILY, date(2024, 1, 1), date(2024, 12, 31)).table
        return dict(zip(table["session"].to_pylist(), table["close"].to_pylist(), strict=True))


@pytest.fixture(params=["native", "ginkgo"])
def market(request: pytest.FixtureRequest, store_config: ClickHouseConfig) -> Iterator[Market]:
    made = Market(store_config, request.param)
    yield made
    made.container.shutdown_resources()


def test_a_full_sync_of_what_is_stored_removes_nothing(market):
    """Defect 1: 64 of 65 days stored, `full`, and one row was left; once more, and the last one was gone."""
    market.has(DAYS[:-1])
    assert market.send()
    assert len(market.stored()) == ALL - 1
    market.has(DAYS)
    for _ in range(2):
        assert market.send(full=True)
        assert len(market.stored()) == ALL


def test_a_forced_sync_fills_holes_and_loses_nothing(market):
    """Defect 1: 63 stored, `force`, the vendor without two days: five were left."""
    market.has(np.delete(DAYS, [20, 40]))
    assert market.send()
    assert len(market.stored()) == ALL - 2
    assert market.send(force=True)
    assert len(market.stored()) == ALL - 2
    market.has(DAYS)
    assert market.send(force=True)
    assert len(market.stored()) == ALL
    market.has(DAYS, close=11.0)
    assert market.send(force=True)
    assert set(market.stored().values()) == {11.0}


def test_a_failed_insert_is_never_a_success(market, monkeypatch):
    """Defect 2: insert errors were swallowed, and counted as records added."""

    def refuse(self: object, table: str, rows: pa.Table) -> None:
        if table in ("bars", "bar"):
            raise StoreUnavailable(f"insert of {rows.num_rows} rows into {table}: disk full")
        insert(self, table, rows)

    where = "ginkgo_data.adapters.clickhouse.client.ClickHouseClient.insert"
    insert = type(market.container.store()).insert
    with monkeypatch.context() as full:
        full.setattr(where, refuse)
        assert not market.send(patience=1.5), "it is neither committed nor given up"
    assert market.stored() == {}
    told = market.container.notifications()
    assert [report for report in told.reports if report.records_written or report.success_rate > 0] == []
    assert "done" not in {o["outcome"] for k, data in told.events if k == "command_ended" for o in data["outcomes"]}


def test_a_code_that_nobody_knows_costs_no_call(market):
    """Defect 3: the check of the code never failed, and about 14 calls went to the vendor."""
    calls = market.source.inner.calls
    assert market.send(code="999999.SZ")
    assert market.source.inner.calls == calls
    (letter,) = market.container.dead_letters().letters.values()
    assert letter.error == "UnknownCode"


def test_a_bad_row_is_not_stored_and_not_lost(market):
    """Defect 4: rows with high below low or a price of 0 were logged and written."""
    days = DAYS[:5]
    bad = bars(A, days, [10.0] * 5, highs=[10.0, 9.0, 10.0, 10.0, 10.0], lows=[10.0, 10.0, 10.0, 0.0, 10.0])
    market.has(days, batch=bad)
    assert market.send(start_date=str(days[0]), end_date=str(days[-1]))
    assert sorted(market.stored()) == [days[0].item(), days[2].item(), days[4].item()]
    kept = market.container.quality_repository().quarantined([A])
    assert {row["timestamp"].date() for row in kept.table.to_pylist()} == {days[1].item(), days[3].item()}
