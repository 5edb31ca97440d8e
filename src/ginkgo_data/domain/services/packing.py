# Upstream:
# Downstream:
# Role: Pack asked cells into few rectangles (codes x a range of sessions) below a vendor's limits
"""By-code calls as rectangles.

The cells are first cut in time into segments (a code, its first and last asked session), then the segments are
packed in that order, as many into one rectangle as the limits allow. Finding the fewest rectangles is hard, so
several cuts are tried and the best is kept: strips of one width for all codes (wide strips with few codes a call,
narrow ones with many), and each code cut for itself as late as the limit allows. The latter is the fewest calls
when one call names one code, so no plan is longer than that.

All grids in here are (sessions x codes), so that one step in time is one stretch of memory.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.coverage import Flags

Integers = npt.NDArray[np.int64]

_TRIED_STRIPS = 6
"""Strip widths that are really packed, of those that look best by estimate."""
_ENOUGH_RECTANGLES = 6_000
"""Stop trying other cuts when this many rectangles have been packed: planning must stay below a second."""
_FINENESS = 1.25
"""Ratio of neighbouring strip widths that are estimated."""


@dataclass(frozen=True, slots=True, eq=False)
class Rectangle:
    """Positions of codes (ascending) and of the first and last session, both included."""

    codes: Integers
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one by-code call may contain: `cells` counted in the rectangle and `codes` named; both at least 1."""

    cells: int
    codes: int


def pack(asked: Flags, counted: Flags, limits: CallLimits) -> list[Rectangle]:
    """Return rectangles that contain every cell of `asked`, each within `limits`; in order of time where cut in strips.

    `asked` and `counted` have shape (sessions, codes); `counted` are the cells for which the vendor has a row and
    must include `asked`. Rectangles may overlap. There are never more than one code after the other would take.
    """
    grid = _Grid.of(asked, counted)
    alone = grid.cut_each_code(limits.cells)
    if limits.codes == 1 or len(alone) <= 1:
        return [Rectangle(alone.code[i : i + 1], int(alone.first[i]), int(alone.last[i])) for i in range(len(alone))]
    cut, starts, tried = alone, grid.pack(alone, limits, len(alone)), 0
    for width in grid.promising_widths(limits)[:_TRIED_STRIPS]:
        strips = grid.cut_in_strips(width)
        packed = grid.pack(strips, limits, len(starts) - 1)
        if len(packed) < len(starts):
            cut, starts = strips, packed
        tried += len(starts)
        if tried > _ENOUGH_RECTANGLES:
            break
    return cut.rectangles(starts)
