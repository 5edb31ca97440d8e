# Upstream: domain.services
# Downstream: domain.model.{bars, coverage, errors}, numpy, pyarrow
# Role: Cells of a grid marked as they are dealt with, and proof by reading back what was stored of them
"""An acknowledgement is not believed alone: a daily bar that was sent must read as held.

Of what a job has done only one flag a cell is kept, so that its memory does not grow with its rows.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch, Sessions, code_positions
from ginkgo_data.domain.model.coverage import Cells, Coverage, Flags
from ginkgo_data.domain.model.errors import StoreUnavailable


class Axes(Protocol):
    """The codes and the sessions (ascending) of a grid."""

    @property
    def codes(self) -> tuple[str, ...]:
        """One per row."""

    @property
    def sessions(self) -> Sessions:
        """One per column."""


class CellMarks:
    """Which cells of a grid have been dealt with: one flag each, of shape (len(codes), len(sessions))."""

    def __init__(self, grid: Axes) -> None:
        self.codes, self.sessions = grid.codes, grid.sessions
        self.flags: Flags = np.zeros((len(grid.codes), len(grid.sessions)), np.bool_)
        self._rows = {code: row for row, code in enumerate(grid.codes)}

    def add(self, cells: Cells) -> None:
        """Mark `cells`, all of which lie in the grid."""
        row = np.array([self._rows[code] for code in cells.codes], np.int64)[cells.index]
        self.flags[row, np.searchsorted(self.sessions, cells.session)] = True

    def add_rows(self, rows: pa.Table) -> None:
        """Mark the (code, session) of each of `rows` that lies in the grid."""
        row, column, inside = positions(rows, self)
        self.flags[row[inside], column[inside]] = True


class ReadBack:
    """Daily sessions of a grid sent to the store. Those of minutes are proven by their mark, which is written last."""

    def __init__(self, daily: bool, grid: Axes) -> None:
        self._sent = CellMarks(grid) if daily else None

    def sent(self, bars: BarBatch) -> None:
        """Remember what was handed to the store."""
        if self._sent is not None and len(bars):
            self._sent.add_rows(bars.table)

    def must_show_in(self, after: Coverage) -> None:
        """Raise `StoreUnavailable` when a session that was acknowledged does not read as held in the same grid."""
        lost = 0 if self._sent is None else int((self._sent.flags & ~after.held).sum())
        if lost:
            raise StoreUnavailable(f"{lost} daily bars were acknowledged by the store but do not read back")


def positions(cells: pa.Table, grid: Axes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Flags]:
    """Return row and column in `grid` of each (code, session) of `cells`, and whether it lies inside."""
    row = code_positions(cells["code"], grid.codes)
    day = cells["session"].to_numpy().astype("datetime64[D]")
    column = np.searchsorted(grid.sessions, day)
    inside: Flags = (row >= 0) & (column < len(grid.sessions))
    inside[inside] = grid.sessions[column[inside]] == day[inside]
    return row, column, inside
