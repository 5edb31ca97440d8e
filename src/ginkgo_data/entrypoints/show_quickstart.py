# Upstream: entrypoints.cli
# Downstream: domain.model.commands, domain.services.{reporting, tally}, entrypoints.{account, quickstart}, rich
# Role: A quickstart on the terminal: what is sent, a progress bar while it works, the account
"""What a person sees of a quickstart; with ``--json`` one object on standard output and nothing else."""

from __future__ import annotations

import json
import logging
import sys
import threading

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ginkgo_data.domain.model.commands import CollectBars, Command
from ginkgo_data.domain.services import reporting
from ginkgo_data.domain.services.tally import CollectionProgress
from ginkgo_data.entrypoints.account import print_account
from ginkgo_data.entrypoints.quickstart import Quickstart, QuickstartWish


def run_quickstart(wish: QuickstartWish, as_json: bool) -> int:
    """Run, show, and return the exit code: 0 when every command was done."""
    # The account shows every alert; other warnings (a file passed over, say) stay on standard error.
    logging.getLogger(reporting.__name__).setLevel(logging.ERROR)
    quickstart = Quickstart(wish)
    if as_json:
        account = quickstart.run()
        sys.stdout.write(json.dumps(account.as_json(), ensure_ascii=False) + "\n")
        return 0 if account.done else 1
    console = Console(highlight=False)
    console.print(f"[bold]ginkgo-data quickstart[/bold]  source: {quickstart.origin}", soft_wrap=True)
    with _ProgressBar(console) as bar:
        account = quickstart.run(bar.update, bar.sent)
    print_account(account, console)
    return 0 if account.done else 1


class _ProgressBar:
    """Calls done of those planned, over all jobs of the run, and the rows they brought."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("calls, {task.fields[rows]:,} rows"),
            TimeElapsedColumn(),
            console=console,
            transient=not console.is_terminal,
        )
        self._console = console
        self._task = self._progress.add_task("working", total=None, rows=0)
        self._lock = threading.Lock()

    def __enter__(self) -> _ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def sent(self, command: Command) -> None:
        """Show a command that was put on the stream."""
        self._console.print(f"  sent {describe(command)}", markup=False)

    def update(self, progress: CollectionProgress) -> None:
        """Move the bar."""
        with self._lock:
            self._progress.update(
                self._task, completed=progress.calls_done, total=progress.calls_planned, rows=progress.rows
            )


def describe(command: Command) -> str:
    """Return a command in a few words."""
    if not isinstance(command, CollectBars):
        return command.word
    codes = "all codes" if command.codes is None else f"{len(command.codes)} codes"
    span = (
        f"last {command.sessions} sessions"
        if command.sessions
        else f"{command.start or 'listing'} … {command.end or 'now'}"
    )
    return f"{command.word} {command.series} of {codes}, {span}"
