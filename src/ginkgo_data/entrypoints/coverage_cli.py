# Upstream: entrypoints.cli
# Downstream: domain.model, domain.services.coverage_reading, entrypoints.{option_values, show_coverage}, typer
# Role: The command `ginkgo-data coverage`: options in, exit codes out
"""Exit codes: 0 complete; 1 something is unexplained, or could not be read; 2 wrong use or configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ginkgo_data.domain.model.codes import canonical_code
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.entrypoints.option_values import codes_of, day_of


def register(app: typer.Typer) -> None:
    """Give `app` the command."""
    app.command()(coverage)


def coverage(
    codes: Annotated[
        str | None, typer.Option(help="Codes separated by commas; all securities of the store when left out.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First session, YYYY-MM-DD or YYYYMMDD; a year before --end when left out.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Last session; the newest closed one when left out.")] = None,
    frequency: Annotated[Frequency, typer.Option(help="Length of a bar.")] = Frequency.DAY,
    adjust: Annotated[Adjust, typer.Option(help="Price adjustment, as stored.")] = Adjust.NONE,
    html: Annotated[
        Path | None, typer.Option("--html", dir_okay=False, help="Write a page with a heat map into this file.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every code, not the 20 worst.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    database: Annotated[
        str | None,
        typer.Option(
            "--db", help="The database: a folder (embedded engine), chdb://DIR or clickhouse://user@host:8123/name."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")] = None,
) -> None:
    """Show which due sessions are held, which are absent with a reason, and which nobody explains.

    No vendor is asked. Exit code 0 when nothing is unexplained, 1 when something is.
    """
    from ginkgo_data.domain.services.coverage_reading import CoverageQuestion
    from ginkgo_data.entrypoints.show_coverage import CoverageOutput, show_coverage

    question = CoverageQuestion(
        codes_of(codes), Series(frequency, adjust), day_of(start, "--start"), day_of(end, "--end")
    )
    complete = show_coverage(question, CoverageOutput(html, everything, as_json), database, config)
    raise typer.Exit(0 if complete else 1)


def _codes(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(dict.fromkeys(canonical_code(code) for code in text.split(",")))
