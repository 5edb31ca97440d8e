# Upstream: domain.services.{collector, completion}
# Downstream: domain.model, domain.services.{grid, rule_set}, ports.{bar_repository, version_clock}, numpy
# Role: Gaps judged session by session: many codes are the collector's fault, a single one is probably a suspension
"""What a complete answer has no row of, beside the other codes of that session.

A gap of nearly nobody else is explained as a probable suspension: of daily bars, by a live vendor (an archive may have
been cut), with the evidence kept, and asked again by every later job. When the bar arrives, whatever was said of its
session is withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Coverage, Flags
from ginkgo_data.domain.model.quality import Finding
from ginkgo_data.domain.model.series import Frequency
from ginkgo_data.domain.services.grid import Grid
from ginkgo_data.domain.services.rule_set import Rule, RuleSet
from ginkgo_data.ports.bar_repository import AbsenceRepository
from ginkgo_data.ports.version_clock import VersionClock

HALF_KNOWN, SINGLE = "half_known_session", "single_gap"
_EXAMPLES = 5
_ASK_THE_STORE = timedelta(days=31)
"""Days over which the store is asked who else has a session, where a job is about few codes."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Gaps of a grid: sessions half known, and single gaps."""

    half_known: Flags
    """Per session."""
    single: Flags
    """Per cell."""
    lacking: Counts
    """Codes per session whose complete answer has no row."""
    expected: Counts
    """Codes per session that are due and not explained."""
    have: Counts
    """Codes per session that have a bar."""


def judge(coverage: Coverage, have: Counts, rules: RuleSet) -> Judged:
    """Judge what `coverage` lacks although it was answered; `have` counts the codes with a bar per session."""
    gaps = coverage.missing & coverage.recorded
    lacking = gaps.sum(axis=0)
    expected = (coverage.due & ~(coverage.explained & ~coverage.held)).sum(axis=0)
    half_known = np.zeros(len(lacking), np.bool_)
    if (many := rules.get(HALF_KNOWN)) is not None:
        half_known = (lacking >= many.values["codes"]) & (lacking > many.values["share"] * expected)
    single = np.zeros_like(gaps)
    if (rule := rules.get(SINGLE)) is not None:
        few = lacking <= np.maximum(1, rule.values["share"] * expected)
        single = gaps & (few & ~half_known & (have >= rule.values["others"]))[np.newaxis, :]
    return Judged(half_known, single, lacking, expected, have)


@dataclass(frozen=True, slots=True)
class GapJudge:
    """Judges the gaps of the grids of one job, and keeps what it finds beside the vendor's own statements."""

    absences: AbsenceRepository
    versions: VersionClock
    rules: RuleSet
    source: str
    live: bool
    """Whether the source is a vendor whose complete answer means something, rather than an archive."""

    def settle(self, grid: Grid, coverage: Coverage) -> tuple[Coverage, tuple[Finding, ...]]:
        """Return `coverage` with what can be explained, and what there is to say. Raises `StoreUnavailable`."""
        series = grid.command.series
        arrived = coverage.recorded & coverage.held
        if arrived.any():
            self.absences.withdraw_absences(coverage.cells(arrived), series, self.versions.version())
        gaps = coverage.missing & coverage.recorded
        if not gaps.any():
            return coverage, ()
        judged = judge(coverage, self._have(grid, coverage, gaps), self.rules)
        explains = self.live and series.frequency is Frequency.DAY
        if explains and judged.single.any():
            coverage = self._explained(grid, coverage, judged)
        return coverage, tuple(_findings(coverage, judged, self.rules))

    def _have(self, grid: Grid, coverage: Coverage, gaps: Flags) -> Counts:
        """Return how many codes have each session: of the grid, or, where it is about few, of the whole store."""
        have: Counts = coverage.held.sum(axis=0)
        rule = self.rules.get(SINGLE)
        wanted = np.flatnonzero(gaps.any(axis=0))
        first, last = coverage.sessions[wanted[0]].item(), coverage.sessions[wanted[-1]].item()
        stored = np.zeros_like(have)
        enough = rule is None or len(coverage.codes) > rule.values["others"]
        if enough or grid.command.series.frequency is not Frequency.DAY or last - first > _ASK_THE_STORE:
            return have
        for days in grid.bars.held(None, grid.command.series, first, last).values():
            known = np.searchsorted(coverage.sessions, days.astype("datetime64[D]"))
            stored[known[known < len(stored)]] += 1
        return np.maximum(have, stored)

    def _explained(self, grid: Grid, coverage: Coverage, judged: Judged) -> Coverage:
        cells = coverage.cells(judged.single)
        told = self._evidence(grid, cells.codes)
        columns = np.searchsorted(coverage.sessions, cells.session)
        texts = [
            f"{told.get((code, day), 'no row')}; {judged.have[column]:,} codes have the session, "
            f"{judged.lacking[column]:,} lack it"
            for (code, day), column in zip(cells.pairs(), columns.tolist(), strict=True)
        ]
        reason = AbsenceReason.PROBABLY_SUSPENDED
        statements = Absences.stated(cells, reason, texts, self.source, self.versions.version())
        self.absences.write_absences(statements, grid.command.series)
        weak = judged.single if coverage.weak is None else coverage.weak | judged.single
        return replace(coverage, explained=coverage.explained | judged.single, weak=weak)

    def _evidence(self, grid: Grid, codes: tuple[str, ...]) -> dict[tuple[str, date], str]:
        """Return what the vendor's own statements about the sessions of `codes` say."""
        stored = self.absences.absences(codes, grid.command.series, *grid.span).table
        columns = (stored[name].to_pylist() for name in ("code", "session", "evidence"))
        return {(code, day): text.partition("; ")[0] for code, day, text in zip(*columns, strict=True)}


def _findings(coverage: Coverage, judged: Judged, rules: RuleSet) -> list[Finding]:
    found = []
    sessions = np.flatnonzero(judged.half_known)
    if len(sessions):
        examples = [
            f"{coverage.sessions[at]}: {judged.lacking[at]:,} of {judged.expected[at]:,} codes have no bar"
            for at in sessions[-_EXAMPLES:].tolist()
        ]
        found.append(_finding(rules[HALF_KNOWN], len(sessions), examples))
    row, column = np.nonzero(judged.single)
    if len(row):
        examples = [
            f"{coverage.codes[code]} {coverage.sessions[at]}: {judged.have[at]:,} other codes have the session"
            for code, at in zip(row[-_EXAMPLES:].tolist(), column[-_EXAMPLES:].tolist(), strict=True)
        ]
        found.append(_finding(rules[SINGLE], len(row), examples))
    return found


def _finding(rule: Rule, count: int, examples: list[str]) -> Finding:
    return Finding(rule.id, rule.severity, rule.verdict, count, tuple(examples))
