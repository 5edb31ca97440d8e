"""The repository contracts, for ClickHouse, and what only a real engine can get wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from contracts.absence_repository import AbsenceRepositoryContract
from contracts.bar_repository import JANUARY, BarRepositoryContract, held
from contracts.factor_revision_repository import FactorRevisionRepositoryContract
from contracts.outbox import ALERT, DAY, OutboxContract
from contracts.quality_repository import REPORT, QualityRepositoryContract, rejects
from contracts.reference_repository import ReferenceRepositoryContract
from contracts.revision_repository import RevisionRepositoryContract, one, revised
from contracts.version_clock import VersionClockContract
from ginkgo_data.adapters.clickhouse import bar_repository, schema
from ginkgo_data.adapters.clickhouse import outbox as clickhouse_outbox
from ginkgo_data.adapters.clickhouse.absence_repository import ClickHouseAbsenceRepository
from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.factor_revision_repository import ClickHouseFactorRevisionRepository
from ginkgo_data.adapters.clickhouse.outbox import ClickHouseOutbox
from ginkgo_data.adapters.clickhouse.quality_repository import ClickHouseQualityRepository
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.adapters.clickhouse.revision_repository import ClickHouseRevisionRepository
from ginkgo_data.adapters.clickhouse.schema import MIGRATIONS, apply_schema, check_schema, schema_history, schema_status
from ginkgo_data.adapters.clickhouse.version_clock import ClickHouseVersionClock
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.errors import SchemaMismatch, StoreUnavailable
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.bars import CODE_A, MINUTES_5, bars, business_days, closes_of, market
from support.engine import BOTH_WAYS

pytestmark = BOTH_WAYS


class TestClickHouseBarRepository(BarRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseBarRepository:
        return ClickHouseBarRepository(store)

    @pytest.fixture
    def reopen(self, store_config: ClickHouseConfig) -> Iterator[Callable[[], ClickHouseBarRepository]]:
        clients = []

        def one_more() -> ClickHouseBarRepository:
            clients.append(open_client(store_config))
            return ClickHouseBarRepository(clients[-1])

        yield one_more
        for client in clients:
            client.close()


class TestClickHouseAbsenceRepository(AbsenceRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseAbsenceRepository:
        return ClickHouseAbsenceRepository(store)


class TestClickHouseRevisionRepository(RevisionRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseRevisionRepository:
        return ClickHouseRevisionRepository(store)


class TestClickHouseFactorRevisionRepository(FactorRevisionRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseFactorRevisionRepository:
        return ClickHouseFactorRevisionRepository(store)


class TestClickHouseReferenceRepository(ReferenceRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseReferenceRepository:
        return ClickHouseReferenceRepository(store)


class TestClickHouseQualityRepository(QualityRepositoryContract):
    @pytest.fixture
    def repository(self, store: ClickHouseClient) -> ClickHouseQualityRepository:
        return ClickHouseQualityRepository(store)


class TestClickHouseOutbox(OutboxContract):
    @pytest.fixture
    def quality(self, store: ClickHouseClient) -> ClickHouseQualityRepository:
        return ClickHouseQualityRepository(store)

    @pytest.fixture
    def outbox(self, store: ClickHouseClient) -> ClickHouseOutbox:
        return ClickHouseOutbox(store)

    @pytest.fixture
    def three_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clickhouse_outbox, "AT_ONCE", 3)


class TestClickHouseVersionClock(VersionClockContract):
    @pytest.fixture
    def clock(self, store: ClickHouseClient) -> ClickHouseVersionClock:
        return ClickHouseVersionClock(store, SystemClock())


def number(client: ClickHouseClient, sql: str) -> int:
    """Return the one number that `sql` selects."""
    value: int = client.query(sql).column(0)[0].as_py()
    return value


def test_versions_are_the_stores_time_and_not_the_hosts(store: ClickHouseClient) -> None:
    host = ManualClock(datetime(2001, 1, 1, tzinfo=ZoneInfo("Asia/Shanghai")))
    versions = ClickHouseVersionClock(store, host)
    first = versions.version()
    assert abs(first - number(store, "SELECT toUnixTimestamp64Micro(now64(6))")) < 3_600_000_000
    host.advance(2.5)
    assert versions.version() - first == 2_500_000


def test_a_violated_constraint_raises_and_stores_nothing(store: ClickHouseClient) -> None:
    store.command("ALTER TABLE bars ADD CONSTRAINT cheap CHECK close < 100")
    repository = ClickHouseBarRepository(store)
    with pytest.raises(SchemaMismatch, match="cheap"):
        repository.write(bars(closes=[10.0, 100.0]))
    assert held(repository) == {}
    assert repository.write(bars(closes=[10.0, 99.0])) == WriteReceipt(2, 1)


def test_too_many_partitions_raise_and_store_nothing(store: ClickHouseClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar_repository, "YEARS_PER_INSERT", 1000)
    repository = ClickHouseBarRepository(store)
    with pytest.raises(StoreUnavailable, match="252"):
        repository.write(bars(sessions=[f"{year}-07-01" for year in range(1901, 2051)]))
    assert number(store, "SELECT count() FROM bars") == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE bars DROP COLUMN pre_close", "pre_close"),
        ("ALTER TABLE bars RENAME COLUMN volume TO shares", "volume"),
        ("ALTER TABLE bars MODIFY COLUMN source Enum8('tushare' = 1)", "source"),
    ],
)
def test_a_table_that_does_not_fit_fails_the_insert_and_the_check(
    store: ClickHouseClient, change: str, named: str
) -> None:
    check_schema(store)
    store.command(change)
    with pytest.raises(SchemaMismatch, match=named):
        ClickHouseBarRepository(store).write(bars())
    with pytest.raises(SchemaMismatch, match=f"bars: column {named}"):
        check_schema(store)


def test_the_engine_itself_takes_no_null_for_a_default(store: ClickHouseClient) -> None:
    rows = pa.table({"exchange": ["SSE"], "day": [None], "is_open": [True], "source": ["x"], "version": [1]})
    with pytest.raises(SchemaMismatch, match="day"):
        store.insert("trading_sessions", rows.cast(rows.schema.set(1, pa.field("day", pa.date32()))))
    assert number(store, "SELECT count() FROM trading_sessions") == 0


def test_a_missing_table_makes_the_store_unavailable(store: ClickHouseClient) -> None:
    store.command("DROP TABLE bars")
    repository = ClickHouseBarRepository(store)
    with pytest.raises(StoreUnavailable, match="bars"):
        repository.write(bars())
    with pytest.raises(StoreUnavailable, match="bars"):
        repository.read(None, DAILY, *JANUARY)
    with pytest.raises(SchemaMismatch, match="table bars is missing"):
        check_schema(store)


def test_closing_twice_is_closing_once_and_others_stay_open(
    store: ClickHouseClient, store_config: ClickHouseConfig
) -> None:
    client = open_client(store_config)
    client.close()
    client.close()
    assert number(store, "SELECT 1") == 1


def test_another_engine_table_is_found_by_the_check(store: ClickHouseClient) -> None:
    ddl = store.query("SHOW CREATE TABLE absences").column(0)[0].as_py()
    store.command("DROP TABLE absences")
    store.command(ddl.replace("ReplacingMergeTree(version, is_deleted)", "MergeTree"))
    with pytest.raises(SchemaMismatch, match="absences: its engine is MergeTree"):
        check_schema(store)
    store.command("DROP TABLE absences")
    store.command(ddl.replace("ORDER BY (code, frequency, adjust, session)", "ORDER BY (code, frequency, session)"))
    with pytest.raises(SchemaMismatch, match=r"absences: its sort key is \(code, frequency, session\)"):
        check_schema(store)


def test_a_column_beyond_ours_is_left_alone(store: ClickHouseClient) -> None:
    store.command("ALTER TABLE bars ADD COLUMN remark String DEFAULT 'x'")
    check_schema(store)
    ClickHouseBarRepository(store).write(bars())
    assert held(ClickHouseBarRepository(store)) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_the_schema_is_applied_once_and_its_state_is_known(store_config: ClickHouseConfig) -> None:
    client = open_client(store_config)
    versions = tuple(migration.version for migration in MIGRATIONS)
    assert schema_status(client).pending == versions
    with pytest.raises(SchemaMismatch, match=r"missing.*schema apply"):
        check_schema(client)
    assert apply_schema(client) == versions
    assert apply_schema(client) == ()
    assert schema_status(client).applied == versions
    check_schema(client)
    client.close()


def test_a_database_newer_than_the_program_is_refused_and_not_changed(store: ClickHouseClient) -> None:
    store.insert("schema_versions", pa.table({"version": pa.array([999], pa.uint32()), "name": ["from the future"]}))
    assert schema_status(store).unknown == (999,)
    store.command("DROP VIEW bars_hfq")
    for start in (apply_schema, check_schema):
        with pytest.raises(SchemaMismatch, match=r"schema version 999, and this release knows \d+ at most"):
            start(store)
    assert (
        number(store, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'bars_hfq'") == 0
    )
    assert [(line.version, line.name, line.state) for line in schema_history(store)][-1] == (
        999,
        "from the future",
        "unknown",
    )


def test_when_each_version_was_first_applied_is_known(store: ClickHouseClient) -> None:
    before = [line.applied_at for line in schema_history(store)]
    store.insert("schema_versions", pa.table({"version": pa.array([1], pa.uint32()), "name": ["again"]}))
    lines = schema_history(store)
    assert [line.applied_at for line in lines] == before
    assert all(line.applied_at is not None and line.applied_at.utcoffset() == timedelta(0) for line in lines)
    assert [line.name for line in lines] == [migration.name for migration in MIGRATIONS]


def test_a_missing_view_is_found_by_the_check(store: ClickHouseClient) -> None:
    store.command("DROP VIEW bars_qfq")
    with pytest.raises(SchemaMismatch, match="view bars_qfq is missing"):
        check_schema(store)


def test_a_revision_of_more_than_six_decimals_is_refused(store: ClickHouseClient) -> None:
    repository = ClickHouseRevisionRepository(store)
    with pytest.raises(SchemaMismatch, match=r"new_open.*10\.1234567"):
        repository.write_revisions(revised(one(10.0, 1), one(10.1234567, 2)))
    assert number(store, "SELECT count() FROM revisions") == 0


def test_a_database_of_the_first_release_is_brought_up_to_date(
    store_config: ClickHouseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client(store_config)
    with monkeypatch.context() as first_release:
        first_release.setattr(schema, "MIGRATIONS", MIGRATIONS[:1])
        assert apply_schema(client) == (1,)
    ClickHouseQualityRepository(client).write_report(REPORT)
    later = tuple(migration.version for migration in MIGRATIONS[1:])
    assert (schema_status(client).applied, schema_status(client).pending) == ((1,), later)
    with pytest.raises(SchemaMismatch, match=r"table alerts is missing.*schema apply"):
        check_schema(client)
    assert apply_schema(client) == later
    check_schema(client)
    assert list(ClickHouseOutbox(client).untold_reports(*DAY)) == [REPORT]
    client.close()


def test_workers_that_start_together_all_get_the_schema(store_config: ClickHouseConfig) -> None:
    together = threading.Barrier(4)

    def start(_: int) -> None:
        together.wait()
        client = open_client(store_config)
        apply_schema(client)
        check_schema(client)
        client.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    client = open_client(store_config)
    assert number(client, "SELECT count() FROM schema_versions FINAL") == len(MIGRATIONS)
    client.close()


def test_readers_of_the_view_see_each_bar_once_and_no_tombstone(store: ClickHouseClient) -> None:
    repository = ClickHouseBarRepository(store)
    repository.write(bars(closes=[10.0, 10.1], version=1))
    repository.write(bars(sessions=["2024-01-02"], closes=[10.5], version=2))
    store.command(
        "INSERT INTO bars SELECT * REPLACE (9 AS version, 1 AS is_deleted) FROM bars WHERE session = '2024-01-03'"
    )
    assert [str(price) for price in store.query("SELECT close FROM bars_final")["close"].to_pylist()] == ["10.500000"]
    assert closes_of(repository.read(None, DAILY, *JANUARY)) == [10.5]
    assert held(repository) == {CODE_A: ["2024-01-02"]}
    repository.write(bars(version=8))
    assert held(repository) == {CODE_A: ["2024-01-02"]}
    assert repository.first_held([CODE_A], DAILY) == {CODE_A: date(2024, 1, 2)}


def test_a_session_asked_for_reads_only_its_years(store: ClickHouseClient) -> None:
    ClickHouseBarRepository(store).write(bars(sessions=[f"{year}-06-03" for year in range(1991, 2025)]))
    conditions = bar_repository.of_bars(date(2020, 6, 3), date(2020, 6, 3))
    plan = store.query(f"EXPLAIN indexes = 1 SELECT close FROM bars FINAL WHERE {conditions}").column(0).to_pylist()
    assert "Parts: 1/34" in {line.strip() for line in plan}


def test_a_batch_is_cut_into_inserts_of_a_million_rows(
    store: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bar_repository, "ROWS_PER_INSERT", 1000)
    repository = ClickHouseBarRepository(store)
    batch = market(25, business_days("2023-06-01", 100))
    assert repository.write(batch) == WriteReceipt(2500, 3)
    read = repository.read(None, DAILY, date(2023, 1, 1), date(2024, 12, 31))
    assert closes_of(read) == closes_of(batch.sorted())


def test_a_bar_that_cannot_be_stored_keeps_the_inserts_before_it_from_being_sent(
    store: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bar_repository, "ROWS_PER_INSERT", 1)
    for closes in ([10.0, None], [10.0, 0.1234567]):
        with pytest.raises(SchemaMismatch, match="open"):
            ClickHouseBarRepository(store).write(bars(closes=closes))
    assert number(store, "SELECT count() FROM bars") == 0


def test_the_rows_of_one_insert_are_one_block(store: ClickHouseClient) -> None:
    pieces = [bars(f"{n:06d}.SZ", ["2024-01-02"], version=1).table for n in range(1, 51)]
    ClickHouseBarRepository(store).write(type(bars())(pa.concat_tables(pieces).unify_dictionaries()))
    assert number(store, "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'bars'") == 1


def test_one_client_serves_several_threads(store: ClickHouseClient) -> None:
    repository = ClickHouseBarRepository(store)

    def work(worker: int) -> None:
        code = f"{worker + 1:06d}.SZ"
        for turn in range(5):
            repository.write(bars(code, closes=[float(worker), float(turn)], version=turn + 1))
            assert closes_of(repository.read([code], DAILY, *JANUARY)) == [float(worker), float(turn)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert len(repository.held(None, DAILY, *JANUARY)) == 6


def test_times_in_the_table_are_the_wall_clock_of_the_exchange(store: ClickHouseClient) -> None:
    repository = ClickHouseBarRepository(store)
    repository.write(bars(sessions=["1991-06-03"], series=MINUTES_5))
    texts = store.query("SELECT toString(timestamp) AS t FROM bars FINAL ORDER BY timestamp")["t"].to_pylist()
    assert (texts[0], texts[-1]) == ("1991-06-03 09:35:00.000", "1991-06-03 15:00:00.000")


def test_the_main_numbers_of_a_report_are_columns(store: ClickHouseClient) -> None:
    ClickHouseQualityRepository(store).write_report(REPORT)
    row = store.query("SELECT * FROM quality_reports FINAL").to_pylist()[0]
    assert (row["command"], row["series"], row["records_expected"], row["missing_rate"]) == (
        "bar_snapshot",
        "1d/none",
        100,
        0.02,
    )
    assert (row["window_first"], row["window_last"], row["delay_minutes"]) == (date(2024, 1, 2), date(2024, 1, 3), None)
    assert row["created_at"] == REPORT.created_at


def test_what_an_alert_is_about_are_columns(store: ClickHouseClient) -> None:
    ClickHouseOutbox(store).write_alert(ALERT)
    row = store.query("SELECT * FROM alerts FINAL").to_pylist()[0]
    assert (row["alert_id"], row["kind"], row["subject"]) == (ALERT.alert_id, "data_missing", "1d/none")
    assert (row["severity"], row["title"], row["raised_at"]) == ("WARNING", "Bars are missing", ALERT.raised_at)
    assert "缺失" in row["payload"]


def test_an_alert_survives_values_that_json_or_utf8_do_not_know(store: ClickHouseClient) -> None:
    outbox = ClickHouseOutbox(store)
    odd = {"day": date(2024, 1, 2), "at": ALERT.raised_at, "kinds": {ALERT.kind: 1}.keys(), "text": "\ud800"}
    outbox.write_alert(replace(ALERT, title="a \ud800", data=MappingProxyType(odd | {"inner": MappingProxyType({})})))
    (read,) = outbox.untold_alerts(*DAY)
    assert (read.title, read.data["day"], read.data["text"], read.data["inner"]) == (
        "a \ud800",
        "2024-01-02",
        "\ud800",
        {},
    )


def test_a_damaged_alert_is_named(store: ClickHouseClient) -> None:
    outbox = ClickHouseOutbox(store)
    outbox.write_alert(ALERT)
    store.command("INSERT INTO alerts SELECT * REPLACE ('{' AS payload) FROM alerts")
    with pytest.raises(SchemaMismatch, match="alerts"):
        outbox.untold_alerts(*DAY)


def test_all_that_was_told_is_marked_with_one_insert(store: ClickHouseClient) -> None:
    ClickHouseOutbox(store).mark_told([f"id-{n}" for n in range(100)])
    assert number(store, "SELECT count() FROM told") == 100
    assert number(store, "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'told'") == 1


def test_a_tombstone_is_not_told(store: ClickHouseClient) -> None:
    outbox = ClickHouseOutbox(store)
    outbox.write_alert(ALERT)
    store.command("INSERT INTO alerts SELECT * REPLACE (version + 1 AS version, 1 AS is_deleted) FROM alerts")
    assert list(outbox.untold_alerts(*DAY)) == []


def test_a_damaged_report_is_named(store: ClickHouseClient) -> None:
    repository = ClickHouseQualityRepository(store)
    repository.write_report(REPORT)
    store.command("INSERT INTO quality_reports SELECT * REPLACE ('{' AS payload) FROM quality_reports")
    with pytest.raises(SchemaMismatch, match="quality_reports"):
        repository.reports(1)


def test_a_report_of_an_older_version_has_no_second_opinion(store: ClickHouseClient) -> None:
    repository = ClickHouseQualityRepository(store)
    repository.write_report(REPORT)
    without = "replaceOne(payload, ', \"second_opinion\": null', '')"
    store.command(f"INSERT INTO quality_reports SELECT * REPLACE ({without} AS payload) FROM quality_reports")
    found = store.query("SELECT payload FROM quality_reports FINAL")["payload"].to_pylist()
    assert "second_opinion" not in found[0]
    assert list(repository.reports(1)) == [REPORT]


def test_quarantine_survives_the_merge_of_its_parts(store: ClickHouseClient) -> None:
    repository = ClickHouseQualityRepository(store)
    for change in ({"code": None}, {"code": ""}, {"code": None}):
        repository.quarantine(rejects(change))
    store.command("OPTIMIZE TABLE quarantine FINAL")
    assert repository.quarantined().table["code"].to_pylist() == ["", None]
