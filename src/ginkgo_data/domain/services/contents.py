# Upstream: domain.services.{releasing, revising}
# Downstream: domain.model.bars, numpy, pyarrow
# Role: The values of bars as integers: equal bars have equal rows, and a hash that every worker computes alike
"""Comparing floats as what they stand for: prices at six decimals, volumes in whole shares, amounts as they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import PRICES

SCALE = 1e6
"""Prices are exact at six decimals: what differs beyond is the noise of float arithmetic."""

_NULL = np.iinfo(np.int64).min
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def contents(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return a row of integers per bar of `table`: its prices, pre_close, volume and amount; a null is a number too."""
    columns = np.empty((table.num_rows, len(PRICES) + 3), np.int64)
    for place, name in enumerate((*PRICES, "pre_close")):
        columns[:, place] = _whole(table[name], SCALE)
    columns[:, -2] = _whole(table["volume"], 1.0)
    # Zero is added so that minus zero is zero.
    bits = (pc.fill_null(table["amount"], 0.0).to_numpy() + 0.0).view(np.int64)
    columns[:, -1] = np.where(pc.is_valid(table["amount"]).to_numpy(), bits, _NULL)
    return columns


def content_hashes(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return a hash per row of `contents`, never 0; the same in every process and release (splitmix64)."""
    mixed = np.full(len(rows), _ODD[0], np.uint64)
    with np.errstate(over="ignore"):
        for column in rows.T:
            mixed = mixed + column.astype(np.uint64) + _ODD[0]
            mixed = (mixed ^ (mixed >> np.uint64(30))) * _ODD[1]
            mixed = (mixed ^ (mixed >> np.uint64(27))) * _ODD[2]
            mixed = mixed ^ (mixed >> np.uint64(31))
    return np.maximum(mixed, np.uint64(1))


def _whole(column: pa.ChunkedArray, scale: float) -> npt.NDArray[np.int64]:
    with np.errstate(invalid="ignore", over="ignore"):
        whole: npt.NDArray[np.int64] = np.rint(pc.fill_null(column, 0.0).to_numpy() * scale).astype(np.int64)
    if column.null_count:
        whole[~pc.is_valid(column).to_numpy()] = _NULL
    return whole
