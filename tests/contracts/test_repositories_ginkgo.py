"""The contract of bars for Ginkgo's own table, and what only that table can get wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import pyarrow as pa
import pytest

from contracts.bar_repository import JANUARY, BarRepositoryContract, held, rows
from ginkgo_data.adapters.clickhouse import ginkgo_rows
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.adapters.clickhouse.ginkgo_bar_source import GinkgoBarSource
from ginkgo_data.adapters.clickhouse.ginkgo_beside import GinkgoBeside
from ginkgo_data.adapters.clickhouse.ginkgo_schema import BAR_DDL, ensure_bar_table
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import GinkgoSweep
from ginkgo_data.adapters.clickhouse.ginkgo_table import GinkgoBarTable
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.errors import NotAvailable, SchemaMismatch, StoreUnavailable
from ginkgo_data.domain.model.fetch import PLACE_SCHEMA, Places, Rows
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.bars import CODE_A, CODE_B, MINUTES_1, MINUTES_5, bars, business_days, closes_of, dictionary, market
from support.clickhouse_server import clickhouse_missing
from support.servers import clickhouse_running
from support.stack import FIVE, NOW, VENDOR, Stack


@pytest.fixture
def table(store: ClickHouseClient) -> ClickHouseClient:
    """A fresh database with all of our tables, and Ginkgo's."""
    ensure_bar_table(store)
    return store


class TestGinkgoBarRepository(BarRepositoryContract):
    # One table for all frequencies, bars as traded only, DateTime, cents, whole lots, amounts of ten yuan.
    kinds = (DAILY, MINUTES_1, MINUTES_5, Series(Frequency.MIN30), Series(Frequency.MIN60))
    years = range(1971, 2100)
    prices = (0.57, 0.69, 1.13, 0.01, -0.57, -1.13, 2.01, 2.03, -2.05, 1.15, 4.35, 16.4, 999999999.99)
    renews = False

    @staticmethod
    def kept(batch: BarBatch) -> BarBatch:
        return ginkgo_rows.kept(batch)

    @pytest.fixture
    def repository(self, table: ClickHouseClient) -> GinkgoBarRepository:
        return GinkgoBarRepository(table)

    @pytest.fixture
    def reopen(self, store_config: ClickHouseConfig) -> Iterator[Callable[[], GinkgoBarRepository]]:
        clients = []

        def one_more() -> GinkgoBarRepository:
            clients.append(open_client(store_config))
            return GinkgoBarRepository(clients[-1])

        yield one_more
        for client in clients:
            client.close()


def insert(client: ClickHouseClient, *rows: dict[str, object]) -> None:
    """Store rows as another program does: in the server's own words."""
    for row in rows:
        given = {
            "code": CODE_A, "open": 10, "high": 10, "low": 10, "close": 10, "volume": 10, "amount": 10, "frequency": 1,
            "uuid": uuid4().hex, "meta": "{}", "desc": "", "timestamp": "2024-01-02 00:00:00", "source": 7, **row,
        }  # fmt: skip
        client.command(f"INSERT INTO bar ({', '.join(given)}) VALUES ({', '.join(map(repr, given.values()))})")


def stored(client: ClickHouseClient, columns: str = "code, toString(timestamp), toFloat64(close)") -> list[tuple]:
    found = client.query(f"SELECT {columns} FROM bar ORDER BY code, frequency, timestamp, uuid")
    return [tuple(row.values()) for row in found.to_pylist()]


def ids(client: ClickHouseClient) -> list[str]:
    return [text for (text,) in stored(client, "uuid")]


class Clients:
    """Clients that do something odd with inserts into `bar`, on the database of a test."""

    def __init__(self, config: ClickHouseConfig) -> None:
        self._config = config
        self._open: list[ClickHouseClient] = []

    def __call__(self, before: Callable[[], bool]) -> ClickHouseClient:
        """Return a client that calls `before` first, and inserts nothing when it says no."""

        class Odd(ClickHouseClient):
            def insert(self, table: str, rows: pa.Table) -> None:
                if table != "bar" or before():
                    super().insert(table, rows)

        self._open.append(Odd(self._config))
        return self._open[-1]

    def close(self) -> None:
        for client in self._open:
            client.close()


