# Upstream: entrypoints.cli
# Downstream: entrypoints.{letters, send, show_doctor, show_send, show_status, show_topics}, typer
# Role: The operator's commands of `ginkgo-data`: send, status, dlq, topics
"""Options in, exit codes out; what the commands do is imported when they run.

Exit codes: 0 done or well; 1 something was not done or is wrong, and it was said what; 2 wrong use or configuration;
3 `send --wait`: not over in time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
KeysArgument = Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys, as dlq list shows them.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

topics_app = typer.Typer(no_args_is_help=True, help="The topics this program lives on.")
letters_app = typer.Typer(no_args_is_help=True, help="Dead letters: commands that were given up, with their bytes.")


def register(app: typer.Typer) -> None:
    """Give `app` the operator's commands."""
    app.command()(send)
    app.command()(status)
    app.command()(doctor)
    app.add_typer(letters_app, name="dlq")
    app.add_typer(topics_app, name="topics")


def send(
    command: Annotated[
        str,
        typer.Argument(
            help="bar_snapshot, update_data, tick, adjustfactor, stockinfo, update_selector, trade_day, "
            "heartbeat_test or reload."
        ),
    ],
    codes: Annotated[str | None, typer.Option(help="Codes separated by commas, or '*' for every security.")] = None,
    start: Annotated[str | None, typer.Option(help="First session, YYYY-MM-DD or YYYYMMDD.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    frequency: Annotated[str | None, typer.Option(help="Length of a bar: 1d, 1m, 5m, 15m, 30m or 60m.")] = None,
    adjust: Annotated[str | None, typer.Option(help="Price adjustment: none, qfq or hfq.")] = None,
    full: Annotated[bool, typer.Option("--full", help="From the list date on.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is held; corrected values win.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="The same as --force, upstream's word.")] = False,
    days: Annotated[int | None, typer.Option(help="The last so many sessions.")] = None,
    market: Annotated[
        str | None,
        typer.Option(help="The vendor's word for a market, such as 主板, for stockinfo and update_selector."),
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Command topic; the data commands' own one when left out.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Name of the request; made when left out.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome; the exit code tells it.")] = False,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait at most.")] = 600.0,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Send a command to the workers and print its request id.

    With --wait: 0 done, 1 given up (dead letter) or refused, 3 not over in time.
    """
    from ginkgo_data.entrypoints.send import SendWish
    from ginkgo_data.entrypoints.show_send import run_send

    given: dict[str, object] = {
        "codes": codes,
        "start": start,
        "end": end,
        "frequency": frequency,
        "adjust": adjust,
        "days": days,
        "market": market,
        "full": full or None,
        "force": force or None,
        "overwrite": overwrite or None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    wish = SendWish(command, options, topic, request_id)
    raise typer.Exit(run_send(wish, config, timeout if wait else None, as_json))


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the fleet: workers, lag, members of the group, calls, dead letters, and what is wrong.

    Exit code 0 when all is well, 1 when something is wrong.
    """
    from ginkgo_data.entrypoints.show_status import show_status

    raise typer.Exit(show_status(config, watch, as_json))


def doctor(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Ask everything that a worker depends on whether it is there and right, and say what to do next.

    Exit code 0 when nothing is wrong, 1 when something is.
    """
    from ginkgo_data.entrypoints.show_doctor import run_doctor

    raise typer.Exit(run_doctor(config, as_json))


@topics_app.command("status")
def topics_status(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show every topic with its partitions, state, and what to do. Exit code 1 when one is missing or wrong."""
    from ginkgo_data.entrypoints.show_topics import topics_status

    raise typer.Exit(topics_status(config, as_json))


@topics_app.command("apply")
def topics_apply(
    grow: Annotated[bool, typer.Option("--grow", help="Give command topics twelve partitions.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make our own topics where they are missing and check the others. Nothing is ever deleted."""
    from ginkgo_data.entrypoints.show_topics import topics_apply

    raise typer.Exit(topics_apply(config, grow, as_json))


@letters_app.command("list")
def dlq_list(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the dead letters, the newest last."""
    from ginkgo_data.entrypoints.letters import list_letters

    raise typer.Exit(list_letters(config, as_json))


@letters_app.command("show")
def dlq_show(
    key: Annotated[str, typer.Argument(help="The letter's key.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show everything about one letter, and what a replay would send."""
    from ginkgo_data.entrypoints.letters import show_letter

    raise typer.Exit(show_letter(config, key, as_json))


@letters_app.command("replay")
def dlq_replay(
    keys: KeysArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters.")] = False,
    sure: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Send the letters' commands again, with a fresh history, and drop the letters."""
    from ginkgo_data.entrypoints.letters import replay_letters

    raise typer.Exit(replay_letters(config, keys or [], everything, sure))


@letters_app.command("drop")
def dlq_drop(
    keys: KeysArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters.")] = False,
    sure: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Forget the letters; their commands are gone then."""
    from ginkgo_data.entrypoints.letters import drop_letters

    raise typer.Exit(drop_letters(config, keys or [], everything, sure))
