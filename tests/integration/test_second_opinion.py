"""One source asked about the bars of another: real files of two vendors, and Tushare over HTTP in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dependency_injector import providers

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, SourceCapabilities
from ginkgo_data.domain.model.quality import Agreement, DataQualityReport
from ginkgo_data.domain.model.series import DAILY, Adjust, Series
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.doctor import examine
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.ports.bar_source import BarSource
from support.archives import files_source
from support.deliveries import delivery
from support.real_bars import calendar
from support.shared_data import SHARED, needs_shared
from support.tushare_market import REAL_DAILY, TushareMarket, market_of, read_daily, real_market
from support.tushare_server import TushareServer, http_status

pytestmark = pytest.mark.parametrize("engine", ["embedded"], indirect=True)

QFQ = Series(adjust=Adjust.QFQ)
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOWHERE = {"sources.tushare.base_url": "http://127.0.0.1:9", "sources.tushare.token": "t"}
Open = Callable[..., Container]


class Days(InMemoryTradingCalendar):
    """The real sessions; like the wired calendar it can be told to read the store again."""

    def refresh(self) -> None:
        return None


class InOctober(SystemClock):
    """The host's clock in a year that the calendar knows to its end."""

    def now(self) -> datetime:
        return super().now().replace(year=2026, month=10, day=15)


class Called:
    """A source under another name: two archives of files are two vendors."""

    def __init__(self, inner: BarSource, name: str) -> None:
        self._inner, self._name = inner, name

    @property
    def capabilities(self) -> SourceCapabilities:
        return replace(self._inner.capabilities, name=self._name)

    def fetch(self, request: FetchRequest) -> BarAnswer:
        return self._inner.fetch(request)


