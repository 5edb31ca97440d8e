"""Thresholds at their very edge, through a whole job: what is collected, reported and told."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.quality import AlertKind, DataQualityReport, Severity
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.coalescing import coalesce
from support.bars import bars
from support.deliveries import delivery
from support.stack import SHANGHAI, VENDOR, InMemoryBarSource, Stack, listed

FRIDAY = date(2024, 1, 12)
CLOSE = datetime(2024, 1, 12, 15, 0, tzinfo=SHANGHAI)
EVENING = CLOSE + timedelta(hours=3)
CODES = [f"{600000 + n}.SH" for n in range(100)]

Told = dict[AlertKind, Severity]


def run(codes: list[str], have: int, now: datetime = EVENING, session: date = FRIDAY) -> tuple[DataQualityReport, Told]:
    """Collect one session of `codes`, of which the vendor has the bars of the first `have`; return what is told."""
    parts = Stack(securities=listed(codes), now=now)
    offered = bars(codes[:have], [session] * have) if have else BarBatch.empty()
    parts.source = InMemoryBarSource(offered, VENDOR)
    command = CollectBars(tuple(codes), DAILY, session, session)
    (work,) = coalesce([delivery(command)])
    reporter = parts.reporter
    report = reporter.account(work, parts.collector.collect(command))
    (told,) = parts.notifications.reports
    assert told == report
    return report, {alert.kind: alert.severity for alert in parts.notifications.alerts}


@pytest.mark.parametrize(
    ("have", "wanted"),
    [(96, None), (95, None), (94, Severity.WARNING), (80, Severity.WARNING), (79, Severity.ERROR)],
)
def test_of_a_hundred_records_five_missing_are_no_alert_and_twenty_are_no_error(
    have: int, wanted: Severity | None
) -> None:
    report, told = run(CODES, have)
    assert (report.records_expected, report.records_actual) == (100, have)
    assert (report.success_rate, report.missing_rate) == (have / 100, (100 - have) / 100)
    assert told.get(AlertKind.DATA_MISSING) is wanted


def test_eighty_of_a_hundred_records_warn_and_are_no_error() -> None:
    report, told = run(CODES, 80)
    assert (report.records_expected, report.records_actual, report.success_rate) == (100, 80, 0.8)
    assert told[AlertKind.DATA_MISSING] is Severity.WARNING


def test_of_one_record_all_or_nothing_is_there() -> None:
    report, told = run(CODES[:1], 1)
    assert (report.records_expected, report.records_actual, report.success_rate, told) == (1, 1, 1.0, {})
    report, told = run(CODES[:1], 0)
    assert (report.records_expected, report.records_actual, report.success_rate) == (1, 0, 0.0)
    assert told[AlertKind.DATA_MISSING] is Severity.ERROR


def test_where_none_is_expected_none_is_missing() -> None:
    saturday = date(2024, 1, 13)
    report, told = run(CODES[:3], 0, EVENING + timedelta(days=1), saturday)
    assert (report.records_expected, report.records_actual) == (0, 0)
    assert (report.success_rate, report.missing_rate, report.window, told) == (1.0, 0.0, None, {})


@pytest.mark.parametrize(
    ("late", "wanted"),
    [
        (timedelta(0), None),
        (timedelta(minutes=5), None),
        (timedelta(minutes=5, microseconds=1), Severity.WARNING),
        (timedelta(minutes=10), Severity.WARNING),
        (timedelta(minutes=10, microseconds=1), Severity.ERROR),
    ],
)
def test_exactly_five_and_ten_minutes_after_the_close_are_not_yet_late(
    late: timedelta, wanted: Severity | None
) -> None:
    report, told = run(CODES, 90, CLOSE + late)
    assert report.delay_minutes == late.total_seconds() / 60
    assert told.get(AlertKind.DATA_DELAYED) is wanted


def test_a_session_that_is_held_is_not_late_and_an_old_gap_is_missing_instead() -> None:
    report, told = run(CODES, 100, CLOSE + timedelta(hours=1))
    assert (report.delay_minutes, told) == (None, {})
    report, told = run(CODES, 0, CLOSE + timedelta(hours=1), date(2024, 1, 11))
    assert report.delay_minutes is None
    assert told == {AlertKind.DATA_MISSING: Severity.ERROR}


def test_before_the_close_the_session_is_not_expected() -> None:
    report, told = run(CODES[:2], 0, CLOSE - timedelta(microseconds=1))
    assert (report.records_expected, report.delay_minutes, told) == (0, None, {})
