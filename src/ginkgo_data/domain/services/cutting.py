# Upstream: domain.services.{packing, planner}
# Downstream: domain.model.coverage, numpy
# Role: Cut asked cells in time into segments, one code and a range of sessions each
"""Segments: the pieces that by-code calls are packed from.

Every asked cell lies in exactly one segment of a cut. All grids in here are (sessions x codes), so that one step
in time is one stretch of memory; counts are small integers, since a grid has millions of cells.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.coverage import Flags

Integers = npt.NDArray[np.int64]

_FINENESS = 1.3
"""Ratio of neighbouring strip widths that are compared."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one by-code call may contain: `cells` counted in its range and `codes` named; both at least 1."""

    cells: int
    codes: int


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Position of the code, of the first and of the last asked session, both included."""

    code: Integers
    first: Integers
    last: Integers

    def __len__(self) -> int:
        return len(self.code)

    def part(self, window: slice) -> Segments:
        """Return the segments of `window`."""
        return Segments(self.code[window], self.first[window], self.last[window])

    def in_time(self) -> Segments:
        """Return the segments by first and last session: neighbours have ranges that are alike."""
        order = np.lexsort((self.last, self.first))
        return Segments(self.code[order], self.first[order], self.last[order])

    def earlier_of_code(self) -> Integers:
        """Return for each segment the place of the one before it that has the same code, -1 where there is none."""
        order = np.argsort(self.code, kind="stable")
        same = np.flatnonzero(self.code[order][1:] == self.code[order][:-1])
        earlier = np.full(len(self), -1, np.int64)
        earlier[order[same + 1]] = order[same]
        return earlier


@dataclass(frozen=True, slots=True, eq=False)
class CellGrid:
    """Asked cells, and running counts of the cells that the vendor has a row for."""

    counted: npt.NDArray[np.signedinteger]
    """(sessions + 1, codes): counted cells before each session."""
    following: npt.NDArray[np.signedinteger]
    """(sessions + 1, codes): first asked session at or after each one; the number of sessions where there is none."""
    preceding: npt.NDArray[np.signedinteger]
    """(sessions, codes): last asked session at or before each one; -1 where there is none."""
    active: list[int]
    """Sessions with any asked cell."""

    @classmethod
    def of(cls, asked: Flags, counted: Flags) -> CellGrid:
        """Build from grids of shape (sessions, codes)."""
        days, codes = asked.shape
        small = np.int16 if days < np.iinfo(np.int16).max else np.int32
        before = np.zeros((days + 1, codes), small)
        np.cumsum(counted, axis=0, dtype=small, out=before[1:])
        place = np.arange(days + 1, dtype=small)[:, np.newaxis]
        following = np.full((days + 1, codes), days, small)
        np.copyto(following[:days], place[:days], where=asked)
        preceding = np.full((days, codes), -1, small)
        np.copyto(preceding, place[:days], where=asked)
        return cls(
            before,
            np.minimum.accumulate(following[::-1], axis=0)[::-1],
            np.maximum.accumulate(preceding, axis=0),
            np.flatnonzero(asked.any(axis=1)).tolist(),
        )

    def counted_between(self, code: Integers, first: int, last: int) -> Integers:
        """Return the counted cells of each of `code` in the sessions `first` … `last`."""
        found: Integers = self.counted[last + 1][code] - self.counted[first][code]
        return found

    def cut_each_code(self, cells: int) -> Segments:
        """Cut each code for itself, each time as late as `cells` counted cells allow: the fewest pieces it can have."""
        days = len(self.preceding)
        code = np.arange(self.counted.shape[1])
        first = self.following[0].astype(np.int64)
        pieces: list[Segments] = []
        while True:
            code, first = code[first < days], first[first < days]
            if not len(code):
                break
            end = self._furthest(code, first, cells)
            pieces.append(Segments(code, first, self.preceding[end, code].astype(np.int64)))
            first = self.following[end + 1, code].astype(np.int64)
        parts = [np.concatenate([getattr(p, name) for p in pieces]) for name in ("code", "first", "last")]
        return Segments(*parts).in_time()

    def _furthest(self, code: Integers, first: Integers, cells: int) -> Integers:
        """Return the last session up to which each code has at most `cells` counted cells from `first` on."""
        allowed = self.counted[first, code] + np.int64(cells)
        low = np.minimum(first + cells, len(self.preceding))
        high = np.full_like(low, len(self.preceding))
        # Ends that are not included, for all codes at once: `low` is allowed for certain, and bisected towards `high`.
        while (low < high).any():
            middle = (low + high + 1) // 2
            fits = self.counted[middle, code] <= allowed
            low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
        return low - 1

    def cut_in_strips(self, width: int) -> Segments:
        """Cut all codes at the same sessions; the strips of `width` sessions begin at the first asked cell left."""
        begin, end = self._strips(width)
        first = self.following[begin]
        strip, code = np.nonzero(first <= end[:, np.newaxis])
        last = self.preceding[end[strip], code]
        return Segments(code, first[strip, code].astype(np.int64), last.astype(np.int64)).in_time()

    def promising_widths(self, limits: CallLimits) -> list[int]:
        """Return strip widths, the one with the fewest calls by estimate first.

        A strip narrower than cells / codes is never better: a wider one still takes as many codes as a call may name.
        """
        days = len(self.preceding)
        widest = min(days, limits.cells)
        narrowest = min(widest, max(1, limits.cells // limits.codes))
        widths, number = {widest}, 1
        while -(-days // number) > narrowest or limits.cells // number > narrowest:
            widths |= {-(-days // number), limits.cells // number}
            number = max(number + 1, int(number * _FINENESS))
        widths = {width for width in widths if narrowest < width <= widest} | {narrowest}
        return sorted(widths, key=lambda width: (self._estimate(width, limits), -width))

    def _estimate(self, width: int, limits: CallLimits) -> int:
        """Return about how many calls strips of `width` take: each code's share of a call, rounded up per strip."""
        begin, end = self._strips(width)
        weight = np.arange(width + 1)
        share = np.maximum(1 / limits.codes, 1 / (limits.cells // np.maximum(weight, 1))).astype(np.float32)
        used = self.following[begin] <= end[:, np.newaxis]
        shares = share[self.counted[end + 1] - self.counted[begin]]
        return int(np.ceil(np.sum(shares, axis=1, where=used) - 1e-3).sum())

    def _strips(self, width: int) -> tuple[Integers, Integers]:
        """Return first and last session (included) of each strip."""
        begin, place = [], 0
        while place < len(self.active):
            begin.append(self.active[place])
            place = bisect_left(self.active, begin[-1] + width, place)
        first = np.array(begin, np.int64)
        return first, np.minimum(first + width, len(self.preceding)) - 1
