# Upstream: domain.services.inspection
# Downstream: domain.services.neighbours, numpy
# Role: Checks of daily bars against the bars of the sessions before
"""What a bar alone does not show: a volume out of all proportion, a feed that stands still, a copy of yesterday.

Each check returns the places (positions among the neighbours) that it hits, bars of the history included: the caller
keeps those of the batch. A comparison with what is not known is false.
"""

from __future__ import annotations

import numpy as np

from ginkgo_data.domain.services.neighbours import Floats, Longs, Mask, Neighbours

_COPIED = ("open", "high", "low", "close", "amount")


def volume_spikes(bars: Neighbours, *, times: float, above_highest: float, sessions: float) -> Longs:
    """Find volumes above `times` the median and `above_highest` times the maximum of the `sessions` bars before.

    These must all have been traded: what wakes up after a suspension that a vendor fills with empty bars is no spike.
    """
    window, volume = int(sessions), bars.floats("volume")
    if len(bars) <= window:
        return np.empty(0, np.int64)
    highest = _highest_before(volume, window)
    candidates = np.flatnonzero((volume > above_highest * highest) & bars.fresh)
    candidates = candidates[bars.rank(candidates) >= window]
    if not len(candidates):
        return candidates
    earlier = volume[candidates[:, np.newaxis] - np.arange(1, window + 1)]
    spikes: Longs = candidates[(volume[candidates] > times * np.median(earlier, axis=1)) & (earlier > 0.0).all(axis=1)]
    return spikes


def say_spikes(bars: Neighbours, places: Longs, *, sessions: float, **_: float) -> list[str]:
    """Say how a volume stands to those before it."""
    volume = bars.floats("volume")
    medians = np.median(volume[places[:, np.newaxis] - np.arange(1, int(sessions) + 1)], axis=1)
    return [
        f"volume {own:.0f}, {own / median:.0f} times the median of {int(sessions)} sessions"
        for own, median in zip(volume[places].tolist(), medians.tolist(), strict=True)
    ]


def stale_runs(bars: Neighbours, *, sessions: float) -> Longs:
    """Find the bar with which a close has been the same for `sessions` sessions after another; once per run."""
    close, traded = bars.floats("close"), bars.floats("volume") > 0.0
    same = np.flatnonzero((close[1:] == close[:-1]) & traded[1:] & ~bars.starts[1:]) + 1
    # Consecutive places are one run: its bars are counted from its first.
    run = np.flatnonzero(np.diff(same, prepend=-2) != 1)
    counted = np.arange(len(same)) - np.repeat(run, np.diff(run, append=len(same))) + 1
    found: Longs = same[counted == int(sessions)]
    return found


def say_stale(bars: Neighbours, places: Longs, *, sessions: float) -> list[str]:
    """Say which close stays."""
    return [
        f"close {close:g}, unchanged for {int(sessions)} sessions" for close in bars.floats("close")[places].tolist()
    ]


def stale_copies(bars: Neighbours) -> Longs:
    """Find bars that repeat every value of the bar before them, volume and amount included."""
    volume = bars.floats("volume")
    same = np.flatnonzero((volume[1:] == volume[:-1]) & (volume[1:] > 0.0) & ~bars.starts[1:]) + 1
    for name in _COPIED:
        own, before = bars.floats(name)[same], bars.floats(name)[same - 1]
        same = same[(own == before) | np.isnan(own)]
    return same


def say_copies(bars: Neighbours, places: Longs) -> list[str]:
    """Say whose copy it is."""
    days = bars.day[places - 1].astype("datetime64[D]").astype(str).tolist()
    return [f"volume {volume:.0f} and every price as on {day}" for volume, day in _with(bars, "volume", places, days)]


def reference_steps(bars: Neighbours, *, rounding: float, most: float) -> Longs:
    """Find a reference price above the close of the session before, or less than its `most`-th part.

    A dividend or a split lowers it and never raises it; `rounding` currency units may be the vendor's.
    """
    reference, close = bars.floats("pre_close")[1:], bars.floats("close")[:-1]
    off: Mask = (reference > close + rounding) | ((reference * most < close) & (reference > 0.0))
    places = np.flatnonzero(off) + 1
    return places[bars.follows(places)]


def say_steps(bars: Neighbours, places: Longs, **_: float) -> list[str]:
    """Say both prices."""
    close = bars.floats("close")[places - 1].tolist()
    return [f"pre_close {own:g} after a close of {last:g}" for own, last in _with(bars, "pre_close", places, close)]


def _with(bars: Neighbours, name: str, places: Longs, others: list) -> zip:  # type: ignore[type-arg]
    return zip(bars.floats(name)[places].tolist(), others, strict=True)


def _highest_before(values: Floats, window: int) -> Floats:
    """Return the greatest of the `window` entries before each; for the first ones of the fewer there are.

    By doubling: the greatest of 2, 4, 8 … entries, then two overlapping spans that make up the window.
    """
    spans = values.copy()
    span = 1
    while span * 2 <= window:
        spans = _greater(spans, spans, span)
        span *= 2
    if span < window:
        spans = _greater(spans, spans, window - span)
    before = np.full(len(values), -np.inf)
    before[1:] = spans[:-1]
    return before


def _greater(values: Floats, others: Floats, back: int) -> Floats:
    greater = values.copy()
    np.maximum(values[back:], others[:-back], out=greater[back:])
    return greater
