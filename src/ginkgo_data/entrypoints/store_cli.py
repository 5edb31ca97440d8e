# Upstream: entrypoints.cli
# Downstream: domain.model, entrypoints.{option_values, show_factor_revisions, show_revisions, show_schema}, typer
# Role: The commands of `ginkgo-data` about what is stored: schema, revisions
"""Options in, exit codes out; what the commands do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ginkgo_data.domain.model.codes import canonical_code
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.entrypoints.option_values import window_of

ConfigOption = Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db", help="The database: a folder (embedded engine), chdb://DIR or clickhouse://user@host:8123/name."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

schema_app = typer.Typer(no_args_is_help=True, help="The tables and views of the database, by version.")


def register(app: typer.Typer) -> None:
    """Give `app` the commands."""
    app.command()(revisions)
    app.add_typer(schema_app, name="schema")


def revisions(
    code: Annotated[str, typer.Argument(help="A code such as 000001.SZ (SH600000 is understood too).")],
    start: Annotated[str | None, typer.Option(help="First session, YYYY-MM-DD or YYYYMMDD.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    frequency: Annotated[Frequency, typer.Option(help="Length of a bar.")] = Frequency.DAY,
    adjust: Annotated[Adjust, typer.Option(help="Price adjustment, as stored.")] = Adjust.NONE,
    factors: Annotated[bool, typer.Option("--factors", help="Adjustment factors instead of bars.")] = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what the vendor has corrected or withdrawn: old value, new value, fetched when, and who asked.

    Exit code 1 when no such bar, or factor, was ever stored.
    """
    window = window_of(start, end)
    if factors:
        if (frequency, adjust) != (Frequency.DAY, Adjust.NONE):
            raise typer.BadParameter("adjustment factors have no --frequency and no --adjust", param_hint="--factors")
        from ginkgo_data.entrypoints.show_factor_revisions import show_factor_revisions

        raise typer.Exit(0 if show_factor_revisions(canonical_code(code), *window, as_json, database, config) else 1)
    from ginkgo_data.entrypoints.show_revisions import RevisionQuestion, show_revisions

    question = RevisionQuestion(canonical_code(code), Series(frequency, adjust), *window)
    raise typer.Exit(0 if show_revisions(question, as_json, database, config) else 1)


@schema_app.command("status")
def schema_status(as_json: JsonOption = False, database: DatabaseOption = None, config: ConfigOption = None) -> None:
    """Show which versions are applied, pending, or of a newer release. Nothing is changed."""
    from ginkgo_data.entrypoints import show_schema

    raise typer.Exit(show_schema.schema_status(database, config, as_json))


@schema_app.command("apply")
def schema_apply(as_json: JsonOption = False, database: DatabaseOption = None, config: ConfigOption = None) -> None:
    """Apply what is pending; may be run by several at once, and again."""
    from ginkgo_data.entrypoints import show_schema

    raise typer.Exit(show_schema.schema_apply(database, config, as_json))


@schema_app.command("show")
def schema_show(as_json: JsonOption = False, database: DatabaseOption = None, config: ConfigOption = None) -> None:
    """Print the SQL of tables and views: as they are in the database named, else as this program makes them."""
    from ginkgo_data.entrypoints import show_schema

    raise typer.Exit(show_schema.schema_show(database, config, as_json))
