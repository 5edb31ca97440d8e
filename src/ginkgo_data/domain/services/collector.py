# Upstream: domain.services.session_job, entrypoints.{container, dispatch, worker_wiring}
# Downstream: domain.{model, services}, ports
# Role: Use case: make the coverage of bars complete (coverage, plan, fetch, validate, write, read back)
"""The main job of the house.

A collection only ever does what is left: sessions due − held − explained. It is therefore the same thing
to plan, to update, to fill gaps, and to go on after a crash. Its result is read back from the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date, datetime

from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.commands import Codes, CollectBars
from ginkgo_data.domain.model.errors import NotAvailable
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.services.asked_codes import AskedCodes, codes_asked
from ginkgo_data.domain.services.completion import Completion
from ginkgo_data.domain.services.gaps import GapJudge
from ginkgo_data.domain.services.gathering import Gathering
from ginkgo_data.domain.services.grid import Grid
from ginkgo_data.domain.services.inspection import Inspection
from ginkgo_data.domain.services.landing import Landing
from ginkgo_data.domain.services.leasing import ALONE, Leasing
from ginkgo_data.domain.services.listings import Listings
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.reference import SecuritiesSync
from ginkgo_data.domain.services.revising import RequestOf, Revising, no_request
from ginkgo_data.domain.services.rule_set import RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.sampling import Sampling
from ginkgo_data.domain.services.sessions import due_windows, newest_closed
from ginkgo_data.domain.services.shares import own_share, pieces
from ginkgo_data.domain.services.tally import Tally
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository
from ginkgo_data.ports.bar_source import BarSource
from ginkgo_data.ports.call_lease import CallLease
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.quality_repository import QualityRepository
from ginkgo_data.ports.reference_repository import ReferenceRepository
from ginkgo_data.ports.revision_repository import RevisionRepository
from ginkgo_data.ports.trading_calendar import TradingCalendar
from ginkgo_data.ports.version_clock import VersionClock

WINDOW = 2
"""Leases taken at once, as a multiple of the calls under way: none waits for one, and others get their part."""

_TO_THE_END = Pace()


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
    revisions: RevisionRepository
    reference: ReferenceRepository
    universe: SecuritiesSync
    calendar: TradingCalendar
    versions: VersionClock
    clock: Clock
    pool: Executor
    lease: CallLease = ALONE
    limits: CollectorLimits = field(default_factory=CollectorLimits)
    rules: RuleSet = DEFAULT_RULES

    def collect(
        self,
        command: CollectBars,
        since: datetime | None = None,
        pace: Pace = _TO_THE_END,
        request_of: RequestOf = no_request,
        sampling: Sampling | None = None,
    ) -> CollectionResult:
        """Fetch, prove and store what is left of `command`, and return what the store then holds.

        `since` is when the command was first delivered (zoned): what was stored or recorded since then has
        been done for it already. `pace` says how far to go: when it says no, codes with calls left are
        `unfinished`, and codes beyond its share of calls are `shed`. `request_of` names who asked for a code, for
        the revisions of what the vendor has corrected; `sampling` draws some of what is stored. Raises `NotAvailable`
        when the source has no such series, `StoreUnavailable`, `Interrupted`, `CalendarHorizonExceeded`, or what
        `pace.shed` raises.
        Vendor trouble is in the result.
        """
        has = self.source.capabilities
        if not has.offers(command.series.frequency, command.series.adjust):
            offered = ", ".join(sorted(str(series) for series in has.series)) or "none"
            raise NotAvailable(f"source {has.name} has no bars of {command.series}; it offers {offered}")
        present = self.versions.version()
        # Never ahead of the store's own clock, else a forced command would not see its own rows.
        done_since = present if since is None else min(int(since.timestamp() * 1_000_000), present)
        return _Job(self, command, done_since, pace, request_of, sampling).run()


@dataclass(slots=True)
class _Job:
    """One run of the collector."""

    parts: BarCollector
    command: CollectBars
    since: int
    pace: Pace
    request_of: RequestOf
    sampling: Sampling | None = None
    tally: Tally = field(default_factory=Tally)

    def run(self) -> CollectionResult:
        parts, tally = self.parts, self.tally
        started = parts.clock.monotonic()
        asked = codes_asked(self.command, parts.reference, parts.universe, tally)
        newest = newest_closed(parts.calendar, parts.clock.now(), self.command.end)
        completion = self._completion(newest, asked.securities)
        for part in self._chunks(self._share_of(asked, newest), newest):
            if self.pace.stopping():
                tally.unsent(part)
            elif (grid := self._grid(part, asked.securities, newest)) is not None:
                completion.complete(grid)
        tally.stopped = self.pace.stopping()
        return tally.result(self.command.series, completion.landing, parts.clock.monotonic() - started, asked.strangers)

    def _share_of(self, asked: AskedCodes, newest: date | None) -> list[str]:
        """Return the codes to work here and now, after the others were left to other workers."""

        def calls_of(part: list[str]) -> list[Codes]:
            grid = self._grid(part, asked.securities, newest)
            planned = grid.requests(grid.read(), self.parts.source.capabilities) if grid else []
            return [request.codes for request in planned]

        return own_share(asked.codes, self._chunks(asked.codes, newest), calls_of, self.pace, self.tally)

    def _chunks(self, codes: list[str], newest: date | None) -> Iterator[list[str]]:
        if newest is None:
            return iter(())
        begin = self.command.start or FIRST_SESSION
        return pieces(codes, self.command.sessions or (newest - begin).days, self.parts.limits.chunk_cells)

    def _grid(self, codes: list[str], securities: Securities, newest: date | None) -> Grid | None:
        """Return the grid of `codes`, None when no session is due for any."""
        parts, command = self.parts, self.command
        follows_held = command.start is None and command.sessions is None and not command.full
        first_held = parts.bars.first_held(codes, command.series) if follows_held else {}
        windows = due_windows(command, codes, securities, parts.calendar, newest, first_held)
        if windows.span is None:
            return None
        stores = (parts.bars, parts.absences, parts.calendar, parts.clock)
        return Grid(command, self.since, codes, windows, windows.span, *stores, parts.limits.absence_recheck)

    def _completion(self, newest: date | None, securities: Securities) -> Completion:
        parts, command, limits = self.parts, self.command, self.parts.limits
        has = parts.source.capabilities
        landing = Landing(
            command.series,
            parts.bars,
            parts.absences,
            parts.quality,
            parts.revisions,
            Revising(parts.bars, has.name, command.force, self.request_of),
            parts.clock,
            limits.flush_rows,
            limits.flush_seconds,
            # An archive may have been cut or may still grow: of it only full sessions are whole.
            marks=has.extent is None,
        )
        since = self.since if command.force else None
        window = WINDOW * limits.concurrency
        leasing = Leasing(parts.lease, parts.clock, self.pace, has.name, window, since)
        # Of a range in the past `newest` is its own last session: no row can be of the future then.
        present = newest if command.end is None or command.end >= parts.clock.now().date() else None
        listings = Listings.of(securities)
        gathering = Gathering(
            parts.source,
            parts.versions,
            parts.pool,
            parts.clock,
            limits.concurrency,
            present,
            self.pace,
            leasing.extend,
            listings,
            parts.rules,
        )
        inspection = Inspection(parts.bars, parts.calendar, parts.rules, listings)
        gaps = GapJudge(parts.absences, parts.versions, parts.rules, has.name, has.extent is None)
        told = (self.tally, self.pace.watch, self.sampling)
        return Completion(has, landing, leasing, gathering, inspection, gaps, *told)
