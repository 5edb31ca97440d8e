# Upstream: entrypoints.cli
# Downstream: domain.services.quarantine, entrypoints.{option_values, quarantine, show_quality, show_rules}, typer
# Role: The commands of `ginkgo-data` about quality: reports, rules, quarantine
"""Options in, exit codes out; what the commands do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ginkgo_data.entrypoints.option_values import codes_of, day_of

if TYPE_CHECKING:
    from ginkgo_data.domain.services.quarantine import Wanted

ConfigOption = Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db", help="The database: a folder (embedded engine), chdb://DIR or clickhouse://user@host:8123/name."
    ),
]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or their first characters.")]
CodesOption = Annotated[str | None, typer.Option(help="Only rows of these codes, separated by commas.")]
RuleOption = Annotated[str | None, typer.Option(help="Only rows that this rule has rejected.")]
SinceOption = Annotated[str | None, typer.Option(help="Only rows fetched on that day or later, YYYY-MM-DD.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every row in quarantine.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

rules_app = typer.Typer(no_args_is_help=True, help="The rules that data is held against.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Rejected rows: none is ever deleted.")


def register(app: typer.Typer) -> None:
    """Give `app` the commands."""
    app.command()(quality)
    app.add_typer(rules_app, name="rules")
    app.add_typer(quarantine_app, name="quarantine")


def quality(
    last: Annotated[int | None, typer.Option(min=1, help="The newest so many reports; 20 when left out.")] = None,
    since: Annotated[str | None, typer.Option(help="Reports made on that day or later, YYYY-MM-DD.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", dir_okay=False, help="Write a page with trends into this file.")
    ] = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the history of quality reports: what was held and missing, what rules found, which codes lack most.

    Exit code 1 when there is no report.
    """
    from ginkgo_data.entrypoints.show_quality import QualityQuestion, show_quality

    question = QualityQuestion(last, day_of(since, "--since"), html, as_json)
    raise typer.Exit(0 if show_quality(question, database, config) else 1)


@rules_app.command("list")
def rules_list(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every rule: what it means, whether it rejects or flags, its numbers; as the configuration has it."""
    from ginkgo_data.entrypoints.show_rules import list_rules

    list_rules(config, as_json)


@quarantine_app.command("list")
def quarantine_list(
    codes: CodesOption = None,
    rule: RuleOption = None,
    since: SinceOption = None,
    last: Annotated[int, typer.Option(min=1, help="At most so many, those fetched last first.")] = 50,
    pending: Annotated[bool, typer.Option("--pending", help="Leave out what is released.")] = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """List rejected rows: whose they are, which rule rejected them, what was found, and where it came from."""
    from ginkgo_data.entrypoints.quarantine import Place, list_quarantine

    wanted = _wanted(None, codes, rule, since, released=False if pending else None)
    raise typer.Exit(list_quarantine(Place(database, config), wanted, last, as_json))


@quarantine_app.command("show")
def quarantine_show(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or their first characters.")],
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Show everything about rejected rows, their content included."""
    from ginkgo_data.entrypoints.quarantine import Place, show_quarantine

    raise typer.Exit(show_quarantine(Place(database, config), ids, as_json))


@quarantine_app.command("release")
def quarantine_release(
    ids: IdsArgument = None,
    codes: CodesOption = None,
    rule: RuleOption = None,
    since: SinceOption = None,
    everything: AllOption = False,
    note: Annotated[str, typer.Option(help="Why they are right; kept with the release.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is held; it is kept as a revision.")] = False,
    sure: YesOption = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Store rejected bars as they are, their source marked with +released. Quarantine keeps the rows.

    Exit code 1 when a row was not stored; it is said why.
    """
    from ginkgo_data.entrypoints.quarantine import Place, release_rows, some

    wanted = some(_wanted(ids, codes, rule, since), everything)
    raise typer.Exit(release_rows(Place(database, config), wanted, note, replace, sure, as_json))


@quarantine_app.command("refetch")
def quarantine_refetch(
    ids: IdsArgument = None,
    codes: CodesOption = None,
    rule: RuleOption = None,
    since: SinceOption = None,
    everything: AllOption = False,
    sure: YesOption = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Send the commands that fetch the cells of rejected rows again, from the vendor, overwriting what differs."""
    from ginkgo_data.entrypoints.quarantine import Place, refetch_rows, some

    wanted = some(_wanted(ids, codes, rule, since, released=False), everything)
    raise typer.Exit(refetch_rows(Place(database, config), wanted, sure, as_json))


def _wanted(
    ids: list[str] | None, codes: str | None, rule: str | None, since: str | None, released: bool | None = None
) -> Wanted:
    from ginkgo_data.domain.services.quarantine import Wanted

    named = codes_of(codes)
    return Wanted(tuple(ids or ()), named, rule, day_of(since, "--since"), released)
