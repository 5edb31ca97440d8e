# Upstream: entrypoints.store_cli
# Downstream: adapters.clickhouse, domain.model.errors, entrypoints.database, rich
# Role: `ginkgo-data schema`: versions of the database told, applied, and shown as SQL
"""With `clickhouse.layout: ginkgo` in the configuration, Ginkgo's own tables are made, checked and shown, too.

Exit codes: 0 done; 1 the database is newer than this program, does not fit or does not answer; 2 wrong use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_schema import check_ginkgo_tables, ensure_ginkgo_tables
from ginkgo_data.adapters.clickhouse.schema import (
    SchemaVersion,
    apply_schema,
    check_schema,
    schema_history,
    schema_statements,
)
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.entrypoints.database import database_settings

_STYLES = {"applied": "green", "pending": "yellow", "unknown": "red"}


def schema_status(database: str | None, config: Path | None, as_json: bool) -> int:
    """Show the versions; nothing is changed. Return 1 for a database newer than this program, or that does not fit.

    Raises `ConfigurationError` where there is no database.
    """
    with _client(database, config) as (client, place):
        lines = schema_history(client)
        fault = _newer(lines) or _misfit(client, place, lines)
    _show(lines, place.url, as_json, ())
    if fault:
        sys.stderr.write(f"error: {fault}\n")
    return 1 if fault else 0


def schema_apply(database: str | None, config: Path | None, as_json: bool) -> int:
    """Apply what is pending, check that every table fits, and show the versions.

    Raises `SchemaMismatch` for a database newer than this program (nothing is changed then), and for a table
    that does not fit.
    """
    with _client(database, config, may_be_new=True) as (client, place):
        done = apply_schema(client)
        check_schema(client)
        if place.layout == "ginkgo":
            ensure_ginkgo_tables(client)
        lines = schema_history(client)
    _show(lines, place.url, as_json, done)
    return 0


def schema_show(database: str | None, config: Path | None, as_json: bool) -> int:
    """Print the DDL: of the database where one is named, else as this program makes it."""
    if database or config:
        with _client(database, config) as (client, place):
            statements = schema_statements(client, ("bar", "adjustfactor") if place.layout == "ginkgo" else ())
    else:
        statements = schema_statements()
    if as_json:
        sys.stdout.write(json.dumps(dict(statements), ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n\n".join(f"{ddl};" for _, ddl in statements) + "\n")
    return 0


@contextmanager
def _client(
    database: str | None, config: Path | None, *, may_be_new: bool = False
) -> Iterator[tuple[ClickHouseClient, ClickHouseConfig]]:
    place = database_settings(database, config, may_be_new=may_be_new).clickhouse
    client = open_client(place, create=may_be_new)
    try:
        yield client, place
    finally:
        client.close()


def _newer(lines: Sequence[SchemaVersion]) -> str:
    unknown = [str(line.version) for line in lines if line.state == "unknown"]
    if not unknown:
        return ""
    return (
        f"the database has schema version {', '.join(unknown)}, which this program does not know: a newer release has "
        "been here; use that one"
    )


def _misfit(client: ClickHouseClient, place: ClickHouseConfig, lines: Sequence[SchemaVersion]) -> str:
    """Return what does not fit of a schema of which nothing is pending."""
    if any(line.state == "pending" for line in lines):
        return ""
    try:
        check_schema(client)
        if place.layout == "ginkgo":
            check_ginkgo_tables(client)
    except SchemaMismatch as error:
        return str(error)
    return ""


def _show(lines: Sequence[SchemaVersion], place: str, as_json: bool, done: Sequence[int]) -> None:
    if as_json:
        versions = [
            {
                "version": line.version,
                "name": line.name,
                "state": line.state,
                "applied_at": line.applied_at.isoformat() if line.applied_at else None,
            }
            for line in lines
        ]
        told = {"database": place, "versions": versions, "applied_now": list(done)}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return
    table = Table(box=None, header_style="bold")
    for title in ("version", "state", "applied at (UTC)", "name"):
        table.add_column(title)
    for line in lines:
        at = line.applied_at.strftime("%Y-%m-%d %H:%M:%S") if line.applied_at else ""
        table.add_row(str(line.version), f"[{_STYLES[line.state]}]{line.state}[/]", at, escape(line.name))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]schema[/bold] of {escape(place)}")
    console.print(table)
    pending = [line for line in lines if line.state == "pending"]
    if pending:
        console.print("`ginkgo-data schema apply` applies what is pending; so does a worker when it starts")
    elif done:
        console.print(f"applied now: {', '.join(str(version) for version in done)}")
