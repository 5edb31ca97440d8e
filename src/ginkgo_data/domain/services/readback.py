# Upstream: domain.services.{completion, coverage_map, grid, session_grid}
# Downstream: domain.model.{bars, coverage, errors}, numpy, pyarrow
# Role: Proof by reading back: what the store acknowledged must show in the coverage read afterwards
"""An acknowledgement is not believed alone: a daily bar that was sent must read as held."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch, code_positions
from ginkgo_data.domain.model.coverage import Coverage, Flags
from ginkgo_data.domain.model.errors import StoreUnavailable


@dataclass(slots=True)
class ReadBack:
    """Daily sessions sent to the store. Minute sessions are proven by their mark, which is written last."""

    daily: bool
    cells: list[pa.Table] = field(default_factory=list)

    def sent(self, bars: BarBatch) -> None:
        """Remember what was handed to the store."""
        if self.daily and len(bars):
            self.cells.append(bars.table.select(["code", "session"]))

    def must_show_in(self, after: Coverage) -> None:
        """Raise `StoreUnavailable` when a session that was acknowledged does not read as held."""
        for cells in self.cells:
            row, column, inside = positions(cells, after)
            lost = int((~after.held[row[inside], column[inside]]).sum())
            if lost:
                raise StoreUnavailable(f"{lost} daily bars were acknowledged by the store but do not read back")


def positions(cells: pa.Table, grid: Coverage) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Flags]:
    """Return row and column in `grid` of each (code, session) of `cells`, and whether it lies inside."""
    row = code_positions(cells["code"], grid.codes)
    day = cells["session"].to_numpy().astype("datetime64[D]")
    column = np.searchsorted(grid.sessions, day)
    inside: Flags = (row >= 0) & (column < len(grid.sessions))
    inside[inside] = grid.sessions[column[inside]] == day[inside]
    return row, column, inside
