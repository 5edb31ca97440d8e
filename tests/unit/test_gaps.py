"""Gaps judged session by session: a single one is explained and asked again, many are the collector's fault."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Coverage
from ginkgo_data.domain.model.quality import Finding, Severity, Verdict
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.coverage import build_coverage
from ginkgo_data.domain.services.gaps import judge
from ginkgo_data.domain.services.rule_tuning import configured
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from support.bars import MINUTES_5, bars
from support.stack import BY_CODE, FIVE, VENDOR, InMemoryBarSource, Stack, listed

CODES = [f"{600000 + n}.SH" for n in range(300)]
WEEK = [date.fromisoformat(day) for day in FIVE]
ALL = CollectBars(tuple(CODES), DAILY, WEEK[0], WEEK[-1])
SUSPECT = "600007.SH"


def market(without: dict[date, int], codes: list[str] = CODES) -> BarBatch:
    """Return a bar of each of `codes` on each day of the week, but for the first so many codes on some days."""
    parts = []
    for number, day in enumerate(WEEK):
        have = codes[without.get(day, 0) :]
        closes = [10.0 - number / 10 + row / 100 for row in range(len(have))]
        parts.append(bars(have, [day] * len(have), closes))
    return BarBatch.concat(parts)


def stack(without: dict[date, int], **vendor: object) -> Stack:
    parts = Stack(securities=listed(CODES))
    parts.source = InMemoryBarSource(market(without), replace(VENDOR, **vendor))
    return parts


def found(result: CollectionResult) -> dict[str, Finding]:
    return {finding.rule: finding for finding in result.findings}


def absences(parts: Stack) -> list[dict[str, object]]:
    return parts.absences.absences(None, DAILY, WEEK[0], WEEK[-1]).table.to_pylist()


def test_a_session_that_one_code_lacks_is_explained_with_its_evidence() -> None:
    parts = stack({WEEK[2]: 1})
    result = parts.collector.collect(ALL)
    assert (result.counts.expected, result.counts.held, result.counts.absent, result.counts.unexplained) == (
        1499,
        1499,
        1,
        0,
    )
    assert found(result)["single_gap"] == Finding(
        "single_gap",
        Severity.INFO,
        Verdict.FLAG,
        1,
        ("600000.SH 2024-01-10: 299 other codes have the session",),
    )
    (absence,) = absences(parts)
    assert (absence["code"], absence["session"], absence["reason"]) == ("600000.SH", WEEK[2], "probably_suspended")
    assert absence["evidence"] == "the vendor has no row; 299 codes have the session, 1 lack it"
    assert absence["source"] == "test"


def test_what_is_only_probable_is_asked_again_by_every_later_job_and_explained_again() -> None:
    parts = stack({WEEK[0]: 1})
    parts.collector.collect(ALL)
    parts.clock.advance(3600)
    again = parts.collector.collect(ALL)
    assert (again.calls, again.counts.unexplained) == (1, 0)
    (absence,) = absences(parts)
    assert absence["evidence"] == "the vendor has no row; 299 codes have the session, 1 lack it"


def test_what_the_vendor_calls_suspended_is_not_asked_again() -> None:
    parts = stack({WEEK[0]: 1})
    told = Absences.of([(CODES[0], WEEK[0], AbsenceReason.SUSPENDED, "the vendor says so")], "test", 1)
    parts.source = InMemoryBarSource(market({WEEK[0]: 1}), VENDOR, told)
    parts.limits = replace(parts.limits, absence_recheck=1)
    first = parts.collector.collect(ALL)
    assert "single_gap" not in found(first)
    parts.clock.advance(3600)
    assert parts.collector.collect(ALL).calls == 0


def test_a_bar_that_arrives_later_withdraws_what_was_said_of_it() -> None:
    parts = stack({WEEK[2]: 1})
    parts.collector.collect(ALL)
    parts.source = InMemoryBarSource(market({}), VENDOR)
    parts.clock.advance(3600)
    result = parts.collector.collect(ALL)
    assert (result.counts.held, result.counts.absent) == (1500, 0)
    assert absences(parts) == []


@pytest.mark.parametrize(("lacking", "explained"), [(3, 3), (4, 0)])
def test_up_to_one_percent_of_the_codes_may_lack_a_session_beside(lacking: int, explained: int) -> None:
    result = stack({WEEK[2]: lacking}).collector.collect(ALL)
    assert (result.counts.absent, result.counts.unexplained) == (explained, lacking - explained)
    assert ("single_gap" in found(result)) is bool(explained)


@pytest.mark.parametrize(("lacking", "half_known"), [(15, False), (16, True), (299, True)])
def test_more_than_five_percent_of_the_codes_make_a_session_half_known(lacking: int, half_known: bool) -> None:
    result = stack({WEEK[2]: lacking}).collector.collect(ALL)
    assert result.counts.unexplained == lacking
    finding = found(result).get("half_known_session")
    assert (finding is not None) is half_known
    if finding:
        assert (finding.severity, finding.verdict, finding.count) == (Severity.WARNING, Verdict.FLAG, 1)
        assert finding.examples == (f"2024-01-10: {lacking} of 300 codes have no bar",)


def test_fewer_than_ten_codes_are_never_a_half_known_session() -> None:
    few = listed(CODES[:20])
    for lacking in (9, 10):
        parts = Stack(securities=few)
        parts.source = InMemoryBarSource(market({WEEK[1]: lacking}, CODES[:20]), VENDOR)
        result = parts.collector.collect(CollectBars(tuple(CODES[:20]), DAILY, WEEK[0], WEEK[-1]))
        assert ("half_known_session" in found(result)) is (lacking == 10)


def test_an_archive_that_lacks_a_session_explains_nothing() -> None:
    result = stack({WEEK[2]: 1}, extent=(WEEK[0], WEEK[-1])).collector.collect(ALL)
    assert (result.counts.absent, result.counts.unexplained) == (0, 1)
    assert found(result)["single_gap"].count == 1


def test_a_job_about_one_code_asks_the_store_who_else_has_the_session() -> None:
    parts = stack({WEEK[2]: 1}, by_session=False)
    others = CollectBars(tuple(CODES[1:]), DAILY, WEEK[0], WEEK[-1])
    parts.collector.collect(others)
    one = CollectBars((CODES[0],), DAILY, WEEK[0], WEEK[-1])
    result = parts.collector.collect(one)
    assert (result.counts.held, result.counts.absent, result.counts.unexplained) == (4, 1, 0)
    assert absences(parts)[0]["evidence"] == "the vendor has no row; 299 codes have the session, 1 lack it"


def test_where_nobody_is_known_to_have_the_session_a_gap_stays_unexplained() -> None:
    parts = stack({WEEK[2]: 1}, by_session=False)
    one = CollectBars((CODES[0],), DAILY, WEEK[0], WEEK[-1])
    result = parts.collector.collect(one)
    assert (result.counts.held, result.counts.absent, result.counts.unexplained) == (4, 0, 1)
    parts.collector.collect(CollectBars(tuple(CODES[1:20]), DAILY, WEEK[0], WEEK[-1]))
    assert parts.collector.collect(one).counts.unexplained == 1
    parts.collector.collect(CollectBars((CODES[20],), DAILY, WEEK[0], WEEK[-1]))
    assert parts.collector.collect(one).counts.unexplained == 0


def test_what_was_not_answered_is_judged_by_nobody() -> None:
    coverage = grid({}, {})
    judged = judge(coverage, np.full(5, 299), DEFAULT_RULES)
    assert not judged.single.any()
    assert not judged.half_known.any()


def grid(held: dict[str, list[date]], told: dict[str, date]) -> Coverage:
    sessions = np.array(WEEK, "datetime64[D]")
    first, last = np.full(len(CODES), WEEK[0], "datetime64[D]"), np.full(len(CODES), WEEK[-1], "datetime64[D]")
    stated = Absences.of([(code, day, AbsenceReason.NO_ROW, "") for code, day in told.items()], "test", 1)
    days = {code: np.array(some, "datetime64[D]") for code, some in held.items()}
    return build_coverage(CODES, sessions, first, last, days, stated)


def test_the_rules_can_be_silenced_and_tuned() -> None:
    whole = {code: WEEK for code in CODES if code != SUSPECT} | {SUSPECT: WEEK[1:]}
    coverage = grid(whole, {SUSPECT: WEEK[0]})
    have = coverage.held.sum(axis=0)
    assert judge(coverage, have, DEFAULT_RULES).single.sum() == 1
    assert not judge(coverage, have, configured({"single_gap": {"enabled": False}})).single.any()
    assert not judge(coverage, have, configured({"single_gap": {"others": 300}})).single.any()
    strict = configured({"half_known_session": {"codes": 1, "share": 0.0}})
    assert judge(coverage, have, strict).half_known.tolist() == [True, False, False, False, False]
    assert not judge(coverage, have, strict).single.any()


def test_minute_sessions_are_told_and_not_explained() -> None:
    sessions = ["2024-01-08", "2024-01-09"]
    codes = CODES[:25]
    offered = bars([code for code in codes for _ in sessions], sessions * 25, series=MINUTES_5)
    gap = offered.filter(
        ~(
            (np.array(offered.table["code"].to_pylist()) == codes[0])
            & (offered.table["session"].to_numpy().astype("datetime64[D]") == np.datetime64("2024-01-09"))
        )
    )
    parts = Stack(securities=listed(codes))
    parts.source = InMemoryBarSource(gap, replace(BY_CODE, row_limit=100_000))
    result = parts.collector.collect(CollectBars(tuple(codes), MINUTES_5, WEEK[0], WEEK[1]))
    assert result.counts.unexplained == 1
    assert found(result)["single_gap"].count == 1
