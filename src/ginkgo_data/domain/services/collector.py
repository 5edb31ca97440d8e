# Upstream: entrypoints.{container, dispatch}
# Downstream: domain.{model, services}, ports
# Role: Use case: make the coverage of bars complete (coverage, plan, fetch, validate, write, read back)
"""The main job of the house.

A collection only ever does what is left: sessions due − held − explained. It is therefore the same thing
to plan, to update, to fill gaps, and to go on after a crash. Its result is read back from the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.collection import WHOLE_UNIVERSE, CollectionResult
from ginkgo_data.domain.model.commands import CollectBars, SyncSecurities
from ginkgo_data.domain.model.coverage import Absences, Coverage, Flags, Held
from ginkgo_data.domain.model.errors import NotAvailable
from ginkgo_data.domain.model.fetch import FetchPlan, FetchRequest, ProvenEmpty, Unknown
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.services.coverage import build_coverage
from ginkgo_data.domain.services.gathering import Gathered, Gathering, GoOn
from ginkgo_data.domain.services.landing import Landing, not_held
from ginkgo_data.domain.services.planner import plan_fetches
from ginkgo_data.domain.services.readback import ReadBack, positions
from ginkgo_data.domain.services.reference import UNKNOWN_CODE_REFRESH_HOURS, SecuritiesSync
from ginkgo_data.domain.services.sessions import DueWindows, due_windows, newest_closed, young_from
from ginkgo_data.domain.services.tally import Tally, Watch, findings_of
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.quality_repository import QualityRepository
from ginkgo_data.ports.reference_repository import ReferenceRepository
from ginkgo_data.ports.trading_calendar import TradingCalendar
from ginkgo_data.ports.version_clock import VersionClock


@dataclass(frozen=True, slots=True)
class CollectorLimits:
    """Sizes that bound time and memory."""

    concurrency: int = 8
    """Calls under way at once."""
    flush_rows: int = 200_000
    flush_seconds: float = 10.0
    chunk_cells: int = 4_000_000
    """Cells (codes x sessions) of one coverage grid; more codes are worked in several grids."""
    absence_recheck: int = 5
    """Explained absences of this many newest sessions are asked again by a later command."""


@dataclass(frozen=True, slots=True)
class BarCollector:
    """Makes the coverage of bars complete, from one vendor into one store.

    Calls run in `pool`, whose threads exist before; the caller's thread writes.
    """

    source: BarSource
    bars: BarRepository
    absences: AbsenceRepository
    quality: QualityRepository
    reference: ReferenceRepository
    universe: SecuritiesSync
    calendar: TradingCalendar
    versions: VersionClock
    clock: Clock
    pool: Executor
    limits: CollectorLimits = field(default_factory=CollectorLimits)

    def collect(
        self, command: CollectBars, since: datetime | None = None, go_on: GoOn | None = None, watch: Watch | None = None
    ) -> CollectionResult:
        """Fetch, prove and store what is left of `command`, and return what the store then holds.

        `since` is when the command was first delivered (zoned): what was stored or recorded since then has
        been done for it already. `go_on` is asked before each call; when it says no, codes with calls left
        are `unfinished`. Raises `NotAvailable` when the source has no such series, `StoreUnavailable`, or
        `CalendarHorizonExceeded`. Vendor trouble is in the result.
        """
        has = self.source.capabilities
        if not has.offers(command.series.frequency, command.series.adjust):
            offered = ", ".join(sorted(str(series) for series in has.series)) or "none"
            raise NotAvailable(f"source {has.name} has no bars of {command.series}; it offers {offered}")
        present = self.versions.version()
        # Never ahead of the store's own clock, else a forced command would not see its own rows.
        done_since = present if since is None else min(int(since.timestamp() * 1_000_000), present)
        return _Job(self, command, done_since, go_on or _always, watch).run()


@dataclass(slots=True)
class _Job:
    """One run of the collector."""

    parts: BarCollector
    command: CollectBars
    since: int
    go_on: GoOn
    watch: Watch | None
    tally: Tally = field(default_factory=Tally)

    def run(self) -> CollectionResult:
        parts = self.parts
        started = parts.clock.monotonic()
        securities, codes, strangers = self._universe()
        newest = newest_closed(parts.calendar, parts.clock.now(), self.command.end)
        limits = parts.limits
        landing = Landing(
            self.command.series,
            parts.bars,
            parts.absences,
            parts.quality,
            parts.clock,
            limits.flush_rows,
            limits.flush_seconds,
            # An archive may have been cut or may still grow: of it only full sessions are whole.
            marks=parts.source.capabilities.extent is None,
        )
        # Of a range in the past `newest` is its own last session: no row can be of the future then.
        present = newest if self.command.end is None or self.command.end >= parts.clock.now().date() else None
        gathering = Gathering(parts.source, parts.versions, parts.pool, limits.concurrency, self.go_on, present)
        for chunk in self._chunks(codes, newest):
            first_held = parts.bars.first_held(chunk, self.command.series) if self._follows_held() else {}
            windows = due_windows(self.command, chunk, securities, parts.calendar, newest, first_held)
            if windows.span is not None:
                self._complete(chunk, windows, windows.span, landing, gathering)
        return self.tally.result(self.command.series, landing, parts.clock.monotonic() - started, strangers)

    def _universe(self) -> tuple[Securities, list[str], tuple[str, ...]]:
        """Return securities, the codes to work, and those that no exchange lists.

        A code that the stored securities lack refreshes them once; where the vendor does not answer, such a
        code is unanswered rather than unknown.
        """
        securities = self.parts.reference.securities()
        known = set(securities.codes())
        if self.command.codes is None and known:
            return securities, sorted(known), ()
        if self.command.codes is None:
            return self._first_universe(), sorted(self.parts.reference.securities().codes()), ()
        if known.issuperset(self.command.codes):
            return securities, list(self.command.codes), ()
        refreshed = self.parts.universe.sync(SyncSecurities(max_age_hours=UNKNOWN_CODE_REFRESH_HOURS))
        self.tally.calls += refreshed.calls
        securities = self.parts.reference.securities()
        known = set(securities.codes())
        strangers = tuple(code for code in self.command.codes if code not in known)
        if refreshed.unknown is not None:
            self.tally.unanswered(strangers, refreshed.unknown)
            strangers = ()
        return securities, [code for code in self.command.codes if code in known], strangers

    def _first_universe(self) -> Securities:
        """Ask for the universe where nothing is stored: "all codes" of an empty list would be a false success."""
        refreshed = self.parts.universe.sync(SyncSecurities())
        self.tally.calls += refreshed.calls
        if refreshed.unknown is not None:
            self.tally.unanswered([WHOLE_UNIVERSE], refreshed.unknown)
        return self.parts.reference.securities()

    def _follows_held(self) -> bool:
        command = self.command
        return command.start is None and command.sessions is None and not command.full

    def _chunks(self, codes: list[str], newest: date | None) -> Iterator[list[str]]:
        """Cut `codes` so that the grid of one cut stays within `chunk_cells`."""
        if newest is None or not codes:
            return
        begin = self.command.start or FIRST_SESSION
        days = self.command.sessions or max(1, (newest - begin).days)
        size = max(1, self.parts.limits.chunk_cells // days)
        for position in range(0, len(codes), size):
            yield codes[position : position + size]

    def _complete(
        self, codes: list[str], windows: DueWindows, span: tuple[date, date], landing: Landing, gathering: Gathering
    ) -> None:
        """Make one grid complete, as far as the vendor answers and time allows."""
        before, absences = self._coverage(codes, windows, span)
        wanted = self._left(before, absences)
        plan = plan_fetches(before, wanted, self.parts.source.capabilities, self.command.series)
        self.tally.planned += len(plan.requests)
        if plan.requests:
            read_back = ReadBack(self.command.series.frequency.minutes is None)
            held = self._held_beforehand(plan, before)
            for gathered in gathering.answers(self._to_the_edges(plan.requests, span), windows.sessions):
                self._take(gathered, held, landing, read_back)
            landing.flush()
            self.tally.unsent(gathering.unsent)
            before, _ = self._coverage(codes, windows, span)
            read_back.must_show_in(before)
        self.tally.covered(before, span)

    def _to_the_edges(self, requests: Sequence[FetchRequest], span: tuple[date, date]) -> list[FetchRequest]:
        """Widen requests at the edges of the range to the days the command named, sessions or not.

        A row on a closed day before the first session, or after the last, is then seen and rejected by name.
        """
        first = min(self.command.start or span[0], span[0])
        last = max(min(self.command.end or span[1], self.parts.clock.now().date()), span[1])
        return [
            request
            if request.by_session
            else replace(
                request,
                first=first if request.first == span[0] else request.first,
                last=last if request.last == span[1] else request.last,
            )
            for request in requests
        ]

    def _coverage(self, codes: list[str], windows: DueWindows, span: tuple[date, date]) -> tuple[Coverage, Absences]:
        series = self.command.series
        since = self.since if self.command.force else None
        held = self.parts.bars.held(codes, series, *span, since=since)
        absences = self.parts.absences.absences(codes, series, *span)
        return build_coverage(codes, windows.sessions, windows.first, windows.last, held, absences), absences

    def _left(self, coverage: Coverage, absences: Absences) -> Flags:
        """Return the cells to ask for: what is left, less what this very command has been answered already."""
        if self.command.force:
            wanted = coverage.due & ~coverage.held
        else:
            parts, last = self.parts, coverage.sessions[-1].item()
            wanted = coverage.to_ask(young_from(parts.calendar, parts.clock.now(), last, parts.limits.absence_recheck))
        answered = absences.table.filter(absences.table["version"].to_numpy() >= self.since)
        row, column, inside = positions(answered, coverage)
        wanted[row[inside], column[inside]] = False
        return wanted

    def _held_beforehand(self, plan: FetchPlan, before: Coverage) -> Held:
        """Return what is held of everything the answers may contain, so that only the rest is written."""
        if self.command.force:
            return {}
        days = [request.first for request in plan.requests if request.by_session]
        if days:
            return self.parts.bars.held(None, self.command.series, min(days), max(days))
        return {code: before.sessions[before.held[i]] for i, code in enumerate(before.codes)}

    def _take(self, gathered: Gathered, held: Held, landing: Landing, read_back: ReadBack) -> None:
        answer, checked = gathered.answer, gathered.checked
        self.tally.calls += answer.calls
        self.tally.done += 1
        if isinstance(answer, Unknown):
            self.tally.unanswered(gathered.request.wanted.codes, answer)
        elif isinstance(answer, ProvenEmpty):
            self.tally.fetched += len(answer.rejects)
            self.tally.found(findings_of(answer.rejects))
            landing.add(BarBatch.empty(self.command.series), answer.rejects, answer.absences)
        elif checked is not None:
            fresh = not_held(checked.accepted, held)
            self.tally.fetched += len(answer.batch) + len(answer.rejects)
            self.tally.skipped += len(checked.accepted) - len(fresh)
            self.tally.found([*checked.findings, *findings_of(answer.rejects)])
            read_back.sent(fresh)
            landing.add(fresh, Rejects.concat([answer.rejects, checked.rejects]), answer.absences)
        if self.watch:
            self.watch(self.tally.progress)


def _always() -> bool:
    return True
