# Upstream: entrypoints.program
# Downstream: domain.model, entrypoints, ginkgo_data, rich, typer
# Role: The command line `ginkgo-data`: options in, exit codes out
"""``ginkgo-data``.

Exit codes: 0 done; 1 something was not done, and it was said what; 2 wrong use or configuration; 3 not over in time.
"""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ginkgo_data import __version__
from ginkgo_data.domain.model.codes import canonical_code
from ginkgo_data.domain.model.errors import ConfigurationError, GinkgoDataError, MalformedCommand
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.entrypoints import (
    config_cli,
    coverage_cli,
    operator_cli,
    quality_cli,
    session_data_cli,
    store_cli,
    worker_cli,
)
from ginkgo_data.entrypoints.option_values import codes_of, day_of, window_of

app = typer.Typer(
    name="ginkgo-data",
    help="Market-data collection worker of the Ginkgo quant platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db", help="The database: a folder (embedded engine), chdb://DIR or clickhouse://user@host:8123/name."
    ),
]


class OutputFormat(StrEnum):
    """How `bars` prints."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@app.command()
def quickstart(
    source: Annotated[
        Path | None, typer.Option("--from", help="A CSV or Parquet file, a folder of them, or a TDX vipdoc folder.")
    ] = None,
    config: ConfigOption = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Folder of the embedded database; ginkgo-quickstart when left out.")
    ] = None,
    database: DatabaseOption = None,
    codes: Annotated[str | None, typer.Option(help="Codes to collect, separated by commas; all when left out.")] = None,
    start: Annotated[str | None, typer.Option(help="First session, YYYY-MM-DD or YYYYMMDD.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    adjust: Annotated[
        Adjust | None, typer.Option(help="Adjustment of the prices in --from, whatever its name says.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is held; corrected values win.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run the whole flow on an embedded engine: command bytes in, proven bars out, with an account of it."""
    from ginkgo_data.entrypoints.quickstart import QuickstartWish
    from ginkgo_data.entrypoints.show_quickstart import run_quickstart

    wish = QuickstartWish(
        source=source,
        config=config,
        directory=directory,
        database=database,
        codes=codes_of(codes or None),
        start=day_of(start, "--start"),
        end=day_of(end, "--end"),
        adjust=adjust,
        force=force,
    )
    raise typer.Exit(run_quickstart(wish, as_json))


@app.command()
def bars(
    code: Annotated[str, typer.Argument(help="A code such as 000001.SZ (SH600000 is understood too).")],
    start: Annotated[str | None, typer.Option(help="First session, YYYY-MM-DD or YYYYMMDD.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    frequency: Annotated[Frequency, typer.Option(help="Length of a bar.")] = Frequency.DAY,
    adjust: Annotated[Adjust, typer.Option(help="Price adjustment, as stored.")] = Adjust.NONE,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print.")] = OutputFormat.TABLE,
    database: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the stored bars of one code."""
    from ginkgo_data.entrypoints.show_bars import show_bars

    found = show_bars(
        canonical_code(code),
        Series(frequency, adjust),
        *window_of(start, end),
        output.value,
        database,
        config,
    )
    raise typer.Exit(0 if found else 1)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def health(context: typer.Context) -> None:
    """Ask the worker on this host whether it is well: 0 yes, 1 no and why. For a HEALTHCHECK; --help says more."""
    from ginkgo_data.entrypoints import health_cli

    raise typer.Exit(health_cli.main(context.args))


@app.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"ginkgo-data {__version__}\n")


config_cli.register(app)
coverage_cli.register(app)
operator_cli.register(app)
quality_cli.register(app)
session_data_cli.register(app)
store_cli.register(app)
app.add_typer(worker_cli.app)


def main() -> None:
    """Run the command line; errors of ours become one clear message and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # A server that does not answer is said once, in the message of the error it becomes.
    for library in ("urllib3.connectionpool", "clickhouse_connect"):
        logging.getLogger(library).setLevel(logging.ERROR)
    try:
        app()
    except (ConfigurationError, MalformedCommand) as error:
        _complain(error)
        sys.exit(2)
    except GinkgoDataError as error:
        _complain(error)
        sys.exit(1)


def _complain(error: Exception) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]error:[/red] {_plain(str(error))}")


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


if __name__ == "__main__":
    main()
