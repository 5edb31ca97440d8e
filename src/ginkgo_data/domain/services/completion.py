# Upstream: domain.services.collector
# Downstream: domain.model.{bars, fetch, quality, steps}, domain.services, pyarrow
# Role: One grid after the other made complete: ask, prove, store, read back, and wait for what others ask
"""From what a grid lacks to a grid that has it, as far as the vendor answers and time allows."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.fetch import FetchRequest, ProvenEmpty, SourceCapabilities, Unknown
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.services.gaps import GapJudge
from ginkgo_data.domain.services.gathering import Gathered, Gathering
from ginkgo_data.domain.services.grid import Beforehand, Grid, Standing
from ginkgo_data.domain.services.inspection import Inspection
from ginkgo_data.domain.services.landing import Landing, asked_again, split_by_held
from ginkgo_data.domain.services.leasing import Leasing
from ginkgo_data.domain.services.readback import CellMarks, ReadBack
from ginkgo_data.domain.services.sampling import Sampling
from ginkgo_data.domain.services.tally import Tally, Watch, findings_of


@dataclass(frozen=True, slots=True)
class Completion:
    """The work on the grids of one job; what it comes to is in `tally` and `landing`."""

    source: SourceCapabilities
    landing: Landing
    leasing: Leasing
    gathering: Gathering
    inspection: Inspection
    gaps: GapJudge
    tally: Tally
    watch: Watch | None
    sampling: Sampling | None = None
    """Draws what another source is asked about after the job; None: nobody is."""

    def complete(self, grid: Grid) -> None:
        """Make `grid` complete. Raises `StoreUnavailable` or `Interrupted`; no lease is kept in any case.

        Calls that others are making are waited for at the end. What these have stored then needs no call; what is
        still left is planned anew, but nothing is asked twice.
        """
        with step("coverage"):
            standing = grid.read()
        with step("plan"):
            requests = grid.requests(standing, self.source)
        if requests:
            standing = self._worked_off(grid, standing, requests)
            self.tally.unsent(standing.lacking_codes([*self.gathering.left, *self.leasing.unsent]))
            self.tally.unheard(standing.lacking_codes(self.leasing.aside))
        coverage, findings = self.gaps.settle(grid, grid.as_stored(standing))
        self.tally.found(findings)
        self.tally.covered(coverage, grid.span)

    def _worked_off(self, grid: Grid, standing: Standing, requests: list[FetchRequest]) -> Standing:
        """Work off `requests` and those that follow from them; return how the grid stands after it."""
        read_back = ReadBack(grid.command.series.frequency.minutes is None, standing.coverage)
        answered = CellMarks(standing.coverage)
        while True:
            self._gather(grid, requests, grid.stored_beforehand(requests, standing.coverage), answered, read_back)
            others_gained = bool(self.leasing.aside) and self.leasing.wait_for_others()
            with step("read_back"):
                standing = grid.read()
                read_back.must_show_in(standing.coverage)
            if not others_gained:
                return standing
            requests = grid.requests(standing.without(answered), self.source)
            if not requests:
                self.leasing.aside = []
                return standing

    def _gather(
        self,
        grid: Grid,
        requests: list[FetchRequest],
        before: Beforehand | None,
        answered: CellMarks,
        read_back: ReadBack,
    ) -> None:
        """Send those of `requests` that are this worker's to make, and store what comes of them.

        `requests` is emptied: the cells that a call wants are let go once it is answered.
        """
        self.tally.planned = self.tally.done + len(requests)
        granted = self.leasing.granted(requests, grid)
        requests.clear()
        try:
            for gathered in self.gathering.answers(granted, grid.windows.sessions):
                self.leasing.answered(gathered.request)
                answered.add(gathered.request.wanted)
                self._take(gathered, before, read_back)
                if self.landing.empty:
                    self.leasing.stored()
                    self._look()
            self.landing.flush()
            self._look()
        finally:
            self.leasing.give_back()
        self.tally.kept(self.landing)

    def _take(self, gathered: Gathered, before: Beforehand | None, read_back: ReadBack) -> None:
        """Hand one answer to the store; `before` is None where a forced command fetches all of it again."""
        answer, checked, tally, request = gathered.answer, gathered.checked, self.tally, gathered.request
        tally.calls += answer.calls
        tally.done += 1
        if isinstance(answer, Unknown):
            tally.unanswered(request.wanted.codes, answer)
        elif isinstance(answer, ProvenEmpty):
            tally.fetched += len(answer.rejects)
            tally.found(findings_of(answer.rejects))
            empty = BarBatch.empty(request.series)
            asked = self._withdrawable(request, answer.rejects) if before is None else None
            self.landing.add(empty, answer.rejects, answer.absences, asked=asked)
        elif checked is not None:
            accepted = checked.accepted
            tally.fetched += len(answer.batch) + len(answer.rejects)
            tally.found([*checked.findings, *findings_of(answer.rejects)])
            self.inspection.add(request, accepted)
            if self.sampling is not None:
                self.sampling.add(request, checked)
            read_back.sent(accepted)
            rejects = Rejects.concat([answer.rejects, checked.rejects])
            if before is None:
                asked = self._withdrawable(request, rejects)
                self.landing.add(BarBatch.empty(request.series), rejects, answer.absences, accepted, asked)
            else:
                lacking, again = split_by_held(accepted, before.whole)
                fresh, begun = split_by_held(lacking, before.begun)
                self.landing.add(fresh, rejects, answer.absences, again, begun=begun)
        if self.watch:
            self.watch(tally.progress)

    def _look(self) -> None:
        """Look at what has been stored beside what was there before."""
        found = self.inspection.look()
        self.tally.found(found.findings)
        if self.sampling is not None:
            self.sampling.settle(found.findings, found.hits)

    def _withdrawable(self, request: FetchRequest, rejects: Rejects) -> pa.Table | None:
        """Return the cells of a complete answer from which what it lacks is gone; an archive proves no such thing."""
        return asked_again(request.wanted, rejects, request.version) if self.source.extent is None else None
