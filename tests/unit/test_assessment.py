"""Reports and alerts of a job: the boundaries of every threshold, and what an alert tells."""

from __future__ import annotations

import json
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.quality import (
    Alert,
    AlertKind,
    DataQualityReport,
    Finding,
    QualityThresholds,
    Severity,
    Verdict,
)
from ginkgo_data.domain.model.series import DAILY, Frequency, Series
from ginkgo_data.domain.services.assessment import alerts_for, assess

NOW = datetime(2024, 1, 5, 15, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
MINUTES = Series(Frequency.MIN5)


def job(expected: int = 100, missing: int = 0, series: Series = DAILY, **facts: object) -> CollectionResult:
    """Return a job that expected so many sessions, of which some are missing; bars as the sessions say."""
    per_session = series.frequency.bars_per_session
    plain: dict[str, object] = {
        "series": series,
        "window": (date(2024, 1, 2), date(2024, 1, 5)),
        "counts": CoverageCounts(expected, expected, expected - missing, 0, missing),
        "bars_expected": expected * per_session,
        "bars_held": (expected - missing) * per_session,
        "fetched": 0,
        "written": 0,
        "skipped": 0,
        "rejected": 0,
        "calls": 1,
        "inserts": 1,
        "duration": 0.5,
    }
    return CollectionResult(**(plain | facts))


def report_on(result: CollectionResult, delay: float | None = None) -> DataQualityReport:
    return assess(
        result,
        command="bar_snapshot",
        request_ids=["a", "b"],
        report_id="r1",
        node_id="n1",
        created_at=NOW,
        delay_minutes=delay,
    )


def alerts(
    result: CollectionResult, delay: float | None = None, thresholds: QualityThresholds | None = None
) -> dict[AlertKind, Alert]:
    """Return the alerts of a job by kind; all must be JSON and about the series."""
    raised = alerts_for(report_on(result, delay), result, thresholds or QualityThresholds(), NOW)
    for alert in raised:
        json.dumps(alert.data)
        assert alert.subject == str(result.series)
        assert alert.raised_at is NOW
        assert alert.data["action"]
    found = {alert.kind: alert for alert in raised}
    assert len(found) == len(raised)
    return found


def severity(kind: AlertKind, *args: object, **kwargs: object) -> Severity | None:
    found = alerts(*args, **kwargs).get(kind)
    return found.severity if found else None


def unknown(*reasons: UnknownReason) -> dict[str, Unknown]:
    return {f"{number:06d}.SZ": Unknown(reason, "daily said no") for number, reason in enumerate(reasons)}


def test_a_complete_job_has_a_clean_report_and_no_alert() -> None:
    result = job()
    assert alerts(result) == {}
    report = report_on(result)
    assert (report.success_rate, report.missing_rate, report.notes, report.unknown) == (1.0, 0.0, (), {})


def test_the_report_carries_the_facts_of_the_job() -> None:
    finding = Finding("zero_price", Severity.ERROR, Verdict.REJECT, 3)
    result = job(
        200, 50, MINUTES, fetched=9000, written=8000, skipped=997, rejected=3, calls=7, inserts=2, findings=(finding,)
    )
    report = report_on(result, delay=2.5)
    assert (report.report_id, report.node_id, report.command, report.series) == ("r1", "n1", "bar_snapshot", "5m/none")
    assert (report.request_ids, report.created_at, report.window) == (("a", "b"), NOW, result.window)
    assert (report.records_expected, report.records_actual) == (9600, 7200)
    assert (report.records_failed, report.records_skipped, report.records_written) == (3, 997, 8000)
    assert (report.success_rate, report.missing_rate, report.coverage) == (0.75, 0.25, result.counts)
    assert (report.calls, report.inserts, report.duration_seconds) == (7, 2, 0.5)
    assert (report.anomalies, report.delay_minutes) == ((finding,), 2.5)


def test_a_job_that_expects_nothing_succeeds() -> None:
    result = job(0)
    assert report_on(result).success_rate == 1.0
    assert report_on(result).missing_rate == 0.0
    assert alerts(result) == {}


def test_more_bars_than_expected_are_no_success_above_one() -> None:
    assert report_on(job(10, bars_held=11)).success_rate == 1.0
    assert alerts(job(10, bars_held=11)) == {}
    assert alerts(job(10, 5, bars_held=6))[AlertKind.DATA_MISSING].data["success_rate_of_held_sessions"] == 1.0


def test_unanswered_codes_are_named_up_to_a_bound_and_counted_beyond() -> None:
    report = report_on(job(unknown=unknown(*[UnknownReason.TIMED_OUT] * 25)))
    assert len(report.unknown) == 20
    assert report.unknown["000000.SZ"] == "timed_out: daily said no"
    assert report.notes == ("25 codes without an answer, 20 of them named",)


def test_codes_unknown_or_left_for_the_next_round_are_notes() -> None:
    codes = tuple(f"{n:06d}.SZ" for n in range(22))
    report = report_on(job(notes=("first",), unknown_codes=("999999.SH",), unfinished=codes))
    assert report.notes[:2] == ("first", "not among the known securities: 999999.SH")
    assert report.notes[2].startswith("not worked to the end, the time of the round was over: 000000.SZ, ")
    assert report.notes[2].endswith("000019.SZ and 2 more")


@pytest.mark.parametrize(
    ("expected", "missing", "wanted"),
    [
        (20, 1, None),
        (100, 5, None),
        (60, 3, None),
        (140, 7, None),
        (10_000_000_000, 500_000_000, None),
        (100, 6, Severity.WARNING),
        (10_000_000_000, 500_000_001, Severity.WARNING),
        (5, 1, Severity.WARNING),
        (100, 20, Severity.WARNING),
        (15, 3, Severity.WARNING),
        (100, 21, Severity.ERROR),
        (10_000_000_000, 2_000_000_001, Severity.ERROR),
        (1, 1, Severity.ERROR),
    ],
)
@pytest.mark.parametrize("series", [DAILY, MINUTES])
def test_more_than_a_twentieth_missing_warns_and_more_than_a_fifth_is_an_error(
    series: Series, expected: int, missing: int, wanted: Severity | None
) -> None:
    assert severity(AlertKind.DATA_MISSING, job(expected, missing, series)) is wanted


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.07, 0.29, 0.57])
def test_a_share_of_exactly_the_configured_threshold_does_not_cross(threshold: float) -> None:
    limits = QualityThresholds(missing_warning=threshold, missing_error=1.0)
    exact = round(threshold * 100)
    assert severity(AlertKind.DATA_MISSING, job(300, 3 * exact), thresholds=limits) is None
    assert severity(AlertKind.DATA_MISSING, job(300, 3 * exact + 1), thresholds=limits) is Severity.WARNING


