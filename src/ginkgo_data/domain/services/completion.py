# Upstream: domain.services.collector
# Downstream: domain.model.{bars, coverage, fetch, quality}, domain.services, pyarrow
# Role: One grid after the other made complete: ask, prove, store, read back, and wait for what others ask
"""From what a grid lacks to a grid that has it, as far as the vendor answers and time allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.fetch import FetchRequest, ProvenEmpty, SourceCapabilities, Unknown
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.services.gathering import Gathered, Gathering
from ginkgo_data.domain.services.grid import Grid, Standing
from ginkgo_data.domain.services.landing import Landing, asked_again, split_by_held
from ginkgo_data.domain.services.leasing import Leasing
from ginkgo_data.domain.services.readback import ReadBack
from ginkgo_data.domain.services.tally import Tally, Watch, findings_of


@dataclass(frozen=True, slots=True)
class Completion:
    """The work on the grids of one job; what it comes to is in `tally` and `landing`."""

    source: SourceCapabilities
    landing: Landing
    leasing: Leasing
    gathering: Gathering
    tally: Tally
    watch: Watch | None

    def complete(self, grid: Grid) -> None:
        """Make `grid` complete. Raises `StoreUnavailable` or `Interrupted`; no lease is kept in any case.

        Calls that others are making are waited for at the end. What these have stored then needs no call; what is
        still left is planned anew, but nothing is asked twice.
        """
        standing = grid.read()
        requests = grid.requests(standing, self.source)
        if requests:
            standing = self._worked_off(grid, standing, requests)
            self.tally.unsent(standing.lacking_codes([*self.gathering.left, *self.leasing.unsent]))
            self.tally.unheard(standing.lacking_codes(self.leasing.aside))
        self.tally.covered(grid.as_stored(standing), grid.span)

    def _worked_off(self, grid: Grid, standing: Standing, requests: Sequence[FetchRequest]) -> Standing:
        """Work off `requests` and those that follow from them; return how the grid stands after it."""
        read_back = ReadBack(grid.command.series.frequency.minutes is None)
        answered: list[FetchRequest] = []
        while True:
            self._gather(grid, requests, grid.held_beforehand(requests, standing.coverage), answered, read_back)
            others_gained = bool(self.leasing.aside) and self.leasing.wait_for_others()
            standing = grid.read()
            read_back.must_show_in(standing.coverage)
            if not others_gained:
                return standing
            left = standing.without(answered)
            requests = grid.requests(left, self.source)
            if not requests:
                self.leasing.aside = []
                return standing

    def _gather(
        self,
        grid: Grid,
        requests: Sequence[FetchRequest],
        held: Held | None,
        answered: list[FetchRequest],
        read_back: ReadBack,
    ) -> None:
        """Send those of `requests` that are this worker's to make, and store what comes of them."""
        self.tally.planned = self.tally.done + len(requests)
        try:
            for gathered in self.gathering.answers(self.leasing.granted(requests, grid), grid.windows.sessions):
                self.leasing.answered(gathered.request)
                answered.append(gathered.request)
                self._take(gathered, held, read_back)
                if self.landing.empty:
                    self.leasing.stored()
            self.landing.flush()
        finally:
            self.leasing.give_back()
        self.tally.kept(self.landing)

    def _take(self, gathered: Gathered, held: Held | None, read_back: ReadBack) -> None:
        """Hand one answer to the store; `held` is None where a forced command fetches all of it again."""
        answer, checked, tally, request = gathered.answer, gathered.checked, self.tally, gathered.request
        tally.calls += answer.calls
        tally.done += 1
        if isinstance(answer, Unknown):
            tally.unanswered(request.wanted.codes, answer)
        elif isinstance(answer, ProvenEmpty):
            tally.fetched += len(answer.rejects)
            tally.found(findings_of(answer.rejects))
            empty = BarBatch.empty(request.series)
            asked = self._withdrawable(request, answer.rejects) if held is None else None
            self.landing.add(empty, answer.rejects, answer.absences, asked=asked)
        elif checked is not None:
            accepted = checked.accepted
            tally.fetched += len(answer.batch) + len(answer.rejects)
            tally.found([*checked.findings, *findings_of(answer.rejects)])
            read_back.sent(accepted)
            rejects = Rejects.concat([answer.rejects, checked.rejects])
            if held is None:
                asked = self._withdrawable(request, rejects)
                self.landing.add(BarBatch.empty(request.series), rejects, answer.absences, accepted, asked)
            else:
                fresh, again = split_by_held(accepted, held)
                self.landing.add(fresh, rejects, answer.absences, again)
        if self.watch:
            self.watch(tally.progress)

    def _withdrawable(self, request: FetchRequest, rejects: Rejects) -> pa.Table | None:
        """Return the cells of a complete answer from which what it lacks is gone; an archive proves no such thing."""
        return asked_again(request.wanted, rejects, request.version) if self.source.extent is None else None
