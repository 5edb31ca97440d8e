# Upstream: domain.services.{inspection, neighbour_checks, session_checks}
# Downstream: domain.model.bars, numpy, pyarrow
# Role: Bars in the order of their codes and times, with what the store has before them
"""Rules that compare a bar with the bars before it look at whole columns, ordered by code and time."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch, Sessions, code_positions

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

FLOATS = ("open", "high", "low", "close", "pre_close", "volume", "amount")


class Neighbours:
    """The bars of a batch behind the `history` of their codes (bars of earlier sessions), all validated.

    Every array has one entry per bar of both, by code and time. `row` is the bar's place in the batch, -1 for history.
    """

    def __init__(self, batch: BarBatch, history: BarBatch, sessions: Sessions) -> None:
        """Take bars of one series; `sessions` are the calendar's over both, ascending."""
        self.codes = sorted({*batch.codes(), *history.codes()})
        before = _Columns(history, self.codes) if len(history) else None
        own = _Columns(batch, self.codes)
        rows = np.arange(len(batch))
        if before is None:
            code, time, day, row = own.code, own.time, own.day, rows
        else:
            pairs = ((before.code, own.code), (before.time, own.time), (before.day, own.day))
            code, time, day = (np.concatenate(pair) for pair in pairs)
            row = np.concatenate([np.full(len(history), -1), rows])
        self._order = _order(code, time)
        self._parts = (history.table, batch.table) if before is not None else (batch.table,)
        self.code, self.row, self.day = (self._ordered(column) for column in (code, row, day))
        self._sessions = sessions.astype(np.int64)
        self._floats: dict[str, Floats] = {}

    def __len__(self) -> int:
        return len(self.code)

    def _ordered(self, column: Longs) -> Longs:
        return column if self._order is None else column[self._order]

    def floats(self, name: str) -> Floats:
        """Return one of the columns of `FLOATS`; null is NaN."""
        found = self._floats.get(name)
        if found is None:
            parts = [part[name].to_numpy() for part in self._parts]
            values = parts[0] if len(parts) == 1 else np.concatenate(parts)
            found = self._floats[name] = values if self._order is None else values[self._order]
        return found

    @cached_property
    def fresh(self) -> Mask:
        """Which bars are of the batch."""
        fresh: Mask = self.row >= 0
        return fresh

    @cached_property
    def starts(self) -> Mask:
        """Which bars are the first of their code here."""
        starts = np.ones(len(self), np.bool_)
        starts[1:] = self.code[1:] != self.code[:-1]
        return starts

    def follows(self, places: Longs) -> Mask:
        """Return which of the daily bars at `places` have the bar of the session before just before them."""
        earlier = np.maximum(places - 1, 0)
        number, before = (np.searchsorted(self._sessions, self.day[which]) for which in (places, earlier))
        follows: Mask = (number - before == 1) & ~self.starts[places]
        return follows

    def rank(self, places: Longs) -> Longs:
        """Return how many bars of the same code lie before each of `places`."""
        first = np.flatnonzero(self.starts)
        rank: Longs = places - first[np.searchsorted(first, places, side="right") - 1]
        return rank

    def named(self, places: Longs) -> list[str]:
        """Return ``code session`` of the bars at `places`."""
        days = self.day[places].astype("datetime64[D]").astype(str).tolist()
        return [f"{self.codes[code]} {day}" for code, day in zip(self.code[places].tolist(), days, strict=True)]


class _Columns:
    """What orders the bars of one batch."""

    def __init__(self, batch: BarBatch, codes: list[str]) -> None:
        table = batch.table
        self.code = code_positions(table["code"], codes)
        self.time: Longs = table["timestamp"].cast(pa.int64()).to_numpy()
        self.day: Longs = table["session"].cast(pa.int32()).to_numpy().astype(np.int64)


def _order(code: Longs, time: Longs) -> Longs | None:
    """Return the order by code and time, None where it is the present one."""
    if len(code) < 2:
        return None
    ascending = (code[1:] > code[:-1]) | ((code[1:] == code[:-1]) & (time[1:] > time[:-1]))
    return None if bool(ascending.all()) else np.lexsort((time, code))


def by_code_and_day(code: Longs, day: Longs) -> tuple[Longs, Longs]:
    """Return where each (code, day) begins in ordered columns, and how many entries it has."""
    changes = (
        np.flatnonzero((code[1:] != code[:-1]) | (day[1:] != day[:-1])) + 1 if len(code) else np.empty(0, np.int64)
    )
    starts = np.concatenate([np.zeros(min(1, len(code)), np.int64), changes])
    return starts, np.diff(starts, append=len(code))
