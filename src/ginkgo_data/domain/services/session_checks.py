# Upstream: domain.services.inspection
# Downstream: domain.model.bars, domain.services.neighbours, numpy
# Role: Checks of the minute bars of a session: how many there are, and what they add up to
"""A session of minute bars has 240 minutes' worth of them, one more with the opening auction's, and adds up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ginkgo_data.domain.model.bars import BarBatch, code_positions
from ginkgo_data.domain.services.neighbours import Floats, Longs, Neighbours, by_code_and_day


@dataclass(frozen=True, slots=True, eq=False)
class MinuteSessions:
    """Sessions of minute bars: where each begins among the bars, how many it has, and what its day adds up to."""

    bars: Neighbours
    starts: Longs
    counts: Longs
    full: int
    """Bars of a full session."""
    volumes: Floats
    daily: Floats
    """Volume of the daily bar; NaN where none is known."""

    @classmethod
    def of(cls, bars: Neighbours, full: int, daily: BarBatch) -> MinuteSessions:
        """Gather the sessions of `bars`; `daily` are daily bars of the same codes."""
        starts, counts = by_code_and_day(bars.code, bars.day)
        volumes = np.add.reduceat(bars.floats("volume"), starts) if len(starts) else np.empty(0)
        return cls(bars, starts, counts, full, volumes, _daily_volumes(bars, starts, daily))


def odd_counts(sessions: MinuteSessions, *, more: float) -> Longs:
    """Find sessions with fewer bars than a full one, or with more than `more` beyond it."""
    counts = sessions.counts
    return np.flatnonzero((counts < sessions.full) | (counts > sessions.full + int(more)))


def say_counts(sessions: MinuteSessions, places: Longs, *, more: float) -> list[str]:
    """Say how many bars there are."""
    wanted = f"{sessions.full} or {sessions.full + int(more)}" if more else str(sessions.full)
    return [f"{count} bars instead of {wanted}" for count in sessions.counts[places].tolist()]


def odd_sums(sessions: MinuteSessions, *, share: float, lots: float) -> Longs:
    """Find whole sessions whose volumes differ from the daily bar's by more than `share` of it, and than `lots`."""
    off = np.abs(sessions.volumes - sessions.daily)
    allowed = np.maximum(share * sessions.daily, lots * 100.0)
    return np.flatnonzero((off > allowed) & (sessions.counts >= sessions.full))


def say_sums(sessions: MinuteSessions, places: Longs, **_: float) -> list[str]:
    """Say both volumes."""
    pairs = zip(sessions.volumes[places].tolist(), sessions.daily[places].tolist(), strict=True)
    return [f"minutes add up to {added:.0f} shares, the daily bar has {day:.0f}" for added, day in pairs]


def _daily_volumes(bars: Neighbours, starts: Longs, daily: BarBatch) -> Floats:
    if not len(daily):
        return np.full(len(starts), np.nan)
    stride = len(bars.codes)
    position = code_positions(daily.table["code"], bars.codes)
    day = daily.table["session"].cast("int32").to_numpy().astype(np.int64)
    keys = np.where(position < 0, np.int64(-1), day * stride + position)
    order = np.argsort(keys)
    asked = bars.day[starts] * stride + bars.code[starts]
    place = np.minimum(np.searchsorted(keys, asked, sorter=order), len(keys) - 1)
    row = order[place]
    return np.where(keys[row] == asked, daily.table["volume"].to_numpy()[row], np.nan)
