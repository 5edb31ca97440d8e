# Upstream: entrypoints.cli
# Downstream: domain.model.codes, entrypoints.{option_values, show_session_data}, typer
# Role: The commands `ginkgo-data factors` and `ginkgo-data ticks`: options in, exit codes out
"""Exit codes: 0 printed; 1 nothing is stored, or it could not be read; 2 wrong use or configuration."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ginkgo_data.domain.model.codes import canonical_code
from ginkgo_data.entrypoints.option_values import day_of, window_of

CodeArgument = Annotated[str, typer.Argument(help="A code such as 000001.SZ (SH600000 is understood too).")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db", help="The database: a folder (embedded engine), chdb://DIR or clickhouse://user@host:8123/name."
    ),
]


class RowFormat(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


FormatOption = Annotated[RowFormat, typer.Option("--format", help="How to print.")]


def register(app: typer.Typer) -> None:
    """Give `app` the commands."""
    app.command()(factors)
    app.command()(ticks)


def factors(
    code: CodeArgument,
    start: Annotated[str | None, typer.Option(help="First session, YYYY-MM-DD or YYYYMMDD.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    output: FormatOption = RowFormat.TABLE,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the stored adjustment factors of one code, with what raw prices are multiplied by."""
    from ginkgo_data.entrypoints.show_session_data import show_factors

    found = show_factors(canonical_code(code), *window_of(start, end), output.value, database, config)
    raise typer.Exit(0 if found else 1)


def ticks(
    code: CodeArgument,
    session: Annotated[str, typer.Option(help="The session, YYYY-MM-DD or YYYYMMDD.")],
    output: FormatOption = RowFormat.TABLE,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the stored ticks of one code on one session, in the vendor's order."""
    from ginkgo_data.entrypoints.show_session_data import show_ticks

    day = day_of(session, "--session") or date.min
    found = show_ticks(canonical_code(code), day, output.value, database, config)
    raise typer.Exit(0 if found else 1)
