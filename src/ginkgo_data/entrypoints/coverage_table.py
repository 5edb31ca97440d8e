# Upstream: entrypoints.show_coverage
# Downstream: domain.model.coverage_map, domain.services, entrypoints.coverage_page, rich
# Role: A reading of coverage on the terminal: figures, the worst codes, and a strip of months for each
"""Few lines that answer: is anything missing, how much, of which codes, since when."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ginkgo_data.domain.model.coverage_map import ABSENT, UNEXPLAINED, CellState, StateCounts
from ginkgo_data.domain.services.coverage_map import Periods, fold_months
from ginkgo_data.domain.services.coverage_reading import CoverageReading
from ginkgo_data.entrypoints.coverage_page import notes, rate_text

WORST = 20
_WORDS = {
    CellState.SUSPENDED: "suspended",
    CellState.PROBABLY_SUSPENDED: "probably suspended",
    CellState.NOT_LISTED: "not listed",
    CellState.HOLIDAY: "exchange closed",
    CellState.NO_ROW: "no row in the answer",
    CellState.UNRECORDED: "no answer yet",
}
_PERIODS = {1: "month", 3: "quarter", 12: "year"}
_LEVELS = "▁▂▃▄▅▆▇"
_BESIDE = 62
"""Columns of the terminal that the rest of a line takes."""


def print_coverage(reading: CoverageReading, console: Console, everything: bool = False) -> None:
    """Print `reading`: the figures, then the codes that lack most (all of them with `everything`)."""
    cover, counts = reading.cover, reading.cover.counts()
    total = counts.total()
    figures = total.coverage()
    console.print(
        f"[bold]Coverage[/bold]  {reading.series} bars, {reading.first} … {reading.last}: "
        f"{len(cover.codes):,} codes, {len(cover.sessions):,} sessions",
        soft_wrap=True,
    )
    if figures.due:
        colour = "red" if figures.unexplained else "green"
        console.print(
            f"{figures.expected:,} expected, {figures.held:,} held, {figures.absent:,} absent{_by(total, ABSENT)}, "
            f"[{colour}]{figures.unexplained:,} unexplained{_by(total, UNEXPLAINED)}; "
            f"missing rate {rate_text(figures)}[/{colour}]",
            soft_wrap=True,
        )
    else:
        console.print("no session is due")
    for note in notes(reading):
        console.print(f"[dim]{escape(note)}[/dim]", soft_wrap=True)
    missing = counts.unexplained
    rows = [row for row in cover.worst_first().tolist() if everything or missing[row]]
    if not rows:
        return
    shown = rows if everything else rows[:WORST]
    periods, months = _periods(reading, console.width)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("code", no_wrap=True)
    for name in ("missing", "rate", "held", "absent"):
        table.add_column(name, justify="right", no_wrap=True)
    ends = f"{periods.names[0]} … {periods.names[-1]}" if len(periods.names) > 1 else periods.names[0]
    table.add_column(f"by {_PERIODS[months]}, {ends}", no_wrap=True)
    for row in shown:
        one = StateCounts(counts.numbers[row]).coverage()
        lacking = Text(f"{one.unexplained:,}", "red" if one.unexplained else "green")
        strip = _strip(StateCounts(periods.counts.numbers[row]))
        table.add_row(cover.codes[row], lacking, f"{one.missing_rate:.1%}", f"{one.held:,}", f"{one.absent:,}", strip)
    console.print()
    console.print(table)
    console.print("[dim]█ all held  ▇…▁ part of it  × nothing held  ~ absent, explained  · not due[/dim]")
    if len(rows) > len(shown):
        console.print(f"{len(rows) - len(shown):,} more codes lack sessions; --all lists every code", markup=False)


def _by(total: StateCounts, states: tuple[CellState, ...]) -> str:
    parts = [f"{int(total.of(state)):,} {_WORDS[state]}" for state in states if total.of(state)]
    return f" ({', '.join(parts)})" if parts else ""


def _periods(reading: CoverageReading, width: int) -> tuple[Periods, int]:
    """Return the map in months or, where they would not fit beside the figures, in quarters or years."""
    for months in (1, 3):
        periods = fold_months(reading.cover, months)
        if len(periods.names) <= max(24, width - _BESIDE):
            return periods, months
    return fold_months(reading.cover, 12), 12


def _strip(counts: StateCounts) -> Text:
    """Return a character per period: how much of what was expected is held."""
    text = Text()
    figures = zip(counts.held.tolist(), counts.expected.tolist(), counts.absent.tolist(), strict=True)
    for held, expected, absent in figures:
        if not expected:
            text.append("~" if absent else "·", "yellow" if absent else "dim")
        elif held == expected:
            text.append("█", "green")
        elif not held:
            text.append("×", "bold red")
        else:
            text.append(_LEVELS[held * len(_LEVELS) // expected], "red" if held * 2 < expected else "yellow")
    return text