@pytest.mark.parametrize(
    ("held", "wanted"),
    [(4800, None), (4752, None), (4751, Severity.WARNING), (4560, Severity.WARNING), (4559, Severity.ERROR)],
)
def test_sessions_held_in_part_are_judged_by_the_success_rate(held: int, wanted: Severity | None) -> None:
    assert severity(AlertKind.DATA_MISSING, job(100, 0, MINUTES, bars_held=held)) is wanted


def test_the_worse_of_missing_and_success_rate_is_told_once_with_both_numbers() -> None:
    result = job(100, 10, MINUTES, bars_held=4000, worst=(("000001.SZ", 4),))
    alert = alerts(result)[AlertKind.DATA_MISSING]
    assert alert.severity is Severity.ERROR
    assert alert.title == "Data missing: 5m/none"
    assert "10 of 100 sessions are missing without an explanation (10.00%)" in alert.text
    assert "4000 of 4800 bars are held (success rate 0.8333)" in alert.text
    assert alert.data["missing_rate"] == 0.1
    assert alert.data["success_rate_of_held_sessions"] == pytest.approx(4000 / 4320)
    assert alert.data["thresholds"]["missing_error"] == 0.2
    assert alert.data["worst_codes"] == {"000001.SZ": 4}
    assert alert.data["window"] == ["2024-01-02", "2024-01-05"]


def test_what_a_cut_job_has_not_come_to_is_not_called_missing() -> None:
    assert alerts(job(100, 90, unfinished=("000001.SZ",))) == {}


@pytest.mark.parametrize(
    ("delay", "wanted"),
    [
        (None, None),
        (-30.0, None),
        (5.0, None),
        (5.0000001, Severity.WARNING),
        (10.0, Severity.WARNING),
        (10.0000001, Severity.ERROR),
    ],
)
def test_more_than_five_minutes_late_warns_and_more_than_ten_is_an_error(
    delay: float | None, wanted: Severity | None
) -> None:
    assert severity(AlertKind.DATA_DELAYED, job(newest_missing=date(2024, 1, 5)), delay) is wanted


def test_an_alert_of_delay_names_the_session() -> None:
    alert = alerts(job(newest_missing=date(2024, 1, 5)), 30.0)[AlertKind.DATA_DELAYED]
    assert alert.text == "session 2024-01-05 is due and not held 30.0 minutes after its close"
    assert alert.data["thresholds"] == {"warning": 5.0, "error": 10.0}
    assert alert.data["newest_missing_session"] == "2024-01-05"