@pytest.fixture
def opened(store_config: ClickHouseConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a worker's container on settings by their dotted keys, with `second` in the place of the second source."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    containers: list[Container] = []

    def open_container(second: BarSource | None = None, **settings: object) -> Container:
        given = {
            "kafka.bootstrap_servers": "memory://",
            "redis.url": "memory://",
            "clickhouse.url": store_config.url,
            "sources.adjustments": [],
            "quality.second_opinion.cells": 10,
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        made = Container(settings=load_settings(None, {}, given, search=False).settings)
        containers.append(made)
        made.trading_calendar.override(providers.Object(Days(calendar(), date(2026, 12, 31))))
        made.clock.override(providers.Object(InOctober()))
        if second is not None:
            made.second_source.override(providers.Object(second))
        made.prepare()()
        return made

    yield open_container
    for container in containers:
        container.shutdown_resources()


def of_files(path: Path, source: str = "tushare", **account: object) -> dict[str, object]:
    """Return settings of a worker that collects from files and asks another source about it."""
    return {
        "sources.bars": ["files"],
        "sources.files.path": str(path),
        "quality.second_opinion.source": source,
        **(account or NOWHERE),
    }


def reported(container: Container, command: CollectBars) -> DataQualityReport:
    """Work `command` to its end; whatever the other source says, its rows are stored and it is done."""
    sent = datetime.now(SHANGHAI)
    result = container.round().run([delivery(command, sent=sent)])
    assert (len(result.finished), result.parked, result.dead_letters) == (1, 0, 0)
    (report,) = container.quality_repository().reports(1)
    assert report.records_written > 0
    return report


def finding_of(report: DataQualityReport) -> tuple[int, tuple[str, ...]]:
    found = [finding for finding in report.anomalies if finding.rule == "second_opinion"]
    return (found[0].count, found[0].examples) if found else (0, ())


# -- real files of two vendors -----------------------------------------------------------------------------------


@needs_shared
def test_tushare_and_sina_agree_although_they_adjust_to_different_days(opened: Open) -> None:
    """Both have 000001.SZ of 2020, qfq; Sina's prices are 0.82515 times Tushare's, whose file is of 2020-09."""
    sina = Called(files_source(SHARED / "daily/sina_qfq_2020_2026.csv"), "sina")
    container = opened(sina, **of_files(SHARED / "daily/tushare_pro_bar_qfq_2015_202009.csv"))
    command = CollectBars(("000001.SZ",), QFQ, date(2020, 1, 2), date(2020, 9, 7), full=True)
    report = reported(container, command)
    assert report.records_written == 166
    assert report.second_opinion == Agreement("files", "sina", 20, 20, 20, 10, 10, 1)
    assert finding_of(report) == (0, ())
    assert report.notes == ("second opinion of sina: 20 of 20 sessions agree, 10 of 10 of those drawn by chance",)


@needs_shared
def test_where_the_other_vendor_has_few_of_the_codes_only_these_are_compared(opened: Open) -> None:
    sina = Called(files_source(SHARED / "daily/sina_qfq_2020_2026.csv"), "sina")
    path = SHARED / "daily/tushare_pro_bar_qfq_2015_202009.csv"
    container = opened(sina, **of_files(path), quality__second_opinion__cells=100)
    found = reported(container, CollectBars(None, QFQ, date(2020, 6, 1), date(2020, 9, 7), full=True)).second_opinion
    assert found.asked == 200
    assert 0 < found.compared < 20
    assert found.agreed == found.compared


@needs_shared
def test_what_is_wrong_in_one_of_two_real_files_is_found_with_both_values(opened: Open, tmp_path: Path) -> None:
    """Three sessions of Tushare's real file are given the prices of another day."""
    lines = (SHARED / "daily/tushare_pro_bar_qfq_2015_202009.csv").read_text("utf-8-sig").splitlines()
    head = lines[0].split(",")
    prices = [head.index(name) for name in ("open", "high", "low", "close")]
    wrong = {"20200210", "20200320", "20200617"}
    spoilt = [lines[0]]
    for line in lines[1:]:
        values = line.split(",")
        if values[head.index("ts_code")] == "000001.SZ" and values[head.index("trade_date")] in wrong:
            for place in prices:
                values[place] = f"{float(values[place]) * 1.3:.4f}"
        spoilt.append(",".join(values))
    path = tmp_path / "tushare_qfq.csv"
    path.write_text("\n".join(spoilt) + "\n", "utf-8")
    sina = Called(files_source(SHARED / "daily/sina_qfq_2020_2026.csv"), "sina")
    command = CollectBars(("000001.SZ",), QFQ, date(2020, 1, 2), date(2020, 9, 7), full=True)
    report = reported(opened(sina, **of_files(path)), command)
    found = report.second_opinion
    assert (found.asked, found.compared, found.agreed) == (20, 20, 17)
    count, examples = finding_of(report)
    assert (count, {example.split()[1].rstrip(":").replace("-", "") for example in examples}) == (3, wrong)
    for example in examples:
        words = example.partition(": ")[2].split("; ")
        assert [pair.split()[0] for pair in words[:4]] == ["open", "high", "low", "close"]
        for pair in words[:4]:
            _, ours, whose, _, theirs, others = pair.split()
            assert (whose, others) == ("(files)", "(sina)")
            assert float(theirs) / float(ours) == pytest.approx(0.82515 / 1.3, rel=1e-4)
        # Of the sessions that were drawn, which follow from the report's id.
        basis = words[4].removeprefix("their prices are ").removesuffix(" times ours")
        assert float(basis) == pytest.approx(0.82515, rel=1e-5)


@needs_shared
def test_a_vendor_whose_own_bars_cannot_be_right_has_no_opinion_and_that_is_said(opened: Open) -> None:
    """Eastmoney's prices of 2023 are 125.42 below those that were traded: its own volume and amount say so."""
    eastmoney = Called(files_source(SHARED / "daily/em_daily_600519_2023.csv"), "eastmoney")
    container = opened(eastmoney, **of_files(SHARED / "adj/tushare_stk_factor_600519.SH.csv"))
    report = reported(container, CollectBars(("600519.SH",), DAILY, date(2023, 9, 25), date(2023, 12, 29), full=True))
    assert report.records_written == 64
    assert report.second_opinion == Agreement("files", "eastmoney", 20, 0, 0, 0, 0, 1)
    assert finding_of(report) == (0, ())
    assert report.notes[-1].endswith("bars of its own that cannot be right were not compared: unit_mismatch 20")


# -- Tushare over HTTP -------------------------------------------------------------------------------------------


FIRST, LAST = date(2019, 6, 3), date(2019, 6, 28)
SPRING = CollectBars(None, DAILY, FIRST, LAST, full=True)


def account(server: TushareServer) -> dict[str, object]:
    return {"sources.tushare.base_url": server.url, "sources.tushare.token": "t"}


def market_with(change: Callable[[pa.Table], pa.Table]) -> TushareMarket:
    return market_of(change(read_daily(REAL_DAILY)))


def closing_high(daily: pa.Table) -> pa.Table:
    """Let every code of Shanghai close at its highest price: a bar that might be right."""
    mine = pc.ends_with(daily["ts_code"], ".SH")
    place = daily.schema.get_field_index("close")
    return daily.set_column(place, "close", pc.if_else(mine, daily["high"], daily["close"]))


@needs_shared
def test_files_are_checked_against_tushare(opened: Open) -> None:
    with TushareServer(real_market()) as server:
        report = reported(opened(**of_files(REAL_DAILY, **account(server))), SPRING)
        found = report.second_opinion
        assert (found.about, found.source, found.asked, found.compared, found.agreed) == (
            "files",
            "tushare",
            20,
            20,
            20,
        )
        assert found.calls == sum(server.calls.values())
        # One list of codes over the month is one call; twenty sessions of the whole market would be as many.
        assert server.calls["daily"] == 1
        assert not server.errors
    assert finding_of(report) == (0, ())


@needs_shared
def test_what_tushare_says_otherwise_is_found_with_both_values(opened: Open) -> None:
    with TushareServer(market_with(closing_high)) as server:
        report = reported(opened(**of_files(REAL_DAILY, **account(server))), SPRING)
    found = report.second_opinion
    count, examples = finding_of(report)
    assert count == found.compared - found.agreed > 0
    assert found.agreed > 0
    real = {(row["ts_code"], row["trade_date"]): row for row in read_daily(REAL_DAILY).to_pylist()}
    for example in examples:
        code, day, name, own, whose, _, other, others = example.split()
        row = real[code, day.rstrip(":").replace("-", "")]
        assert (code[-3:], name, whose, others) == (".SH", "close", "(files)", "(tushare)")
        assert (float(own), float(other)) == (row["close"], row["high"])


@needs_shared
def test_tushare_is_checked_against_files(opened: Open) -> None:
    with TushareServer(real_market()) as server:
        settings = {
            "sources.bars": ["tushare"],
            "sources.files.path": str(REAL_DAILY),
            "quality.second_opinion.source": "files",
            **account(server),
        }
        report = reported(opened(**settings), SPRING)
        # An archive costs no call of the vendor's.
        assert server.calls["daily"] == 1
    found = report.second_opinion
    assert (found.about, found.source, found.compared, found.agreed) == ("tushare", "files", 20, 20)


@needs_shared
@pytest.mark.parametrize("status", [500, 403])
def test_a_vendor_in_trouble_is_a_note(opened: Open, status: int) -> None:
    with TushareServer(real_market()) as server:
        server.script("daily", *[http_status(status)] * 5)
        report = reported(opened(**of_files(REAL_DAILY, **account(server))), SPRING)
        assert server.calls["daily"] == 1
    assert (report.second_opinion.asked, report.second_opinion.compared) == (20, 0)
    assert "no answer about 20 sessions" in report.notes[-1]
    assert f"{status}" in report.notes[-1]


@needs_shared
def test_by_default_the_other_vendor_is_not_asked(opened: Open) -> None:
    with TushareServer(real_market()) as server:
        settings = of_files(REAL_DAILY, **account(server))
        del settings["quality.second_opinion.source"]
        report = reported(opened(**settings), SPRING)
        assert not server.requests
    assert (report.second_opinion, report.notes) == (None, ())


@needs_shared
def test_the_doctor_asks_it_too(opened: Open, tmp_path: Path) -> None:
    with TushareServer(real_market(), token="planted") as server:
        for token, state in (("planted", "ok"), ("another", "fault")):
            settings = {
                **of_files(REAL_DAILY, **account(server)),
                "sources.tushare.token": token,
                "kafka.bootstrap_servers": "memory://",
                "redis.url": "memory://",
                "clickhouse.url": f"chdb://{tmp_path}/none",
            }
            found = {finding.subject: finding.state for finding in examine(load_settings(None, {}, settings, False))}
            assert found["source tushare"] == state


@needs_shared
def test_its_calls_are_taken_from_the_fleets_budget(opened: Open) -> None:
    with TushareServer(real_market()) as server:
        container = opened(**of_files(REAL_DAILY, **account(server)))
        assert container.call_budget().quotas_left() == {}
        reported(container, SPRING)
        assert container.call_budget().quotas_left() == {"tushare:daily": 189}
