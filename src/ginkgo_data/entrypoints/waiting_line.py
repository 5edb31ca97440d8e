# Upstream: entrypoints.show_send
# Downstream: entrypoints.request_watch, rich
# Role: What moves on the terminal while a sent command is waited for
"""A spinner with the calls done of those planned, and lines above it that stay."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ginkgo_data.entrypoints.request_watch import OutcomeWatch, Watch


class WaitingLine:
    """A moving line on a terminal; elsewhere only what is said."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._last = ""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("calls, {task.fields[rows]:,} rows"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("waiting", total=None, rows=0)

    def __enter__(self) -> WaitingLine:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line, above the moving one; the same one twice in a row is said once."""
        if not self._quiet and text != self._last:
            self._console.print(f"  {escape(text)}")
        self._last = text

    def update(self, watch: Watch) -> None:
        """Show how far it is."""
        if isinstance(watch, OutcomeWatch) and watch.calls_planned:
            self._progress.update(
                self._task,
                description="working",
                completed=watch.calls_done,
                total=watch.calls_planned,
                rows=watch.rows,
            )
