# Upstream: entrypoints.{quickstart, show_quickstart}
# Downstream: domain.model.{commands, coverage, disposition, quality, worker}, rich
# Role: The account of a quickstart: one value, as JSON for programs and as a summary for people
"""What a run came to, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ginkgo_data.domain.model.commands import CommandMessage
from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.disposition import DeadLetter
from ginkgo_data.domain.model.quality import Alert, DataQualityReport
from ginkgo_data.domain.model.worker import Heartbeat

_MOST_LINES = 5


@dataclass(frozen=True, slots=True)
class QuickstartAccount:
    """What a run came to."""

    database: str
    origin: str
    commands: int
    reports: Sequence[DataQualityReport]
    alerts: Sequence[Alert]
    dead_letters: Sequence[DeadLetter]
    postponed: Sequence[str]
    held: str | None
    """Why the worker could not go on, None if it could."""
    heartbeat: Heartbeat | None
    reference_calls: int
    """Vendor calls for reference data."""
    duration: float
    """Seconds."""
    example_code: str | None = None
    """A code that has bars."""
    configuration: Path | None = None
    """What a reader must name beside the database: where the address does not say whose tables they are."""

    @property
    def done(self) -> bool:
        """Whether every command was done and something of what came could be stored.

        Gaps that the vendor has are no failure, they are in the report.
        """
        useless = self.bars_rejected > 0 and not self.coverage.held
        return not (self.dead_letters or self.postponed or self.held or useless)

    @property
    def coverage(self) -> CoverageCounts:
        """Coverage over all jobs, in sessions."""
        return sum((report.coverage for report in self.reports), CoverageCounts())

    @property
    def bars_written(self) -> int:
        """Rows stored by this run."""
        return sum(report.records_written for report in self.reports)

    @property
    def bars_rejected(self) -> int:
        """Rows put into quarantine by this run."""
        return sum(report.records_failed for report in self.reports)

    def as_json(self) -> dict[str, object]:
        """Return the one object that ``quickstart --json`` prints."""
        coverage = self.coverage
        return {
            "commands": self.commands,
            "bars_written": self.bars_written,
            "bars_rejected": self.bars_rejected,
            "coverage": {
                "expected": coverage.expected,
                "held": coverage.held,
                "absent": coverage.absent,
                "unexplained": coverage.unexplained,
            },
            "missing_rate": coverage.missing_rate,
            "calls": sum(report.calls for report in self.reports),
            "reference_calls": self.reference_calls,
            "inserts": sum(report.inserts for report in self.reports),
            "alerts": [
                {"type": a.kind.value, "severity": a.severity.value, "title": a.title, "text": a.text}
                for a in self.alerts
            ],
            "duration_seconds": round(self.duration, 3),
            "database": self.database,
            "done": self.done,
            "dead_letters": [
                {"request_id": d.delivery.request_id, "error": d.error, "reason": d.reason, "codes": list(d.codes[:20])}
                for d in self.dead_letters
            ],
            "postponed": list(self.postponed),
            "held": self.held,
        }


def print_account(account: QuickstartAccount, console: Console) -> None:
    """Print the account for people: what was collected, coverage, findings, alerts, and what to type next."""
    console.print()
    if not account.done:
        _print_undone(account, console)
    console.print(f"[bold]Collected[/bold] from {escape(account.origin)}", soft_wrap=True)
    for report in account.reports:
        _print_report(report, console)
    coverage = account.coverage
    rate = f"{coverage.missing_rate:.2%} of the expected sessions are missing without an explanation"
    console.print(f"[bold]Quality[/bold]    {rate}; {account.bars_rejected:,} rows in quarantine")
    for line in _findings(account.reports):
        console.print(f"           {escape(line)}", soft_wrap=True)
    if account.alerts:
        console.print("[bold]Alerts[/bold]")
        for alert in account.alerts:
            colour = "red" if alert.severity.value == "ERROR" else "yellow"
            console.print(
                f"  [{colour}]{alert.severity.value:7}[/{colour}] {escape(alert.title)}: {escape(alert.text)}"
            )
    else:
        console.print("[bold]Alerts[/bold]     none")
    if beat := account.heartbeat:
        state = f"{escape(beat.node_id)} {beat.status.name.lower()} at {beat.sent_at:%H:%M:%S} Asia/Shanghai"
        console.print(f"[bold]Heartbeat[/bold]  {state}")
    console.print(f"[bold]Database[/bold]   {escape(account.database)}", soft_wrap=True)
    _print_next(account, console)


def _print_report(report: DataQualityReport, console: Console) -> None:
    window = f"{report.window[0]} … {report.window[1]}" if report.window else "no session was due"
    coverage = report.coverage
    console.print(f"           {report.series}   {window}")
    for name, text in (
        ("sessions", f"{coverage.expected:,} expected, {coverage.held:,} held"),
        ("", f"{coverage.absent:,} absent and explained, {coverage.unexplained:,} unexplained"),
        ("bars", f"{report.records_written:,} written, {report.records_skipped:,} held already"),
        ("", f"{report.records_failed:,} rejected into quarantine"),
        ("effort", f"{report.calls:,} calls, {report.inserts:,} inserts, {report.duration_seconds:.1f} s"),
    ):
        console.print(f"           {name:<9} {text}")


def _print_undone(account: QuickstartAccount, console: Console) -> None:
    console.print("[bold red]Not everything was done.[/bold red]")
    if account.held:
        console.print(f"  held: {escape(account.held)}")
    if account.bars_rejected and not account.coverage.held:
        console.print("  nothing could be stored: every row was rejected, see below")
    for letter in account.dead_letters:
        body = letter.delivery.body
        word = body.command.word if isinstance(body, CommandMessage) else "a record"
        console.print(f"  given up: {word}: {escape(letter.error)}: {escape(letter.reason)}")
    for line in account.postponed:
        console.print(f"  postponed: {escape(line)}")


def _findings(reports: Sequence[DataQualityReport]) -> Iterator[str]:
    for report in reports:
        for finding in report.anomalies:
            examples = "; ".join(finding.examples[:2])
            yield f"{finding.verdict.value} {finding.rule}: {finding.count:,} rows, such as {examples}"
            if finding.rule == "unit_mismatch" and finding.count >= report.records_failed:
                yield "are these prices adjusted, or is the volume in lots? try --adjust qfq, or look at the units"
        if report.worst:
            codes = ", ".join(f"{code} ({count})" for code, count in report.worst[:_MOST_LINES])
            yield f"{report.series}: most unexplained sessions: {codes}"


def _print_next(account: QuickstartAccount, console: Console) -> None:
    console.print("[bold]Next[/bold]")
    example = next((report for report in account.reports if report.coverage.held), None)
    if example is None or account.example_code is None:
        console.print("  ginkgo-data quickstart --from FILE_OR_FOLDER")
        return
    frequency, adjust = example.series.split("/")
    options = "" if (frequency, adjust) == ("1d", "none") else f" --frequency {frequency} --adjust {adjust}"
    line = f"  ginkgo-data bars {account.example_code}{options} --db {account.database}"
    if account.configuration is not None:
        line += f" --config {account.configuration}"
    console.print(line, markup=False, soft_wrap=True)
