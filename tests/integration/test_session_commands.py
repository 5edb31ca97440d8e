"""The commands `adjustfactor` and `tick`, from bytes to what the real engine then holds."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from dependency_injector import providers

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.memory.version_clock import InMemoryVersionClock
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from support.bars import business_days
from support.shared_data import SHARED, needs_shared
from support.tushare_market import TushareMarket, made_up_market, market_of, real_market
from support.tushare_server import TushareServer, empty, http_status

DATA = "ginkgo.data.commands"
A, B = "600000.SH", "600001.SH"
CODES = [f"{600000 + n}.SH" for n in range(20)]
SESSIONS = business_days("2020-06-01", 12)
BEGAN = monotonic()
ALWAYS = (date(1990, 1, 1), date(2030, 1, 1))


class Evening(SystemClock):
    """The host's clock, on the evening of a day."""

    def __init__(self, day: date) -> None:
        super().__init__()
        self._day = day

    def now(self) -> datetime:
        evening = datetime.combine(self._day, time(18), ZoneInfo("Asia/Shanghai"))
        return evening + timedelta(seconds=monotonic() - BEGAN)


Wire = Callable[..., Container]


@pytest.fixture
def wire(store_config: ClickHouseConfig) -> Iterator[Wire]:
    opened = []

    def container(day: date, **overrides: object) -> Container:
        fixed = {
            "kafka.bootstrap_servers": "memory://",
            "redis.url": "memory://",
            "clickhouse.url": store_config.url,
            "worker.poll_timeout": 0.05,
            "worker.coalesce_wait": 0.0,
            "worker.retry_attempts": 1,
        }
        named = {name.replace("__", "."): value for name, value in overrides.items()}
        wired = Container(settings=load_settings(None, {}, fixed | named, search=False).settings)
        clock = Evening(day)
        wired.clock.override(providers.Object(clock))
        # A forced command asks what was stored since it was sent: both by the clock of that evening.
        wired.version_clock.override(providers.Object(InMemoryVersionClock(clock)))
        opened.append(wired)
        return wired

    yield container
    for each in opened:
        each.shutdown_resources()


def tushare(wire: Wire, server: TushareServer, day: date, **more: object) -> Container:
    return wire(day, sources__tushare__base_url=server.url, sources__tushare__token="planted-t", **more)


def work(container: Container, *messages: dict) -> None:
    """Send messages as bytes and work them to their ends with a real worker; a container has one worker only."""
    worker = container.worker()
    worker.start()
    tick = threading.Event()
    try:
        for message in messages:
            container.broker().put(DATA, json.dumps(message).encode())
        for _ in range(2000):
            if not container.broker().pending():
                return
            tick.wait(0.02)
        pytest.fail("the commands did not end")
    finally:
        assert worker.stop(20)


def command(word: str, **params: object) -> dict:
    return {"command": word, "params": params, "timestamp": "2020-06-12T21:05:00.1"}


def stored(container: Container) -> dict[tuple[str, str], float]:
    table = container.adjustment_repository().read(None, *ALWAYS).table
    columns = (table[name].to_pylist() for name in ("code", "session", "factor"))
    return {(code, f"{session:%Y%m%d}"): factor for code, session, factor in zip(*columns, strict=True)}


def vendors(market: TushareMarket) -> dict[tuple[str, str], float]:
    table = market.adj_factor
    columns = (table[name].to_pylist() for name in ("ts_code", "trade_date", "adj_factor"))
    return {(code, day): factor for code, day, factor in zip(*columns, strict=True)}


LAST = SESSIONS[-1].item()


def test_one_code_commands_that_wait_together_become_one_call_for_the_market(wire):
    with TushareServer(made_up_market(CODES, SESSIONS)) as server:
        container = tushare(wire, server, LAST)
        full = [command("adjustfactor", code=code, full=True, force=False) for code in CODES]
        work(container, command("stockinfo"), *full)
        assert stored(container) == vendors(made_up_market(CODES, SESSIONS))
        # 12 sessions of the whole market take fewer calls than 20 codes, however the rounds fell.
        assert server.calls["adj_factor"] <= 13
        assert not container.dead_letters().letters
        asked = server.calls["adj_factor"]
        work(tushare(wire, server, LAST), command("adjustfactor", code=A))
        assert server.calls["adj_factor"] == asked
        series = {report.series for report in container.quality_repository().reports(10)}
        assert series == {"adj_factor"}


def test_the_evening_after_takes_one_call(wire):
    market = made_up_market(CODES, SESSIONS)
    with TushareServer(market) as server:
        before = tushare(wire, server, SESSIONS[-2].item())
        work(before, command("stockinfo"), command("adjustfactor", codes=["*"], full=True))
        asked = server.calls["adj_factor"]
        after = tushare(wire, server, LAST)
        work(after, command("adjustfactor", codes=["*"]))
        assert server.calls["adj_factor"] == asked + 1
        assert server.requests[-1].params == {"trade_date": f"{LAST:%Y%m%d}"}
        assert stored(after) == vendors(market)


