# Upstream: ginkgo_data
# Downstream: entrypoints.worker_cli, typer
# Role: The sub-app that Ginkgo's command line mounts: ginkgo worker start --data
"""``ginkgo worker start --data``.

A host mounts it once::

    app.add_typer(ginkgo_data.worker_app, name="worker")     # ginkgo worker start --data
    worker_cli.app.add_typer(ginkgo_data.worker_app)          # beside the commands of a `worker` that is there already

What runs is the process that ``ginkgo-data worker start`` runs: signals, reload, health page and exit codes are
its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ginkgo_data.entrypoints import worker_cli

app = typer.Typer(
    help="Worker management.", no_args_is_help=True, add_completion=False
)  # its name is the host's affair


@app.command()
def start(
    data: Annotated[bool, typer.Option("--data", help="A data worker: the only kind there is here.")] = False,
    debug: Annotated[bool, typer.Option("--debug", "-d", help="Log everything.")] = False,
    group_id: Annotated[str | None, typer.Option("--group-id", help="Consumer group.")] = None,
    auto_offset: Annotated[
        str | None,
        typer.Option("--auto-offset", help="Where a new group begins.", metavar="earliest|latest"),
    ] = None,
    node_id: Annotated[
        str | None,
        typer.Option("--node-id", "--id", "-i", help="Name in heartbeats; GINKGO_NODE_ID, or made up if left out."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict-config", help="Do not start with a configuration that has a fault.")
    ] = False,
) -> None:
    """Start a worker in the foreground and run it until it is told to stop (SIGTERM, Ctrl-C)."""
    if not data:
        raise typer.BadParameter("say which worker; allowed: --data", param_hint="--data")
    worker_cli.start(
        config=config,
        node_id=node_id,
        group_id=group_id,
        auto_offset=auto_offset,
        debug=debug,
        strict=strict,
    )
