"""The commands `adjustfactor` and `tick` where ``clickhouse.layout: ginkgo``: from bytes to Ginkgo's own tables."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from dependency_injector import providers

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.memory.version_clock import InMemoryVersionClock
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.show_coverage import CoverageOutput, CoverageQuestion, show_coverage
from ginkgo_data.entrypoints.show_revisions import RevisionQuestion, show_revisions
from ginkgo_data.entrypoints.show_session_data import show_factors, show_ticks
from support.bars import business_days
from support.tushare_market import TushareMarket, made_up_market
from support.tushare_server import TushareServer

A = "600000.SH"
SESSIONS = business_days("2020-06-01", 5)
FIRST, LAST = SESSIONS[0].item(), SESSIONS[-1].item()
BEGAN = monotonic()
TICKS = (
    "code,time,price,volume,side\n"
    "600000.SH,2020-06-01 09:30:00,10.00,150,buy\n"
    "600000.SH,2020-06-01 09:30:00,10.00,150,buy\n"
    "600000.SH,2020-06-01 15:00:00,10.01,400,neutral\n"
    "600000.SH,2020-06-02 09:30:00,10.015,100,sell\n"
    "600000.SH,2020-06-02 09:31:00,10.02,100,sell\n"
)

pytestmark = pytest.mark.parametrize("engine", ["embedded"], indirect=True)
Open = Callable[[TushareServer], Container]


class Evening(SystemClock):
    """The host's clock, on the evening of the last session."""

    def now(self) -> datetime:
        evening = datetime.combine(LAST, time(18), ZoneInfo("Asia/Shanghai"))
        return evening + timedelta(seconds=monotonic() - BEGAN)


@pytest.fixture
def config(store_config: ClickHouseConfig, tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "ticks.csv").write_text(TICKS)
    file = tmp_path / "worker.yml"
    file.write_text(
        f"clickhouse: {{url: '{store_config.url}', layout: ginkgo}}\n"
        "kafka: {bootstrap_servers: 'memory://'}\n"
        "redis: {url: 'memory://'}\n"
        f"sources: {{bars: [tushare], ticks: [files], files: {{path: '{tmp_path}/archive'}}}}\n"
        "worker: {poll_timeout: 0.05, coalesce_wait: 0, retry_attempts: 1}\n"
    )
    return file


@pytest.fixture
def opened(config: Path) -> Iterator[Open]:
    wired = []

    def container(server: TushareServer) -> Container:
        overrides = {"sources.tushare.base_url": server.url, "sources.tushare.token": "t"}
        made = Container(settings=load_settings(config, {}, overrides).settings)
        made.clock.override(providers.Object(clock := Evening()))
        made.version_clock.override(providers.Object(InMemoryVersionClock(clock)))
        wired.append(made)
        return made

    yield container
    for each in wired:
        each.shutdown_resources()


def work(container: Container, *commands: tuple[str, dict]) -> None:
    worker = container.worker()
    worker.start()
    tick = threading.Event()
    try:
        for word, params in commands:
            message = {"command": word, "params": params, "timestamp": "2020-06-05T21:05:00.1"}
            container.broker().put("ginkgo.data.commands", json.dumps(message).encode())
        for _ in range(2000):
            if not container.broker().pending():
                return
            tick.wait(0.02)
        pytest.fail("the commands did not end")
    finally:
        assert worker.stop(20)


def with_factors(market: TushareMarket, *factors: float) -> TushareMarket:
    """Return `market` with these factors, by session."""
    table = market.adj_factor.sort_by("trade_date")
    return replace(market, adj_factor=table.set_column(2, "adj_factor", pa.array(factors)))


def derived(container: Container) -> list[tuple]:
    found = container.store().query(
        "SELECT toFloat64(foreadjustfactor) AS f, toFloat64(backadjustfactor) AS b, toFloat64(adjustfactor) AS a, "
        "source FROM adjustfactor ORDER BY timestamp"
    )
    return [tuple(row.values()) for row in found.to_pylist()]


