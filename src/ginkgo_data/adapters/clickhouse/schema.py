# Upstream: entrypoints.{doctor, opening, show_schema}
# Downstream: adapters.clickhouse.{client, sql, tables, views}, domain.model.errors, pyarrow
# Role: The versioned schema: apply what is missing, tell what is applied, check that the tables fit
"""Migrations of the native layout.

Every statement of a migration can be repeated without harm (IF NOT EXISTS), so workers that start together
may all apply the same ones, and one that died half-way is finished by the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.adapters.clickhouse.tables import (
    FIRST_TABLES,
    OUTBOX_TABLES,
    RELEASE_TABLES,
    REVISION_TABLES,
    TABLES,
    TICK_TABLES,
    Table,
)
from ginkgo_data.adapters.clickhouse.views import ADJUSTED_VIEWS, FIRST_VIEWS, TICK_VIEWS, VIEWS
from ginkgo_data.domain.model.errors import SchemaMismatch

_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_versions "
    "(version UInt32, name SimpleAggregateFunction(any, String), "
    "applied_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT now64(3)) "
    "ENGINE = AggregatingMergeTree ORDER BY version"
)
"""Of a version that several workers applied at once, merging keeps the first time."""


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
        tuple(part.ddl() for part in (*FIRST_TABLES, *FIRST_VIEWS)),
    ),
    Migration(2, "alerts, and what has been told", tuple(table.ddl() for table in OUTBOX_TABLES)),
    Migration(
        3,
        "revisions, adjustment factors, adjusted bars",
        tuple(part.ddl() for part in (*REVISION_TABLES, *ADJUSTED_VIEWS)),
    ),
    Migration(4, "ticks", tuple(part.ddl() for part in (*TICK_TABLES, *TICK_VIEWS))),
    Migration(5, "releases from quarantine", tuple(table.ddl() for table in RELEASE_TABLES)),
)


STATES = ("applied", "pending", "unknown")


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """A version of the schema, one of `STATES`; an unknown one was applied by a newer release than this one."""

    version: int
    name: str
    state: str
    applied_at: datetime | None = None
    """When it was first applied, in UTC."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Versions of the schema; `unknown` were applied by a newer release than this one."""

    applied: tuple[int, ...]
    pending: tuple[int, ...]
    unknown: tuple[int, ...]


def apply_schema(client: ClickHouseClient) -> tuple[int, ...]:
    """Apply the migrations that are pending, in order, and return their versions. Idempotent.

    Raises `StoreUnavailable`, or `SchemaMismatch`, also for a database newer than this release (nothing is changed
    then); what was applied before stays recorded.
    """
    status = schema_status(client)
    _refuse_newer(status.unknown)
    client.command(_VERSIONS)
    pending = status.pending
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
    lines = schema_history(client)
    return SchemaStatus(*(tuple(line.version for line in lines if line.state == state) for state in STATES))


def schema_history(client: ClickHouseClient) -> tuple[SchemaVersion, ...]:
    """Return every version that this release knows or the database has, ascending, with name, state and time."""
    known = {migration.version: migration.name for migration in MIGRATIONS}
    found: dict[int, tuple[str, datetime]] = {}
    if "schema_versions" in _engines(client):
        rows = client.query(
            "SELECT version, any(name) AS name, min(applied_at) AS at FROM schema_versions GROUP BY version"
        )
        columns = (rows[name].to_pylist() for name in ("version", "name", "at"))
        found = {version: (name, at) for version, name, at in zip(*columns, strict=True)}
    applied, pending, unknown = STATES
    lines = []
    for version in sorted({*known, *found}):
        state = unknown if version not in known else applied if version in found else pending
        name, at = found.get(version, (known.get(version, ""), None))
        lines.append(SchemaVersion(version, known.get(version, name), state, at))
    return tuple(lines)


def schema_statements(client: ClickHouseClient | None = None) -> tuple[tuple[str, str], ...]:
    """Return (name, DDL) of the tables and views: as this release makes them, or as they are in a database."""
    parts = (*TABLES, *VIEWS)
    if client is None:
        return (("schema_versions", _VERSIONS), *((part.name, part.ddl()) for part in parts))
    names = ", ".join(quoted(name) for name in ("schema_versions", *(part.name for part in parts)))
    found = client.query(
        "SELECT name, create_table_query AS ddl FROM system.tables "
        f"WHERE database = currentDatabase() AND name IN ({names}) ORDER BY engine = 'View', name"
    )
    return tuple(zip(found["name"].to_pylist(), found["ddl"].to_pylist(), strict=True))


def check_schema(client: ClickHouseClient) -> None:
    """Raise `SchemaMismatch` naming the first table, column, type or key that is not what this code needs.

    A database newer than this release is refused by the versions that are not known here. Columns that a table has
    beyond these are left alone; they get their defaults.
    """
    _refuse_newer(schema_status(client).unknown)
    found = client.query("SELECT table, name, type FROM system.columns WHERE database = currentDatabase()")
    types = {
        (table, name): kind
        for table, name, kind in zip(*(found[c].to_pylist() for c in ("table", "name", "type")), strict=True)
    }
    engines = _engines(client)
    for table in TABLES:
        _check_table(table, engines, types)
    for view in VIEWS:
        if view.name not in engines:
            raise SchemaMismatch(f"view {view.name} is missing; `ginkgo-data schema apply` creates it")


def _refuse_newer(unknown: tuple[int, ...]) -> None:
    if unknown:
        versions = ", ".join(str(version) for version in unknown)
        raise SchemaMismatch(
            f"the database has schema version {versions}, and this release knows {MIGRATIONS[-1].version} at most: "
            "a newer release has been here; use that one. Nothing was changed"
        )


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
    names = ", ".join(quoted(name) for name in ("schema_versions", *(part.name for part in (*TABLES, *VIEWS))))
    found = client.query(
        "SELECT name, engine_full, sorting_key FROM system.tables "
        f"WHERE database = currentDatabase() AND name IN ({names})"
    )
    rows = zip(*(found[c].to_pylist() for c in ("name", "engine_full", "sorting_key")), strict=True)
    return {name: (engine, key) for name, engine, key in rows}
