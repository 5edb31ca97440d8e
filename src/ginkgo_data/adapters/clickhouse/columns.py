# Upstream: adapters.clickhouse
# Downstream: domain.model.{bars, errors}, numpy, pyarrow
# Role: Bars between the domain's columns and the table's: exact prices, whole shares, constant labels
"""Conversions of bars, exact or refused.

The engine truncates float64 to Decimal (0.57 would become 0.569999), takes a null for 0 and a fraction of a
share for none, all without a word. So prices are built here as decimal128 with six decimals, volumes as
int64, and what does not fit is a `SchemaMismatch` that names column, bar and value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import PRICES, BarBatch
from ginkgo_data.domain.model.errors import SchemaMismatch

DECIMAL = pa.decimal128(18, 6)
SCALE = 1e6
TOLERANCE = 1e-9
"""A price is refused when it lies further than this from a number of six decimals: less is the noise of float
arithmetic, more would be a digit lost."""

LARGEST = 2.0**53 / SCALE
"""Above this, float64 itself does not hold six decimals."""

REQUIRED = ("code", "session", "timestamp", *PRICES, "volume", "source", "version")
"""Columns of a bar that may not be null; `pre_close` and `amount` may."""

BAR_COLUMNS = (
    "code, session, timestamp, toFloat64(open) AS open, toFloat64(high) AS high, toFloat64(low) AS low, "
    "toFloat64(close) AS close, toFloat64(pre_close) AS pre_close, toFloat64(volume) AS volume, amount, source, version"
)
"""What a SELECT asks for to get the domain's columns; Decimal to float64 is exact (an integer, divided once)."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def check_bars(bars: BarBatch) -> None:
    """Raise `SchemaMismatch` naming column, bar and value when a bar cannot be stored as it is."""
    for name in REQUIRED:
        column = bars.table[name]
        if column.null_count or _has_null_label(column):
            _refuse(
                bars, name, pc.is_null(column.cast(pa.string()) if name in ("code", "source") else column), "is null"
            )
    for name in (*PRICES, "pre_close"):
        _require(bars, name, _six_decimals, "has more than six decimals, or is not finite")
    _require(bars, "volume", _whole, "is no whole number of shares")
    _require(bars, "amount", _finite, "is not finite")


def bar_rows(bars: BarBatch) -> pa.Table:
    """Return `bars`, checked by `check_bars`, as rows of the table: labels, decimals, whole shares."""
    table = bars.table.unify_dictionaries().combine_chunks()
    columns: dict[str, Any] = {name: table[name] for name in ("code", "timestamp", "session", "source", "version")}
    columns["frequency"] = constant(bars.series.frequency.value, len(bars))
    columns["adjust"] = constant(bars.series.adjust.value, len(bars))
    for name in (*PRICES, "pre_close"):
        columns[name] = decimals(table[name])
    columns["volume"] = table["volume"].cast(pa.int64())
    columns["amount"] = table["amount"]
    return pa.table(columns)


def decimals(column: pa.ChunkedArray) -> pa.Array:
    """Return float64 prices as decimal128 with six decimals, nulls kept: each the nearest such number.

    A decimal128 is two 64-bit words, the low one first; the high one is the sign of the low one here.
    """
    words = np.empty((len(column), 2), np.int64)
    scaled = pc.fill_null(column, 0.0).to_numpy() * SCALE
    words[:, 0] = np.rint(scaled, out=scaled)
    np.right_shift(words[:, 0], 63, out=words[:, 1])
    validity = None
    if column.null_count:
        validity = pa.py_buffer(np.packbits(pc.is_valid(column).to_numpy(), bitorder="little"))
    return pa.Array.from_buffers(DECIMAL, len(column), [validity, pa.py_buffer(words)])


def exact_decimals(what: str, name: str, column: pa.ChunkedArray) -> pa.Array:
    """Return `decimals` of a column; raise `SchemaMismatch` naming it where six of them do not hold a value."""
    unfit = ~_six_decimals(column.to_numpy()) & pc.is_valid(column).to_numpy()
    if unfit.any():
        value = column.filter(pa.array(unfit))[0].as_py()
        raise SchemaMismatch(f"{what}: column {name!r} has more than six decimals, or is not finite: {value!r}")
    return decimals(column)


def constant(label: str, rows: int) -> pa.Array:
    """Return `label`, `rows` times, as a dictionary of one."""
    zeros = pa.Array.from_buffers(pa.int8(), rows, [None, pa.py_buffer(bytes(rows))])
    return pa.DictionaryArray.from_arrays(zeros, pa.array([label], pa.string()))


def _six_decimals(prices: Floats) -> Flags:
    with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN are what is looked for
        nearest = prices * SCALE
        np.rint(nearest, out=nearest)
        np.divide(nearest, SCALE, out=nearest)
        fits: Flags = nearest == prices
        if not (fits.all() and prices.min(initial=0.0) > -LARGEST and prices.max(initial=0.0) < LARGEST):
            fits = (np.abs(prices - nearest) <= TOLERANCE) & (np.abs(prices) < LARGEST)
    return fits


def _whole(volumes: Floats) -> Flags:
    fits: Flags = (np.floor(volumes) == volumes) & (np.abs(volumes) < 2.0**63)
    return fits


def _finite(amounts: Floats) -> Flags:
    fits: Flags = np.isfinite(amounts)
    return fits


def _require(bars: BarBatch, name: str, fits: Callable[[Floats], Flags], fault: str) -> None:
    column = bars.table[name]
    unfit = ~fits(column.to_numpy())
    if column.null_count:
        unfit &= pc.is_valid(column).to_numpy()
    if unfit.any():
        _refuse(bars, name, unfit, fault)


def _refuse(bars: BarBatch, name: str, unfit: pa.ChunkedArray | Flags, fault: str) -> None:
    rows = bars.filter(unfit).table
    first = rows.select(["code", "timestamp", name]).slice(0, 1).to_pylist()[0]
    raise SchemaMismatch(
        f"bars {bars.series}: column {name!r} {fault} in {rows.num_rows} of {len(bars)} rows, "
        f"first {first['code']} {first['timestamp']}: {first[name]!r}; nothing was stored"
    )


def _has_null_label(column: pa.ChunkedArray) -> bool:
    """Return whether a dictionary has a null among its labels, which `null_count` does not see."""
    if not pa.types.is_dictionary(column.type):
        return False
    return any(chunk.dictionary.null_count for chunk in column.chunks)
