# Upstream: entrypoints.store_cli
# Downstream: domain.model.{bars, factor_revisions}, entrypoints.{database, fetch_moments}, rich
# Role: `ginkgo-data revisions --factors`: which adjustment factors a vendor has corrected, as a table or JSON
"""The history of stored adjustment factors: one line per factor that changed."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.factor_revisions import FactorRevisions
from ginkgo_data.entrypoints.database import database_settings, opened
from ginkgo_data.entrypoints.fetch_moments import fetched_at


def show_factor_revisions(
    code: str, first: date, last: date, as_json: bool, database: str | None, config: Path | None
) -> bool:
    """Print the corrected factors of `code`, by session, oldest change first; a history without any says so.

    Return whether there is one, or else a stored factor. Raises `ConfigurationError` where no database is named,
    `StoreUnavailable` where it does not answer.
    """
    settings = database_settings(database, config)
    with opened(settings) as container:
        found = container.factor_revision_repository().revisions([code], first, last)
        known = bool(len(found) or container.adjustment_repository().held([code], first, last))
    span = f"between {first} and {last}"
    if as_json:
        told = {"code": code, "dataset": "adj_factor", "revisions": [_object(row) for row in found.table.to_pylist()]}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n")
    elif len(found):
        _table(code, found)
    elif known:
        sys.stdout.write(f"no adjustment factor of {code} {span} has been corrected since it was stored\n")
    else:
        sys.stderr.write(f"no adjustment factors of {code} {span} in {settings.clickhouse.url}\n")
    return known


def _object(row: dict[str, Any]) -> dict[str, object]:
    return {
        "session": str(row["session"]),
        "changes": {"factor": {"old": row["old_factor"], "new": row["new_factor"]}},
        "old_fetched_at": fetched_at(row["old_version"]).isoformat() if row["old_version"] else None,
        "fetched_at": fetched_at(row["version"]).isoformat(),
        "old_source": row["old_source"],
        "source": row["source"],
        "request": row["request"],
    }


def _table(code: str, found: FactorRevisions) -> None:
    shown = Table(box=None, header_style="bold")
    for title in ("session", "old", "new", "fetched", "fetched again", "request"):
        shown.add_column(title, justify="right" if title in ("old", "new") else "left", overflow="fold")
    for row in found.table.to_pylist():
        versions = (row["old_version"], row["version"])
        told = (f"{fetched_at(version):%Y-%m-%d %H:%M:%S}" if version else "not known" for version in versions)
        shown.add_row(
            str(row["session"]), repr(row["old_factor"]), repr(row["new_factor"]), *told, escape(row["request"])
        )
    console = Console(highlight=False)
    console.print(f"[bold]{code} adjustment factors[/bold]  {len(found):,} corrected by the vendor")
    console.print(shown)
    console.print(f"hfq = raw x factor, qfq = raw x factor / newest factor; times of {EXCHANGE_ZONE}")
