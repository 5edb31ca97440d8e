# Upstream: domain.services.sampling
# Downstream: domain.model.bars, domain.services.bar_columns, numpy, pyarrow
# Role: How strange sessions look by their own numbers: the size of a move, a volume far from the usual one
"""Oddness orders sessions; it judges none. Rules do that."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.services.bar_columns import Floats, Longs

USUAL_OF = 5
"""Sessions of a code that must be at hand for its usual volume to be known."""
MOST = 999.0
"""No oddness is more."""

_LIMIT_MOVE, _TENFOLD = np.log(1.1), np.log(10.0)
"""A move of a tenth is as strange as ten times (or a tenth of) the usual volume."""


def oddness(bars: BarBatch, rows: Longs, cell: Longs, index: Longs) -> Floats:
    """Return how strange each cell is by its own numbers: the size of its move, or of its volume beside the usual one.

    The move is from the reference price (`pre_close`, else the first open) to the last close. What is not known is not
    strange.
    """
    if not len(index):
        return np.empty(0, np.float64)
    time = bars.table["timestamp"].cast(pa.int64()).to_numpy()[rows]
    order = np.lexsort((time, cell))
    first = np.flatnonzero(np.diff(cell[order], prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    columns = {name: bars.table[name].to_numpy()[rows][order] for name in ("open", "close", "pre_close", "volume")}
    reference, opened = columns["pre_close"][first], columns["open"][first]
    volume = np.add.reduceat(columns["volume"], first)
    with np.errstate(all="ignore"):
        before = np.where(reference > 0.0, reference, opened)
        move = np.abs(np.log(columns["close"][last] / before)) / _LIMIT_MOVE
        excess = np.abs(np.log(volume / _usual(volume, index))) / _TENFOLD
    strange = np.maximum(*(np.where(np.isfinite(part), part, 0.0) for part in (move, excess)))
    odd: Floats = np.minimum(strange, MOST)
    return odd


def _usual(volume: Floats, index: Longs) -> Floats:
    """Return for each cell the (lower) median volume of its code, NaN where too few of its sessions are here."""
    order = np.lexsort((volume, index))
    count = np.bincount(index)
    begin = np.cumsum(count) - count
    middle = np.minimum(begin + np.maximum(count - 1, 0) // 2, len(order) - 1)
    median = np.where(count >= USUAL_OF, volume[order][middle], np.nan)
    usual: Floats = median[index]
    return usual