@pytest.fixture
def odd(store_config: ClickHouseConfig) -> Iterator[Clients]:
    clients = Clients(store_config)
    yield clients
    clients.close()


def test_a_row_is_what_upstream_writes_itself(table: ClickHouseClient) -> None:
    written = bars(
        closes=[1.13, 1.15], volumes=[123456.0, 99.0], amounts=[1260004.99, None], source="tushare", version=1_700_000
    )
    GinkgoBarRepository(table).write(written)
    columns = (
        "code, toString(close) AS c, volume, toString(amount) AS a, frequency, meta, `desc`, toString(timestamp) AS t"
    )
    common = ("{}", "This man is lazy, there is no description.")
    assert stored(table, f"{columns}, source") == [
        (CODE_A, "1.13", 1234, "1260", 1, *common, "2024-01-02 00:00:00", 7),
        (CODE_A, "1.15", 0, "0", 1, *common, "2024-01-03 00:00:00", 7),
    ]
    assert [(UUID(text).version, text[:12]) for text in ids(table)] == [(7, f"{1700:012x}")] * 2


@pytest.mark.parametrize(("series", "number"), [(DAILY, 1), (MINUTES_1, 2), (Series(Frequency.MIN60), 6)], ids=str)
def test_frequencies_have_ginkgos_numbers(table: ClickHouseClient, series: Series, number: int) -> None:
    GinkgoBarRepository(table).write(bars(sessions=["2024-01-02"], series=series))
    assert set(stored(table, "frequency")) == {(number,)}
    texts = {text for (text,) in stored(table, "toString(timestamp)")}
    assert ("2024-01-02 15:00:00" if number > 1 else "2024-01-02 00:00:00") in texts


@pytest.mark.parametrize("source", ["baostock", "akshare", "tdx", "sina", "yahoo"])
def test_sources_that_ginkgo_knows_keep_their_names(table: ClickHouseClient, source: str) -> None:
    repository = GinkgoBarRepository(table)
    repository.write(BarBatch.concat([bars(CODE_A, source=source), bars("000002.SZ", source="files")]))
    read = repository.read(None, DAILY, *JANUARY).table
    assert set(zip(read["code"].to_pylist(), read["source"].to_pylist(), strict=True)) == {
        (CODE_A, source),
        ("000002.SZ", "other"),
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"closes": [10.123]}, r"'open' has more than two decimals.*10\.123"),
        ({"highs": [10.005]}, r"'high' has more than two decimals"),
        ({"volumes": [2.0**31 * 100]}, r"'volume' is more than"),
        ({"amounts": [1e18]}, r"'amount' is more than"),
        ({"sessions": ["1969-12-30"]}, r"'timestamp' is outside 1970 to 2106"),
        ({"sessions": ["2106-03-01"]}, r"'timestamp' is outside 1970 to 2106"),
        ({"version": 2**60}, "'version'"),
    ],
)
def test_what_the_table_cannot_hold_is_refused_by_column_and_nothing_is_stored(
    table: ClickHouseClient, change: dict, named: str
) -> None:
    odd_one = bars(**{"sessions": ["2024-01-03"], **change})
    with pytest.raises(SchemaMismatch, match=named):
        GinkgoBarRepository(table).write(BarBatch.concat([bars(sessions=["2024-01-02"]), odd_one]))
    assert stored(table) == []


def test_adjusted_bars_are_refused_in_words(table: ClickHouseClient) -> None:
    repository, adjusted = GinkgoBarRepository(table), Series(adjust=Adjust.QFQ)
    for call in (
        lambda: repository.write(bars(series=adjusted)),
        lambda: repository.read(None, adjusted, *JANUARY),
        lambda: repository.held(None, adjusted, *JANUARY),
        lambda: repository.first_held([CODE_A], adjusted),
    ):
        with pytest.raises(NotAvailable, match="no column for an adjustment"):
            call()


