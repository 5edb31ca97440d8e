"""The contracts of factors and ticks, for ClickHouse, and what only a real engine can get wrong."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pyarrow as pa
import pytest

from contracts.adjustment_repository import AdjustmentRepositoryContract
from contracts.tick_repository import JANUARY, TickRepositoryContract
from ginkgo_data.adapters.clickhouse import adjustment_repository, tick_rows
from ginkgo_data.adapters.clickhouse.adjustment_repository import ClickHouseAdjustmentRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.tick_repository import ClickHouseTickRepository
from ginkgo_data.domain.model.errors import SchemaMismatch, StoreUnavailable
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.engine import BOTH_WAYS
from support.factors import factors
from support.ticks import CODE_A, prices_of, tick_day

pytestmark = BOTH_WAYS


class TestClickHouseAdjustmentRepository(AdjustmentRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseAdjustmentRepository:
        return ClickHouseAdjustmentRepository(store)


class TestClickHouseTickRepository(TickRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseTickRepository:
        return ClickHouseTickRepository(store)


def test_factors_are_cut_into_inserts(store: ClickHouseClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adjustment_repository, "ROWS_PER_INSERT", 2)
    assert ClickHouseAdjustmentRepository(store).write(factors()) == WriteReceipt(3, 2)


def test_days_are_cut_into_inserts_of_one_month(store: ClickHouseClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_rows, "DAYS_PER_INSERT", 2)
    days = [tick_day(session=f"2024-01-{day:02d}") for day in (8, 9, 10)] + [tick_day(session="2024-02-01")]
    assert ClickHouseTickRepository(store).replace(days) == WriteReceipt(12, 3)


class Cut:
    """A client whose inserts into `table` fail from the `number`-th on: the worker dies there."""

    def __init__(self, client: ClickHouseClient, table: str, number: int = 1) -> None:
        self._client, self._table, self._left = client, table, number

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    def insert(self, table: str, rows: pa.Table) -> None:
        if table == self._table:
            self._left -= 1
            if self._left <= 0:
                raise StoreUnavailable("cut off")
        self._client.insert(table, rows)


def test_a_crash_between_a_list_and_its_mark_leaves_the_day_to_be_done_again(store: ClickHouseClient) -> None:
    repository = ClickHouseTickRepository(store)
    with pytest.raises(StoreUnavailable, match="cut off"):
        ClickHouseTickRepository(Cut(store, "held_ticks")).replace([tick_day(version=1)])
    assert dict(repository.held(None, *JANUARY)) == {}
    repository.replace([tick_day(prices=[1.0], version=2)])
    assert prices_of(repository.read(None, *JANUARY)) == [1.0]


def test_a_crash_in_front_of_the_healing_shows_no_reader_a_mixed_list(store: ClickHouseClient) -> None:
    repository = ClickHouseTickRepository(store)
    repository.replace([tick_day(prices=[1.0], version=5)])
    with pytest.raises(StoreUnavailable, match="cut off"):  # the late list is stored, and dies before it is hidden
        ClickHouseTickRepository(Cut(store, "ticks", 2)).replace([tick_day(prices=[9.0] * 3, version=4)])
    assert store.query("SELECT count() AS n FROM ticks FINAL")["n"][0].as_py() == 3
    assert prices_of(repository.read(None, *JANUARY)) == [1.0]
    repository.replace([tick_day(prices=[2.0], version=6)])
    assert store.query("SELECT count() AS n FROM ticks_final")["n"][0].as_py() == 1


def test_a_list_that_does_not_read_back_in_full_is_an_error(store: ClickHouseClient) -> None:
    class Losing(Cut):
        def insert(self, table: str, rows: pa.Table) -> None:
            self._client.insert(table, rows.slice(1) if table == "ticks" else rows)

    with pytest.raises(
        StoreUnavailable, match=r"3 ticks of 000001\.SZ 2024-01-08 were acknowledged by the store, 2 read"
    ):
        ClickHouseTickRepository(Losing(store, "")).replace([tick_day()])
    assert dict(ClickHouseTickRepository(store).held(None, *JANUARY)) == {}


def test_a_reader_sees_only_whole_lists_while_they_are_replaced(
    store: ClickHouseClient, store_config: ClickHouseConfig
) -> None:
    repository = ClickHouseTickRepository(store)
    repository.replace([tick_day(prices=[1.0] * 5, version=1)])
    done = threading.Event()

    def read() -> list[list[float]]:
        client = open_client(store_config)
        seen = []
        while not done.is_set():
            seen.append(prices_of(ClickHouseTickRepository(client).read([CODE_A], *JANUARY)))
        client.close()
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for version in range(2, 10):
                repository.replace([tick_day(prices=[float(version)] * (1 + version * 3 % 7), version=version)])
        finally:
            done.set()
        seen = reading.result()
    assert seen
    for prices in seen:
        version = int(prices[0])
        assert prices == [float(version)] * (5 if version == 1 else 1 + version * 3 % 7)


def test_the_engine_refuses_a_list_of_an_unknown_side(store: ClickHouseClient) -> None:
    with pytest.raises(SchemaMismatch, match="side"):
        ClickHouseTickRepository(store).replace([tick_day(side=["buy", "sell", "up"])])


def test_times_in_the_table_are_the_wall_clock_of_the_exchange(store: ClickHouseClient) -> None:
    ClickHouseTickRepository(store).replace([tick_day()])
    texts = store.query("SELECT toString(timestamp) AS t FROM ticks_final ORDER BY seq")["t"].to_pylist()
    assert texts[0] == "2024-01-08 09:30:00.000"


def test_a_session_asked_for_reads_only_its_month(store: ClickHouseClient) -> None:
    ClickHouseTickRepository(store).replace([tick_day(session=f"2023-{month:02d}-01") for month in range(1, 13)])
    where = adjustment_repository.of_sessions(date(2023, 6, 1), date(2023, 6, 1))
    plan = store.query(f"EXPLAIN indexes = 1 SELECT price FROM ticks FINAL WHERE {where}").column(0).to_pylist()
    assert "Parts: 1/12" in {line.strip() for line in plan}