def test_force_replaces_a_factor_that_the_vendor_has_corrected(wire):
    market = made_up_market([A], SESSIONS)
    factor = market.adj_factor["adj_factor"].to_numpy() * 2
    doubled = market.adj_factor.set_column(2, "adj_factor", pa.array(factor))
    with TushareServer(market) as old, TushareServer(replace(market, adj_factor=doubled)) as new:
        work(tushare(wire, old, LAST), command("stockinfo"), command("adjustfactor", code=A, full=True))
        container = tushare(wire, new, LAST)
        work(container, command("adjustfactor", code=A))
        assert stored(container) == vendors(market)
        work(tushare(wire, new, LAST), command("adjustfactor", code=A, full=True, force=True))
        assert stored(container) == {key: 2 * value for key, value in vendors(market).items()}


def test_an_unknown_code_is_a_dead_letter_and_the_others_are_done(wire):
    with TushareServer(made_up_market([A], SESSIONS)) as server:
        container = tushare(wire, server, LAST)
        work(container, command("stockinfo"), command("adjustfactor", codes=[A, "000999.SZ"], full=True))
        (letter,) = container.dead_letters().letters.values()
        assert (letter.error, letter.codes) == ("UnknownCode", ("000999.SZ",))
        assert len(stored(container)) == len(SESSIONS)


@pytest.mark.parametrize("fault", [http_status(502), empty()], ids=["HTTP 502", "empty"])
def test_trouble_of_the_vendor_is_never_a_success(wire, fault):
    with TushareServer(made_up_market([A], SESSIONS)) as server:
        server.script("adj_factor", *[fault] * 50)
        container = tushare(wire, server, LAST, worker__max_deliveries=1, worker__give_up_after=0.001)
        work(container, command("stockinfo"), command("adjustfactor", code=A, full=True))
        (letter,) = container.dead_letters().letters.values()
        assert letter.codes == (A,)
        assert stored(container) == {}
        assert "source_error" in {alert.kind.value for alert in container.notifications().alerts}


def test_a_row_that_is_no_factor_is_kept_in_quarantine(wire):
    market = made_up_market([A], SESSIONS)
    values = market.adj_factor["adj_factor"].to_pylist()
    values[3] = -1.0
    broken = market.adj_factor.set_column(2, "adj_factor", pa.array(values))
    with TushareServer(replace(market, adj_factor=broken)) as server:
        container = tushare(wire, server, LAST)
        work(container, command("stockinfo"), command("adjustfactor", code=A, full=True))
        (row,) = container.quality_repository().quarantined().table.to_pylist()
        assert (row["rule"], row["code"], row["frequency"]) == ("factor_not_positive", A, "adj_factor")
        assert len(stored(container)) == len(SESSIONS) - 1


@needs_shared
def test_factors_of_the_shared_market_are_stored_exactly_and_agree_with_the_bars(wire):
    market = real_market()
    with TushareServer(market) as server:
        container = tushare(wire, server, date(2020, 5, 8))
        work(
            container,
            command("stockinfo"),
            command("bar_snapshot", codes=["*"], full=True),
            command("adjustfactor", codes=["*"], full=True),
        )
        assert server.calls["adj_factor"] == 35
        assert stored(container) == vendors(market)
        report = next(r for r in container.quality_repository().reports(5) if r.series == "adj_factor")
        assert report.missing_rate == 0
        # 000408.SZ and the like came back from long suspensions; of neighbours every step is explained.
        assert [finding.rule for finding in report.anomalies] == []


