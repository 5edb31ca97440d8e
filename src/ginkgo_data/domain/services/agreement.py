# Upstream: domain.services.second_opinion
# Downstream: domain.model, domain.services.{bar_columns, rule_set}, numpy, pyarrow
# Role: What two sources say of the same sessions, side by side: agreeing, disagreeing, not comparable
"""The comparison behind a second opinion.

A session is compared as a whole: of minute bars the first open, the highest high, the lowest low, the last close, and
the sums, since vendors differ in whether the opening auction is a bar of its own. Adjusted prices are compared but for
one factor per code: two vendors that adjust to another day have prices of another base, and both are right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import PRICES, BarBatch, code_positions
from ginkgo_data.domain.model.coverage import Cells, Flags
from ginkgo_data.domain.model.price_limits import board_of
from ginkgo_data.domain.model.series import Adjust
from ginkgo_data.domain.services.bar_columns import Floats, Longs
from ginkgo_data.domain.services.rule_set import Rule

FIELDS = (*PRICES, "volume", "amount")
EXAMPLES = 5
FINEST_TICK = 0.001
"""Of funds, bonds and whatever is no share."""
LOT = 100.0
AUCTION = 1
"""Minute bars by which one session may have more than another: the opening auction's."""

_SAME_BASE = 1e-4
_NOISE = 5e-7
"""Prices are kept to six decimals; half of the last one is the noise of floats."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What became of each cell; a cell that is not `comparable` says nothing."""

    comparable: Flags
    agrees: Flags
    examples: tuple[str, ...] = ()

    @property
    def differs(self) -> Flags:
        """Which cells disagree."""
        differs: Flags = self.comparable & ~self.agrees
        return differs


def compare(ours: BarBatch, theirs: BarBatch, cells: Cells, rule: Rule, names: tuple[str, str]) -> Compared:
    """Compare `cells` of two batches of one series, within the numbers of `rule`; `names` say whose they are.

    A value that one of the two does not have (an amount) is not compared. A session of which they have no bar, or of
    minute bars fewer than we have, is not comparable; one of which we have fewer disagrees.
    """
    if not len(cells):
        return Compared(np.empty(0, np.bool_), np.empty(0, np.bool_))
    own, other = (_Whole.of(batch, cells) for batch in (ours, theirs))
    comparable = (own.bars > 0) & (other.bars > 0) & (other.bars >= own.bars - AUCTION)
    factor = np.ones(len(cells))
    if ours.series.adjust is not Adjust.NONE:
        factor = _bases(own, other, cells.index, comparable)
    differs = _differences(own, other, factor, cells, rule)
    short = other.bars > own.bars + AUCTION
    agrees = comparable & ~differs.any(axis=0) & ~short
    shown = np.flatnonzero(comparable & ~agrees)[:EXAMPLES]
    told = _Telling(own, other, differs, short, factor, names)
    pairs = Cells(cells.codes, cells.index[shown], cells.session[shown]).pairs()
    examples = (f"{code} {day}: {told.of(at)}" for (code, day), at in zip(pairs, shown.tolist(), strict=True))
    return Compared(comparable, agrees, tuple(examples))


@dataclass(frozen=True, slots=True, eq=False)
class _Whole:
    """Sessions as wholes, one per cell: `values` has a row for each of `FIELDS`, NaN where there is none."""

    values: Floats
    bars: Longs

    @classmethod
    def of(cls, batch: BarBatch, cells: Cells) -> _Whole:
        values, bars = np.full((len(FIELDS), len(cells)), np.nan), np.zeros(len(cells), np.int64)
        stride = len(cells.codes)
        asked = cells.session.astype(np.int64) * stride + cells.index
        position = code_positions(batch.table["code"], cells.codes)
        day = batch.table["session"].to_numpy().astype("datetime64[D]").astype(np.int64)
        key = np.where(position < 0, np.int64(-1), day * stride + position)
        rows = np.flatnonzero(np.isin(key, asked))
        if not len(rows):
            return cls(values, bars)
        time = batch.table["timestamp"].cast(pa.int64()).to_numpy()[rows]
        rows = rows[np.lexsort((time, key[rows]))]
        first = np.flatnonzero(np.diff(key[rows], prepend=-1))
        last = np.append(first[1:], len(rows)) - 1
        columns = {name: batch.table[name].to_numpy()[rows] for name in FIELDS}
        found = np.array(
            [
                columns["open"][first],
                np.maximum.reduceat(columns["high"], first),
                np.minimum.reduceat(columns["low"], first),
                columns["close"][last],
                np.add.reduceat(columns["volume"], first),
                np.add.reduceat(columns["amount"], first),
            ]
        )
        order = np.argsort(asked)
        place = order[np.searchsorted(asked[order], key[rows][first])]
        values[:, place] = found
        bars[place] = last - first + 1
        return cls(values, bars)


def _bases(own: _Whole, other: _Whole, index: Longs, comparable: Flags) -> Floats:
    """Return for each cell how many times ours their prices are, as most of the prices of its code say."""
    count = len(PRICES)
    factor = np.ones(len(index))
    with np.errstate(all="ignore"):
        ratio = other.values[:count] / own.values[:count]
    for code in np.unique(index).tolist():
        mine = index == code
        ratios = ratio[:, mine & comparable]
        ratios = ratios[np.isfinite(ratios) & (ratios > 0.0)]
        if len(ratios):
            factor[mine] = np.median(ratios)
    return factor


def _differences(own: _Whole, other: _Whole, factor: Floats, cells: Cells, rule: Rule) -> Flags:
    """Return for each of `FIELDS` and each cell whether the two differ by more than is allowed."""
    numbers, count = rule.values, len(PRICES)
    boards = [board_of(code) for code in cells.codes]
    tick = np.array([FINEST_TICK if board is None else board.tick for board in boards])[cells.index]
    prices, volume, amount = own.values[:count], own.values[count], own.values[count + 1]
    close = own.values[count - 1]
    # A price of another base was rounded there.
    ticks = numbers["ticks"] * tick * np.maximum(1.0, 1.0 / factor)
    lots = numbers["lots"] * LOT
    allowed = np.vstack(
        [
            np.maximum(ticks, numbers["price_share"] * prices),
            np.maximum(numbers["share"] * volume, lots),
            np.maximum(numbers["share"] * amount, lots * close),
        ]
    )
    theirs = other.values.copy()
    theirs[:count] /= factor
    # NaN, a value that one of them does not have, is more than nothing.
    differs: Flags = np.abs(theirs - own.values) > allowed + _NOISE + 1e-12 * np.abs(own.values)
    return differs


@dataclass(frozen=True, slots=True, eq=False)
class _Telling:
    """Says in words in what two sessions differ."""

    own: _Whole
    other: _Whole
    differs: Flags
    short: Flags
    factor: Floats
    names: tuple[str, str]

    def of(self, cell: int) -> str:
        parts = [
            self._pair(FIELDS[field], self.own.values[field, cell], self.other.values[field, cell])
            for field in np.flatnonzero(self.differs[:, cell]).tolist()
        ]
        if self.short[cell]:
            parts.insert(0, self._pair("bars", self.own.bars[cell], self.other.bars[cell]))
        if abs(self.factor[cell] - 1.0) > _SAME_BASE:
            parts.append(f"their prices are {self.factor[cell]:.6g} times ours")
        return "; ".join(parts)

    def _pair(self, what: str, ours: float, theirs: float) -> str:
        return f"{what} {_number(ours)} ({self.names[0]}) against {_number(theirs)} ({self.names[1]})"


def _number(value: float) -> str:
    return f"{float(value):.6f}".rstrip("0").rstrip(".")
