"""A database that is not what this program needs: refused by name before anything is made in it, and never made by
looking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_schema import ensure_ginkgo_tables, ensure_tick_table
from ginkgo_data.adapters.clickhouse.schema import apply_schema, check_schema
from ginkgo_data.adapters.clickhouse.tables import BARS, TICKS
from ginkgo_data.domain.model.errors import ConfigurationError, SchemaMismatch
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.entrypoints.database import database_settings, opened

pytestmark = pytest.mark.parametrize("engine", ["embedded"], indirect=True)

FOREIGN = {
    "bars, of another program": (
        "CREATE TABLE bars (code String, price Float64) ENGINE = MergeTree ORDER BY code",
        "table bars: column code is String, must be LowCardinality",
    ),
    "bars, cut by source": (
        replace(BARS, partition="source").ddl(),
        "table bars: it is partitioned by source, must be",
    ),
    "ticks, not cut": (replace(TICKS, partition="").ddl(), "table ticks: it is partitioned by nothing, must be"),
    "a table for a view": (
        "CREATE TABLE bars_qfq (code String) ENGINE = MergeTree ORDER BY code",
        "view bars_qfq: a MergeTree has its name",
    ),
    "a view of its own": ("CREATE VIEW bars_final AS SELECT 1 AS code", "view bars_final: column frequency is missing"),
}


@pytest.fixture
def empty(store_config: ClickHouseConfig) -> Iterator[ClickHouseClient]:
    """An open client of a database without tables."""
    client = open_client(store_config)
    yield client
    client.close()


def tables(client: ClickHouseClient) -> list[str]:
    found = client.query("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name")
    return list(found["name"].to_pylist())


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_there_and_does_not_fit_is_named_before_anything_is_made(empty: ClickHouseClient, kind: str) -> None:
    ddl, said = FOREIGN[kind]
    empty.command(ddl)
    before = tables(empty)
    with pytest.raises(SchemaMismatch, match=said):
        apply_schema(empty)
    assert tables(empty) == before


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_came_to_fit_no_more_is_named_by_the_check(store: ClickHouseClient, kind: str) -> None:
    ddl, said = FOREIGN[kind]
    name = next(word for word in ddl.split() if word in tables(store))
    store.command(f"DROP TABLE {name}")
    store.command(ddl)
    with pytest.raises(SchemaMismatch, match=said):
        check_schema(store)


def test_a_worker_on_a_finished_schema_makes_nothing(store: ClickHouseClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its user need not be allowed to."""
    monkeypatch.setattr(ClickHouseClient, "command", lambda _, sql: pytest.fail(f"sent {sql}"))
    assert apply_schema(store) == ()


def test_a_worker_on_ginkgos_tables_makes_none_that_are_there(
    store: ClickHouseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ensure() -> None:
        ensure_ginkgo_tables(store)
        ensure_tick_table(store, "000001_SZ_Tick")

    ensure()
    monkeypatch.setattr(ClickHouseClient, "command", lambda _, sql: pytest.fail(f"sent {sql}"))
    ensure()


def test_who_looks_makes_neither_database_nor_tables(store_config: ClickHouseConfig) -> None:
    settings = database_settings(store_config.url, None)
    said = r"no database test_\d+ at chdb:.*schema apply"
    with opened(settings) as container, pytest.raises(ConfigurationError, match=said):
        container.store().connect()
    owner = open_client(store_config)
    with opened(settings) as container, pytest.raises(SchemaMismatch, match=r"table bars is missing.*schema apply"):
        container.store().connect()
    assert tables(owner) == []
    apply_schema(owner)
    with opened(settings) as container:
        assert container.bar_repository().first_held(["000001.SZ"], DAILY) == {}
    owner.close()


def test_who_looks_at_ginkgos_tables_does_not_make_them(
    store: ClickHouseClient, store_config: ClickHouseConfig
) -> None:
    settings = database_settings(store_config.url, None)
    ginkgo = settings.model_copy(update={"clickhouse": settings.clickhouse.model_copy(update={"layout": "ginkgo"})})
    with opened(ginkgo) as container, pytest.raises(SchemaMismatch, match=r"table bar .*is missing"):
        container.store().connect()
    assert "bar" not in tables(store)
