# Upstream: domain.services.coverage_reading, entrypoints.coverage_table
# Downstream: domain.model.{coverage, coverage_map}, domain.services.readback, numpy, pyarrow
# Role: Decision: the state of every cell of a coverage grid, and the grid folded to months
"""From the one computation of coverage to a map that people read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Coverage
from ginkgo_data.domain.model.coverage_map import STATE_OF_REASON, CellState, CoverageMap, StateCounts
from ginkgo_data.domain.services.readback import positions


def map_coverage(coverage: Coverage, absences: Absences) -> CoverageMap:
    """Return the state of every cell of `coverage`, which was built from `absences`.

    What is not due is nothing else, held beats absent, and of several absences of one cell the one with the
    greatest version gives the reason (of equal versions, the later row), as in `build_coverage`.
    """
    states = np.full(coverage.due.shape, CellState.UNRECORDED, np.uint8)
    if len(absences) and states.size:
        # Oldest version first: where numpy assigns one cell twice, the last assignment stays.
        table = absences.table.take(np.argsort(absences.table["version"].to_numpy(), kind="stable"))
        row, column, inside = positions(table, coverage)
        states[row[inside], column[inside]] = _states_of(table["reason"])[inside]
    states[coverage.held] = CellState.HELD
    states[~coverage.due] = CellState.NOT_DUE
    return CoverageMap(coverage.codes, coverage.sessions, states)


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """The map folded along time: `names` are the months that open each period (``2020-01``)."""

    names: tuple[str, ...]
    counts: StateCounts
    """Per code, period and state."""


def fold_months(cover: CoverageMap, months: int = 1) -> Periods:
    """Return `cover` in periods of `months` (a divisor of 12), counted from January; empty periods are left out."""
    period = cover.sessions.astype("datetime64[M]").astype(np.int64) // months
    names, starts = np.unique(period, return_index=True)
    opened = (names * months).astype("datetime64[M]").astype(str)
    if not len(starts):
        return Periods((), StateCounts(np.zeros((len(cover.codes), 0, len(CellState)), np.int64)))
    layers = [np.add.reduceat(cover.states == state, starts, axis=1, dtype=np.int64) for state in CellState]
    return Periods(tuple(opened.tolist()), StateCounts(np.stack(layers, axis=2)))


def _states_of(reasons: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    words = {reason.value: int(STATE_OF_REASON[reason]) for reason in AbsenceReason}
    encoded = reasons.cast(pa.string()).combine_chunks().dictionary_encode()
    # A reason that this program does not know explains nothing.
    lookup = np.array([words.get(word, CellState.UNRECORDED) for word in encoded.dictionary.to_pylist()], np.uint8)
    states: npt.NDArray[np.uint8] = lookup[encoded.indices.to_numpy()]
    return states
