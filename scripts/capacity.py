"""Reckon what a collection takes: vendor calls by the real planner, minutes by the quota, workers by the vendor's pace.

Usage: python scripts/capacity.py --codes 5000 --sessions 1215 [--frequency 15m --row-limit 8000 --codes-per-call 1
       --no-by-session] [--calls-per-minute 200] [--seconds-per-call 1.0]
       python scripts/capacity.py --examples        the table of docs/capacity.md

Every code is taken to be listed all the time and nothing to be stored yet: what is held already costs no call. Without
more options the source is Tushare's daily bars, as this package asks for them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ginkgo_data.adapters.tushare.client import BUDGET_SHARE
from ginkgo_data.adapters.tushare.config import TushareConfig
from ginkgo_data.domain.model.coverage import Coverage
from ginkgo_data.domain.model.fetch import SourceCapabilities
from ginkgo_data.domain.model.series import Frequency, Series
from ginkgo_data.domain.services.collector import CollectorLimits
from ginkgo_data.domain.services.planner import plan_fetches

SESSIONS_A_YEAR, DAYS_A_YEAR = 243, 365.25
TUSHARE = TushareConfig()
DAILY_ROWS = 6000
"""Rows of one reply of Tushare's `daily`."""
EXAMPLES = (
    ("daily bars, one session", {"sessions": 1}),
    ("daily bars, five sessions (`update_data`)", {"sessions": 5}),
    ("daily bars, five years", {"sessions": 1215}),
    ("daily bars, five years, one code a call", {"sessions": 1215, "codes_per_call": 1, "by_session": False}),
    ("adjustment factors, five years", {"sessions": 1215, "codes_per_call": 1}),
    *(
        (f"15 minutes, {name}", {"sessions": sessions, "frequency": "15m", **one})
        for one in ({"row_limit": 8000, "codes_per_call": 1, "by_session": False},)
        for name, sessions in (("one session", 1), ("five sessions", 5), ("five years", 1215))
    ),
)
QUOTAS = (200, 500)


@dataclass(frozen=True)
class Asked:
    """A collection, and what the source takes in one call."""

    codes: int
    sessions: int
    frequency: str = "1d"
    row_limit: int = DAILY_ROWS
    codes_per_call: int = TUSHARE.codes_per_call
    by_session: bool = True

    @property
    def rows(self) -> int:
        """Rows of all of it."""
        return self.codes * self.sessions * Frequency(self.frequency).bars_per_session


@dataclass(frozen=True)
class Calls:
    """Calls by code and by session (None: the source cannot be asked like that), and what the planner makes."""

    by_code: int | None
    by_session: int | None
    planned: int


@dataclass(frozen=True)
class Effort:
    """How long the quota takes, how many calls are under way to use it up, and how many workers make them."""

    minutes: float
    under_way: float
    workers: int


def calls_for(asked: Asked) -> Calls:
    """Plan `asked` as a worker does: in grids of a bounded size."""
    series = Series(Frequency(asked.frequency))
    capabilities = SourceCapabilities(
        "vendor", frozenset({series}), asked.row_limit, asked.codes_per_call, asked.by_session, TUSHARE.market_rows
    )
    grids = [_nothing_held(codes, asked.sessions) for codes in _grids(asked)]
    plans = [plan_fetches(grid, grid.missing, capabilities, series) for grid in grids]
    planned = 0
    for plan in plans:
        if plan.requests[0].by_session:
            planned += plan.by_session_calls
            break  # a market's whole session is stored whole: nothing is left for the grids that follow
        planned += plan.by_code_calls
    return Calls(
        sum(plan.by_code_calls for plan in plans) if asked.codes_per_call else None,
        plans[0].by_session_calls if asked.by_session else None,
        planned,
    )


def _grids(asked: Asked) -> Iterator[int]:
    days = max(1, round(asked.sessions * DAYS_A_YEAR / SESSIONS_A_YEAR))
    size = max(1, CollectorLimits().chunk_cells // days)
    for begin in range(0, asked.codes, size):
        yield min(size, asked.codes - begin)


def _nothing_held(codes: int, sessions: int) -> Coverage:
    due = np.ones((codes, sessions), bool)
    nothing = np.zeros_like(due)
    names = tuple(f"{number:06d}.SZ" for number in range(codes))
    return Coverage(names, np.datetime64("2020-01-01") + np.arange(sessions), due, nothing, nothing, nothing)


def effort(calls: int, calls_per_minute: int, seconds_per_call: float, concurrency: int) -> Effort:
    """Return what `calls` take of a quota, and the workers that keep it busy."""
    usable = max(1, int(calls_per_minute * BUDGET_SHARE))
    under_way = usable * seconds_per_call / 60
    return Effort(calls / usable, under_way, max(1, math.ceil(under_way / concurrency)))


def examples(codes: int = 5000) -> str:
    """Return the table of docs/capacity.md."""
    heads = ("5,000 codes", "by code", "by session", "planned", *(f"minutes at {quota} a minute" for quota in QUOTAS))
    lines = [heads, ("---", *("---:" for _ in heads[1:]))]
    for name, about in EXAMPLES:
        calls = calls_for(Asked(codes, **about))
        minutes = (_minutes(effort(calls.planned, quota, 1.0, 8).minutes) for quota in QUOTAS)
        lines.append((name, _shown(calls.by_code), _shown(calls.by_session), f"**{calls.planned:,}**", *minutes))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _minutes(minutes: float) -> str:
    return f"{minutes:.1f}" if minutes >= 0.1 else "< 0.1"


def _shown(calls: int | None) -> str:
    return "-" if calls is None else f"{calls:,}"


def main(words: Sequence[str] | None = None) -> None:
    """Print what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", action="store_true", help="print the table of docs/capacity.md")
    parser.add_argument("--codes", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=SESSIONS_A_YEAR, help=f"{SESSIONS_A_YEAR} a year")
    parser.add_argument("--frequency", choices=[one.value for one in Frequency], default="1d")
    parser.add_argument("--row-limit", type=int, default=DAILY_ROWS, help="rows of one reply")
    parser.add_argument("--codes-per-call", type=int, default=TUSHARE.codes_per_call, help="0: not by code")
    parser.add_argument("--by-session", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--calls-per-minute", type=int, default=TUSHARE.calls_per_minute, help="the account's quota")
    parser.add_argument("--seconds-per-call", type=float, default=1.0, help="how long the vendor takes to answer")
    parser.add_argument("--concurrency", type=int, default=8, help="worker.concurrency")
    told = parser.parse_args(words)
    if told.examples:
        print(examples(), end="")
        return
    asked = Asked(told.codes, told.sessions, told.frequency, told.row_limit, told.codes_per_call, told.by_session)
    calls = calls_for(asked)
    found = effort(calls.planned, told.calls_per_minute, told.seconds_per_call, told.concurrency)
    print(f"{told.codes:,} codes x {told.sessions:,} sessions of {told.frequency}: {asked.rows:,} rows")
    print(f"by code {_shown(calls.by_code)} calls, by session {_shown(calls.by_session)}; planned: {calls.planned:,}")
    print(f"{found.minutes:.1f} minutes at {BUDGET_SHARE:.0%} of {told.calls_per_minute} calls a minute")
    print(f"{found.under_way:.1f} calls under way use that up; workers with {told.concurrency} each: {found.workers}")


if __name__ == "__main__":
    main()