def test_the_table_is_made_as_upstream_makes_it_and_then_left_alone(store: ClickHouseClient) -> None:
    ensure_bar_table(store)
    insert(store, {})
    ensure_bar_table(store)
    assert len(stored(store)) == 1
    engine = store.query(
        "SELECT engine, sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 'bar'"
    )
    assert engine.to_pylist() == [{"engine": "MergeTree", "sorting_key": "code, timestamp"}]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE bar DROP COLUMN meta", r"bar: column meta \(String\) is missing"),
        ("ALTER TABLE bar RENAME COLUMN volume TO shares", r"column volume \(Int32\) is missing"),
        ("ALTER TABLE bar MODIFY COLUMN close Float64", r"column close is Float64, must be Decimal\(16, 2\)"),
        ("ALTER TABLE bar MODIFY COLUMN source Nullable(Int8)", "column source is Nullable"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_column(table: ClickHouseClient, change: str, named: str) -> None:
    table.command(change)
    with pytest.raises(SchemaMismatch, match=named):
        ensure_bar_table(table)


@pytest.mark.parametrize(
    ("tail", "named"),
    [
        ("ENGINE = ReplacingMergeTree ORDER BY (code, timestamp)", "its engine is ReplacingMergeTree"),
        ("ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY code", "partitioned by toYYYYMM"),
    ],
)
def test_a_table_that_would_merge_rows_or_cut_inserts_is_refused(
    store: ClickHouseClient, tail: str, named: str
) -> None:
    store.command(BAR_DDL.partition("ENGINE")[0] + tail)
    with pytest.raises(SchemaMismatch, match=named):
        ensure_bar_table(store)


def test_columns_beyond_upstreams_are_left_alone(table: ClickHouseClient) -> None:
    table.command("ALTER TABLE bar ADD COLUMN remark String DEFAULT 'x'")
    ensure_bar_table(table)
    GinkgoBarRepository(table).write(bars())
    assert stored(table, "remark") == [("x",)] * 2


def test_what_upstream_stored_is_held_and_equal_rows_are_not_written_again(table: ClickHouseClient) -> None:
    # Its amount may have lost what we round: 10.00 and 10.01 thousand are one.
    insert(table, {"amount": 10.01}, {"timestamp": "2024-01-03 00:00:00"})
    before = ids(table)
    repository = GinkgoBarRepository(table)
    assert held(repository) == {CODE_A: ["2024-01-02", "2024-01-03"]}
    assert held(repository, since=1) == {}
    assert repository.write(bars(volumes=[1050.0, 1000.0], amounts=[10_000.0, 10_000.0], version=9)) == WriteReceipt()
    assert ids(table) == before
    assert held(repository, since=9) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_what_upstream_stored_wrongly_is_replaced(table: ClickHouseClient) -> None:
    insert(table, {"close": 9}, {"timestamp": "2024-01-03 00:00:00"})
    kept = stored(table, "uuid, timestamp")[1]
    assert GinkgoBarRepository(table).write(bars(version=9)) == WriteReceipt(1, 1)
    assert [close for *_, close in stored(table)] == [10.0, 10.0]
    assert stored(table, "uuid, timestamp")[1] == kept


def test_a_key_with_two_rows_is_not_held_until_the_next_write(table: ClickHouseClient) -> None:
    insert(table, {}, {}, {"close": 11}, {"timestamp": "2024-01-03 00:00:00"})
    repository = GinkgoBarRepository(table)
    assert held(repository) == {CODE_A: ["2024-01-03"]}
    repository.write(bars(sessions=["2024-01-02"], closes=[10.5], version=9))
    assert [close for *_, close in stored(table)] == [10.5, 10.0]
    assert held(repository) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_marking_settles_the_keys_it_marks(table: ClickHouseClient) -> None:
    insert(table, {}, {"close": 11}, {"timestamp": "2024-01-03 00:00:00"}, {"code": CODE_B}, {"code": CODE_B})
    repository = GinkgoBarRepository(table)
    repository.mark_held(bars(sessions=["2024-01-02"], version=9))
    assert len(stored(table)) == 4
    assert held(repository, since=9) == {CODE_A: ["2024-01-02"]}


def test_two_rows_of_a_minute_bar_leave_their_session_unsettled(table: ClickHouseClient) -> None:
    repository = GinkgoBarRepository(table)
    whole = bars(sessions=["2024-01-02", "2024-01-03"], series=MINUTES_5)
    repository.write(whole)
    repository.mark_held(whole)
    insert(table, {"frequency": 3, "timestamp": "2024-01-02 09:35:00"})
    assert held(repository, MINUTES_5) == {CODE_A: ["2024-01-03"]}
    repository.write(bars(sessions=["2024-01-02"], series=MINUTES_5, keep=1))
    assert held(repository, MINUTES_5) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_a_mark_no_longer_counts_when_another_program_has_removed_rows(table: ClickHouseClient) -> None:
    repository = GinkgoBarRepository(table)
    part = bars(sessions=["2024-01-02"], series=MINUTES_5, keep=10)
    repository.write(part)
    repository.mark_held(part)
    table.command("DELETE FROM bar WHERE toString(timestamp) = '2024-01-02 09:35:00'")
    assert held(repository, MINUTES_5) == {}


def test_a_row_at_no_midnight_is_no_daily_session(table: ClickHouseClient) -> None:
    insert(table, {"timestamp": "2024-01-02 08:00:00"})
    assert held(GinkgoBarRepository(table)) == {}


def test_two_workers_that_both_compared_before_either_inserted_end_exact(table: ClickHouseClient, odd: Clients) -> None:
    insert(table, {"close": 9})
    together = threading.Barrier(2, timeout=30)
    first = iter([True, True])

    def meet() -> bool:
        if next(first, False):
            together.wait()
        return True

    with ThreadPoolExecutor(2) as pool:
        writes = [bars(closes=[10.0, 10.1], version=5), bars(closes=[11.0, 11.1], version=6)]
        list(pool.map(lambda batch: GinkgoBarRepository(odd(meet)).write(batch), writes))
    assert [close for *_, close in stored(table)] == [11.0, 11.1]
    assert held(GinkgoBarRepository(table)) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_an_older_fetch_that_is_stored_late_removes_its_own_rows(table: ClickHouseClient, odd: Clients) -> None:
    def newer_one_comes_first() -> bool:
        GinkgoBarRepository(table).write(bars(closes=[11.0, 11.1], version=6))
        return True

    GinkgoBarRepository(odd(newer_one_comes_first)).write(bars(closes=[10.0, 10.1], version=5))
    assert [close for *_, close in stored(table)] == [11.0, 11.1]


def test_an_older_fetch_that_is_stored_while_a_newer_one_finds_all_unchanged_loses(
    table: ClickHouseClient, odd: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    GinkgoBarRepository(table).write(bars(version=1))
    mark = GinkgoBeside.mark

    def late(beside: GinkgoBeside, marked: BarBatch) -> None:
        monkeypatch.setattr(GinkgoBeside, "mark", mark)
        GinkgoBarRepository(table).write(bars(closes=[9.0, 9.1], version=5))
        mark(beside, marked)

    monkeypatch.setattr(GinkgoBeside, "mark", late)
    GinkgoBarRepository(table).write(bars(version=6))
    assert [close for *_, close in stored(table)] == [10.0, 10.0]
    assert held(GinkgoBarRepository(table), since=6) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_an_insert_that_fails_is_an_error_and_takes_nothing_away(table: ClickHouseClient) -> None:
    repository = GinkgoBarRepository(table)
    repository.write(bars(closes=[10.0, 10.1], version=1))
    table.command("ALTER TABLE bar ADD CONSTRAINT cheap CHECK close < 100")
    with pytest.raises(SchemaMismatch, match="cheap"):
        repository.write(bars(closes=[10.5, 100.0], version=2))
    assert [close for *_, close in stored(table)] == [10.0, 10.1]


def test_an_insert_that_is_acknowledged_and_not_stored_is_an_error(table: ClickHouseClient, odd: Clients) -> None:
    with pytest.raises(StoreUnavailable, match="do not read back"):
        GinkgoBarRepository(odd(lambda: False)).write(bars())
    insert(table, {"close": 9})
    with pytest.raises(StoreUnavailable, match="do not read back"):
        GinkgoBarRepository(odd(lambda: False)).write(bars(version=2))
    assert [close for *_, close in stored(table)] == [9.0]


def test_a_worker_that_dies_after_its_insert_leaves_what_the_next_write_settles(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GinkgoBarRepository(table)
    repository.write(bars(closes=[10.0, 10.1], version=1))
    delete = GinkgoBarTable.delete
    monkeypatch.setattr(GinkgoBarTable, "delete", kill)
    with pytest.raises(KeyboardInterrupt):
        repository.write(bars(closes=[10.5, 10.1], version=2))
    monkeypatch.setattr(GinkgoBarTable, "delete", delete)
    assert held(repository) == {CODE_A: ["2024-01-03"]}
    assert closes_of(repository.read(None, DAILY, *JANUARY)) == [10.5, 10.1]
    assert repository.write(bars(closes=[10.5, 10.1], version=2)) == WriteReceipt()
    assert [close for *_, close in stored(table)] == [10.5, 10.1]


def kill(*_: object) -> int:
    raise KeyboardInterrupt


def test_only_rows_that_lost_are_deleted_whatever_ids_others_gave(table: ClickHouseClient) -> None:
    insert(table, *({"uuid": "", "timestamp": f"2024-01-0{day} 00:00:00"} for day in (2, 3, 4)))
    insert(table, {"uuid": "", "code": CODE_B}, {"uuid": "", "frequency": 3})
    GinkgoBarRepository(table).write(bars(sessions=["2024-01-03"], closes=[11.0], version=2))
    assert sorted(close for *_, close in stored(table)) == [10.0, 10.0, 10.0, 10.0, 11.0]
    assert len(stored(table)) == 5


def test_of_one_write_all_losers_go_with_one_delete(table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = GinkgoBarRepository(table)
    repository.write(market(300, business_days("2024-01-01", 10)))
    deletes, command = [], ClickHouseClient.command
    monkeypatch.setattr(ClickHouseClient, "command", lambda c, sql: (deletes.append(sql), command(c, sql))[1])
    repository.write(market(300, business_days("2024-01-01", 10), version=2, seed=1))
    assert len(deletes) == 1
    assert len(stored(table)) == len({(code, time) for code, time, _ in stored(table)}) == 3000


def test_long_lists_of_losers_and_codes_stay_below_the_longest_statement(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GinkgoBarRepository(table)
    days = business_days("2024-01-01", 3)
    codes = [f"{number:06d}.SZ" for number in range(3000)]
    uneven = BarBatch.concat([market(codes[:1500], days), market(codes[1500:], days[:1])])
    repository.write(uneven)
    longest, command = [], ClickHouseClient.command
    monkeypatch.setattr(ClickHouseClient, "command", lambda c, sql: (longest.append(len(sql)), command(c, sql))[1])
    again = BarBatch.concat([market(codes[:1500], days, version=2, seed=9), market(codes[1500:], days[:1], version=2)])
    repository.write(again)
    assert len(longest) >= 1
    assert max(longest) < 250_000
    assert closes_of(repository.read(None, DAILY, *JANUARY)) == closes_of(again.sorted())


def test_the_sweep_settles_what_a_crash_left_and_says_how_much(table: ClickHouseClient) -> None:
    insert(table, {}, {"close": 11}, {"close": 12}, {"code": CODE_B}, {"frequency": 3}, {"frequency": 3})
    GinkgoBarRepository(table).write(bars(CODE_B, closes=[10.0, 10.1], version=3))
    insert(table, {"code": CODE_B, "timestamp": "2024-01-03 00:00:00", "close": 1})
    (kept,) = table.query("SELECT max(uuid) AS u FROM bar WHERE code = '000001.SZ' AND frequency = 1")["u"].to_pylist()
    sweep = GinkgoSweep(table, ManualClock(NOW))
    assert sweep.sweep() == 4
    assert sweep.sweep() == 0
    assert kept in ids(table)
    assert [close for *_, close in stored(table)][-2:] == [10.0, 10.1]
    assert len(stored(table)) == 4


def test_rows_that_are_stored_twice_under_one_id_become_one(table: ClickHouseClient) -> None:
    repository = GinkgoBarRepository(table)
    repository.write(bars(closes=[10.0, 10.1], version=3))
    insert(table, *({"code": CODE_B, "uuid": "same"} for _ in range(3)))
    table.command("INSERT INTO bar SELECT * FROM bar WHERE code = '000001.SZ'")
    assert held(repository) == {}
    assert GinkgoSweep(table, ManualClock(NOW)).sweep() == 2 * 2 + 3
    assert stored(table) == [
        (CODE_A, "2024-01-02 00:00:00", 10.0),
        (CODE_A, "2024-01-03 00:00:00", 10.1),
        (CODE_B, "2024-01-02 00:00:00", 10.0),
    ]
    assert held(repository, since=3) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_a_write_makes_one_of_rows_that_are_stored_twice_under_one_id(table: ClickHouseClient) -> None:
    repository = GinkgoBarRepository(table)
    repository.write(bars(version=3))
    table.command("INSERT INTO bar SELECT * FROM bar")
    repository.write(bars(version=3))
    assert len(stored(table)) == 2
    assert held(repository, since=3) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_the_sweep_is_due_at_once_and_then_hourly(table: ClickHouseClient) -> None:
    clock = ManualClock(NOW)
    sweep = GinkgoSweep(table, clock)
    insert(table, {}, {})
    assert sweep.sweep_when_due() == 1
    insert(table, {})
    clock.advance(3599)
    assert sweep.sweep_when_due() == 0
    clock.advance(1)
    assert sweep.sweep_when_due() == 1


def test_a_withdrawn_bar_that_is_stored_late_is_taken_out_by_its_own_writer(
    table: ClickHouseClient, odd: Clients
) -> None:
    def withdrawn_meanwhile() -> bool:
        GinkgoBarRepository(table).withdraw(bars(sessions=["2024-01-02"], version=6))
        return True

    GinkgoBarRepository(odd(withdrawn_meanwhile)).write(bars(closes=[10.0, 10.1], version=5))
    assert stored(table) == [(CODE_A, "2024-01-03 00:00:00", 10.1)]


# Upstream's defects: full sync that removes, force that removes, and both on holes.


def ginkgo_stack(table: ClickHouseClient, vendor: BarBatch) -> Stack:
    parts = Stack(source=GinkgoBarSource(InMemoryBarSource(vendor, capabilities=VENDOR)))
    parts.bars = GinkgoBarRepository(table)
    return parts


def test_full_keeps_everything_however_often_it_is_asked_for(table: ClickHouseClient) -> None:
    parts = ginkgo_stack(table, BarBatch.concat([bars(CODE_A, FIVE), bars(CODE_B, FIVE)]))
    for _ in range(3):
        parts.collector.collect(CollectBars((CODE_A, CODE_B), full=True))
        assert len(stored(table)) == 10
        parts.clock.advance(1)


def test_force_with_holes_fills_them_and_loses_nothing(table: ClickHouseClient) -> None:
    parts = ginkgo_stack(table, bars(CODE_A, FIVE, volumes=[123456.0] * 5))
    parts.collector.collect(CollectBars((CODE_A,), full=True))
    before = ids(table)
    table.command("DELETE FROM bar WHERE toDate(timestamp) IN ('2024-01-09', '2024-01-11')")
    parts.clock.advance(1)
    force = CollectBars((CODE_A,), start=date(2024, 1, 8), force=True)
    result = parts.collector.collect(force, since=parts.clock.now())
    assert (result.complete, len(stored(table))) == (True, 5)
    assert len(parts.revisions.revisions([CODE_A], DAILY, *JANUARY)) == 0
    assert len(set(before) & set(ids(table))) == 3
    again = parts.collector.collect(force, since=parts.clock.now())
    assert (again.complete, len(stored(table))) == (True, 5)


def test_force_on_keys_that_are_stored_twice_settles_them(table: ClickHouseClient) -> None:
    parts = ginkgo_stack(table, bars(CODE_A, FIVE))
    parts.collector.collect(CollectBars((CODE_A,), full=True))
    insert(table, *({"timestamp": f"{day} 00:00:00", "close": 9} for day in FIVE))
    table.command("INSERT INTO bar SELECT * FROM bar WHERE close = 10 AND toDate(timestamp) = '2024-01-09'")
    parts.clock.advance(1)
    force = CollectBars((CODE_A,), start=date(2024, 1, 8), force=True)
    assert parts.collector.collect(force, since=parts.clock.now()).complete
    assert [close for *_, close in stored(table)] == [10.0] * 5


def test_force_replaces_corrected_prices(table: ClickHouseClient) -> None:
    parts = ginkgo_stack(table, bars(CODE_A, FIVE))
    insert(table, *({"timestamp": f"{day} 00:00:00", "close": 9} for day in FIVE))
    parts.clock.advance(1)
    force = CollectBars((CODE_A,), start=date(2024, 1, 8), force=True)
    assert parts.collector.collect(force, since=parts.clock.now()).complete
    assert [close for *_, close in stored(table)] == [10.0] * 5


def test_bars_of_three_decimals_are_quarantined_and_the_others_stored(table: ClickHouseClient) -> None:
    parts = ginkgo_stack(table, bars(CODE_A, FIVE, closes=[3.91, 3.912, 3.92, 3.93, 3.94]))
    result = parts.collector.collect(CollectBars((CODE_A,), full=True))
    (rejected,) = parts.quality.quarantined([CODE_A]).table.to_pylist()
    assert (rejected["rule"], rejected["field"], rejected["value"]) == ("finer_than_cents", "open", "3.912")
    assert rejected["timestamp"].date() == date(2024, 1, 9)
    assert (result.written, result.rejected, result.counts.unexplained) == (4, 1, 1)
    assert [close for *_, close in stored(table)] == [3.91, 3.92, 3.93, 3.94]


def test_a_source_offers_bars_as_traded_only(table: ClickHouseClient) -> None:
    both = replace(VENDOR, series=frozenset({DAILY, Series(adjust=Adjust.QFQ)}))
    assert GinkgoBarSource(InMemoryBarSource(bars(), capabilities=both)).capabilities.series == {DAILY}


def test_places_of_the_rows_left_and_of_the_rejected_ones_are_right() -> None:
    class Placed:
        capabilities = VENDOR

        def fetch(self, request: object) -> Rows[BarBatch]:
            lines = pa.table([dictionary(["a.csv"] * 3), pa.array([7, 8, 9])], schema=PLACE_SCHEMA)
            return Rows(bars(sessions=FIVE[:3], closes=[1.0, 1.001, 1.02]), places=Places(lines))

    answer = GinkgoBarSource(Placed()).fetch(None)
    assert [answer.places.text(row) for row in range(2)] == ["a.csv:7", "a.csv:9"]
    (reject,) = answer.rejects.table.to_pylist()
    assert (reject["place"], json.loads(reject["row"])["close"]) == ("a.csv:8", 1.001)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_the_wall_clock_is_the_exchanges_whatever_the_servers_zone(
    zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if clickhouse_missing():
        pytest.skip("no engine to start in another zone")
    monkeypatch.setenv("TZ", zone)
    with clickhouse_running(tmp_path) as server:
        client = ClickHouseClient(ClickHouseConfig(url=server.url), apply_schema)
        ensure_bar_table(client)
        assert client.query("SELECT timezone() AS z")["z"].to_pylist() == [zone]
        repository = GinkgoBarRepository(client)
        days, window = ["1990-12-19", "1991-07-01", "2024-01-02"], (date(1990, 1, 1), date(2024, 12, 31))
        daily, minutes = bars(sessions=days), bars(sessions=days, series=MINUTES_5)
        for written in (daily, minutes):
            repository.write(written)
            assert rows(repository.read(None, written.series, *window)) == rows(ginkgo_rows.kept(written))
            assert held(repository, written.series, window=window) == {CODE_A: days}
            assert held(repository, written.series, window=(date(1991, 7, 1), date(1991, 7, 1))) == {CODE_A: [days[1]]}
            assert repository.write(written) == WriteReceipt()
        texts = [text for _, text, _ in stored(client)]
        assert texts[:3] == [f"{day} 00:00:00" for day in days]
        assert (texts[3], texts[-1]) == ("1990-12-19 09:35:00", "2024-01-02 15:00:00")
        repository.withdraw(bars(sessions=days[:1], version=5))
        assert len(stored(client)) == 2 + len(minutes)
        repository.write(bars(sessions=days[:1], version=4))
        assert len(stored(client)) == 2 + len(minutes)
        client.close()