def test_factors_are_collected_corrected_and_shown(
    opened: Open, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = made_up_market([A], SESSIONS)
    with TushareServer(with_factors(market, 1.0, 1.0, 2.0, 2.0, 2.1234567)) as server:
        container = opened(server)
        work(container, ("stockinfo", {}), ("bar_snapshot", {"code": A, "full": True}))
        work(opened(server), ("adjustfactor", {"code": A, "full": True}))
    assert derived(container) == [(0.5, 1, 1, 7), (0.5, 1, 1, 7), (1, 2, 2, 7), (1, 2, 2, 7)]
    (rejected,) = container.quality_repository().quarantined([A]).table.to_pylist()
    assert (rejected["rule"], rejected["frequency"], rejected["value"]) == (
        "finer_than_millionths",
        "adj_factor",
        "2.1234567",
    )
    with TushareServer(with_factors(market, 1.0, 1.0, 2.0, 2.5, 4.0)) as server:
        work(opened(server), ("adjustfactor", {"code": A, "full": True, "force": True}))
    assert derived(container) == [(0.25, 1, 1, 7), (0.25, 1, 1, 7), (0.5, 2, 2, 7), (0.625, 2.5, 2.5, 7), (1, 4, 4, 7)]
    capsys.readouterr()
    assert show_factors(A, FIRST, LAST, "csv", None, config)
    lines = capsys.readouterr().out.splitlines()
    assert (lines[1], len(lines)) == ("600000.SH,2020-06-01,1,0.25,1,tushare", 6)


def test_ticks_of_files_are_collected_replaced_and_shown(
    opened: Open, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TushareServer(made_up_market([A], SESSIONS)) as server:
        container = opened(server)
        work(container, ("stockinfo", {}), ("tick", {"code": A, "full": True}))
        columns = "toString(timestamp) AS t, toString(price) AS p, volume, direction"
        found = container.store().query(f"SELECT {columns} FROM `600000_SH_Tick` ORDER BY t")
        assert [tuple(row.values()) for row in found.to_pylist()] == [
            ("2020-06-01 09:30:00", "10", 1, 1),
            ("2020-06-01 09:30:00", "10", 1, 1),
            ("2020-06-01 15:00:00", "10.01", 4, 0),
            ("2020-06-02 09:31:00", "10.02", 1, 2),
        ]
        (rejected,) = container.quality_repository().quarantined([A]).table.to_pylist()
        assert (rejected["rule"], rejected["field"], rejected["place"]) == ("finer_than_cents", "price", "ticks.csv:5")
        held = container.tick_repository().held([A], FIRST, LAST)
        assert [str(day) for day in held[A]] == ["2020-06-01"]
        archive = config.parent / "archive" / "ticks.csv"
        archive.write_text(TICKS.replace("10.015", "10.01").replace("10.00,150", "9.99,150", 1))
        one_day = {"start_date": "20200601", "end_date": "20200601"}
        work(opened(server), ("tick", {"code": A, "full": True}))
        work(opened(server), ("tick", {"code": A, "overwrite": True, **one_day}))
    capsys.readouterr()
    assert show_ticks(A, FIRST, "csv", None, config)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "600000.SH,2020-06-01,0,2020-06-01T09:30:00.000+08:00,9.99,100,buy,other",
        "600000.SH,2020-06-01,1,2020-06-01T09:30:00.000+08:00,10,100,buy,other",
        "600000.SH,2020-06-01,2,2020-06-01T15:00:00.000+08:00,10.01,400,neutral,other",
    ]
    assert show_ticks(A, SESSIONS[1].item(), "csv", None, config)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_coverage_and_revisions_tell_of_bars_in_ginkgos_table(
    opened: Open, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = made_up_market([A], SESSIONS)
    raised = market.daily.set_column(
        market.daily.schema.get_field_index("high"),
        "high",
        pa.array([price + 0.5 for price in market.daily["high"].to_pylist()]),
    )
    with TushareServer(market) as server:
        work(opened(server), ("stockinfo", {}), ("trade_day", {}), ("bar_snapshot", {"code": A, "full": True}))
    with TushareServer(replace(market, daily=raised)) as server:
        work(opened(server), ("bar_snapshot", {"code": A, "full": True, "force": True}))
    capsys.readouterr()
    assert show_coverage(CoverageQuestion((A,), DAILY, FIRST, LAST), CoverageOutput(as_json=True), None, config)
    assert json.loads(capsys.readouterr().out)["held"] == len(SESSIONS)
    show_revisions(RevisionQuestion(A, DAILY, FIRST, LAST), True, None, config)
    assert len(json.loads(capsys.readouterr().out)["revisions"]) == len(SESSIONS)
