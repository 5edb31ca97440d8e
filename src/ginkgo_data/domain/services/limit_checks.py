# Upstream: domain.services.rules
# Downstream: domain.model.price_limits, domain.services.{bar_columns, listings}, numpy
# Role: Checks of daily bars against the exchange's price limit of their session, exact to the tick
"""High and low against the limit prices. Prices are counted in ticks, so the half-up rounding is exact.

Judged is a share whose board, list date and reference price are known. Two things make a breach less than certain: a
session after an interruption may have no limit at all (relisting, reform of the share structure, delisting period), and
a name tells of special treatment only on the day on which it is read. Each has a rule of its own, which only flags.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np

from ginkgo_data.domain.model.price_limits import DAILY_LIMITS, FIRST_SESSIONS, LEAVING_DAYS, Board
from ginkgo_data.domain.services.bar_columns import BarColumns, Floats, Longs, Mask
from ginkgo_data.domain.services.listings import UNKNOWN_DAY

_NARROWEST: Final = 0.05
_WIDEST_TICK: Final = 0.01
_SURE_DAYS: Final = 30
"""Days since the list date after which the first sessions are over, whatever the calendar at hand shows."""
_BOARDS = tuple(Board)
_TICKS = np.array([board.tick for board in _BOARDS])


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _by_epoch(rows: list[tuple[int, int, tuple[int, ...]]], width: int) -> tuple[Longs, Longs]:
    """Return the days on which anything changes, and per (board, epoch) the numbers that count; -1: nothing known."""
    days = np.unique([day for _, day, _ in rows])
    table = np.full((len(_BOARDS), len(days) + 1, width), -1, np.int64)
    for board, day, numbers in sorted(rows, key=lambda row: row[1]):
        table[board, np.searchsorted(days, day) + 1 :] = numbers
    return days, table


_LIMIT_DAYS, _LIMITS = _by_epoch(
    [
        (_BOARDS.index(board), _day(limit.first), (limit.percent, limit.treated))
        for limit in DAILY_LIMITS
        for board in limit.boards
    ],
    2,
)
_FREE: Final = 0
_FIRST_DAYS, _FIRSTS = _by_epoch(
    [
        (_BOARDS.index(board), _day(first.listed_from), (first.sessions, first.up or _FREE, first.down or _FREE))
        for first in FIRST_SESSIONS
        for board in first.boards
    ],
    3,
)


def beyond_limit(columns: BarColumns, field: str, *, ticks: float) -> Mask | None:
    """Mark a high (a low) more than `ticks` beyond the limit price of shares that are not under special treatment."""
    return _beyond(columns, field, ticks, treated=False)


def beyond_treated_limit(columns: BarColumns, field: str, *, ticks: float) -> Mask | None:
    """Mark what is within the usual limit, and beyond the one of special treatment that the share's name tells of."""
    narrow = _beyond(columns, field, ticks, treated=True)
    wide = _beyond(columns, field, ticks, treated=False)
    return narrow if narrow is None or wide is None else narrow & ~wide


def traded_before(columns: BarColumns, rows: Longs) -> Mask:
    """Mark those of `rows` whose code has a bar of the session before in the same answer, too."""
    keys = columns.code * np.int64(1 << 32) + columns.expected.session_numbers(columns.session)
    traded: Mask = np.isin(keys[rows] - 1, keys[columns.floats["volume"] > 0.0])
    return traded


def not_traded_before(columns: BarColumns, rows: Longs) -> Mask:
    """Mark the others of `rows`: after an interruption, or of whose session before the answer says nothing."""
    return ~traded_before(columns, rows)


def describe_limit(columns: BarColumns, *, ticks: float) -> list[str]:
    """Say for each row its range, and the limits of its session."""
    return _described(columns, treated=False)


def describe_treated_limit(columns: BarColumns, *, ticks: float) -> list[str]:
    """Say the same with the limits of special treatment."""
    return _described(columns, treated=True)


def _described(columns: BarColumns, *, treated: bool) -> list[str]:
    rows = np.arange(len(columns))
    lower, upper, _ = _limits(columns, rows, treated=treated)
    values = columns.floats
    found = zip(
        *(values[name].tolist() for name in ("low", "high", "pre_close")), lower.tolist(), upper.tolist(), strict=True
    )
    return [
        f"{low:g} … {high:g} from {before:g}, limits {down:.6g} … {up:.6g}" for low, high, before, down, up in found
    ]


def _beyond(columns: BarColumns, field: str, ticks: float, *, treated: bool) -> Mask | None:
    values, before = columns.floats[field], columns.floats["pre_close"]
    # Few prices come near any limit: the others are not looked at exactly.
    if field == "high":
        near = values > before * (1 + _NARROWEST) - _WIDEST_TICK
    else:
        near = values < before * (1 - _NARROWEST) + _WIDEST_TICK
    near &= before > 0.0
    rows = np.flatnonzero(near)
    if not len(rows):
        return None
    lower, upper, tick = _limits(columns, rows, treated=treated)
    price, slack = values[rows], ticks * tick
    hit = np.zeros(len(columns), np.bool_)
    hit[rows] = price > upper + slack if field == "high" else price < lower - slack
    return hit


def _limits(columns: BarColumns, rows: Longs, *, treated: bool) -> tuple[Floats, Floats, Floats]:
    """Return the limit prices of `rows`, below and above, and the tick; NaN where nothing is judged."""
    listing = columns.listing
    code, session = columns.code[rows], columns.session[rows]
    board = listing.board[code]
    epoch = np.searchsorted(_LIMIT_DAYS, session, side="right")
    usual, narrow = _LIMITS[board, epoch].T
    percent = np.where(session >= listing.treated_from[code], narrow, -1) if treated else usual
    up, down = percent.astype(np.float64), percent.astype(np.float64)
    unknown = (board < 0) | (percent < 0) | (listing.listed[code] == UNKNOWN_DAY)
    unknown |= listing.leaving[code] | (session > listing.delisted[code] - LEAVING_DAYS)
    _apply_first_sessions(columns, rows, up, down, unknown)
    tick = _TICKS[board]
    before = np.rint(columns.floats["pre_close"][rows] / tick)
    # Half up in whole ticks: exact, since every term is a whole number far below 2**53.
    upper = np.maximum(np.floor((before * (100 + up) + 50) / 100), before + 1)
    lower = np.maximum(np.minimum(np.floor((before * (100 - down) + 50) / 100), before - 1), 1)
    upper[unknown] = lower[unknown] = np.nan
    return lower * tick, upper * tick, tick


def _apply_first_sessions(columns: BarColumns, rows: Longs, up: Floats, down: Floats, unknown: Mask) -> None:
    """Put the limits of a share's first sessions in the places of the usual ones; mark those that have none."""
    listing, number = columns.listing, columns.expected.session_numbers
    code, session = columns.code[rows], columns.session[rows]
    listed = listing.listed[code]
    epoch = np.searchsorted(_FIRST_DAYS, listed, side="right")
    sessions, first_up, first_down = _FIRSTS[listing.board[code], epoch].T
    age = number(session) - number(listed)
    # A list date before the calendar at hand: the age is at least what the calendar shows.
    age = np.where(session - listed >= _SURE_DAYS, np.maximum(age, _SURE_DAYS), age)
    young = age < sessions
    unknown |= (session < listed) | (young & (first_up == _FREE))
    limited = young & (first_up > _FREE)
    up[limited], down[limited] = first_up[limited], first_down[limited]
