# Upstream: domain.services.{collector, completion, second_opinion}
# Downstream: domain.model, domain.services.{bar_columns, oddness, validation}, numpy
# Role: Which sessions of a job another source is asked about: some by chance, some because they look strange
"""A sample of what a job has fetched and proven, taken while it streams by.

By chance: every (code, session) cell has a number that follows from the seed, its code and its day, and those with the
least numbers are drawn. So the sample does not depend on how the job was cut into calls, nor on the order of the
answers. Strange: cells that a rule has flagged, the graver flag first; then those with the largest move against the
reference price, or with a volume far from the usual one of their code. What is kept does not grow with the job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.bars import BarBatch, code_positions
from ginkgo_data.domain.model.coverage import Cells, Flags
from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.model.quality import Finding, Severity, Verdict
from ginkgo_data.domain.model.series import DAILY, Series
from ginkgo_data.domain.services.bar_columns import Floats, Longs
from ginkgo_data.domain.services.oddness import MOST, oddness
from ginkgo_data.domain.services.validation import Validated

Numbers = npt.NDArray[np.uint64]

GRAVITY = {Severity.INFO: 1, Severity.WARNING: 2, Severity.ERROR: 3}
FLAG = MOST + 1.0
"""What a flag weighs: more than any move."""

_DAY_BITS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some cells, by code and session, and all their bars."""

    bars: BarBatch
    cells: Cells
    by_chance: Flags
    """Which of the cells were drawn by chance; the others look strange."""


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Cells with their bars: `cell` has for each bar the place of its cell, -1 for a bar of none."""

    bars: BarBatch
    cell: Longs
    code: npt.NDArray[np.object_]
    day: Longs
    chance: Numbers
    doubt: Floats

    def only(self, chosen: Flags) -> _Drawn:
        """Return the chosen cells with their bars."""
        place = np.where(chosen, np.cumsum(chosen) - 1, -1)
        cell = np.append(place, -1)[self.cell]
        kept = cell >= 0
        return _Drawn(
            self.bars.filter(kept),
            cell[kept],
            self.code[chosen],
            self.day[chosen],
            self.chance[chosen],
            self.doubt[chosen],
        )

    def least(self, size: int) -> Flags:
        """Mark the `size` cells with the least numbers."""
        count = len(self.code)
        least = np.argpartition(self.chance, size - 1)[:size] if size < count else np.arange(count)
        return _marked(count, least)

    def strangest(self, size: int, besides: Flags | None = None) -> Flags:
        """Mark the `size` strangest cells of those not marked `besides`; fewer where fewer are strange at all."""
        strange = self.doubt > 0.0
        if besides is not None:
            strange &= ~besides
        places = np.flatnonzero(strange)
        if len(places) > size:
            doubt = self.doubt[places]
            # Of many cells only those are put in order that may be among the first.
            places = places[doubt >= np.partition(doubt, len(doubt) - size)[len(doubt) - size]]
            places = places[np.lexsort((self.chance[places], -self.doubt[places]))][:size]
        return _marked(len(self.code), places)

    @classmethod
    def together(cls, parts: list[_Drawn], series: Series) -> _Drawn:
        """Return the cells of `parts`, in order."""
        before = np.cumsum([0, *(len(part.code) for part in parts)])
        cell = [part.cell + begin for part, begin in zip(parts, before.tolist(), strict=False)]
        return cls(
            BarBatch.concat([part.bars for part in parts], series),
            np.concatenate([np.empty(0, np.int64), *cell]),
            np.concatenate([np.empty(0, object), *(part.code for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.day for part in parts)]),
            np.concatenate([np.empty(0, np.uint64), *(part.chance for part in parts)]),
            np.concatenate([np.empty(0, np.float64), *(part.doubt for part in parts)]),
        )


@dataclass(slots=True, eq=False)
class _Answer:
    """An answer whose bars wait to be stored: its wanted cells, and how grave the flags of its bars are."""

    drawn: _Drawn
    gravity: npt.NDArray[np.int8]


class Sampling:
    """Draws up to `size` cells by chance, and up to `size` others that look strange, from the answers of one job."""

    def __init__(self, seed: str, size: int) -> None:
        self._seed, self._size = seed, size
        self._salts: dict[str, int] = {}
        self._waiting: list[_Answer] = []
        self._kept: _Drawn | None = None

    def add(self, request: FetchRequest, checked: Validated) -> None:
        """Take the accepted bars of an answer; those of cells that `request` does not want are no candidates."""
        accepted = checked.accepted
        if len(accepted):
            wanted = request.wants(accepted)
            self._waiting.append(_Answer(self._cells(accepted, wanted), _gravity_of(checked)))

    def settle(self, findings: Iterable[Finding], hits: Mapping[str, Longs]) -> None:
        """Choose among what was taken since the last time, now that it is stored.

        `findings` were made on those answers together, and `hits` has the rows that they are about, counted through
        the accepted bars of all of them, in the order in which they were taken.
        """
        answers, self._waiting = self._waiting, []
        if not answers:
            return
        begins = np.cumsum([0, *(len(answer.gravity) for answer in answers)])
        gravity = np.concatenate([answer.gravity for answer in answers])
        for finding in findings:
            rows = hits.get(finding.rule, np.empty(0, np.int64))
            gravity[rows] = np.maximum(gravity[rows], GRAVITY[finding.severity])
        parts = [] if self._kept is None else [self._kept]
        for answer, begin in zip(answers, begins.tolist(), strict=False):
            own = gravity[begin : begin + len(answer.gravity)]
            parts.append(self._best(_with_flags(answer.drawn, own)))
        self._kept = self._best(_Drawn.together(parts, answers[0].drawn.bars.series))

    def drawn(self) -> Sample:
        """Return the sample of everything settled so far."""
        kept = self._kept
        if kept is None or not len(kept.code):
            return Sample(BarBatch.empty(DAILY), Cells.none(), np.empty(0, np.bool_))
        by_chance = kept.least(self._size)
        chosen = kept.only(by_chance | kept.strangest(self._size, by_chance))
        codes = sorted(set(chosen.code.tolist()))
        index = np.searchsorted(codes, chosen.code.astype(str))
        order = np.lexsort((chosen.day, index))
        cells = Cells(tuple(codes), index[order], chosen.day[order].astype("datetime64[D]"))
        return Sample(chosen.bars, cells, chosen.least(self._size)[order])

    def _best(self, drawn: _Drawn) -> _Drawn:
        """Return those of `drawn` that may be in the sample whatever else comes."""
        # Of the strange ones twice as many: those that are also drawn by chance leave their places to others.
        return drawn.only(drawn.least(self._size) | drawn.strangest(2 * self._size))

    def _cells(self, bars: BarBatch, wanted: Flags) -> _Drawn:
        table, codes = bars.table, bars.codes()
        rows = np.flatnonzero(wanted)
        day = table["session"].to_numpy().astype("datetime64[D]").astype(np.int64)[rows]
        keys = (code_positions(table["code"], codes)[rows] << _DAY_BITS) + day
        found, own = np.unique(keys, return_inverse=True)
        cell = np.full(len(bars), -1, np.int64)
        cell[rows] = own
        index, days = found >> _DAY_BITS, found & ((1 << _DAY_BITS) - 1)
        names = np.array(codes, object)[index] if len(found) else np.empty(0, object)
        doubt = oddness(bars, rows, own, index)
        return _Drawn(bars, cell, names, days, self._chances(codes, index, days), doubt)

    def _chances(self, codes: list[str], index: Longs, days: Longs) -> Numbers:
        """Return the numbers of cells: evenly spread, and without anything in common between two of them."""
        for code in codes:
            if code not in self._salts:
                digest = hashlib.blake2b(f"{self._seed}|{code}".encode(), digest_size=8).digest()
                self._salts[code] = int.from_bytes(digest, "little")
        salts = np.array([self._salts[code] for code in codes], np.uint64)
        mixed = salts[index] + days.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        # The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output.
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        numbers: Numbers = mixed ^ (mixed >> np.uint64(31))
        return numbers


def _gravity_of(checked: Validated) -> npt.NDArray[np.int8]:
    """Return for each accepted bar how grave the gravest flag is that validation has put on it; 0: none."""
    sent = len(checked.accepted) + len(checked.rejects)
    gravity, rejected = np.zeros(sent, np.int8), np.zeros(sent, np.bool_)
    for finding in checked.findings:
        rows = checked.hits.get(finding.rule, np.empty(0, np.int64))
        if finding.verdict is Verdict.REJECT:
            rejected[rows] = True
        else:
            gravity[rows] = np.maximum(gravity[rows], GRAVITY[finding.severity])
    return gravity[~rejected]


def _with_flags(drawn: _Drawn, gravity: npt.NDArray[np.int8]) -> _Drawn:
    worst = np.zeros(len(drawn.code), np.int8)
    inside = drawn.cell >= 0
    np.maximum.at(worst, drawn.cell[inside], gravity[inside])
    return replace(drawn, doubt=drawn.doubt + FLAG * worst)


def _marked(count: int, places: Longs) -> Flags:
    marks = np.zeros(count, np.bool_)
    marks[places] = True
    return marks
