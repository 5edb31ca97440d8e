# Upstream: entrypoints.store_cli
# Downstream: domain.model.{bars, revisions, series}, entrypoints.{database, fetch_moments, show_bars}, pyarrow, rich
# Role: `ginkgo-data revisions`: what a vendor has corrected or withdrawn, as a table or JSON
"""The history of stored bars: one line per value that changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.revisions import VALUES, Revisions
from ginkgo_data.domain.model.series import Frequency, Series
from ginkgo_data.entrypoints.database import database_settings, opened
from ginkgo_data.entrypoints.fetch_moments import fetched_at
from ginkgo_data.entrypoints.show_bars import decimals


@dataclass(frozen=True, slots=True)
class RevisionQuestion:
    """Whose history over which sessions."""

    code: str
    series: Series
    first: date
    last: date


def show_revisions(question: RevisionQuestion, as_json: bool, database: str | None, config: Path | None) -> bool:
    """Print the revisions of a code, oldest change of each bar first; a history without any says so.

    Return whether there is a revision, or else a bar that none is of. Raises `ConfigurationError` where no database is
    named, `StoreUnavailable` where it does not answer.
    """
    settings = database_settings(database, config)
    asked = ([question.code], question.series, question.first, question.last)
    with opened(settings) as container:
        found = container.revision_repository().revisions(*asked)
        known = bool(len(found) or container.bar_repository().begun(*asked))
    if as_json:
        told = {
            "code": question.code,
            "frequency": question.series.frequency.value,
            "adjust": question.series.adjust.value,
            "revisions": [_object(row) for row in _rows(found)],
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n")
    elif len(found):
        _table(question, found)
    elif known:
        sys.stdout.write(
            f"no {question.series} bar of {question.code} {_span(question)} has been corrected or withdrawn since it "
            "was stored\n"
        )
    else:
        place = settings.clickhouse.url
        sys.stderr.write(f"no {question.series} bars of {question.code} {_span(question)} in {place}\n")
    return known


def _span(question: RevisionQuestion) -> str:
    return f"between {question.first} and {question.last}"


@dataclass(frozen=True, slots=True)
class _Row:
    """A revision; `changes` are (field, old, new) of what differs, as plain decimals, None where there is no value."""

    session: date
    timestamp: datetime
    withdrawn: bool
    changes: tuple[tuple[str, str | None, str | None], ...]
    old_fetched: datetime | None
    """None: another program stored it, which did not say when it fetched it."""
    fetched: datetime
    old_source: str
    source: str
    request: str


def _rows(found: Revisions) -> Iterator[_Row]:
    """Yield the revisions as values: these are few, and for people."""
    table = found.table
    texts = {name: _texts(table[name]) for age in ("old", "new") for name in (f"{age}_{value}" for value in VALUES)}
    plain = table.select(
        ["session", "timestamp", "withdrawn", "old_version", "version", "old_source", "source", "request"]
    )
    for place, row in enumerate(plain.to_pylist()):
        pairs = [(name, texts[f"old_{name}"][place], texts[f"new_{name}"][place]) for name in VALUES]
        yield _Row(
            session=row["session"],
            timestamp=row["timestamp"],
            withdrawn=row["withdrawn"],
            changes=tuple(pair for pair in pairs if pair[1] != pair[2]),
            old_fetched=fetched_at(row["old_version"]) if row["old_version"] else None,
            fetched=fetched_at(row["version"]),
            old_source=row["old_source"],
            source=row["source"],
            request=row["request"],
        )


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    texts: list[str | None] = decimals(column).to_pylist()
    return texts


def _object(row: _Row) -> dict[str, object]:
    return {
        "session": row.session.isoformat(),
        "timestamp": row.timestamp.isoformat(),
        "withdrawn": row.withdrawn,
        "changes": {name: {"old": _number(old), "new": _number(new)} for name, old, new in row.changes},
        "old_fetched_at": row.old_fetched.isoformat() if row.old_fetched else None,
        "fetched_at": row.fetched.isoformat(),
        "old_source": row.old_source,
        "source": row.source,
        "request": row.request,
    }


def _number(text: str | None) -> float | int | None:
    if text is None:
        return None
    return float(text) if "." in text else int(text)


def _table(question: RevisionQuestion, found: Revisions) -> None:
    daily = question.series.frequency is Frequency.DAY
    shown = Table(box=None, header_style="bold")
    for title in ("session" if daily else "timestamp", "field", "old", "new", "fetched", "fetched again", "request"):
        shown.add_column(title, justify="right" if title in ("old", "new") else "left", overflow="fold")
    withdrawn = 0
    for row in _rows(found):
        bar = row.session.isoformat() if daily else f"{row.timestamp:%Y-%m-%d %H:%M}"
        lines = row.changes
        if row.withdrawn:
            withdrawn += 1
            close = next(old for name, old, _ in row.changes if name == "close")
            lines = (("(close)", close, "withdrawn"),)
        for place, (name, old, new) in enumerate(lines):
            before = f"{row.old_fetched:%Y-%m-%d %H:%M:%S}" if row.old_fetched else "not known"
            told = (bar, before, f"{row.fetched:%Y-%m-%d %H:%M:%S}", row.request)
            first, *times = told if place == 0 else ("", "", "", "")
            shown.add_row(first, name, old or "none", new or "none", *(escape(text) for text in times))
    console = Console(highlight=False)
    head = f"{question.code} {question.series.frequency.value} adjust={question.series.adjust.value}"
    corrected = len(found) - withdrawn
    console.print(f"[bold]{head}[/bold]  {corrected:,} bars corrected, {withdrawn:,} withdrawn by the vendor")
    console.print(shown)
    console.print(f"prices and amount in CNY, volume in shares; times of {EXCHANGE_ZONE}")
