"""What only Ginkgo's own tables of ticks can get wrong."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import UUID

import pytest

from contracts.tick_repository import JANUARY
from ginkgo_data.adapters.clickhouse import ginkgo_sweep, ginkgo_tick_repository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import GinkgoSweep
from ginkgo_data.adapters.clickhouse.ginkgo_tick_repository import GinkgoTickRepository
from ginkgo_data.adapters.clickhouse.ginkgo_tick_tables import GinkgoTickTables
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.domain.model.errors import SchemaMismatch, StoreUnavailable
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.ginkgo_tables import ON_ONE_ENGINE, Clients, ginkgo_config, insert, odd, stored, table
from support.stack import NOW
from support.ticks import CODE_A, CODE_B, prices_of, tick_day

__all__ = ["ginkgo_config", "odd", "table"]

pytestmark = ON_ONE_ENGINE
TABLE = "000001_SZ_Tick"
UPSTREAM = {"code": CODE_A, "price": 8, "volume": 3, "direction": 1, "timestamp": "2024-01-08 09:30:00"}


def held(client: ClickHouseClient, since: int | None = None) -> list[str]:
    found = GinkgoTickRepository(client).held(None, *JANUARY, since=since)
    return [f"{code} {day}" for code, days in found.items() for day in days]


def read(client: ClickHouseClient) -> list[float]:
    return prices_of(GinkgoTickRepository(client).read(None, *JANUARY))


def prices(client: ClickHouseClient) -> list[float]:
    return sorted(price for (price,) in stored(client, TABLE, "toFloat64(price)"))


def swept(client: ClickHouseClient) -> int:
    return GinkgoSweep(client, ManualClock(NOW)).sweep()


def upstreams(client: ClickHouseClient, *rows: dict[str, object]) -> None:
    GinkgoTickTables(client).ensure(CODE_A)
    insert(client, TABLE, *({**UPSTREAM, **row} for row in rows))


def kill(*_: object) -> None:
    raise KeyboardInterrupt


def test_rows_are_what_upstream_reads_in_a_table_as_it_makes_them(table: ClickHouseClient) -> None:
    day = tick_day(prices=[1.13, 1.15, 1.15], side=["buy", "sell", "neutral"], volume=[12345.0, 99.0, 0.0])
    assert GinkgoTickRepository(table).replace([day]) == WriteReceipt(3, 1)
    columns = "code, toString(price) AS p, volume, direction, meta, `desc`, toString(timestamp) AS t, source"
    common = ("{}", "This man is lazy, there is no description.")
    assert stored(table, TABLE, columns) == [
        (CODE_A, "1.13", 123, 1, *common, "2024-01-08 09:30:00", 9),
        (CODE_A, "1.15", 0, 2, *common, "2024-01-08 09:30:01", 9),
        (CODE_A, "1.15", 0, 0, *common, "2024-01-08 09:30:02", 9),
    ]
    ids = [text for (text,) in stored(table, TABLE, "uuid")]
    assert [UUID(text).version for text in ids] == [7] * 3
    assert [text[24:] for text in ids] == ["00000000", "00000001", "00000002"]
    found = table.query(f"SELECT engine, sorting_key FROM system.tables WHERE name = '{TABLE}'").to_pylist()
    assert found == [{"engine": "MergeTree", "sorting_key": "timestamp"}]


def test_times_are_cut_to_seconds_and_the_order_within_one_is_kept(table: ClickHouseClient) -> None:
    moments = [f"2024-01-08 09:30:00.{part}" for part in ("900", "100", "500")]
    day = tick_day(prices=[3.0, 1.0, 2.0], timestamp=[f"{moment}+08:00" for moment in moments])
    GinkgoTickRepository(table).replace([day])
    assert read(table) == [3.0, 1.0, 2.0]
    assert {text for (text,) in stored(table, TABLE, "toString(timestamp) AS t")} == {"2024-01-08 09:30:00"}


def test_what_upstream_stored_is_read_and_not_held_and_replaced_by_the_next_fetch(table: ClickHouseClient) -> None:
    upstreams(table, {"direction": 2, "price": 9}, {"direction": -1, "timestamp": "2024-01-08 09:25:00"}, {"source": 8})
    batch = GinkgoTickRepository(table).read([CODE_A], *JANUARY).table
    first = {name: batch[name][0].as_py() for name in ("seq", "volume", "side", "source", "version")}
    assert first == {"seq": 0, "volume": 300.0, "side": "neutral", "source": "tushare", "version": 0}
    assert (batch["seq"].to_pylist(), batch["timestamp"][0].as_py().hour) == ([0, 1, 2], 9)
    assert sorted(batch["side"].to_pylist()) == ["buy", "neutral", "sell"]
    assert held(table) == []
    upstreams(table, {"timestamp": "2024-01-09 09:30:00"})
    GinkgoTickRepository(table).replace([tick_day(prices=[10.0])])
    assert prices(table) == [8.0, 10.0]
    assert held(table) == [f"{CODE_A} 2024-01-08"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"prices": [10.0, 10.123]}, r"'price' has more than two decimals.*2024-01-08 09:30:01\+08:00: 10\.123"),
        ({"volume": [100.0, 2.0**31 * 100]}, "'volume' is more than"),
        ({"session": "1969-12-30"}, "'timestamp' is outside 1970 to 2106"),
        ({"version": 2**60}, "'version'"),
        ({"code": "x' OR 1"}, "'code' is \"x' OR 1\", which names no table"),
    ],
)
def test_what_the_tables_cannot_hold_is_refused_by_column_and_nothing_is_stored(
    table: ClickHouseClient, change: dict, named: str
) -> None:
    with pytest.raises(SchemaMismatch, match=named):
        GinkgoTickRepository(table).replace([tick_day(CODE_B), tick_day(**{"prices": [10.0, 10.0], **change})])
    assert (read(table), held(table)) == ([], [])


@pytest.mark.parametrize(
    ("ddl", "named"),
    [
        (
            "(code String) ENGINE = MergeTree ORDER BY code",
            r"000001_SZ_Tick: column price \(Decimal\(16, 2\)\) is missing",
        ),
        (
            "AS {made} ENGINE = ReplacingMergeTree ORDER BY timestamp",
            "000001_SZ_Tick: its engine is ReplacingMergeTree",
        ),
        ("AS {made} ENGINE = MergeTree ORDER BY code PARTITION BY code", "000001_SZ_Tick: it is partitioned by code"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_column_and_the_sweep_passes_it_over(
    table: ClickHouseClient, ddl: str, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    repository = GinkgoTickRepository(table)
    repository.replace([tick_day(CODE_B)])
    table.command(f"CREATE TABLE `{TABLE}` {ddl.format(made='`600519_SH_Tick`')}")
    table.command(f"INSERT INTO `{TABLE}` (code) VALUES ('{CODE_A}')")
    for call in (
        lambda: repository.replace([tick_day()]),
        lambda: repository.read([CODE_A], *JANUARY),
    ):
        with pytest.raises(SchemaMismatch, match=named):
            call()
    insert(table, "600519_SH_Tick", {**UPSTREAM, "code": CODE_B})
    with caplog.at_level(logging.WARNING):
        assert swept(table) == 1
    assert TABLE in caplog.text
    assert held(table) == [f"{CODE_B} 2024-01-08"]


def test_a_worker_that_dies_after_its_insert_shows_us_the_new_list_and_leaves_the_rest_to_the_sweep(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GinkgoTickRepository(table)
    repository.replace([tick_day(version=1)])
    with monkeypatch.context() as dying:
        dying.setattr(GinkgoTickTables, "delete", kill)
        with pytest.raises(KeyboardInterrupt):
            repository.replace([tick_day(prices=[1.0], version=2)])
    assert (prices(table), read(table), held(table)) == ([1.0, 10.0, 10.01, 10.02], [1.0], [])
    assert swept(table) == 1
    assert (prices(table), read(table), held(table)) == ([1.0], [1.0], [])
    assert swept(table) == 0
    repository.replace([tick_day(prices=[2.0], version=3)])
    assert (prices(table), held(table)) == ([2.0], [f"{CODE_A} 2024-01-08"])


def test_a_worker_that_dies_emptying_a_day_has_emptied_it(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GinkgoTickRepository(table)
    repository.replace([tick_day(version=1), tick_day(session="2024-01-09", prices=[7.0])])
    with monkeypatch.context() as dying:
        dying.setattr(GinkgoTickTables, "delete", kill)
        with pytest.raises(KeyboardInterrupt):
            repository.replace([tick_day(prices=[], version=2)])
    assert (len(prices(table)), read(table), held(table)) == (4, [7.0], [f"{CODE_A} 2024-01-09"])
    assert swept(table) == 1
    assert (prices(table), held(table)) == ([7.0], [f"{CODE_A} 2024-01-08", f"{CODE_A} 2024-01-09"])


def test_an_older_list_that_is_stored_late_is_deleted_by_its_own_writer(table: ClickHouseClient, odd: Clients) -> None:
    later = iter([[tick_day(prices=[5.0], version=5)], [tick_day(prices=[], version=8)]])

    def newer_one_comes_first(name: str) -> bool:
        if name == TABLE:
            GinkgoTickRepository(table).replace(next(later))
        return True

    late = GinkgoTickRepository(odd(newer_one_comes_first))
    late.replace([tick_day(version=4)])
    assert (prices(table), held(table, since=5)) == ([5.0], [f"{CODE_A} 2024-01-08"])
    late.replace([tick_day(version=7)])
    assert (prices(table), held(table, since=8)) == ([], [f"{CODE_A} 2024-01-08"])


def test_an_older_list_that_comes_late_is_not_even_sent(table: ClickHouseClient) -> None:
    repository = GinkgoTickRepository(table)
    repository.replace([tick_day(version=5), tick_day(session="2024-01-09", prices=[], version=5)])
    late = [tick_day(prices=[9.0] * 5, version=4), tick_day(session="2024-01-09", version=4)]
    assert repository.replace(late) == WriteReceipt()
    assert held(table, since=5) == [f"{CODE_A} 2024-01-08", f"{CODE_A} 2024-01-09"]


def test_two_workers_that_both_compared_before_either_inserted_end_exact(table: ClickHouseClient, odd: Clients) -> None:
    upstreams(table, {})
    together = threading.Barrier(2, timeout=30)
    first = iter([True, True])

    def meet(name: str) -> bool:
        if name == TABLE and next(first, False):
            together.wait()
        return True

    lists = [tick_day(version=5), tick_day(prices=[1.0] * 2, version=6)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda day: GinkgoTickRepository(odd(meet)).replace([day]), lists))
    assert (prices(table), held(table, since=6)) == ([1.0] * 2, [f"{CODE_A} 2024-01-08"])


def test_a_list_that_does_not_read_back_in_full_is_an_error(table: ClickHouseClient, odd: Clients) -> None:
    said = r"3 ticks of 000001\.SZ 2024-01-08 were acknowledged by the store, 0 read back"
    with pytest.raises(StoreUnavailable, match=said):
        GinkgoTickRepository(odd(lambda name: name != TABLE)).replace([tick_day()])
    assert held(table) == []


def test_of_one_version_the_list_that_is_written_later_counts(table: ClickHouseClient) -> None:
    repository = GinkgoTickRepository(table)
    for last in (1.0, 2.0, 0.5):
        repository.replace([tick_day(prices=[9.0, last])])
        assert prices(table) == sorted([9.0, last])
    before = stored(table, TABLE, "uuid")
    assert repository.replace([tick_day(prices=[9.0, 0.5])]) == WriteReceipt()
    assert stored(table, TABLE, "uuid") == before


@pytest.mark.parametrize("meddle", ["INSERT INTO `{}` SELECT * FROM `{}` LIMIT 1", "DELETE FROM `{}` WHERE price = 10"])
def test_a_day_that_another_program_has_changed_is_not_held_until_it_is_replaced(
    table: ClickHouseClient, meddle: str
) -> None:
    repository = GinkgoTickRepository(table)
    repository.replace([tick_day()])
    table.command(meddle.format(TABLE, TABLE))
    assert held(table) == []
    repository.replace([tick_day(version=2)])
    assert (prices(table), held(table)) == ([10.0, 10.01, 10.02], [f"{CODE_A} 2024-01-08"])


def test_days_of_a_code_are_one_insert_as_long_as_they_fit(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ginkgo_tick_repository, "ROWS_PER_INSERT", 6)
    days = [tick_day(session=f"2024-01-{day:02d}") for day in (8, 9, 10)] + [tick_day(CODE_B)]
    assert GinkgoTickRepository(table).replace(days) == WriteReceipt(12, 3)
    assert len(held(table)) == 4
    monkeypatch.setattr(ginkgo_tick_repository, "LONGEST_LIST", 2)
    with pytest.raises(SchemaMismatch, match="3 are more than the 2 that are stored as a whole"):
        GinkgoTickRepository(table).replace([tick_day(version=2)])


def test_the_sweep_passes_over_tables_that_have_not_changed(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    GinkgoTickRepository(table).replace([tick_day()])
    upstreams(table, {})
    monkeypatch.setattr(ginkgo_sweep, "LOOK_BACK", -30.0)
    assert swept(table) == 0
    monkeypatch.setattr(ginkgo_sweep, "LOOK_BACK", 60.0)
    assert swept(table) == 1


def test_other_tables_are_no_tables_of_ticks(table: ClickHouseClient) -> None:
    table.command("CREATE TABLE IF NOT EXISTS TESTCODE_Tick (x Int8) ENGINE = MergeTree ORDER BY x")
    GinkgoTickRepository(table).replace([tick_day()])
    assert len(GinkgoTickRepository(table).read(None, date(2024, 1, 8), date(2024, 1, 8))) == 3
