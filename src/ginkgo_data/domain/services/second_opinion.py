# Upstream: entrypoints.{container, dispatch}
# Downstream: domain.{model, services}, ports.{bar_source, clock, trading_calendar, version_clock}, numpy
# Role: Use case: another source is asked about a few sessions of a job, and what it says is compared
"""A second opinion on what a job has stored.

It is worth a little of a round's time and a few calls, and nothing more: it never fails a job, and never holds it up
for long. Whatever goes wrong with it becomes a note in the report.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from ginkgo_data.domain.model.bars import BarBatch, Sessions, distinct
from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.coverage import Coverage
from ginkgo_data.domain.model.errors import GinkgoDataError
from ginkgo_data.domain.model.fetch import FetchRequest, Rows, SourceCapabilities, Unknown
from ginkgo_data.domain.model.quality import Agreement, Finding, Verdict
from ginkgo_data.domain.model.series import Series
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.services.agreement import Compared, compare
from ginkgo_data.domain.services.gathering import Gathered, Gathering
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.planner import plan_fetches
from ginkgo_data.domain.services.rule_set import Rule, RuleSet, Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.sampling import Sample, Sampling
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.trading_calendar import TradingCalendar
from ginkgo_data.ports.version_clock import VersionClock

log = logging.getLogger(__name__)

PATIENCE = 20.0
"""Seconds after which nothing more is asked, and calls under way are left to themselves."""


@dataclass(slots=True)
class _Heard:
    """What came of the calls."""

    bars: list[BarBatch] = field(default_factory=list)
    unknown: list[tuple[int, Unknown]] = field(default_factory=list)
    """Answers that prove nothing, each with how many sessions it leaves open."""
    unasked: int = 0
    """Sessions that there was no time to ask about, or whose answer did not come in time."""
    calls: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    """Bars asked about that cannot be right by themselves, by the rule that says so."""

    def take(self, gathered: Gathered) -> None:
        """Take what came of one call."""
        request, answer, checked = gathered.request, gathered.answer, gathered.checked
        self.calls += answer.calls
        self.unasked -= len(request.wanted)
        if isinstance(answer, Unknown):
            self.unknown.append((len(request.wanted), answer))
        elif isinstance(answer, Rows) and checked is not None:
            # A whole market may have been sent: what was not asked about is not kept.
            self.bars.append(checked.accepted.filter(request.wants(checked.accepted)))
            wanted = request.wants(answer.batch)
            for finding in checked.findings:
                if finding.verdict is Verdict.REJECT:
                    self.wrong[finding.rule] += int(wanted[checked.hits[finding.rule]].sum())


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """Asks another source than the collector's, with the fewest calls that its capabilities allow.

    Its calls run in `pool`, at most `concurrency` at once. They are made once: who does not answer has no opinion. Its
    bars are validated as all others are: what cannot be right by itself says nothing about ours.
    """

    source: Callable[[], BarSource]
    """Opens the source, with the first question."""
    calendar: TradingCalendar
    versions: VersionClock
    clock: Clock
    pool: Executor
    cells: int
    """Sessions that are drawn by chance, and as many that look strange."""
    rules: RuleSet = DEFAULT_RULES
    concurrency: int = 8
    patience: float = PATIENCE

    def sampling(self, series: Series, seed: str) -> Sampling | None:
        """Return what draws the sample of a job, None where the rule is silent about `series`.

        Of the same rows the same `seed` draws the same by chance.
        """
        return Sampling(seed, self.cells) if self._rule(series) else None

    def on(self, result: CollectionResult, sampling: Sampling, pace: Pace) -> CollectionResult:
        """Return `result` with what the other source says of the sample: a finding, figures, notes. Never raises."""
        try:
            sample = sampling.drawn()
            if not len(sample.cells):
                return result
            with step("second_opinion", cells=len(sample.cells)):
                return self._asked(result, sample, pace)
        except Exception as error:  # an opinion is worth no job: its rows are stored
            unexpected = not isinstance(error, GinkgoDataError)
            log.warning("no second opinion: %s: %s", type(error).__name__, error, exc_info=unexpected)
            return _noted(result, f"no second opinion: {type(error).__name__}: {error}")

    def _rule(self, series: Series) -> Rule | None:
        return next(iter(self.rules.of(series, Subject.OPINION)), None)

    def _asked(self, result: CollectionResult, sample: Sample, pace: Pace) -> CollectionResult:
        series = sample.bars.series
        rule = self._rule(series)
        if pace.stopping() or not pace.go_on():
            return _noted(result, "no second opinion: there was no time left for it in the round")
        source = self.source()
        has = source.capabilities
        about = distinct(sample.bars.table["source"])[0]
        if has.name == about:
            return _noted(result, f"no second opinion: the bars are from {about} itself")
        if rule is None or not has.offers(series.frequency, series.adjust):
            return _noted(result, f"no second opinion: {has.name} has no bars of {series}")
        heard = self._heard(source, has, sample, pace)
        theirs = BarBatch.concat(heard.bars, series)
        found = compare(sample.bars, theirs, sample.cells, rule, (about, has.name))
        agreement = _agreement(found, sample, about, has.name, heard.calls)
        count = int(found.differs.sum())
        findings = (Finding(rule.id, rule.severity, rule.verdict, count, found.examples),) if count else ()
        notes = tuple(_notes(agreement, heard))
        return replace(
            result,
            findings=(*result.findings, *findings),
            notes=(*result.notes, *notes),
            second_opinion=agreement,
        )

    def _heard(self, source: BarSource, has: SourceCapabilities, sample: Sample, pace: Pace) -> _Heard:
        requests, sessions = self._plan(has, sample)
        until = self.clock.monotonic() + self.patience

        def over() -> bool:
            return self.clock.monotonic() >= until

        # Being asked is the round's sign of progress, so it is asked in any case.
        own = Pace(go_on=lambda: pace.go_on() and not over(), stopping=lambda: pace.stopping() or over())
        gathering = Gathering(
            source, self.versions, self.pool, self.clock, self.concurrency, None, own, rules=self.rules
        )
        heard = _Heard(unasked=len(sample.cells))
        for gathered in gathering.answers(iter(requests), sessions):
            heard.take(gathered)
        return heard

    def _plan(self, has: SourceCapabilities, sample: Sample) -> tuple[Sequence[FetchRequest], Sessions]:
        """Return the calls, and the sessions of the calendar over all of them."""
        cells, days = sample.cells, np.unique(sample.cells.session)
        sessions = np.union1d(self.calendar.sessions(days[0].item(), days[-1].item()), days)
        shape = (len(cells.codes), len(sessions))
        to_ask = np.zeros(shape, np.bool_)
        to_ask[cells.index, np.searchsorted(sessions, cells.session)] = True
        none = np.zeros(shape, np.bool_)
        # Every session in between counts: the source sends its bars along.
        coverage = Coverage(cells.codes, sessions, np.ones(shape, np.bool_), none, none, none)
        return plan_fetches(coverage, to_ask, has, sample.bars.series).requests, sessions


def _agreement(found: Compared, sample: Sample, about: str, source: str, calls: int) -> Agreement:
    chance = sample.by_chance
    return Agreement(
        about=about,
        source=source,
        asked=len(sample.cells),
        compared=int(found.comparable.sum()),
        agreed=int(found.agrees.sum()),
        compared_by_chance=int((found.comparable & chance).sum()),
        agreed_by_chance=int((found.agrees & chance).sum()),
        calls=calls,
    )


def _notes(figures: Agreement, heard: _Heard) -> Iterator[str]:
    name = f"second opinion of {figures.source}"
    open_ones = sum(count for count, _ in heard.unknown) + heard.unasked
    without = figures.asked - figures.compared - open_ones
    said = f"{name}: {figures.agreed} of {figures.compared} sessions agree"
    if figures.compared:
        said += f", {figures.agreed_by_chance} of {figures.compared_by_chance} of those drawn by chance"
    yield said + (f"; of {without} it has no bars to compare" if without else "")
    if wrong := +heard.wrong:
        told = ", ".join(f"{rule} {count}" for rule, count in wrong.most_common())
        yield f"{name}: bars of its own that cannot be right were not compared: {told}"
    if heard.unknown:
        count = sum(count for count, _ in heard.unknown)
        first = heard.unknown[0][1]
        yield f"{name}: no answer about {count} sessions: {first.reason.value}: {first.detail}"
    if heard.unasked:
        yield f"{name}: no time for {heard.unasked} sessions"


def _noted(result: CollectionResult, *notes: str) -> CollectionResult:
    return replace(result, notes=tuple(chain(result.notes, notes)))
