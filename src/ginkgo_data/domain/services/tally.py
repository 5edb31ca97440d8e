# Upstream: domain.services, entrypoints
# Downstream: domain.model, domain.services.coverage, ports.bar_repository, pyarrow
# Role: What a collection adds up on its way to its result
"""Counting what a job did; the counts about the store come from coverage that was read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import distinct
from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.coverage import Coverage, CoverageCounts
from ginkgo_data.domain.model.fetch import Unknown
from ginkgo_data.domain.model.quality import Finding, Rejects, Severity, Verdict
from ginkgo_data.domain.model.series import Dataset, Series, records_per_session
from ginkgo_data.domain.services.coverage import newest_missing, worst_codes
from ginkgo_data.ports.bar_repository import WriteReceipt

_EXAMPLES = 5
_WORST = 10


@dataclass(frozen=True, slots=True)
class CollectionProgress:
    """How far a collection is: calls done of those planned so far, rows fetched."""

    calls_done: int
    calls_planned: int
    rows: int


Watch: TypeAlias = Callable[[CollectionProgress], None]


class Landed(Protocol):
    """What was stored and rejected, as the landing stage of a job counts it."""

    receipt: WriteReceipt
    rejected: int


class Compared(Protocol):
    """What was found stored already, as the landing stage of bars counts it."""

    unchanged: int
    revised: int
    withdrawn: int


@dataclass(slots=True)
class Tally:
    """Counters of one job."""

    counts: CoverageCounts = field(default_factory=CoverageCounts)
    window: tuple[date, date] | None = None
    fetched: int = 0
    skipped: int = 0
    revised: int = 0
    withdrawn: int = 0
    calls: int = 0
    planned: int = 0
    done: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    unknown: dict[str, Unknown] = field(default_factory=dict)
    unfinished: dict[str, None] = field(default_factory=dict)
    awaited: dict[str, None] = field(default_factory=dict)
    shed: tuple[str, ...] = ()
    stopped: bool = False
    worst: list[tuple[str, int]] = field(default_factory=list)
    newest_missing: date | None = None

    @property
    def progress(self) -> CollectionProgress:
        """How far the job is."""
        return CollectionProgress(self.done, self.planned, self.fetched)

    def found(self, findings: Iterable[Finding]) -> None:
        """Add findings; those of one rule become one."""
        for finding in findings:
            before = self.findings.get(finding.rule)
            count = finding.count + (before.count if before else 0)
            examples = ((before.examples if before else ()) + finding.examples)[:_EXAMPLES]
            self.findings[finding.rule] = replace(finding, count=count, examples=examples)

    def unanswered(self, codes: Iterable[str], answer: Unknown) -> None:
        """Note that something of `codes` was asked and not answered."""
        self.unknown.update(dict.fromkeys(codes, answer))

    def unsent(self, codes: Iterable[str]) -> None:
        """Note codes of calls that there was no time for."""
        self.unfinished.update(dict.fromkeys(codes))

    def unheard(self, codes: Iterable[str]) -> None:
        """Note codes of calls that others were making, and whose answers there was no time to wait for."""
        self.awaited.update(dict.fromkeys(codes))

    def kept(self, landing: Compared) -> None:
        """Note what the job has so far fetched again: rows found unchanged, corrected, or gone from the vendor."""
        self.skipped, self.revised, self.withdrawn = landing.unchanged, landing.revised, landing.withdrawn

    def covered(self, after: Coverage, span: tuple[date, date]) -> None:
        """Add a grid as it stands after the work on it."""
        self.counts += after.counts()
        self.worst += worst_codes(after, _WORST)
        self.window = span if self.window is None else (min(self.window[0], span[0]), max(self.window[1], span[1]))
        missing = newest_missing(after)
        if missing and (self.newest_missing is None or missing > self.newest_missing):
            self.newest_missing = missing

    def result(
        self, series: Series | Dataset, landing: Landed, duration: float, unknown_codes: tuple[str, ...]
    ) -> CollectionResult:
        """Return the facts of the job."""
        per_session = records_per_session(series)
        return CollectionResult(
            series=series,
            window=self.window,
            counts=self.counts,
            bars_expected=self.counts.expected * per_session,
            bars_held=self.counts.held * per_session,
            fetched=self.fetched,
            written=landing.receipt.rows,
            skipped=self.skipped,
            rejected=landing.rejected,
            calls=self.calls,
            inserts=landing.receipt.inserts,
            duration=duration,
            findings=tuple(self.findings.values()),
            unknown=self.unknown,
            unknown_codes=unknown_codes,
            unfinished=tuple(self.unfinished | self.awaited),
            shed=self.shed,
            excused=bool(self.unfinished or self.awaited) and (self.stopped or not self.unfinished),
            newest_missing=self.newest_missing,
            worst=tuple(sorted(self.worst, key=lambda item: (-item[1], item[0]))[:_WORST]),
            notes=tuple(self._notes(series)),
        )

    def _notes(self, series: Series | Dataset) -> Iterator[str]:
        if self.shed:
            yield f"codes left to other workers: {len(self.shed)}"
        if self.revised and series is Dataset.ADJUSTMENT_FACTORS:
            shown = "ginkgo-data revisions --factors shows old and new"
            yield f"stored adjustment factors corrected by the vendor: {self.revised} ({shown})"
        elif self.revised:
            yield f"stored bars corrected by the vendor: {self.revised} (ginkgo-data revisions shows old and new)"
        if self.withdrawn:
            yield f"stored bars withdrawn by the vendor: {self.withdrawn} (ginkgo-data revisions shows them)"


def findings_of(rejects: Rejects) -> tuple[Finding, ...]:
    """Return what a source could not even read as rows, as findings: one per rule, with a few examples."""
    table = rejects.table
    findings = []
    for rule in distinct(table["rule"]):
        hit = table.filter(pc.equal(table["rule"].cast(pa.string()), rule))
        shown = hit.slice(0, _EXAMPLES).select(["place", "field", "value"]).to_pylist()
        examples = tuple(f"{row['place']}: {row['field']} {row['value']}" for row in shown)
        findings.append(Finding(rule, Severity.ERROR, Verdict.REJECT, hit.num_rows, examples))
    return tuple(findings)
