# Upstream: domain.services.{rule_set, rules}
# Downstream: domain.model.series, domain.services.bar_columns, numpy
# Role: What the rules of validation compute: which rows of some columns a rule hits
"""Checks, each a function of (columns, field, the rule's parameters) -> the rows at fault, or None when none can be.

A missing value is the business of `missing` alone: a comparison with NaN is false, so no other check hits it, and a
missing code, day or time is skipped. Callers run these under ``numpy.errstate(all="ignore")``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from ginkgo_data.domain.model.series import Frequency
from ginkgo_data.domain.services.bar_columns import DAY_MS, FLOATS, MINUTE_MS, NO_DAY, NO_TIME, BarColumns, Mask

Check: TypeAlias = Callable[..., Mask | None]
"""``(columns, field, **parameters)``: marks the rows of which the column is at fault, None for none of them."""

STORED_DECIMALS: Final = 6
"""Decimals that the store keeps of a price."""
LARGEST_PRICE: Final = 1e11
"""The store's Decimal(18, 6) ends at 1e12; no price comes near."""
LARGEST_VOLUME: Final = 2.0**63

_SCALE = 10.0**STORED_DECIMALS
# Float noise is relative: a decimal read from text is off by half an ulp (2**-53), a few operations on it by a few
# more; 2**-48 leaves room for 16 ulps. A difference of two prices keeps the noise of the greater one, so 1e-12 of
# the currency unit (1e-6 after scaling) passes besides. A real seventh decimal is 0.1 after scaling, a tenth one 1e-4.
_RELATIVE_NOISE = 2.0**-48
_ABSOLUTE_NOISE = 1e-6


def missing(columns: BarColumns, field: str) -> Mask | None:
    """Mark null, NaN, and an empty code."""
    if field not in FLOATS:
        return columns.absent.get(field)
    hit: Mask = np.isnan(columns.floats[field])
    return hit


def infinite(columns: BarColumns, field: str) -> Mask:
    """Mark plus and minus infinity."""
    hit: Mask = np.isinf(columns.floats[field])
    return hit


def negative(columns: BarColumns, field: str) -> Mask:
    """Mark what is below zero."""
    hit: Mask = columns.floats[field] < 0.0
    return hit


def zero(columns: BarColumns, field: str) -> Mask:
    """Mark what is exactly zero."""
    hit: Mask = columns.floats[field] == 0.0
    return hit


def high_too_low(columns: BarColumns, _field: str) -> Mask:
    """Mark a high below open or close."""
    values = columns.floats
    hit: Mask = (values["high"] < values["open"]) | (values["high"] < values["close"])
    return hit


def low_too_high(columns: BarColumns, _field: str) -> Mask:
    """Mark a low above open, close or high."""
    values = columns.floats
    low = values["low"]
    hit: Mask = (low > values["open"]) | (low > values["close"]) | (low > values["high"])
    return hit


def not_whole(columns: BarColumns, field: str) -> Mask:
    """Mark what is no whole number of shares, or one that a signed 64-bit integer cannot hold."""
    values = columns.floats[field]
    hit: Mask = (np.abs(values - np.rint(values)) > 0.0) | ((values >= LARGEST_VOLUME) & (values < np.inf))
    return hit


def finer_than_stored(columns: BarColumns, field: str) -> Mask:
    """Mark more decimals than the store keeps (beyond float noise), and a price greater than it can hold."""
    values = columns.floats[field]
    scaled = values * _SCALE
    off = np.abs(scaled - np.rint(scaled))
    allowed = np.abs(scaled) * _RELATIVE_NOISE + _ABSOLUTE_NOISE
    hit: Mask = (off > allowed) | ((values > LARGEST_PRICE) & (values < np.inf))
    return hit


def not_asked(columns: BarColumns, field: str) -> Mask | None:
    """Mark a code or a session that the call did not name."""
    if field == "code":
        strange = columns.strange_codes
        return None if strange is None else strange[columns.code]
    asked = columns.expected.asked_days
    if asked is None:
        return None
    hit: Mask = (columns.session < asked[0]) | (columns.session > asked[1])
    hit &= columns.session != NO_DAY
    return hit


def off_calendar(columns: BarColumns, _field: str) -> Mask:
    """Mark a session that the calendar does not have."""
    table = columns.expected.open_days
    # A day before the calendar turns into a huge unsigned number, so one minimum serves both ends.
    place = (columns.session - columns.expected.first_day).view(np.uint64)
    hit: Mask = ~table[np.minimum(place, np.uint64(len(table) - 1)).view(np.int64)]
    hit &= columns.session != NO_DAY
    return hit


def other_day(columns: BarColumns, _field: str) -> Mask:
    """Mark a time that is not on the session's day at the exchange; of a daily bar: not its midnight."""
    since_midnight = columns.local_time() - columns.session * DAY_MS
    within = 1 if columns.series.frequency is Frequency.DAY else DAY_MS
    hit: Mask = (since_midnight < 0) | (since_midnight >= within)
    hit &= (columns.session != NO_DAY) & (columns.timestamp != NO_TIME)
    return hit


def off_hours(columns: BarColumns, _field: str, *, earliest: float, latest: float) -> Mask:
    """Mark a time of day before `earliest` or after `latest`, both in minutes after midnight at the exchange."""
    since_midnight = columns.local_time() - columns.session * DAY_MS
    hit: Mask = (since_midnight < earliest * MINUTE_MS) | (since_midnight > latest * MINUTE_MS)
    # Of another day: the business of `other_day`.
    hit &= (since_midnight >= 0) & (since_midnight < DAY_MS)
    hit &= (columns.session != NO_DAY) & (columns.timestamp != NO_TIME)
    return hit


def key_repeated(columns: BarColumns, _field: str) -> Mask | None:
    """Mark the second and later rows of a (code, timestamp)."""
    return columns.repeated


def in_future(columns: BarColumns, _field: str) -> Mask | None:
    """Mark a session after the newest that is closed."""
    newest = columns.expected.newest
    return None if newest is None else columns.session > newest
