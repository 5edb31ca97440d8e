# Upstream: domain.services.{adjustments, ticks}, entrypoints.container
# Downstream: domain.{model, services}, ports
# Role: The run of a collection of factors or ticks: codes, shares, grids, calls, read back, result
"""What the collectors of factors and of ticks have in common; what sets them apart is their `Errand`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Protocol, TypeVar

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.commands import Codes, CollectBars
from ginkgo_data.domain.model.coverage import Coverage
from ginkgo_data.domain.model.fetch import FetchRequest, ProvenEmpty, Rows, Unknown
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.model.series import Dataset
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.services.asked_codes import AskedCodes, codes_asked
from ginkgo_data.domain.services.collector import WINDOW, CollectorLimits
from ginkgo_data.domain.services.gathering import Calling
from ginkgo_data.domain.services.grid import Standing
from ginkgo_data.domain.services.leasing import ALONE, Leasing
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.readback import CellMarks
from ginkgo_data.domain.services.reference import SecuritiesSync
from ginkgo_data.domain.services.rule_set import RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.session_grid import SessionGrid
from ginkgo_data.domain.services.sessions import newest_closed
from ginkgo_data.domain.services.shares import own_share, pieces
from ginkgo_data.domain.services.tally import Landed, Tally, findings_of
from ginkgo_data.ports.call_lease import CallLease
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.quality_repository import QualityRepository
from ginkgo_data.ports.reference_repository import ReferenceRepository
from ginkgo_data.ports.trading_calendar import TradingCalendar
from ginkgo_data.ports.version_clock import VersionClock


@dataclass(frozen=True, slots=True)
class JobParts:
    """What every collection works with, beside its source and its repository."""

    quality: QualityRepository
    reference: ReferenceRepository
    universe: SecuritiesSync
    calendar: TradingCalendar
    versions: VersionClock
    clock: Clock
    pool: Executor
    """Its threads exist before."""
    lease: CallLease = ALONE
    limits: CollectorLimits = field(default_factory=CollectorLimits)
    rules: RuleSet = DEFAULT_RULES

    def done_since(self, since: datetime | None) -> int:
        """Return the version from which on something was stored for a command first delivered at `since` (zoned)."""
        present = self.versions.version()
        # Never ahead of the store's own clock, else a forced command would not see its own rows.
        return present if since is None else min(int(since.timestamp() * 1_000_000), present)


class Told(Protocol):
    """A call with what came of it."""

    @property
    def request(self) -> FetchRequest:
        """The call."""

    @property
    def answer(self) -> Rows[Any] | ProvenEmpty | Unknown:
        """What the vendor said."""


Reply = TypeVar("Reply", bound=Told)


class Errand(Protocol[Reply]):
    """What is particular to a dataset."""

    @property
    def landed(self) -> Landed:
        """What was stored and rejected so far."""

    @property
    def stored(self) -> bool:
        """Whether everything taken is stored."""

    def grid(self, codes: Sequence[str], securities: Securities, newest: date | None) -> SessionGrid | None:
        """Return the grid of `codes`, None when no session is due for any."""

    def plan(self, standing: Standing) -> list[FetchRequest]:
        """Return the fewest calls that ask for all that is left."""

    def begin(self, requests: Sequence[FetchRequest]) -> None:
        """Get ready for the answers to `requests`. Raises `StoreUnavailable`."""

    def ask(self, planned: FetchRequest, sessions: Sessions) -> Reply:
        """Make one call and prove its answer, in a thread of the pool."""

    def take(self, reply: Reply, tally: Tally) -> None:
        """Take the rows of an answer that is not `Unknown`; may store what waits. Raises `StoreUnavailable`."""

    def flush(self, tally: Tally) -> None:
        """Store everything that waits. Raises `StoreUnavailable`."""

    def must_show_in(self, after: Coverage) -> None:
        """Raise `StoreUnavailable` when something that was acknowledged does not read as held."""


@dataclass(slots=True)
class SessionJob(Generic[Reply]):
    """One run."""

    parts: JobParts
    dataset: Dataset
    errand: Errand[Reply]
    selection: CollectBars
    """The command's codes and range."""
    since: int | None
    """Of a forced command, the version from which on something was stored for it; else None."""
    source: str
    pace: Pace
    chunk_cells: int
    """Cells (codes x sessions) of one grid."""
    tally: Tally = field(default_factory=Tally)

    def run(self) -> CollectionResult:
        """Make coverage complete as far as vendor and time allow. Raises as the collectors do."""
        parts, tally, pace = self.parts, self.tally, self.pace
        started = parts.clock.monotonic()
        asked = codes_asked(self.selection, parts.reference, parts.universe, tally)
        newest = newest_closed(parts.calendar, parts.clock.now(), self.selection.end)
        concurrency = parts.limits.concurrency
        leasing = Leasing(
            parts.lease, parts.clock, pace, f"{self.source} {self.dataset}", WINDOW * concurrency, self.since
        )
        calling = Calling(self.errand.ask, parts.pool, parts.clock, concurrency, pace, leasing.extend)
        for part in self._chunks(self._share_of(asked, newest), newest):
            if pace.stopping():
                tally.unsent(part)
            elif (grid := self.errand.grid(part, asked.securities, newest)) is not None:
                self._complete(grid, leasing, calling)
        tally.stopped = pace.stopping()
        return tally.result(self.dataset, self.errand.landed, parts.clock.monotonic() - started, asked.strangers)

    def _share_of(self, asked: AskedCodes, newest: date | None) -> list[str]:
        """Return the codes to work here and now, after the others were left to other workers."""

        def calls_of(part: list[str]) -> list[Codes]:
            grid = self.errand.grid(part, asked.securities, newest)
            return [request.codes for request in self.errand.plan(grid.read())] if grid else []

        return own_share(asked.codes, self._chunks(asked.codes, newest), calls_of, self.pace, self.tally)

    def _chunks(self, codes: list[str], newest: date | None) -> Iterator[list[str]]:
        if newest is None:
            return iter(())
        return pieces(codes, (newest - (self.selection.start or FIRST_SESSION)).days, self.chunk_cells)

    def _complete(self, grid: SessionGrid, leasing: Leasing, calling: Calling[Reply]) -> None:
        """Make `grid` complete; no lease is kept in any case.

        Calls that others are making are waited for at the end. What these have stored then needs no call; what is
        still left is planned anew, but nothing is asked twice.
        """
        with step("coverage"):
            standing = grid.read()
        answered = CellMarks(standing.coverage)
        with step("plan"):
            requests = self.errand.plan(standing)
        worked = bool(requests)
        while requests:
            self._work(grid, requests, leasing, calling, answered)
            others_gained = bool(leasing.aside) and leasing.wait_for_others()
            with step("read_back"):
                standing = grid.read()
                self.errand.must_show_in(standing.coverage)
            requests = self.errand.plan(standing.without(answered)) if others_gained else []
            if others_gained and not requests:
                leasing.aside = []
        if worked:
            self.tally.unsent(standing.lacking_codes([*calling.left, *leasing.unsent]))
            self.tally.unheard(standing.lacking_codes(leasing.aside))
        self.tally.covered(standing.coverage, grid.span)

    def _work(
        self,
        grid: SessionGrid,
        requests: Sequence[FetchRequest],
        leasing: Leasing,
        calling: Calling[Reply],
        answered: CellMarks,
    ) -> None:
        """Send those of `requests` that are this worker's to make, and store what comes of them."""
        self.tally.planned = self.tally.done + len(requests)
        self.errand.begin(requests)
        try:
            for reply in calling.replies(leasing.granted(requests, grid), grid.windows.sessions):
                leasing.answered(reply.request)
                answered.add(reply.request.wanted)
                self._take(reply)
                if self.errand.stored:
                    leasing.stored()
            with step("write"):
                self.errand.flush(self.tally)
        finally:
            leasing.give_back()

    def _take(self, reply: Reply) -> None:
        answer, tally = reply.answer, self.tally
        tally.calls += answer.calls
        tally.done += 1
        if isinstance(answer, Unknown):
            tally.unanswered(reply.request.wanted.codes, answer)
        else:
            tally.fetched += len(answer.rejects)
            tally.found(findings_of(answer.rejects))
            self.errand.take(reply, tally)
        if self.pace.watch:
            self.pace.watch(tally.progress)