@needs_shared
def test_fore_and_back_of_a_real_history_give_the_vendors_own_adjusted_prices(wire):
    with (SHARED / "adj" / "tushare_stk_factor_600519.SH.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    names = ("open", "high", "low", "close", "pre_close", "vol", "amount")
    days = [row["trade_date"] for row in told]
    daily = pa.table(
        {
            "ts_code": ["600519.SH"] * len(told),
            "trade_date": days,
            **{name: [float(row[name]) for row in told] for name in names},
            "change": [0.0] * len(told),
            "pct_chg": [0.0] * len(told),
        }
    )
    factor = pa.array([float(row["adj_factor"]) for row in told])
    table = pa.table({"ts_code": daily["ts_code"], "trade_date": daily["trade_date"], "adj_factor": factor})
    with TushareServer(replace(market_of(daily), adj_factor=table)) as server:
        container = tushare(wire, server, datetime.strptime(max(days), "%Y%m%d").date())
        work(
            container,
            command("stockinfo"),
            command("bar_snapshot", code="600519.SH", full=True),
            command("adjustfactor", code="600519.SH", full=True),
        )
        bars = container.bar_repository().read(["600519.SH"], DAILY, *ALWAYS).table
        history = container.adjustment_repository().read(["600519.SH"], *ALWAYS).table
    assert bars["session"].to_pylist() == history["session"].to_pylist()
    rows = {row["trade_date"]: row for row in told}
    ordered = [rows[f"{day:%Y%m%d}"] for day in history["session"].to_pylist()]
    close = bars["close"].to_numpy()
    hfq = np.array([float(row["close_hfq"]) for row in ordered])
    qfq = np.array([float(row["close_qfq"]) for row in ordered])
    assert np.abs(close * history["factor"].to_numpy() / hfq - 1).max() < 1e-6
    # The vendor scales to a factor that is newer than the file: of qfq the ratio to it is one constant.
    ratio = close * history["fore"].to_numpy() / qfq
    assert np.abs(ratio / ratio[-1] - 1).max() < 1e-6
    (report,) = [r for r in container.quality_repository().reports(5) if r.series == "adj_factor"]
    told_of = [example for finding in report.anomalies for example in finding.examples]
    assert {finding.rule for finding in report.anomalies} <= {"factor_step"}
    assert all("600519.SH 202" in example for example in told_of)


BARS = "ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount\n" + "".join(
    f"600519.SH,{day},10,10,10,10,10,0,0,100,100\n" for day in ("20200102", "20200103", "20200106")
)
TICKS = (
    "code,time,price,volume,side\n"
    "600519.SH,2020-01-02 09:30:00,10.00,100,buy\n"
    "600519.SH,2020-01-02 09:30:00,10.00,100,buy\n"
    "600519.SH,2020-01-03 09:30:00,10.01,100,sell\n"
    "600519.SH,2020-01-06 09:30:00,10.02,100,neutral\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bars.csv").write_text(BARS)
    (tmp_path / "ticks.csv").write_text(TICKS)
    return tmp_path


def files(wire: Wire, folder: Path) -> Container:
    return wire(date(2020, 1, 6), sources__bars=["files"], sources__ticks=["files"], sources__files__path=str(folder))


def ticks(container: Container) -> list[tuple[str, int, float, str]]:
    table = container.tick_repository().read(["600519.SH"], *ALWAYS).table
    columns = (table[name].to_pylist() for name in ("session", "seq", "price", "side"))
    return [(f"{day:%Y%m%d}", seq, price, side) for day, seq, price, side in zip(*columns, strict=True)]


def held_ticks(container: Container) -> list[str]:
    held = container.tick_repository().held(["600519.SH"], *ALWAYS)
    return [str(day) for day in held.get("600519.SH", [])]


THREE_DAYS = [
    ("20200102", 0, 10.0, "buy"),
    ("20200102", 1, 10.0, "buy"),
    ("20200103", 0, 10.01, "sell"),
    ("20200106", 0, 10.02, "neutral"),
]


def test_ticks_of_files_are_stored_with_trades_that_are_alike(wire, folder):
    container = files(wire, folder)
    work(container, command("stockinfo"), command("tick", code="600519.SH", full=True, overwrite=False))
    assert ticks(container) == THREE_DAYS
    assert held_ticks(container) == ["2020-01-02", "2020-01-03", "2020-01-06"]
    (report,) = container.quality_repository().reports(5)
    assert (report.series, report.records_expected, report.records_actual) == ("tick", 3, 3)
    work(files(wire, folder), command("tick", code="600519.SH"))
    newest = container.quality_repository().reports(1)[0]
    assert (newest.calls, newest.records_actual) == (0, 3)


def test_overwrite_replaces_whole_days_and_nothing_else_does(wire, folder):
    work(files(wire, folder), command("stockinfo"), command("tick", code="600519.SH", full=True))
    lines = TICKS.replace("600519.SH,2020-01-02 09:30:00,10.00,100,buy\n", "", 1).replace("10.02", "10.20")
    (folder / "ticks.csv").write_text(lines)
    container = files(wire, folder)
    work(container, command("tick", code="600519.SH", full=True))
    assert ticks(container) == THREE_DAYS
    one_day = {"start_date": "20200102", "end_date": "20200102"}
    work(files(wire, folder), command("tick", code="600519.SH", overwrite=True, **one_day))
    assert ticks(container) == THREE_DAYS[:1] + THREE_DAYS[2:]
    work(files(wire, folder), command("tick", code="600519.SH", full=True, overwrite=True))
    assert ticks(container)[-1] == ("20200106", 0, 10.2, "neutral")


def test_without_a_source_of_ticks_the_command_is_a_typed_dead_letter(wire, folder):
    container = wire(date(2020, 1, 6), sources__bars=["files"], sources__files__path=str(folder))
    work(container, command("tick", code="600519.SH"), command("adjustfactor", code="600519.SH"))
    letters = list(container.dead_letters().letters.values())
    assert {letter.error for letter in letters} == {"NotAvailable"}
    assert sorted(letter.reason.split("available: ")[1] for letter in letters) == [
        "sources.adjustments names no source",
        "sources.ticks names no source",
    ]
