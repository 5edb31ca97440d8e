# Upstream: domain.services.planner
# Downstream: domain.model.coverage, domain.services.cutting, numpy
# Role: Pack asked cells into few rectangles (codes x a range of sessions) below a vendor's limits
"""By-code calls as rectangles.

The cells are first cut in time into segments (a code, its first and last asked session), then the segments are
packed in their order, as many into one rectangle as the limits allow. Finding the fewest rectangles is hard, so
several cuts are tried and the best is kept: strips of one width for all codes (wide strips with few codes a call,
narrow ones with many), and each code cut for itself as late as the limit allows. The latter is the fewest calls
where one call names one code, so no plan is longer than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ginkgo_data.domain.model.coverage import Flags
from ginkgo_data.domain.services.cutting import CallLimits, CellGrid, Integers, Segments

_PACKED_WIDTHS = 6
"""Strip widths that are really packed, of those that look best by estimate."""
_ENOUGH_RECTANGLES = 6_000
"""After this many rectangles no further width is tried: planning must stay below a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Rectangle:
    """Positions of codes (ascending) and of the first and last session, both included."""

    codes: Integers
    first: int
    last: int


def pack(asked: Flags, counted: Flags, limits: CallLimits) -> list[Rectangle]:
    """Return rectangles that contain every cell of `asked`, each within `limits`.

    `asked` and `counted` have shape (sessions, codes): one step in time is one stretch of memory. `asked` has at
    least one cell, and `counted`, the cells that the vendor has a row for, includes it. Rectangles may overlap. A
    rectangle of one cell is always allowed. There are never more rectangles than asking one code after the other
    would take.
    """
    grid = CellGrid.of(asked, counted)
    alone = grid.cut_each_code(limits.cells)
    if limits.codes == 1:
        return _rectangles(alone, np.arange(len(alone)))
    best, tried = (alone, np.arange(len(alone))), 0
    for width in grid.promising_widths(limits)[:_PACKED_WIDTHS]:
        best, tried = _better(best, grid, grid.cut_in_strips(width), limits), tried + len(best[1])
        if tried > _ENOUGH_RECTANGLES:
            return _rectangles(*best)
    return _rectangles(*_better(best, grid, alone, limits))


def _better(
    best: tuple[Segments, Integers], grid: CellGrid, segments: Segments, limits: CallLimits
) -> tuple[Segments, Integers]:
    """Return `best`, or `segments` with the starts of their rectangles where these are fewer."""
    starts = _starts(grid, segments, limits, len(best[1]))
    return best if starts is None else (segments, starts)


def _rectangles(segments: Segments, starts: Integers) -> list[Rectangle]:
    first = np.minimum.reduceat(segments.first, starts).tolist()
    last = np.maximum.reduceat(segments.last, starts).tolist()
    parts = (segments.code[begin:end] for begin, end in pairwise([*starts.tolist(), len(segments)]))
    codes = (np.unique(part) if len(part) > 1 else part for part in parts)
    return [Rectangle(*values) for values in zip(codes, first, last, strict=True)]


def _starts(grid: CellGrid, segments: Segments, limits: CallLimits, fewer_than: int) -> Integers | None:
    """Return where each rectangle begins, filling one after the other; None once there are not `fewer_than`."""
    earlier = segments.earlier_of_code()
    starts: list[int] = []
    begin, size = 0, 1
    while begin < len(segments):
        if len(starts) + 1 >= fewer_than:
            return None
        starts.append(begin)
        looked = min(2 * size + 8, len(segments) - begin)
        while True:
            window = slice(begin, begin + looked)
            size = _fitting(grid, segments.part(window), earlier[window] < begin, limits)
            if size < looked or begin + looked == len(segments):
                break
            looked = min(4 * looked, len(segments) - begin)
        begin += size
    return np.array(starts, np.int64)


def _fitting(grid: CellGrid, segments: Segments, fresh: Flags, limits: CallLimits) -> int:
    """Return how many leading `segments` fit one rectangle, at least one; `fresh` marks the first of each code."""
    code = segments.code
    first, last = np.minimum.accumulate(segments.first), np.maximum.accumulate(segments.last)

    def cells(count: int) -> Integers:
        """Return running sums of the counted cells that the leading `count` segments' codes have in their range."""
        held = grid.counted_between(code[:count], first[count - 1], last[count - 1])
        return np.cumsum(np.where(fresh[:count], held, 0), dtype=np.int64)

    most = int(np.searchsorted(np.cumsum(fresh), limits.codes, "right"))
    # The range of all of them is the widest, so what fits with it fits for certain.
    sure = max(1, int(np.searchsorted(cells(most), limits.cells, "right")))
    if sure < most and cells(sure + 1)[-1] > limits.cells:
        return sure
    while sure < most:
        middle = (sure + most + 1) // 2
        if cells(middle)[-1] <= limits.cells:
            sure = middle
        else:
            most = middle - 1
    return sure
