"""What only Ginkgo's own table of adjustment factors can get wrong."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import UUID

import pytest

from ginkgo_data.adapters.clickhouse import ginkgo_factor_settling
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_adjustment_repository import GinkgoAdjustmentRepository
from ginkgo_data.adapters.clickhouse.ginkgo_factor_table import GinkgoFactorTable
from ginkgo_data.adapters.clickhouse.ginkgo_schema import ensure_ginkgo_tables
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import GinkgoSweep
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.errors import SchemaMismatch, StoreUnavailable
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.factors import CODE_A, CODE_B, THREE, factors
from support.ginkgo_tables import ON_ONE_ENGINE, Clients, ginkgo_config, insert, odd, stored, table
from support.stack import NOW

__all__ = ["ginkgo_config", "odd", "table"]

pytestmark = ON_ONE_ENGINE
JANUARY = (date(2024, 1, 1), date(2024, 1, 31))
DERIVED = "code, formatDateTime(timestamp, '%m%d') AS d, toFloat64(foreadjustfactor), toFloat64(backadjustfactor)"
UPSTREAM = {"code": CODE_A, "foreadjustfactor": 1, "backadjustfactor": 1}


def held(repository: GinkgoAdjustmentRepository, since: int | None = None) -> list[str]:
    return [str(day) for days in repository.held(None, *JANUARY, since=since).values() for day in days]


def values(client: ClickHouseClient) -> list[float]:
    return [value for (value,) in stored(client, "adjustfactor", "toFloat64(adjustfactor)")]


def derived(client: ClickHouseClient) -> list[tuple]:
    return stored(client, "adjustfactor", DERIVED)


def swept(client: ClickHouseClient) -> int:
    return GinkgoSweep(client, ManualClock(NOW)).sweep()


def upstreams(client: ClickHouseClient, *rows: tuple[str, float]) -> None:
    insert(client, "adjustfactor", *({**UPSTREAM, "timestamp": day, "adjustfactor": value} for day, value in rows))


def test_a_row_has_what_upstreams_readers_multiply_by(table: ClickHouseClient) -> None:
    GinkgoAdjustmentRepository(table).write(factors(values=[2.0, 2.5, 3.0], source="tushare", version=1_700_000))
    columns = "toString(foreadjustfactor) AS f, toString(backadjustfactor) AS b, toString(adjustfactor) AS a"
    rest = "meta, `desc`, toString(timestamp) AS t, source"
    common = ("{}", "This man is lazy, there is no description.")
    assert stored(table, "adjustfactor", f"{columns}, {rest}") == [
        ("0.666667", "1", "2", *common, "2024-01-08 00:00:00", 7),
        ("0.833333", "1.25", "2.5", *common, "2024-01-09 00:00:00", 7),
        ("1", "1.5", "3", *common, "2024-01-10 00:00:00", 7),
    ]
    ids = [text for (text,) in stored(table, "adjustfactor", "uuid")]
    assert [(UUID(text).version, text[:12]) for text in ids] == [(7, f"{1700:012x}")] * 3


def test_a_new_newest_factor_brings_the_columns_of_older_rows_with_it(table: ClickHouseClient) -> None:
    repository = GinkgoAdjustmentRepository(table)
    repository.write(factors(values=[1.0, 1.0, 2.0], version=5))
    repository.write(factors(CODE_B, values=[3.0, 3.0, 3.0], version=5))
    receipt = repository.write(factors(sessions=["2024-01-11"], values=[4.0], version=6))
    assert receipt == WriteReceipt(1, 1)
    assert [row[2:] for row in derived(table)][:4] == [(0.25, 1.0), (0.25, 1.0), (0.5, 2.0), (1.0, 4.0)]
    repository.write(factors(sessions=["2024-01-05"], values=[0.5], version=7))
    assert [row[2:] for row in derived(table)][:5] == [(0.125, 1), (0.25, 2), (0.25, 2), (0.5, 4), (1, 8)]
    assert [row[2:] for row in derived(table)][5:] == [(1.0, 1.0)] * 3
    # Derived anew is not fetched anew.
    assert held(repository, since=6) == ["2024-01-05", "2024-01-11"]


def test_a_day_that_changes_nothing_writes_its_own_rows_only(table: ClickHouseClient) -> None:
    repository = GinkgoAdjustmentRepository(table)
    repository.write(factors())
    before = stored(table, "adjustfactor", "uuid")
    repository.write(factors(sessions=["2024-01-11"], version=2))
    assert stored(table, "adjustfactor", "uuid")[:3] == before


def test_what_upstream_stored_is_held_and_its_columns_are_put_right_by_the_next_write(table: ClickHouseClient) -> None:
    upstreams(table, ("2024-01-08 00:00:00", 2), ("2024-01-09 00:00:00", 4))
    repository = GinkgoAdjustmentRepository(table)
    assert (held(repository), held(repository, since=1)) == ([*THREE[:2]], [])
    assert repository.write(factors(sessions=["2024-01-10"], values=[4.0], version=9)) == WriteReceipt(1, 1)
    assert [row[2:] for row in derived(table)] == [(0.5, 1.0), (1.0, 2.0), (1.0, 2.0)]
    assert held(repository, since=1) == ["2024-01-10"]


def test_equal_factors_are_marked_and_not_written_again(table: ClickHouseClient) -> None:
    repository = GinkgoAdjustmentRepository(table)
    repository.write(factors(version=5))
    before = stored(table, "adjustfactor", "uuid")
    assert repository.write(factors(version=9)) == WriteReceipt()
    assert repository.write(factors(values=[7.0] * 3, version=8)) == WriteReceipt()
    assert stored(table, "adjustfactor", "uuid") == before
    assert held(repository, since=9) == [*THREE]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"values": [1.0, 1.0123456, 1.0]}, r"'factor' has more than six decimals.*2024-01-09: 1\.0123456"),
        ({"values": [1.0, 1e-10, 1.0]}, "'factor' has more than six decimals"),
        ({"values": [1.0, 1e10, 1.0]}, "is beyond 9,007,199,254"),
        ({"values": [1e-6, 1.0, 9e9]}, r"'foreadjustfactor' of 000001\.SZ cannot hold its factor 1e-06"),
        ({"sessions": ["2024-01-08", "1969-12-30", "2024-01-10"]}, "'session' is outside 1970 to 2106"),
        ({"version": 2**60}, "'version'"),
    ],
)
def test_what_the_table_cannot_hold_is_refused_by_column_and_nothing_is_stored(
    table: ClickHouseClient, change: dict, named: str
) -> None:
    with pytest.raises(SchemaMismatch, match=named):
        GinkgoAdjustmentRepository(table).write(factors(**change))
    assert values(table) == []


def test_a_key_with_two_rows_is_not_held_until_the_next_write(table: ClickHouseClient) -> None:
    upstreams(table, ("2024-01-08 00:00:00", 2), ("2024-01-08 00:00:00", 3), ("2024-01-09 00:00:00", 3))
    repository = GinkgoAdjustmentRepository(table)
    assert held(repository) == ["2024-01-09"]
    repository.write(factors(sessions=["2024-01-08"], values=[1.5], version=9))
    assert (values(table), held(repository)) == ([1.5, 3.0], [*THREE[:2]])


def test_a_row_at_no_midnight_is_no_session(table: ClickHouseClient) -> None:
    upstreams(table, ("2024-01-08 08:00:00", 2))
    repository = GinkgoAdjustmentRepository(table)
    assert (held(repository), len(repository.read(None, *JANUARY))) == ([], 0)
    repository.write(factors(values=[4.0] * 3))
    assert [row[2:] for row in derived(table)] == [(1.0, 1.0)] * 4
    assert dict(repository.first_held([CODE_A])) == {CODE_A: date(2024, 1, 8)}


def test_two_workers_that_both_compared_before_either_inserted_end_exact(table: ClickHouseClient, odd: Clients) -> None:
    upstreams(table, ("2024-01-08 00:00:00", 9))
    together = threading.Barrier(2, timeout=30)
    first = iter([True, True])

    def meet(name: str) -> bool:
        if name == "adjustfactor" and next(first, False):
            together.wait()
        return True

    with ThreadPoolExecutor(2) as pool:
        writes = [factors(values=[1.0, 2.0, 4.0], version=5), factors(values=[1.0, 3.0, 6.0], version=6)]
        list(pool.map(lambda batch: GinkgoAdjustmentRepository(odd(meet)).write(batch), writes))
    assert values(table) == [1.0, 3.0, 6.0]
    assert [row[2:] for row in derived(table)] == [(0.166667, 1.0), (0.5, 3.0), (1.0, 6.0)]


def test_an_older_fetch_that_is_stored_late_removes_its_own_rows(table: ClickHouseClient, odd: Clients) -> None:
    def newer_one_comes_first(name: str) -> bool:
        if name == "adjustfactor":
            GinkgoAdjustmentRepository(table).write(factors(values=[1.0, 1.0, 2.0], version=6))
        return True

    GinkgoAdjustmentRepository(odd(newer_one_comes_first)).write(factors(values=[1.0, 1.0, 5.0], version=5))
    assert [row[2:] for row in derived(table)] == [(0.5, 1.0), (0.5, 1.0), (1.0, 2.0)]


def test_an_insert_that_is_acknowledged_and_not_stored_is_an_error(table: ClickHouseClient, odd: Clients) -> None:
    with pytest.raises(StoreUnavailable, match="do not read back"):
        GinkgoAdjustmentRepository(odd(lambda name: False)).write(factors())


def test_a_worker_that_dies_after_its_insert_leaves_what_the_sweep_settles(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GinkgoAdjustmentRepository(table)
    repository.write(factors(values=[1.0, 1.0, 2.0], version=1))

    def kill(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(GinkgoFactorTable, "delete", kill)
        with pytest.raises(KeyboardInterrupt):
            repository.write(factors(sessions=["2024-01-11"], values=[4.0], version=2))
    assert len(values(table)) == 7
    assert held(repository) == ["2024-01-11"]
    assert swept(table) == 3
    assert [row[2:] for row in derived(table)] == [(0.25, 1.0), (0.25, 1.0), (0.5, 2.0), (1.0, 4.0)]
    assert held(repository) == [*THREE, "2024-01-11"]
    assert swept(table) == 0


def test_the_sweep_derives_where_we_have_been_and_leaves_histories_of_others_as_they_are(
    table: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ginkgo_factor_settling, "ROWS_AT_ONCE", 1)
    upstreams(table, ("2024-01-08 00:00:00", 2), ("2024-01-09 00:00:00", 4))
    GinkgoAdjustmentRepository(table).write(
        AdjustmentBatch.concat([factors(CODE_B, values=[1.0, 1.0, 2.0]), factors("600000.SH")])
    )
    table.command("INSERT INTO adjustfactor SELECT * FROM adjustfactor WHERE code = '600000.SH'")
    insert(table, "adjustfactor", {**UPSTREAM, "code": CODE_B, "timestamp": "2024-01-11", "adjustfactor": 8})
    assert swept(table) == 4 + 2 * 3
    rows = derived(table)
    assert [row[2:] for row in rows if row[0] == CODE_A] == [(1.0, 1.0)] * 2
    assert [row[2:] for row in rows if row[0] == CODE_B] == [(0.125, 1.0), (0.125, 1.0), (0.25, 2.0), (1.0, 8.0)]
    assert len(rows) == 2 + 4 + 3


@pytest.mark.parametrize(
    ("change", "back", "named"),
    [
        (
            "RENAME COLUMN foreadjustfactor TO fore",
            "RENAME COLUMN fore TO foreadjustfactor",
            r"table adjustfactor: column foreadjustfactor \(Decimal\(16, 6\)\) is missing",
        ),
        (
            "MODIFY COLUMN source Int16",
            "MODIFY COLUMN source Int8",
            "table adjustfactor: column source is Int16, must be Int8",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_column(
    table: ClickHouseClient, change: str, back: str, named: str
) -> None:
    table.command(f"ALTER TABLE adjustfactor {change}")
    try:
        with pytest.raises(SchemaMismatch, match=named):
            ensure_ginkgo_tables(table)
    finally:
        table.command(f"ALTER TABLE adjustfactor {back}")
