# Upstream: entrypoints.{container, dispatch}
# Downstream: domain.{model, services}, ports, pyarrow
# Role: Use case: make the coverage of adjustment factors complete
"""Collecting factors: a listed code has one on every session, suspended or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pyarrow as pa

from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.bars import Sessions, distinct
from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.commands import CollectAdjustmentFactors, CollectBars
from ginkgo_data.domain.model.coverage import Absences, Coverage, Held
from ginkgo_data.domain.model.fetch import Answer, FetchRequest, ProvenEmpty, Rows
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.quality import Finding, Rejects
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.model.series import DAILY, Dataset
from ginkgo_data.domain.services.factor_checks import CheckedFactors, check_factors, step_findings
from ginkgo_data.domain.services.factor_revising import FactorRevising
from ginkgo_data.domain.services.grid import Standing
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.planner import plan_fetches
from ginkgo_data.domain.services.rejecting import labelled
from ginkgo_data.domain.services.revising import RequestOf, no_request
from ginkgo_data.domain.services.session_grid import SessionGrid, among, must_show
from ginkgo_data.domain.services.session_job import JobParts, SessionJob
from ginkgo_data.domain.services.sessions import due_windows
from ginkgo_data.domain.services.tally import Tally
from ginkgo_data.ports.adjustment_repository import AdjustmentRepository
from ginkgo_data.ports.adjustment_source import AdjustmentSource
from ginkgo_data.ports.bar_repository import BarRepository, WriteReceipt
from ginkgo_data.ports.factor_revision_repository import FactorRevisionRepository

_TO_THE_END = Pace()
_BREAK = timedelta(days=30)
"""No exchange has been closed for longer: the session before a day lies within it."""


@dataclass(frozen=True, slots=True)
class AdjustmentCollector:
    """Makes the coverage of adjustment factors complete, from one vendor into one store."""

    source: AdjustmentSource
    factors: AdjustmentRepository
    revisions: FactorRevisionRepository
    bars: BarRepository
    """Held bars, as traded: the steps of new factors are compared with them."""
    parts: JobParts

    def collect(
        self,
        command: CollectAdjustmentFactors,
        since: datetime | None = None,
        pace: Pace = _TO_THE_END,
        request_of: RequestOf = no_request,
    ) -> CollectionResult:
        """Fetch, prove and store the factors that are left of `command`, and return what the store then holds.

        Due is each session of the listing window from the first factor held on; with `full`, or where none is
        held, from the list date. `force` fetches what is held again; a factor that this changes is kept as a revision
        before. `since`, `pace` and `request_of` as for bars; raises as `BarCollector.collect` does. What the result
        counts as bars are sessions here.
        """
        selection = CollectBars(command.codes, full=command.full, force=command.force)
        done_since = self.parts.done_since(since) if command.force else None
        errand = _Errand(self, FactorRevising(self.factors, request_of), selection, done_since)
        job = SessionJob(
            self.parts,
            Dataset.ADJUSTMENT_FACTORS,
            errand,
            selection,
            done_since,
            self.source.capabilities.name,
            pace,
            self.parts.limits.chunk_cells,
        )
        return job.run()


@dataclass(frozen=True, slots=True, eq=False)
class FactorReply:
    """A call with its answer, and what the checks made of its rows."""

    request: FetchRequest
    answer: Answer[AdjustmentBatch]
    checked: CheckedFactors | None


@dataclass(slots=True)
class _Landed:
    receipt: WriteReceipt = field(default_factory=WriteReceipt)
    rejected: int = 0


@dataclass(slots=True)
class _Errand:
    """What sets factors apart from other datasets."""

    collector: AdjustmentCollector
    revising: FactorRevising
    selection: CollectBars
    since: int | None
    landed: _Landed = field(default_factory=_Landed)
    _held: Held = field(default_factory=dict)
    _explained: list[Absences] = field(default_factory=list)
    _waiting: list[AdjustmentBatch] = field(default_factory=list)
    _rejects: list[Rejects] = field(default_factory=list)
    _written: list[pa.Table] = field(default_factory=list)
    _oldest: float | None = None

    @property
    def stored(self) -> bool:
        return self._oldest is None

    def grid(self, codes: Sequence[str], securities: Securities, newest: date | None) -> SessionGrid | None:
        factors, calendar = self.collector.factors, self.collector.parts.calendar
        first_held = {} if self.selection.full else factors.first_held(codes)
        windows = due_windows(self.selection, codes, securities, calendar, newest, first_held)
        if windows.span is None:
            return None
        return SessionGrid(codes, windows, windows.span, self.since, factors.held, self._absences)

    def _absences(self, codes: Sequence[str], first: date, last: date) -> Absences:
        return Absences.concat(self._explained)

    def plan(self, standing: Standing) -> list[FetchRequest]:
        capabilities = self.collector.source.capabilities
        return list(plan_fetches(standing.coverage, standing.left, capabilities, DAILY).requests)

    def begin(self, requests: Sequence[FetchRequest]) -> None:
        """Read what is held of everything the answers may contain, so that only the rest is written."""
        if self.since is not None:
            return
        first, last = min(request.first for request in requests), max(request.last for request in requests)
        whole_market = any(request.by_session for request in requests)
        codes = None if whole_market else list({code: None for r in requests for code in r.codes or ()})
        self._held = self.collector.factors.held(codes, first, last)

    def ask(self, planned: FetchRequest, sessions: Sessions) -> FactorReply:
        # The version is the moment of sending, fixed before any retry: as for bars.
        request = replace(planned, version=self.collector.parts.versions.version())
        answer = self.collector.source.factors(request.codes, request.first, request.last, request.version)
        checked = (
            check_factors(answer.batch, request, sessions, self.collector.parts.rules)
            if isinstance(answer, Rows)
            else None
        )
        return FactorReply(request, answer, checked)

    def take(self, reply: FactorReply, tally: Tally) -> None:
        answer = reply.answer
        if self._oldest is None:
            self._oldest = self.collector.parts.clock.monotonic()
        if isinstance(answer, Rows) and reply.checked is not None:
            fresh = self._not_held(reply.checked.accepted)
            tally.fetched += len(answer.batch)
            tally.skipped += len(reply.checked.accepted) - len(fresh)
            tally.found(reply.checked.sifted.findings)
            self._reject(answer.rejects)
            self._reject(reply.checked.sifted.rejects)
            self._waiting.append(fresh)
            self._explained.append(answer.absences)
        elif isinstance(answer, ProvenEmpty):
            self._reject(answer.rejects)
            self._explained.append(answer.absences)
        limits, waiting = self.collector.parts.limits, sum(map(len, self._waiting))
        if (
            waiting >= limits.flush_rows
            or self.collector.parts.clock.monotonic() - self._oldest >= limits.flush_seconds
        ):
            self.flush(tally)

    def flush(self, tally: Tally) -> None:
        """Store quarantine first, then what factors were before, then the factors; then look at their steps."""
        if self._rejects:
            self.collector.parts.quality.quarantine(Rejects.concat(self._rejects))
            self._rejects.clear()
        batch = AdjustmentBatch.concat(self._waiting)
        if len(batch):
            if self.since is not None and len(corrected := self.revising.corrections(batch)):
                self.collector.revisions.write_revisions(corrected)
                tally.revised += len(corrected)
            self.landed.receipt += self.collector.factors.write(batch)
            self._written.append(batch.table.select(["code", "session"]))
            tally.found(self._steps(batch))
        self._waiting.clear()
        self._oldest = None

    def must_show_in(self, after: Coverage) -> None:
        for cells in self._written:
            must_show(cells, after, "adjustment factors")

    def _not_held(self, factors: AdjustmentBatch) -> AdjustmentBatch:
        held = among(factors.table, self._held)
        return AdjustmentBatch(factors.table.filter(pa.array(~held))) if held.any() else factors

    def _reject(self, rejects: Rejects) -> None:
        if len(rejects):
            self._rejects.append(labelled(rejects, Dataset.ADJUSTMENT_FACTORS))
            self.landed.rejected += len(rejects)

    def _steps(self, written: AdjustmentBatch) -> tuple[Finding, ...]:
        codes = distinct(written.table["code"])
        day = written.table["session"].to_numpy().astype("datetime64[D]")
        first, last = day.min().item(), day.max().item()
        sessions = self.collector.parts.calendar.sessions(max(first - _BREAK, FIRST_SESSION), last)
        before = sessions[sessions < day.min()]
        begin = before[-1].item() if len(before) else first
        bars = self.collector.bars.read(codes, DAILY, begin, last)
        if not len(bars):
            return ()
        factors = self.collector.factors.read(codes, begin, last).factors()
        return step_findings(written, factors, bars, sessions, self.collector.parts.rules)
