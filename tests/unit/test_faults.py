"""Twenty kinds of faults put into clean bars at known cells: all of them are found, and little else is said."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.services.listings import Listing, Listings
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.entrypoints.sample import make_sample
from support.bars import MINUTES_5, business_days, market
from support.faults import DAILY_ONLY, KINDS, MINUTES_ONLY, SOFT, examine, inject, score
from support.real_bars import calendar, eastmoney_five_minutes, seen_since_first_row, tushare
from support.shared_data import needs_shared

CODES = tuple(f"60{number:04d}.SH" for number in range(20))
SESSIONS = business_days("2022-01-03", 500)
LISTED = Listings(dict.fromkeys(CODES, Listing(listed=0)))
DAILY = [kind for kind in KINDS if kind not in MINUTES_ONLY]
MINUTES = [kind for kind in KINDS if kind not in DAILY_ONLY]
COUNT = 100


@cache
def sample() -> BarBatch:
    return make_sample(SESSIONS[50:450], CODES, suspensions=0.0).bars


@cache
def minutes() -> BarBatch:
    return market(4, SESSIONS[20:30], series=MINUTES_5)


def test_there_are_twenty_kinds_and_each_is_tried() -> None:
    assert len(KINDS) == 20
    assert {*DAILY, *MINUTES} == KINDS.keys()


def test_about_clean_bars_nothing_is_said() -> None:
    assert examine(sample(), sample(), SESSIONS, LISTED) == []
    assert examine(minutes(), minutes(), SESSIONS) == []


@pytest.mark.parametrize("kind", DAILY)
def test_every_fault_in_daily_bars_is_found_and_nothing_else(kind: str) -> None:
    faulty = inject(kind, sample(), SESSIONS, seed=3, count=COUNT)
    result = score(kind, faulty, examine(sample(), faulty.bars, SESSIONS, LISTED))
    assert result.faults >= 20
    assert result.found == result.faults
    assert result.true == result.alarms


@pytest.mark.parametrize("kind", MINUTES)
def test_every_fault_in_minute_bars_is_found_and_nothing_else(kind: str) -> None:
    faulty = inject(kind, minutes(), SESSIONS, seed=3, count=COUNT)
    result = score(kind, faulty, examine(minutes(), faulty.bars, SESSIONS))
    assert result.faults > 0
    assert result.found == result.faults
    assert result.true == result.alarms


def test_a_fault_that_only_stands_out_from_its_surroundings_is_mostly_found() -> None:
    (kind,) = SOFT
    faulty = inject(kind, sample(), SESSIONS, seed=3, count=40)
    result = score(kind, faulty, examine(sample(), faulty.bars, SESSIONS, LISTED))
    assert result.recall > 0.5
    assert result.true == result.alarms


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("x100 units", "unit_mismatch"),
        ("stale copy of yesterday", "stale_copy"),
        ("mixed time zone", "session_disagrees"),
    ],
)
def test_without_its_rule_a_kind_is_no_longer_found_everywhere(kind: str, rule: str) -> None:
    # The scoring itself can fail: what nobody looks for is not found.
    faulty = inject(kind, sample(), SESSIONS, seed=3, count=COUNT)
    rules = DEFAULT_RULES.silenced(rule, "price_limit", "reference_step", "volume_spike")
    result = score(kind, faulty, examine(sample(), faulty.bars, SESSIONS, LISTED, rules=rules))
    assert result.found == 0


@needs_shared
def test_every_fault_in_real_bars_is_found_and_over_99_percent_of_what_is_said_is_true() -> None:
    bars, sessions = tushare(), calendar()
    listings = seen_since_first_row(bars)
    scores = []
    for kind in DAILY:
        faulty = inject(kind, bars, sessions, seed=1, count=COUNT)
        scores.append(score(kind, faulty, examine(bars, faulty.bars, sessions, listings)))
    five = eastmoney_five_minutes()
    for kind in MINUTES:
        faulty = inject(kind, five, sessions, seed=1, count=COUNT)
        scores.append(score(kind, faulty, examine(five, faulty.bars, sessions)))
    assert [s.kind for s in scores if s.found < s.faults] == []
    assert sum(s.true for s in scores) / sum(s.alarms for s in scores) > 0.99


def test_faults_touch_what_they_say_and_nothing_else() -> None:
    before = {(r["code"], r["session"]): r for r in sample().table.to_pylist()}
    for kind in ("negative", "decimal slip", "adjusted prices among raw ones"):
        faulty = inject(kind, sample(), SESSIONS, seed=5, count=COUNT)
        epoch = np.datetime64("1970-01-01")
        touched = {(code, (epoch + day).item()) for code, day in faulty.cells}
        changed = {
            (r["code"], r["session"])
            for r in faulty.bars.table.to_pylist()
            if any(r[name] != before[r["code"], r["session"]][name] for name in ("open", "high", "low", "close"))
        }
        assert changed == touched
