# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.{client, sql, tables}, domain.model.errors, pyarrow
# Role: The versioned schema: apply what is missing, tell what is applied, check that the tables fit
"""Migrations of the native layout.

Every statement of a migration can be repeated without harm (IF NOT EXISTS), so workers that start together
may all apply the same ones, and one that died half-way is finished by the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.adapters.clickhouse.tables import BARS_FINAL, FIRST_TABLES, OUTBOX_TABLES, TABLES, Table
from ginkgo_data.domain.model.errors import SchemaMismatch

_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_versions "
    "(version UInt32, name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) "
    "ENGINE = ReplacingMergeTree ORDER BY version"
)


@dataclass(frozen=True, slots=True)
class Migration:
    """A step of the schema; `statements` are repeatable."""

    version: int
    name: str
    statements: tuple[str, ...]


MIGRATIONS = (
    Migration(
        1,
        "bars, coverage, quality and reference tables",
        (*(table.ddl() for table in FIRST_TABLES), BARS_FINAL),
    ),
    Migration(2, "alerts, and what has been told", tuple(table.ddl() for table in OUTBOX_TABLES)),
)


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Versions of the schema; `unknown` were applied by a newer release than this one."""

    applied: tuple[int, ...]
    pending: tuple[int, ...]
    unknown: tuple[int, ...]


def apply_schema(client: ClickHouseClient) -> tuple[int, ...]:
    """Apply the migrations that are pending, in order, and return their versions. Idempotent.

    Raises `StoreUnavailable` or `SchemaMismatch`; what was applied before stays recorded.
    """
    client.command(_VERSIONS)
    pending = schema_status(client).pending
    for migration in MIGRATIONS:
        if migration.version in pending:
            for statement in migration.statements:
                client.command(statement)
            client.insert(
                "schema_versions",
                pa.table(
                    {
                        "version": pa.array([migration.version], pa.uint32()),
                        "name": pa.array([migration.name], pa.string()),
                    }
                ),
            )
    return pending


def schema_status(client: ClickHouseClient) -> SchemaStatus:
    """Return which versions are applied; in a database without a schema, none."""
    known = {migration.version for migration in MIGRATIONS}
    applied: set[int] = set()
    if "schema_versions" in _engines(client):
        applied = set(client.query("SELECT DISTINCT version FROM schema_versions")["version"].to_pylist())
    return SchemaStatus(
        applied=tuple(sorted(applied & known)),
        pending=tuple(sorted(known - applied)),
        unknown=tuple(sorted(applied - known)),
    )


def check_schema(client: ClickHouseClient) -> None:
    """Raise `SchemaMismatch` naming the first table, column, type or key that is not what this code needs.

    Columns that a table has beyond these are left alone; they get their defaults.
    """
    found = client.query("SELECT table, name, type FROM system.columns WHERE database = currentDatabase()")
    types = {
        (table, name): kind
        for table, name, kind in zip(*(found[c].to_pylist() for c in ("table", "name", "type")), strict=True)
    }
    engines = _engines(client)
    for table in TABLES:
        _check_table(table, engines, types)
    if "bars_final" not in engines:
        raise SchemaMismatch("view bars_final is missing; `ginkgo-data schema apply` creates it")


def _check_table(table: Table, engines: dict[str, tuple[str, str]], types: dict[tuple[str, str], str]) -> None:
    if table.name not in engines:
        raise SchemaMismatch(f"table {table.name} is missing; `ginkgo-data schema apply` creates it")
    for column in table.all_columns:
        kind = types.get((table.name, column.name))
        if kind is None:
            raise SchemaMismatch(f"table {table.name}: column {column.name} ({column.type}) is missing")
        if kind != column.type:
            raise SchemaMismatch(f"table {table.name}: column {column.name} is {kind}, must be {column.type}")
    engine, key = engines[table.name]
    if "ReplacingMergeTree(" not in engine or "version, is_deleted)" not in engine:
        raise SchemaMismatch(
            f"table {table.name}: its engine is {engine.partition(' ')[0]}, must be ReplacingMergeTree(version, "
            "is_deleted) or its replicated form; another one would keep every row that is written twice"
        )
    if key.strip("()") != table.key:
        raise SchemaMismatch(f"table {table.name}: its sort key is ({key}), must be ({table.key})")


def _engines(client: ClickHouseClient) -> dict[str, tuple[str, str]]:
    """Return (engine with its arguments, sort key) per table and view of the database."""
    names = ", ".join(quoted(name) for name in ("schema_versions", "bars_final", *(t.name for t in TABLES)))
    found = client.query(
        "SELECT name, engine_full, sorting_key FROM system.tables "
        f"WHERE database = currentDatabase() AND name IN ({names})"
    )
    rows = zip(*(found[c].to_pylist() for c in ("name", "engine_full", "sorting_key")), strict=True)
    return {name: (engine, key) for name, engine, key in rows}
