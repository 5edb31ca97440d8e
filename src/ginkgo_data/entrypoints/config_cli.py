# Upstream: entrypoints.cli
# Downstream: entrypoints.{send, show_config, show_send}, typer
# Role: The commands of `ginkgo-data config`: show, check, init, schema, reload
"""Options in, exit codes out; what the commands do is imported when they run.

Exit codes: 0 well; 2 the configuration has a fault, and it was said which.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

config_app = typer.Typer(no_args_is_help=True, help="The configuration: in force, checked, as a template.")


def register(app: typer.Typer) -> None:
    """Give `app` the commands."""
    app.add_typer(config_app, name="config")


@config_app.command("show")
def config_show(
    origin: Annotated[bool, typer.Option("--origin", help="Where each value came from, too.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print every value in force; secrets as asterisks. JSON always has the origins."""
    from ginkgo_data.entrypoints import show_config

    raise typer.Exit(show_config.show_config(config, origin, as_json))


@config_app.command("check")
def config_check(
    file: Annotated[Path, typer.Argument(help="A data_worker.yml.")],
    as_json: JsonOption = False,
) -> None:
    """Check one file by itself, and list everything that is wrong with it."""
    from ginkgo_data.entrypoints import show_config

    raise typer.Exit(show_config.check_config(file, as_json))


@config_app.command("init")
def config_init(
    file: Annotated[Path | None, typer.Argument(help="data_worker.yml when left out.")] = None,
) -> None:
    """Write a template: every key with its default and its meaning. What is there already stays."""
    from ginkgo_data.entrypoints import show_config

    raise typer.Exit(show_config.init_config(file))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of data_worker.yml, for editors."""
    from ginkgo_data.entrypoints import show_config

    raise typer.Exit(show_config.show_schema())


@config_app.command("reload")
def config_reload(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every worker that is alive has answered.")] = False,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait at most.")] = 120.0,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell every worker to read its configuration again.

    With --wait: 0 every worker has answered, 1 one of them refused what it read, 3 one has not answered in time.
    """
    from ginkgo_data.entrypoints.send import SendWish
    from ginkgo_data.entrypoints.show_send import run_send

    raise typer.Exit(run_send(SendWish("reload", {}, None, None), config, timeout if wait else None, as_json))
