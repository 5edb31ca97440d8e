# Upstream: entrypoints.quarantine
# Downstream: domain.services.{quarantine, rules}, rich
# Role: Rejected rows on the terminal and as JSON: a table of all, everything about one
"""How rejected rows look."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ginkgo_data.domain.services.quarantine import Kept
from ginkgo_data.domain.services.rules import DEFAULT_RULES

_SHORT_ID = 8
_LONGEST = 60


def as_json(row: Kept) -> dict[str, object]:
    """Return everything about a row."""
    release = row.release
    return {
        "id": row.id,
        "code": row.code,
        "frequency": row.frequency,
        "adjust": row.adjust,
        "timestamp": row.timestamp.isoformat() if row.timestamp else None,
        "rule": row.rule,
        "field": row.field,
        "value": row.value,
        "place": row.place,
        "source": row.source,
        "fetched_at": row.fetched_at.isoformat() if row.fetched_at else None,
        "row": _content(row),
        "released": None if release is None else {"by": release.by, "note": release.note},
    }


def _content(row: Kept) -> object:
    try:
        return json.loads(row.row) if row.row else None
    except ValueError:
        return row.row


def print_rows(rows: Sequence[Kept], total: int, console: Console | None = None) -> None:
    """Print a line for each of `rows`, the first ones of `total`."""
    console = console or Console(highlight=False)
    if not rows:
        console.print("nothing is in quarantine, or nothing of what was asked for")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("id", "fetched", "code", "bar", "series", "rule"):
        table.add_column(name, no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_row(
            row.id[:_SHORT_ID],
            f"{row.fetched_at:%Y-%m-%d %H:%M}" if row.fetched_at else "",
            escape(row.code or "?"),
            _time(row),
            f"{row.frequency}/{row.adjust}" if row.adjust else row.frequency,
            escape(row.rule),
            escape(_found(row)),
            "released" if row.release else "",
        )
    console.print(table)
    more = f" of {total:,}; --last {total} shows all" if total > len(rows) else ""
    console.print(f"{len(rows):,} rejected rows{more}", markup=False)


def print_row(row: Kept, console: Console | None = None) -> None:
    """Print everything about one row."""
    console = console or Console(highlight=False, soft_wrap=True)
    rule = DEFAULT_RULES.get(row.rule)
    lines = {
        "code": row.code or "none that could be read",
        "bar": f"{_time(row) or 'no time that could be read'}, {row.frequency} {row.adjust}".rstrip(),
        "rule": f"{row.rule}: {rule.meaning}" if rule else row.rule,
        "found": _found(row, None),
        "place": row.place or "",
        "source": row.source or "",
        "fetched": f"{row.fetched_at:%Y-%m-%d %H:%M:%S%z}" if row.fetched_at else "",
        "row": row.row or "",
    }
    if row.release:
        note = f": {row.release.note}" if row.release.note else ""
        lines["released"] = f"by {row.release.by}{note}"
    console.print(f"[bold]{row.id}[/bold]")
    for name, text in lines.items():
        if text:
            console.print(f"  {name:<9}{escape(text)}")


def _time(row: Kept) -> str:
    if row.timestamp is None:
        return ""
    midnight = row.timestamp.hour == row.timestamp.minute == row.timestamp.second == 0
    return f"{row.timestamp:%Y-%m-%d}" if midnight else f"{row.timestamp:%Y-%m-%d %H:%M}"


def _found(row: Kept, longest: int | None = _LONGEST) -> str:
    text = " ".join(filter(None, (row.field, row.value)))
    return text if longest is None or len(text) <= longest else text[: longest - 1] + "…"