@pytest.mark.parametrize("reason", UnknownReason)
def test_an_unanswered_code_warns_when_asking_again_may_help_and_else_is_an_error(reason: UnknownReason) -> None:
    wanted = Severity.WARNING if reason.transient else Severity.ERROR
    assert severity(AlertKind.SOURCE_ERROR, job(unknown=unknown(reason))) is wanted


def test_an_alert_about_the_source_counts_the_reasons_and_names_some_codes() -> None:
    answers = unknown(*[UnknownReason.BAD_TOKEN] * 30, UnknownReason.RATE_LIMITED)
    answers["600000.SH"] = Unknown(UnknownReason.RATE_LIMITED, "wait", retry_after=61.0)
    alert = alerts(job(unknown=answers))[AlertKind.SOURCE_ERROR]
    assert alert.severity is Severity.ERROR
    assert alert.text == "the vendor did not answer for 32 codes: bad_token 30, rate_limited 2"
    assert alert.data["reasons"] == {"bad_token": 30, "rate_limited": 2}
    assert alert.data["codes"] == sorted(answers)[:20]
    assert alert.data["codes_total"] == 32
    assert alert.data["retry_after_seconds"] == 61.0
    assert alert.data["example"] == "000000.SZ: daily said no"


@pytest.mark.parametrize(
    ("rejected", "fetched", "wanted"),
    [
        (0, 100, None),
        (1, 100, Severity.WARNING),
        (7, 700, Severity.WARNING),
        (8, 700, Severity.ERROR),
        (1, 99, Severity.ERROR),
        (3, 0, Severity.ERROR),
    ],
)
def test_any_rejected_row_warns_and_more_than_one_in_a_hundred_is_an_error(
    rejected: int, fetched: int, wanted: Severity | None
) -> None:
    assert severity(AlertKind.VALIDATION_ERROR, job(rejected=rejected, fetched=fetched)) is wanted


def test_an_alert_about_rejected_rows_counts_them_by_rule_and_leaves_flags_out() -> None:
    findings = (
        Finding("zero_price", Severity.ERROR, Verdict.REJECT, 2, ("one", "two", "three")),
        Finding("volume_amount_disagree", Severity.WARNING, Verdict.FLAG, 9, ("flag",)),
        Finding("duplicate_key", Severity.ERROR, Verdict.REJECT, 1, ("four",)),
    )
    alert = alerts(job(rejected=3, fetched=1000, findings=findings))[AlertKind.VALIDATION_ERROR]
    assert alert.text == "3 of 1000 rows fetched were rejected: zero_price 2, duplicate_key 1"
    assert alert.data["rules"] == {"zero_price": 2, "duplicate_key": 1}
    assert alert.data["examples"] == ["one", "two", "four"]


def test_flagged_rows_alone_raise_no_alert() -> None:
    flagged = Finding("volume_amount_disagree", Severity.WARNING, Verdict.FLAG, 9)
    assert alerts(job(fetched=10, findings=(flagged,))) == {}


def test_rows_flagged_as_errors_are_told_although_they_are_stored() -> None:
    flagged = Finding("stale_copy", Severity.ERROR, Verdict.FLAG, 9, ("copy",))
    alert = alerts(job(fetched=10, findings=(flagged,)))[AlertKind.VALIDATION_ERROR]
    assert (alert.severity, alert.title) == (Severity.WARNING, "Rows flagged: 1d/none")
    assert alert.text == "stored, and most likely wrong: stale_copy 9"
    assert alert.data["flagged_as_errors"] == {"stale_copy": 9}
    assert alert.data["examples"] == ["copy"]
    both = alerts(job(fetched=10, rejected=1, findings=(flagged,)))[AlertKind.VALIDATION_ERROR]
    assert (both.severity, both.title) == (Severity.ERROR, "Rows rejected: 1d/none")
    assert both.text == "1 of 10 rows fetched were rejected; stored, and most likely wrong: stale_copy 9"


def test_rejects_of_a_rule_that_was_made_mere_information_raise_no_alert() -> None:
    quiet = Finding("zero_price", Severity.INFO, Verdict.REJECT, 9)
    loud = Finding("negative_price", Severity.ERROR, Verdict.REJECT, 1)
    assert alerts(job(rejected=9, fetched=10, findings=(quiet,))) == {}
    assert severity(AlertKind.VALIDATION_ERROR, job(rejected=9, fetched=10, findings=(quiet, loud))) is Severity.ERROR


def test_a_job_can_call_for_one_alert_of_each_kind() -> None:
    result = job(10, 9, unknown=unknown(UnknownReason.TIMED_OUT), rejected=1, fetched=10)
    assert list(alerts(result, delay=99.0)) == [
        AlertKind.DATA_MISSING,
        AlertKind.DATA_DELAYED,
        AlertKind.SOURCE_ERROR,
        AlertKind.VALIDATION_ERROR,
    ]
