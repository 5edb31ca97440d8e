# Upstream: entrypoints.operator_cli
# Downstream: domain.model.worker, entrypoints.{operator_parts, status}, rich
# Role: `ginkgo-data status`: the fleet on the terminal, once or again and again, and as JSON
"""How the fleet looks.

Exit codes: 0 all is well, 1 something is wrong (each thing is said); ending ``--watch`` with Ctrl-C is 0.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ginkgo_data.domain.model.worker import Heartbeat
from ginkgo_data.entrypoints.operator_parts import operator_settings
from ginkgo_data.entrypoints.status import FleetStatus, FleetWatch, as_object, other_group

INTERVAL = 2.0
"""Seconds between two looks of ``--watch``."""


def show_status(file: Path | None, watch: bool, as_json: bool) -> int:
    """Show the fleet, once or until Ctrl-C, and return the exit code."""
    fleet = FleetWatch(operator_settings(file))
    try:
        if watch:
            return _watch(fleet, as_json)
        status = fleet.take()
        _print(Console(highlight=False), status, as_json)
        return 1 if status.wrong else 0
    finally:
        fleet.close()


def _watch(fleet: FleetWatch, as_json: bool) -> int:
    console = Console(highlight=False)
    try:
        if as_json or not console.is_terminal:
            while True:
                _print(console, fleet.take(), as_json)
                time.sleep(INTERVAL)
        with Live(Text("asking …"), console=console, auto_refresh=False, screen=True) as live:
            while True:
                live.update(picture(fleet.take()), refresh=True)
                time.sleep(INTERVAL)
    except KeyboardInterrupt:
        return 0


def _print(console: Console, status: FleetStatus, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(as_object(status), ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()
    else:
        console.print(picture(status))


def picture(status: FleetStatus) -> RenderableType:
    """Return the fleet as a person reads it: workers, lag, members, quota, dead letters, what is wrong."""
    parts: list[RenderableType] = []
    if status.workers is not None:
        parts += _workers(status.workers, status.group, status.taken_at)
    if status.lags is not None:
        parts += ["", _lags(status)]
    if status.members is not None:
        parts += ["", *_members(status)]
    if status.calls is not None:
        parts += ["", _budget(status)]
    if status.letters is not None:
        more = ": ginkgo-data dlq list" if status.letters else ""
        parts += ["", f"[bold]dead letters[/bold]  {status.letters:,}{more}"]
    parts.append("")
    parts += [f"[red]ERROR[/red] {escape(text)}" for text in status.wrong] or ["[green]all is well[/green]"]
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return table


def _workers(beats: Sequence[Heartbeat], group: str, now: datetime) -> list[RenderableType]:
    table = _table("worker", "host", "status", ">rounds", ">lag", ">committed", ">messages", ">bars", ">up")
    for beat in beats:
        word = beat.status.name.lower()
        state = f"[yellow]{word}, degraded[/yellow]" if beat.degraded is not None else word
        table.add_row(
            escape(beat.node_id),
            escape(beat.host or "-"),
            f"[red]{word}[/red]" if word == "error" else state,
            _number(beat.progress, "rounds"),
            _number(beat.progress, "lag"),
            _ago(beat.progress.get("last_commit"), now),
            f"{beat.stats.messages_processed:,}",
            f"{beat.stats.bars_written:,}",
            span(beat.uptime_seconds),
        )
    lines: list[RenderableType] = [table if beats else "[bold]workers[/bold]  none"]
    for beat in beats:
        if other := other_group(beat, group):
            lines.append(f"  {escape(beat.node_id)}: of group {escape(other)}, not counted here")
        if beat.degraded is not None:
            since = f" for {span((now - beat.degraded_since).total_seconds())}" if beat.degraded_since else ""
            lines.append(f"  {escape(beat.node_id)}: [yellow]degraded{since}:[/yellow] {escape(beat.degraded)}")
        if beat.stats.last_error:
            lines.append(f"  {escape(beat.node_id)}: last error: {escape(beat.stats.last_error)}")
    return lines


def _lags(status: FleetStatus) -> RenderableType:
    table = _table("topic", ">lag", "by partition (- never committed)")
    topics: dict[str, list[str]] = {}
    total: dict[str, int] = {}
    for lag in status.lags or ():
        mark = "-" if lag.committed is None else ""
        topics.setdefault(lag.topic, []).append(f"{lag.number}:{lag.lag}{mark}")
        total[lag.topic] = total.get(lag.topic, 0) + lag.lag
    for name, cells in topics.items():
        table.add_row(escape(name), f"{total[name]:,}", " ".join(cells))
    return table


def _members(status: FleetStatus) -> list[RenderableType]:
    table = _table("member of the group", "host", ">partitions")
    for member in status.members or ():
        name = escape(member.client_id)
        table.add_row(
            f"[red]{name} (foreign)[/red]" if member.foreign else name, member.host, str(len(member.partitions))
        )
    return [table] if status.members else ["[bold]members of the group[/bold]  none"]


def _budget(status: FleetStatus) -> RenderableType:
    if not status.calls and not status.closings:
        return "[bold]calls of the last minute[/bold]  none"
    table = _table("calls of the last minute", ">made", ">left", "closed for")
    for key in sorted({*(status.calls or {}), *(status.closings or {})}):
        made, closed = (status.calls or {}).get(key, 0), (status.closings or {}).get(key, 0.0)
        table.add_row(escape(key), str(made), str(status.calls_left(key)), span(closed) if closed > 0 else "")
    return table


def _number(progress: Mapping[str, object], name: str) -> str:
    value = progress.get(name)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "-"


def _ago(text: object, now: datetime) -> str:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None:
        return "-"
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{span((now - zoned).total_seconds())} ago"


def span(seconds: float) -> str:
    """Return a span of time in its two largest units: ``3 d 4 h``, ``2 min 5 s``."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
