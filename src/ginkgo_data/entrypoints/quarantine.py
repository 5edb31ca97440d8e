# Upstream: entrypoints.quality_cli
# Downstream: domain.{model, services}, entrypoints.{database, quarantine_words, refetching, send, show_send}, rich
# Role: `ginkgo-data quarantine`: rejected rows listed, shown, released, fetched again
"""What an operator does with rejected rows. None is ever deleted.

Exit codes: 0 done, 1 some row was not released or could not be asked for again (each is said), 2 wrong use.
"""

from __future__ import annotations

import getpass
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ginkgo_data.domain.model.errors import MalformedCommand
from ginkgo_data.domain.model.quality import Rejects, Release
from ginkgo_data.domain.services.quarantine import Kept, Wanted, kept_rows
from ginkgo_data.domain.services.releasing import Releasing
from ginkgo_data.entrypoints.database import database_settings, opened
from ginkgo_data.entrypoints.quarantine_words import as_json, print_row, print_rows
from ginkgo_data.entrypoints.refetching import refetches
from ginkgo_data.entrypoints.send import SendWish
from ginkgo_data.entrypoints.show_send import run_send


@dataclass(frozen=True, slots=True)
class Place:
    """Which database, and which configuration."""

    database: str | None
    config: Path | None


def list_quarantine(place: Place, wanted: Wanted, last: int | None, json_wanted: bool) -> int:
    """Print the rows that are `wanted`, at most the `last` ones fetched."""
    rows = _read(place, wanted)
    shown = rows if last is None else rows[:last]
    if json_wanted:
        _print_json([as_json(row) for row in shown])
    else:
        print_rows(shown, len(rows))
    return 0


def show_quarantine(place: Place, ids: Sequence[str], json_wanted: bool) -> int:
    """Print everything about the rows with these ids."""
    rows = _read(place, Wanted(ids=tuple(ids)))
    if json_wanted:
        _print_json([as_json(row) for row in rows])
    else:
        for row in rows:
            print_row(row)
    return 0


def release_rows(place: Place, wanted: Wanted, note: str, replace: bool, sure: bool, json_wanted: bool) -> int:
    """Store the rows that are `wanted` after all."""
    console = Console(highlight=False, soft_wrap=True, stderr=json_wanted)
    settings = database_settings(place.database, place.config)
    with opened(settings) as container:
        quality = container.quality_repository()
        rows = _chosen(quality.quarantined(wanted.codes), quality.releases(), wanted)
        fresh = [row for row in rows if row.release is None]
        if not fresh:
            console.print("nothing to release: no such row, or all of them are released")
            return 0
        if not sure and not _confirmed(f"store {len(fresh)} rejected rows as they are?"):
            console.print("nothing was done")
            return 1
        releasing = Releasing(
            quality, container.bar_repository(), container.revision_repository(), container.version_clock()
        )
        outcome = releasing.release(fresh, f"{getpass.getuser()}@{socket.gethostname()}", note, replace)
    refused = [one for one in outcome if one.refused]
    if json_wanted:
        _print_json(
            [{**as_json(one.row), "stored": not one.refused, "refused": one.refused or None} for one in outcome]
        )
    else:
        for one in outcome:
            said = f"[red]kept:[/red] {escape(one.refused)}" if one.refused else "stored, and marked as released"
            console.print(f"{one.row.id}: {said}")
    return 1 if refused else 0


def refetch_rows(place: Place, wanted: Wanted, sure: bool, json_wanted: bool) -> int:
    """Send the commands that fetch the cells of the rows that are `wanted` again."""
    console = Console(highlight=False, soft_wrap=True, stderr=json_wanted)
    plan = refetches(_read(place, wanted))
    for row, why in plan.impossible:
        console.print(f"{row.id}: [red]cannot be asked for:[/red] {escape(why)}")
    if not plan.wishes:
        console.print("nothing to fetch again")
        return 1 if plan.impossible else 0
    for wish in plan.wishes:
        console.print(f"{wish.word} {escape(_options(wish))}")
    if not sure and not _confirmed(f"send {len(plan.wishes)} commands for {plan.rows} rejected rows?"):
        console.print("nothing was done")
        return 1
    worst = max(run_send(wish, place.config, None, json_wanted) for wish in plan.wishes)
    return worst or (1 if plan.impossible else 0)


def _options(wish: SendWish) -> str:
    return " ".join(f"--{name}" + ("" if value is True else f" {value}") for name, value in wish.options.items())


def _read(place: Place, wanted: Wanted) -> list[Kept]:
    settings = database_settings(place.database, place.config)
    with opened(settings) as container:
        quality = container.quality_repository()
        return _chosen(quality.quarantined(wanted.codes), quality.releases(), wanted)


def _chosen(rejects: Rejects, releases: Sequence[Release], wanted: Wanted) -> list[Kept]:
    return kept_rows(rejects, releases, wanted)


def some(wanted: Wanted, everything: bool) -> Wanted:
    """Return `wanted`, which must say something unless `everything` is; else raises `MalformedCommand`."""
    said = bool(wanted.ids or wanted.codes or wanted.rule or wanted.since)
    if said == everything:
        raise MalformedCommand("name rows by id, --codes, --rule or --since, or all of them with --all")
    return wanted


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise MalformedCommand(f"{question} Nobody is there to answer; --yes says so beforehand")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
