# Upstream: domain.services.rules
# Downstream: domain.model.series, domain.services.bar_columns, numpy
# Role: Checks of volume and amount against the prices: the detector of mixed-up units
"""amount / volume is the average price paid, so it lies between low and high, or a unit is wrong.

Lots for shares, thousands for currency units, and both at once are off by powers of ten: the factor tells which.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ginkgo_data.domain.model.series import Frequency
from ginkgo_data.domain.services.bar_columns import BarColumns, Floats, Mask

LOT: Final = 100.0
"""Shares of a lot, as vendors count them."""

# What the wrong ratio of amount / volume to the prices says about the units.
UNIT_ERRORS: Final = (
    (100.0, "looks like lots given as shares"),
    (0.01, "looks like shares taken for lots and multiplied by 100"),
    (1000.0, "looks like an amount taken for thousands and multiplied by 1000"),
    (0.001, "looks like an amount in thousands given in currency units"),
    (10.0, "looks like shares and currency units taken for lots and thousands"),
    (0.1, "looks like lots and thousands given as shares and currency units"),
    (10_000.0, "looks like an amount taken for ten thousands and multiplied by 10000"),
    (0.0001, "looks like an amount in ten thousands given in currency units"),
)


def outside_range(columns: BarColumns, _field: str, *, slack: float, rounding: float) -> Mask:
    """Mark amount / volume outside [low, high], widened by the share `slack` and by `rounding` currency units.

    Only where both are above zero and the prices are a range at all, and not for indices, whose amount and volume are
    sums over their members. Minute volumes may be a lot off, see `_possible_volumes`.
    """
    values = columns.floats
    volume, amount = values["volume"], values["amount"]
    least, most = _band(columns, slack, rounding)
    fewest, greatest = _possible_volumes(columns)
    hit: Mask = (amount < fewest * least) | (amount > greatest * most)
    hit &= (volume > 0.0) & (amount > 0.0)
    hit &= (values["low"] > 0.0) & (values["low"] <= values["high"])
    if columns.index_codes is not None:
        hit &= ~columns.index_codes[columns.code]
    return hit


def disagreeing_zeros(columns: BarColumns, _field: str) -> Mask:
    """Mark shares traded for nothing, and money without shares."""
    volume, amount = columns.floats["volume"], columns.floats["amount"]
    hit: Mask = ((volume == 0.0) & (amount > 0.0)) | ((amount == 0.0) & (volume > 0.0))
    return hit


def describe_units(columns: BarColumns, *, slack: float, rounding: float) -> list[str]:
    """Say for each row how amount / volume stands to its prices, and which units that looks like."""
    floor, ceiling = _band(columns, slack, rounding)
    with np.errstate(all="ignore"):
        paid = columns.floats["amount"] / columns.floats["volume"]
        factor = np.zeros(len(columns), np.int64) - 1
        for number, (times, _) in reversed(list(enumerate(UNIT_ERRORS))):
            factor[(paid / times >= floor) & (paid / times <= ceiling)] = number
    words = [
        *(f"about {times:g} times its prices {{}}: {what}" for times, what in UNIT_ERRORS),
        "outside its prices {}",
    ]
    low, high = columns.floats["low"].tolist(), columns.floats["high"].tolist()
    return [
        f"{price:.6g} per share, {words[found].format(f'{least:g} … {most:g}')}"
        for price, found, least, most in zip(paid.tolist(), factor.tolist(), low, high, strict=True)
    ]


def _band(columns: BarColumns, slack: float, rounding: float) -> tuple[Floats, Floats]:
    low, high = columns.floats["low"], columns.floats["high"]
    return low * (1.0 - slack) - rounding, high * (1.0 + slack) + rounding


def _possible_volumes(columns: BarColumns) -> tuple[Floats, Floats]:
    """Return the fewest and the most shares that the stated volumes may stand for.

    A vendor that counts lots rounds: 67 lots of Eastmoney's minute 600519 2026-03-27 13:39 are 66.5. In a day that is
    nothing, of a minute it can be more than half a percent. So a minute's whole lots may be one lot off, but never by
    more than a factor of two, since wrong units are off by ten at least.
    """
    volume = columns.floats["volume"]
    if columns.series.frequency is Frequency.DAY:
        return volume, volume
    lots = np.where(np.fmod(volume, LOT) == 0.0, LOT, 0.0)
    return np.maximum(volume - lots, volume / 2), volume + lots
