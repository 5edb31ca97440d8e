"""Quality: how fast the rules look, what they find of injected faults, how long a report takes.

`rules`: generated daily and 5-minute bars through validation, and through the second look at neighbours and sessions.
`faults`: twenty kinds of faults at known cells of clean bars: recall per kind, and precision (the share of what is said
that is about a faulty cell). The bars are real files of the shared data where these are, else generated ones.
`report`: the report of a job over 5,000 codes with findings and unanswered codes, made and encoded.
Rates are by the process's own time, so that other work on the machine counts little.
Usage: python benchmarks/quality.py [--rows 1000000] [--rounds 3] [--only rules|faults|report] [--synthetic]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from ginkgo_data.adapters.kafka.report_wire import encode_report
from ginkgo_data.adapters.kafka.wire_json import plain
from ginkgo_data.domain.model.bars import BarBatch, Sessions
from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.quality import Finding, QualityThresholds
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.assessment import alerts_for, assess
from ginkgo_data.domain.services.inspection import inspect_neighbours, inspect_sessions
from ginkgo_data.domain.services.listings import Listing, Listings
from ginkgo_data.domain.services.rule_set import Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import validate
from ginkgo_data.entrypoints.sample import make_sample
from support.bars import MINUTES_5, business_days, market
from support.faults import DAILY_ONLY, KINDS, MINUTES_ONLY, SOFT, Score, examine, inject, score
from support.real_bars import calendar, eastmoney_five_minutes, seen_since_first_row, tushare
from support.shared_data import SHARED

SESSIONS = business_days("2018-01-01", 460)
COUNT = 100


def fastest(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time that `work` took."""
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def measure_rules(rows: int, rounds: int) -> None:
    codes = tuple(f"{600000 + n}.SH" for n in range(max(1, rows // 400)))
    daily = make_sample(SESSIONS[50:450], codes, suspensions=0.0).bars
    minutes = market(max(1, rows // (48 * 40)), SESSIONS[:40], series=MINUTES_5)
    listings = Listings(dict.fromkeys(codes, Listing(listed=0)))
    nothing = BarBatch.empty()
    beside = DEFAULT_RULES.of(DAILY, Subject.NEIGHBOURS)
    adding = DEFAULT_RULES.of(MINUTES_5, Subject.SESSION)
    looks = {
        "validate, daily": (daily, lambda: validate(daily, sessions=SESSIONS, listings=listings)),
        "validate, 5 minutes": (minutes, lambda: validate(minutes, sessions=SESSIONS)),
        "neighbours, daily": (daily, lambda: inspect_neighbours(daily, nothing, SESSIONS, beside)),
        "sessions, 5 minutes": (minutes, lambda: inspect_sessions(minutes, nothing, adding)),
    }
    print(f"{'rules':<24}{'bars':>12}{'bars a second':>16}")
    for name, (batch, work) in looks.items():
        print(f"{name:<24}{len(batch):>12,}{len(batch) / fastest(work, rounds):>16,.0f}")


def measure_faults(synthetic: bool) -> None:
    real = not synthetic and SHARED.is_dir()
    if real:
        daily, minutes, sessions = tushare(), eastmoney_five_minutes(), calendar()
        listings = seen_since_first_row(daily)
    else:
        codes = tuple(f"60{n:04d}.SH" for n in range(25))
        sessions = SESSIONS
        daily, minutes = make_sample(sessions[50:450], codes, 0.0).bars, market(4, sessions[20:40], series=MINUTES_5)
        listings = Listings(dict.fromkeys(codes, Listing(listed=0)))
    print(f"\nfaults in {len(daily):,} daily and {len(minutes):,} minute bars, {'real' if real else 'generated'}")
    print(f"{'kind':<36}{'cells':>8}{'recall':>9}{'minute cells':>15}{'recall':>9}")
    scores = []
    for kind in (*KINDS, *SOFT):
        line = f"{kind:<36}"
        for batch, known, left_out in ((daily, listings, MINUTES_ONLY), (minutes, None, DAILY_ONLY | SOFT.keys())):
            width = 8 if batch is daily else 15
            if kind in left_out:
                line += f"{'-':>{width}}{'-':>9}"
                continue
            found = _score(kind, batch, sessions, known)
            line += f"{found.faults:>{width}}{found.recall:>9.1%}"
            scores.append(found)
        print(line)
    hard = [s for s in scores if s.kind in KINDS]
    said, true = sum(s.alarms for s in scores), sum(s.true for s in scores)
    print(f"hard faults found: {sum(s.found for s in hard) / sum(s.faults for s in hard):.2%} (aim: all)")
    print(f"precision: {true:,} of {said:,} alarms, {true / said:.2%} (aim: over 99 %)")
    told = [*examine(daily, daily, sessions, listings), *examine(minutes, minutes, sessions)]
    print(f"said of the clean bars: {', '.join(alarm.rule for alarm in told) or 'nothing'}")


def _score(kind: str, batch: BarBatch, sessions: Sessions, listings: Listings | None) -> Score:
    faulty = inject(kind, batch, sessions, seed=1, count=COUNT)
    return score(kind, faulty, examine(batch, faulty.bars, sessions, listings))


def measure_report(rounds: int) -> None:
    codes = [f"{600000 + n}.SH" for n in range(5000)]
    findings = tuple(
        Finding(rule.id, rule.severity, rule.verdict, 1_000_000, ("600000.SH 2024-01-02 daily:17: close -1",) * 5)
        for rule in DEFAULT_RULES.values()
    )
    result = CollectionResult(
        series=DAILY,
        window=(date(2014, 1, 2), date(2024, 1, 2)),
        counts=CoverageCounts(12_150_000, 12_200_000, 9_000_000, 50_000, 3_150_000),
        bars_expected=12_150_000,
        bars_held=9_000_000,
        fetched=9_100_000,
        written=9_000_000,
        skipped=50_000,
        rejected=50_000,
        calls=5000,
        inserts=60,
        duration=1500.0,
        findings=findings,
        unknown=dict.fromkeys(codes, Unknown(UnknownReason.TIMED_OUT, "daily did not answer")),
        unknown_codes=tuple(codes),
        unfinished=tuple(codes),
        worst=tuple((code, 2430) for code in codes[:10]),
    )
    now = datetime(2024, 1, 3, tzinfo=UTC)

    def make() -> int:
        report = assess(
            result,
            command="bar_snapshot",
            request_ids=[f"request-{n}" for n in range(5000)],
            report_id="r1",
            node_id="n1",
            created_at=now,
            delay_minutes=12.5,
        )
        alerts_for(report, result, QualityThresholds(), now)
        return len(str(plain(encode_report(report))))

    size = make()
    print(
        f"\nreport of 5,000 codes and 5,000 commands: {fastest(make, rounds):.3f} s, {size / 1024:.0f} KiB (aim: 10 s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("rules", "faults", "report"))
    parser.add_argument("--synthetic", action="store_true", help="generated bars even where real ones are at hand")
    wanted = parser.parse_args()
    if wanted.only in (None, "rules"):
        measure_rules(wanted.rows, wanted.rounds)
    if wanted.only in (None, "faults"):
        measure_faults(wanted.synthetic)
    if wanted.only in (None, "report"):
        measure_report(wanted.rounds)


if __name__ == "__main__":
    main()
