# Upstream: entrypoints.{container, dispatch}
# Downstream: domain.{model, services}, ports.{bar_repository, tick_repository, tick_source}, numpy, pyarrow
# Role: Use case: make the coverage of ticks complete, session by session, the newest first
"""Collecting ticks. A session is asked for as a whole, stored as a whole, and held by its mark alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.commands import CollectBars, CollectTicks
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells, Coverage
from ginkgo_data.domain.model.fetch import Answer, FetchRequest, ProvenEmpty, Rows
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.model.series import DAILY, Dataset
from ginkgo_data.domain.model.ticks import TickBatch, TickDay
from ginkgo_data.domain.services.grid import Standing
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.rejecting import labelled
from ginkgo_data.domain.services.session_grid import SessionGrid, must_show
from ginkgo_data.domain.services.session_job import JobParts, SessionJob
from ginkgo_data.domain.services.sessions import DueWindows, due_windows
from ginkgo_data.domain.services.tally import Tally
from ginkgo_data.domain.services.tick_checks import CheckedDay, check_ticks
from ginkgo_data.ports.bar_repository import AbsenceRepository, WriteReceipt
from ginkgo_data.ports.tick_repository import TickRepository
from ginkgo_data.ports.tick_source import TickSource

RECENT_SESSIONS = 5
"""Sessions that a command without a range looks back for a code of which nothing is held."""

CHUNK_CELLS = 100_000
"""Cells (codes x sessions) of one grid: each cell that is left is a call of its own, and is planned as one."""

_TO_THE_END = Pace()
_EXPLAINING = frozenset(reason.value for reason in AbsenceReason if reason.explains)


@dataclass(frozen=True, slots=True)
class TickCollector:
    """Makes the coverage of ticks complete, from one vendor into one store."""

    source: TickSource
    ticks: TickRepository
    absences: AbsenceRepository
    """Absences of daily bars: a session of which one is explained has no ticks either."""
    parts: JobParts

    def collect(
        self, command: CollectTicks, since: datetime | None = None, pace: Pace = _TO_THE_END
    ) -> CollectionResult:
        """Fetch, prove and store the sessions that are left of `command`, and return what the store then holds.

        Due are the sessions of its range; without one those since the first session held (the newest
        `RECENT_SESSIONS` where none is), with `full` those since the list date; never what is beyond the source's
        reach. `overwrite` fetches what is held again and replaces it. `since` and `pace` as for bars; raises as
        `BarCollector.collect` does. What the result counts as bars are sessions here, but for the rows written.
        """
        selection = CollectBars(
            command.codes, start=command.start, end=command.end, full=command.full, force=command.overwrite
        )
        done_since = self.parts.done_since(since) if command.overwrite else None
        capabilities = self.source.capabilities
        errand = _Errand(self, selection, done_since, capabilities.archive)
        job = SessionJob(self.parts, Dataset.TICKS, errand, selection, done_since, capabilities.name, pace, CHUNK_CELLS)
        result = job.run()
        return replace(result, notes=(*result.notes, *errand.notes))


@dataclass(frozen=True, slots=True, eq=False)
class TickReply:
    """A call with its answer, and what the checks made of its rows."""

    request: FetchRequest
    answer: Answer[TickBatch]
    checked: CheckedDay | None


@dataclass(slots=True)
class _Landed:
    receipt: WriteReceipt = field(default_factory=WriteReceipt)
    rejected: int = 0


@dataclass(slots=True)
class _Errand:
    """What sets ticks apart from other datasets."""

    collector: TickCollector
    selection: CollectBars
    since: int | None
    archive: bool
    landed: _Landed = field(default_factory=_Landed)
    _explained: list[Absences] = field(default_factory=list)
    _waiting: list[TickDay] = field(default_factory=list)
    _partial: list[TickDay] = field(default_factory=list)
    _rejects: list[Rejects] = field(default_factory=list)
    _marked: list[tuple[str, date]] = field(default_factory=list)
    _beyond: set[str] = field(default_factory=set)
    _oldest: float | None = None

    @property
    def stored(self) -> bool:
        return self._oldest is None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the report should know."""
        beyond = sorted(self._beyond)
        if not beyond:
            return ()
        shown = ", ".join(beyond[:10]) + (f" and {len(beyond) - 10} more" if len(beyond) > 10 else "")
        return (f"sessions beyond the reach of {self.collector.source.capabilities.name} are not asked for: {shown}",)

    def grid(self, codes: Sequence[str], securities: Securities, newest: date | None) -> SessionGrid | None:
        windows = self._within_reach(codes, self._windows(codes, securities, newest))
        if windows.span is None:
            return None
        return SessionGrid(codes, windows, windows.span, self.since, self.collector.ticks.held, self._absences)

    def _windows(self, codes: Sequence[str], securities: Securities, newest: date | None) -> DueWindows:
        calendar = self.collector.parts.calendar
        first_held: Mapping[str, date] = {}
        if self.selection.start is None and not self.selection.full and newest is not None:
            reach = timedelta(days=2 * RECENT_SESSIONS + 30)
            recent = calendar.sessions(max(newest - reach, FIRST_SESSION), newest)[-RECENT_SESSIONS:]
            begin: date = recent[0].item() if len(recent) else newest
            first_held = dict.fromkeys(codes, begin) | dict(self.collector.ticks.first_held(codes))
        return due_windows(self.selection, codes, securities, calendar, newest, first_held)

    def _within_reach(self, codes: Sequence[str], windows: DueWindows) -> DueWindows:
        reach = self.collector.source.reach(codes)
        earliest = np.array([reach.get(code, (date.max, date.min))[0] for code in codes], "datetime64[D]")
        latest = np.array([reach.get(code, (date.max, date.min))[1] for code in codes], "datetime64[D]")
        first, last = np.maximum(windows.first, earliest), np.minimum(windows.last, latest)
        cut = (windows.first <= windows.last) & ((first > windows.first) | (last < windows.last))
        self._beyond.update(codes[row] for row in np.flatnonzero(cut).tolist())
        return DueWindows(windows.sessions, first, last)

    def _absences(self, codes: Sequence[str], first: date, last: date) -> Absences:
        return Absences.concat([self.collector.absences.absences(codes, DAILY, first, last), *self._explained])

    def plan(self, standing: Standing) -> list[FetchRequest]:
        """Return a call for each session of a code that is left, the newest session first."""
        cells = standing.coverage.cells(standing.left)
        index, session = cells.index, cells.session
        order = np.lexsort((index, -session.astype(np.int64)))
        alone = np.zeros(1, np.int64)
        requests = []
        for row in order.tolist():
            code, day = cells.codes[index[row]], session[row].item()
            requests.append(FetchRequest(DAILY, (code,), day, day, Cells((code,), alone, session[row : row + 1]), 0))
        return requests

    def begin(self, requests: Sequence[FetchRequest]) -> None:
        return None

    def ask(self, planned: FetchRequest, sessions: Sessions) -> TickReply:
        # The version is the moment of sending, fixed before any retry: as for bars.
        request = replace(planned, version=self.collector.parts.versions.version())
        answer = self.collector.source.ticks((request.codes or ("",))[0], request.first, request.version)
        checked = None
        if isinstance(answer, Rows):
            checked = check_ticks(answer.batch, request, len(answer.rejects), answer.places, self.collector.parts.rules)
        return TickReply(request, answer, checked)

    def take(self, reply: TickReply, tally: Tally) -> None:
        answer, clock = reply.answer, self.collector.parts.clock
        if self._oldest is None:
            self._oldest = clock.monotonic()
        if isinstance(answer, Rows) and reply.checked is not None:
            tally.fetched += len(answer.batch)
            tally.found(reply.checked.sifted.findings)
            self._reject(answer.rejects)
            self._reject(reply.checked.sifted.rejects)
            day = reply.checked.day
            if day.whole:
                self._waiting.append(day)
            elif len(day):
                self._partial.append(day)
        elif isinstance(answer, ProvenEmpty):
            self._reject(answer.rejects)
            self._explained.append(answer.absences)
            self._emptied(reply.request, answer)
        limits, waiting = self.collector.parts.limits, sum(map(len, [*self._waiting, *self._partial]))
        if waiting >= limits.flush_rows or clock.monotonic() - self._oldest >= limits.flush_seconds:
            self.flush(tally)

    def _emptied(self, request: FetchRequest, answer: ProvenEmpty) -> None:
        """Take a session that is proven to have no ticks; where nothing explains that, it is not held by it.

        An archive may have been cut: what it lacks is replaced by nothing only on evidence from the vendor.
        """
        explains = any(reason in _EXPLAINING for reason in answer.absences.table["reason"].to_pylist())
        if len(answer.rejects) or (self.archive and not explains):
            return
        code = (request.codes or ("",))[0]
        self._waiting.append(TickDay(code, request.first, request.version, TickBatch.empty(), whole=explains))

    def flush(self, tally: Tally) -> None:
        """Store quarantine first, then the lists with their marks."""
        if self._rejects:
            self.collector.parts.quality.quarantine(Rejects.concat(self._rejects))
            self._rejects.clear()
        days = self._waiting + self._worth_storing(self._partial)
        if days:
            self.landed.receipt += self.collector.ticks.replace(days)
            self._marked += [day.key for day in days if day.whole]
        self._waiting.clear()
        self._partial.clear()
        self._oldest = None

    def _worth_storing(self, partial: list[TickDay]) -> list[TickDay]:
        """Return the lists that lost rows to quarantine, but for those of sessions that are held: these are better."""
        if not partial:
            return []
        codes = list(dict.fromkeys(day.code for day in partial))
        first, last = min(day.session for day in partial), max(day.session for day in partial)
        held = {
            (code, day) for code, days in self.collector.ticks.held(codes, first, last).items() for day in days.tolist()
        }
        return [day for day in partial if day.key not in held]

    def must_show_in(self, after: Coverage) -> None:
        codes, days = [code for code, _ in self._marked], [day for _, day in self._marked]
        cells = pa.table({"code": pa.array(codes, pa.string()), "session": pa.array(days, pa.date32())})
        must_show(cells, after, "sessions of ticks")

    def _reject(self, rejects: Rejects) -> None:
        if len(rejects):
            self._rejects.append(labelled(rejects, Dataset.TICKS))
            self.landed.rejected += len(rejects)
