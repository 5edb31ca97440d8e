# Upstream: entrypoints.{quality_page, show_quality}
# Downstream: domain.model.quality, domain.services.quality_history, rich
# Role: The history of quality on the terminal: a line per report, rules by count, the codes that lack most
"""Few lines that answer: what was done, what is missing, what was wrong."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ginkgo_data.domain.model.quality import DataQualityReport, QualityThresholds, Verdict
from ginkgo_data.domain.services.quality_history import QualityHistory

_MOST = 10


def print_history(history: QualityHistory, thresholds: QualityThresholds, console: Console) -> None:
    """Print `history`, the newest report last, where a terminal is read."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("made", "command", "series", "window"):
        table.add_column(name, no_wrap=True)
    for name in ("expected", "held", "missing", "rejected", "flagged", "late", "calls", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for report in reversed(history.reports):
        table.add_row(*_row(report, thresholds))
    console.print(table)
    if history.rules:
        console.print()
        console.print(_rules(history))
    if history.agreement:
        console.print()
        console.print(_agreement(history))
    if history.worst:
        told = ", ".join(f"{worst.code} {worst.missing:,} ({worst.series})" for worst in history.worst[:_MOST])
        console.print(f"\n[bold]lacking most[/bold]  {escape(told)}", soft_wrap=True)
    count = len(history.reports)
    console.print(f"\n{count:,} reports; ginkgo-data coverage shows what is missing now", markup=False, soft_wrap=True)


def _row(report: DataQualityReport, thresholds: QualityThresholds) -> Sequence[str | Text]:
    rate = report.missing_rate
    colour = "red" if rate > thresholds.missing_error else "yellow" if rate > thresholds.missing_warning else "green"
    window = f"{report.window[0]} … {report.window[1]}" if report.window else "nothing due"
    return (
        f"{report.created_at:%Y-%m-%d %H:%M:%S}",
        escape(report.command),
        report.series,
        window,
        f"{report.records_expected:,}",
        f"{report.records_actual:,}",
        Text(percent(rate), colour),
        Text(f"{report.records_failed:,}", "red" if report.records_failed else ""),
        f"{flagged(report):,}",
        "" if report.delay_minutes is None else f"{report.delay_minutes:.0f} min",
        f"{report.calls:,}",
        f"{report.duration_seconds:.1f}",
    )


def _rules(history: QualityHistory) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("reports", justify="right", no_wrap=True)
    table.add_column("for example", overflow="ellipsis", no_wrap=True)
    for total in history.rules:
        finding = total.finding
        colour = "red" if finding.verdict is Verdict.REJECT else "yellow"
        example = escape(finding.examples[0]) if finding.examples else ""
        table.add_row(f"[{colour}]{escape(finding.rule)}[/]", f"{finding.count:,}", f"{total.reports:,}", example)
    return table


def _agreement(history: QualityHistory) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("second opinion", no_wrap=True)
    for name in ("reports", "asked", "compared", "agree", "share", "by chance"):
        table.add_column(name, justify="right", no_wrap=True)
    for total in history.agreement:
        found = total.figures
        counts = (f"{number:,}" for number in (total.reports, found.asked, found.compared, found.agreed))
        colour = "green" if found.agreed == found.compared else "yellow"
        names = f"{escape(found.source)} on {escape(found.about)}"
        table.add_row(names, *counts, Text(agreeing(found.rate), colour), agreeing(found.rate_by_chance))
    return table


def agreeing(share: float | None) -> str:
    """Return a share of agreement in percent; one that is not whole never reads as whole."""
    if share is None:
        return "nothing to compare"
    return "> 99.99 %" if 0.9999 < share < 1 else percent(share)


def flagged(report: DataQualityReport) -> int:
    """Return how many hits of a report are flags."""
    return sum(finding.count for finding in report.anomalies if finding.verdict is Verdict.FLAG)


def percent(share: float) -> str:
    """Return a share in percent; a small one never reads as none."""
    if share != share:
        return "?"
    return "< 0.01 %" if 0 < share < 0.0001 else f"{share:.2%}".replace("%", " %")
