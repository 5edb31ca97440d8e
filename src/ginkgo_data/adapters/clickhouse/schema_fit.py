# Upstream: adapters.clickhouse.schema
# Downstream: adapters.clickhouse.{client, sql, tables, views}, domain.model.errors
# Role: Whether tables and views that are there are what this program needs, by column, engine, key and partition
"""What a database has, beside what the tables and views of the native layout must be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.adapters.clickhouse.tables import Table
from ginkgo_data.adapters.clickhouse.views import View
from ginkgo_data.domain.model.errors import SchemaMismatch

_ADVICE = "`ginkgo-data schema apply` creates it"


@dataclass(frozen=True, slots=True)
class Found:
    """A table or view as the engine describes it; `columns` are types by name."""

    engine: str
    full_engine: str
    """With its arguments."""
    key: str
    partition: str
    columns: dict[str, str] = field(default_factory=dict)


def found_in(client: ClickHouseClient, names: Iterable[str]) -> dict[str, Found]:
    """Return those tables and views of the database that are among `names`. Raises `StoreUnavailable`."""
    some = f"database = currentDatabase() AND {{}} IN ({', '.join(map(quoted, names))})"
    described = client.query(
        "SELECT name, engine, engine_full, sorting_key, partition_key FROM system.tables "
        f"WHERE {some.format('name')} ORDER BY name"
    )
    found = {name: Found(*rest) for name, *rest in zip(*(c.to_pylist() for c in described.columns), strict=True)}
    columns = client.query(f"SELECT table, name, type FROM system.columns WHERE {some.format('table')}")
    for table, name, kind in zip(*(c.to_pylist() for c in columns.columns), strict=True):
        if table in found:
            found[table].columns[name] = kind
    return found


def check_table(table: Table, found: Found | None) -> None:
    """Raise `SchemaMismatch` naming what does not fit; columns beyond ours are left alone, they get their defaults."""
    if found is None:
        raise SchemaMismatch(f"table {table.name} is missing; {_ADVICE}")
    for column in table.all_columns:
        kind = found.columns.get(column.name)
        if kind is None:
            raise SchemaMismatch(f"table {table.name}: column {column.name} ({column.type}) is missing")
        if kind != column.type:
            raise SchemaMismatch(f"table {table.name}: column {column.name} is {kind}, must be {column.type}")
    if "ReplacingMergeTree(" not in found.full_engine or "version, is_deleted)" not in found.full_engine:
        raise SchemaMismatch(
            f"table {table.name}: its engine is {found.full_engine.partition(' ')[0]}, must be ReplacingMergeTree("
            "version, is_deleted) or its replicated form; another one would keep every row that is written twice"
        )
    if found.key.strip("()") != table.key:
        raise SchemaMismatch(f"table {table.name}: its sort key is ({found.key}), must be ({table.key})")
    if found.partition.strip("()") != table.partition.strip("()"):
        raise SchemaMismatch(
            f"table {table.name}: it is partitioned by {found.partition or 'nothing'}, must be by "
            f"{table.partition or 'nothing'}; rows of one key in two partitions would never merge"
        )


def check_view(view: View, found: Found | None) -> None:
    """Raise `SchemaMismatch` naming what its readers would not find."""
    if found is None:
        raise SchemaMismatch(f"view {view.name} is missing; {_ADVICE}")
    if found.engine != "View":
        raise SchemaMismatch(f"view {view.name}: a {found.engine} has its name; {_ADVICE} when that has another")
    for name in view.columns:
        if name not in found.columns:
            raise SchemaMismatch(f"view {view.name}: column {name} is missing; without that view {_ADVICE} anew")
