# Upstream: entrypoints.{doctor, opening, show_schema}
# Downstream: adapters.clickhouse.{client, schema_fit, sql, tables, views}, domain.model.errors, pyarrow
# Role: The versioned schema: apply what is missing, tell what is applied, check that the tables fit
"""Migrations of the native layout.

Every statement of a migration can be repeated without harm (IF NOT EXISTS), so workers that start together
may all apply the same ones, and one that died half-way is finished by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.schema_fit import check_table, check_view, found_in
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.adapters.clickhouse.tables import (
    FACTOR_REVISION_TABLES,
    FIRST_TABLES,
    OUTBOX_TABLES,
    RELEASE_TABLES,
    REVISION_TABLES,
    TABLES,
    TICK_TABLES,
    Table,
)
from ginkgo_data.adapters.clickhouse.views import ADJUSTED_VIEWS, FIRST_VIEWS, TICK_VIEWS, VIEWS, View
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
    """A step of the schema: what it makes, by statements that can be repeated."""

    version: int
    name: str
    tables: tuple[Table, ...]
    views: tuple[View, ...] = ()

    @property
    def statements(self) -> tuple[str, ...]:
        """Its statements, in order."""
        return (*(table.ddl() for table in self.tables), *(view.ddl() for view in self.views))


MIGRATIONS = (
    Migration(1, "bars, coverage, quality and reference tables", FIRST_TABLES, FIRST_VIEWS),
    Migration(2, "alerts, and what has been told", OUTBOX_TABLES),
    Migration(3, "revisions, adjustment factors, adjusted bars", REVISION_TABLES, ADJUSTED_VIEWS),
    Migration(4, "ticks", TICK_TABLES, TICK_VIEWS),
    Migration(5, "releases from quarantine", RELEASE_TABLES),
    Migration(6, "revisions of adjustment factors", FACTOR_REVISION_TABLES),
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

    Where none is, nothing is sent that changes anything: the user need not be allowed to. Raises `StoreUnavailable`, or
    `SchemaMismatch` for a database newer than this release and for tables and views that another program has made under
    the names of ours (nothing is changed then); what was applied before stays recorded.
    """
    status = schema_status(client)
    _refuse_newer(status.unknown)
    pending = [migration for migration in MIGRATIONS if migration.version in status.pending]
    if not pending:
        return ()
    _refuse_misfits(client, pending)
    client.command(_VERSIONS)
    for migration in pending:
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
    return status.pending


def schema_status(client: ClickHouseClient) -> SchemaStatus:
    """Return which versions are applied; in a database without a schema, none."""
    lines = schema_history(client)
    return SchemaStatus(*(tuple(line.version for line in lines if line.state == state) for state in STATES))


def schema_history(client: ClickHouseClient) -> tuple[SchemaVersion, ...]:
    """Return every version that this release knows or the database has, ascending, with name, state and time."""
    known = {migration.version: migration.name for migration in MIGRATIONS}
    found: dict[int, tuple[str, datetime]] = {}
    if found_in(client, ["schema_versions"]):
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


def schema_statements(
    client: ClickHouseClient | None = None, beside: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return (name, DDL) of the tables and views: as this release makes them, or as they are in a database.

    Of a database, the tables named `beside` ours are among them where they exist.
    """
    parts = (*TABLES, *VIEWS)
    if client is None:
        return (("schema_versions", _VERSIONS), *((part.name, part.ddl()) for part in parts))
    names = ", ".join(quoted(name) for name in ("schema_versions", *(part.name for part in parts), *beside))
    found = client.query(
        "SELECT name, create_table_query AS ddl FROM system.tables "
        f"WHERE database = currentDatabase() AND name IN ({names}) ORDER BY engine = 'View', name"
    )
    return tuple(zip(found["name"].to_pylist(), found["ddl"].to_pylist(), strict=True))


def check_schema(client: ClickHouseClient) -> None:
    """Raise `SchemaMismatch` naming the first table, column, type, key or partition that is not what this code needs.

    A database newer than this release is refused by the versions that are not known here. Columns that a table has
    beyond these are left alone; they get their defaults.
    """
    _refuse_newer(schema_status(client).unknown)
    found = found_in(client, (part.name for part in (*TABLES, *VIEWS)))
    for table in TABLES:
        check_table(table, found.get(table.name))
    for view in VIEWS:
        check_view(view, found.get(view.name))


def _refuse_misfits(client: ClickHouseClient, pending: Sequence[Migration]) -> None:
    """Check what `pending` would make and is there already: of a worker that died half-way, or of another program."""
    tables = [table for migration in pending for table in migration.tables]
    views = [view for migration in pending for view in migration.views]
    found = found_in(client, [*(table.name for table in tables), *(view.name for view in views)])
    for table in tables:
        if table.name in found:
            check_table(table, found[table.name])
    for view in views:
        if view.name in found:
            check_view(view, found[view.name])


def _refuse_newer(unknown: tuple[int, ...]) -> None:
    if unknown:
        versions = ", ".join(str(version) for version in unknown)
        raise SchemaMismatch(
            f"the database has schema version {versions}, and this release knows {MIGRATIONS[-1].version} at most: "
            "a newer release has been here; use that one. Nothing was changed"
        )
