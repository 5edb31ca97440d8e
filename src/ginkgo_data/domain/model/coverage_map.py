# Upstream: domain.services.{coverage_map, coverage_reading}, entrypoints.{coverage_json, coverage_page, coverage_table}
# Downstream: domain.model.{bars, coverage}, numpy
# Role: A map of coverage: one state per code and session, counted and told in runs
"""What a person looks at: for every code and session whether it is held, and if not, why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.coverage import AbsenceReason, CoverageCounts

Numbers = npt.NDArray[np.int64]


class CellState(IntEnum):
    """State of one code on one session; the numbers are the bytes of `CoverageMap.states`."""

    NOT_DUE = 0
    """Not listed then, by the listing window: nothing is expected, whatever is held."""
    HELD = 1
    SUSPENDED = 2
    NOT_LISTED = 3
    HOLIDAY = 4
    NO_ROW = 5
    """Unexplained: a complete answer of the vendor simply has no row."""
    UNRECORDED = 6
    """Unexplained: nothing is known; never asked, or no usable answer yet."""
    PROBABLY_SUSPENDED = 7
    """Explained, and asked again: nearly every other code has the session."""

    @property
    def word(self) -> str:
        """The state in lower case; of an absence, the value of its `AbsenceReason`."""
        return self.name.lower()

    @property
    def absent(self) -> bool:
        """Whether the session is absent with a reason that explains."""
        return self in ABSENT

    @property
    def unexplained(self) -> bool:
        """Whether the session is missing."""
        return self in UNEXPLAINED


ABSENT = (CellState.SUSPENDED, CellState.PROBABLY_SUSPENDED, CellState.NOT_LISTED, CellState.HOLIDAY)
UNEXPLAINED = (CellState.NO_ROW, CellState.UNRECORDED)
STATE_OF_REASON = {reason: CellState[reason.name] for reason in AbsenceReason}


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive sessions (of the calendar) of one code in the same state; both ends included."""

    state: CellState
    first: date
    last: date
    sessions: int


@dataclass(frozen=True, slots=True, eq=False)
class StateCounts:
    """Sessions per state: the last axis of `numbers` has one place per `CellState`."""

    numbers: Numbers

    def of(self, *states: CellState) -> Numbers:
        """Return the sessions in any of `states`."""
        chosen: Numbers = self.numbers[..., list(states)].sum(axis=-1)
        return chosen

    @property
    def held(self) -> Numbers:
        """Sessions due and held."""
        return self.of(CellState.HELD)

    @property
    def absent(self) -> Numbers:
        """Sessions due, not held, explained."""
        return self.of(*ABSENT)

    @property
    def unexplained(self) -> Numbers:
        """Sessions due, neither held nor explained."""
        return self.of(*UNEXPLAINED)

    @property
    def expected(self) -> Numbers:
        """Sessions due less explained absences."""
        return self.held + self.unexplained

    def total(self) -> StateCounts:
        """Return the sum over everything."""
        return StateCounts(self.numbers.reshape(-1, len(CellState)).sum(axis=0))

    def coverage(self) -> CoverageCounts:
        """Return the sum over everything as the counts that reports use."""
        total = self.total()
        held, absent, unexplained = int(total.held), int(total.absent), int(total.unexplained)
        return CoverageCounts(held + unexplained, held + absent + unexplained, held, absent, unexplained)


@dataclass(frozen=True, slots=True, eq=False)
class CoverageMap:
    """States of `codes` x `sessions`: `states` is a uint8 array of that shape, sessions ascending and unique."""

    codes: tuple[str, ...]
    sessions: Sessions
    states: npt.NDArray[np.uint8]

    def counts(self) -> StateCounts:
        """Return the sessions per code and state."""
        columns = [(self.states == state).sum(axis=1) for state in CellState]
        return StateCounts(np.stack(columns, axis=1).astype(np.int64))

    def runs(self, row: int) -> Iterator[Run]:
        """Yield the runs of the code at `row`, from the first session to the last, none left out."""
        states = self.states[row]
        if not len(states):
            return
        starts = np.append(0, np.flatnonzero(np.diff(states)) + 1)
        ends = np.append(starts[1:], len(states))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            first, last = self.sessions[start].item(), self.sessions[end - 1].item()
            yield Run(CellState(int(states[start])), first, last, end - start)

    def worst_first(self) -> Numbers:
        """Return the rows ordered by unexplained sessions, most first, ties by code."""
        order: Numbers = np.lexsort((np.array(self.codes), -self.counts().unexplained))
        return order
