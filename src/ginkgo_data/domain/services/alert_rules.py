# Upstream: domain.services.{assessment, freshness}
# Downstream: domain.model.{collection, quality, series}
# Role: When the facts of a job call for an alert, and what it says
"""One function for each kind of alert.

Thresholds are compared strictly and on counts: 1 of 20 sessions missing is exactly 5 %, which a quotient of floats
need not be. A float threshold stands for the decimal that it prints as.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction

from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.quality import (
    Alert,
    AlertKind,
    DataQualityReport,
    QualityThresholds,
    Severity,
    Verdict,
)
from ginkgo_data.domain.model.series import Series, records_per_session

NAMED = 20
"""Codes that a report or an alert names; the rest is a number."""

REJECTED_ERROR = Fraction(1, 100)
"""Share of rejected rows above which the answer as a whole is in doubt."""


def missing(
    report: DataQualityReport, result: CollectionResult, thresholds: QualityThresholds, now: datetime
) -> Alert | None:
    """Judge the missing rate, and the success rate of the sessions that are not missing.

    A missing session lowers both rates. It is judged by the missing rate alone: else the stricter success
    thresholds (0.99, 0.95) would always speak first, and 5 % and 20 % missing would mean nothing. A job that was
    cut is not judged: what it left is worked next, and only the last piece can say that it is missing.
    """
    if result.unfinished:
        return None
    counts = report.coverage
    share = Fraction(counts.unexplained, counts.expected) if counts.expected else Fraction(0)
    by_missing = _crossed(share, thresholds.missing_warning, thresholds.missing_error)
    of_held = report.records_expected - counts.unexplained * records_per_session(result.series)
    short = max(Fraction(0), 1 - Fraction(report.records_actual, of_held)) if of_held > 0 else Fraction(0)
    by_success = _crossed(short, 1 - _exact(thresholds.success_warning), 1 - _exact(thresholds.success_error))
    severity = _worse(by_missing, by_success)
    if severity is None:
        return None
    text = (
        f"{counts.unexplained} of {counts.expected} sessions are missing without an explanation "
        f"({float(share):.2%}); {report.records_actual} of {report.records_expected} {_records(result)} are held "
        f"(success rate {report.success_rate:.4f})"
    )
    data = {
        "missing_rate": float(share),
        "sessions_missing": counts.unexplained,
        "sessions_expected": counts.expected,
        "success_rate": report.success_rate,
        "records_actual": report.records_actual,
        "records_expected": report.records_expected,
        "success_rate_of_held_sessions": float(1 - short),
        "thresholds": {
            "missing_warning": thresholds.missing_warning,
            "missing_error": thresholds.missing_error,
            "success_warning": thresholds.success_warning,
            "success_error": thresholds.success_error,
        },
        "window": None if report.window is None else [day.isoformat() for day in report.window],
        "worst_codes": dict(report.worst[:NAMED]),
        "action": "collect the window again; sessions that stay missing need evidence from the vendor (suspension)",
    }
    return _alert(AlertKind.DATA_MISSING, severity, "Data missing", text, report, now, data)


def delayed(
    report: DataQualityReport, result: CollectionResult, thresholds: QualityThresholds, now: datetime
) -> Alert | None:
    """Judge the delay: how long ago the newest session closed that is due and not held."""
    delay = report.delay_minutes
    if delay is None:
        return None
    severity = _crossed(_exact(delay), thresholds.delay_warning_minutes, thresholds.delay_error_minutes)
    if severity is None:
        return None
    newest = None if result.newest_missing is None else result.newest_missing.isoformat()
    text = f"session {newest or 'unknown'} is due and not held {delay:.1f} minutes after its close"
    data = {
        "delay_minutes": delay,
        "newest_missing_session": newest,
        "thresholds": {"warning": thresholds.delay_warning_minutes, "error": thresholds.delay_error_minutes},
        "worst_codes": dict(report.worst[:NAMED]),
        "action": "check whether the vendor has published the session, then collect it again",
    }
    return _alert(AlertKind.DATA_DELAYED, severity, "Data delayed", text, report, now, data)


def unanswered(report: DataQualityReport, result: CollectionResult, now: datetime) -> Alert | None:
    """Judge the answers that prove nothing: ERROR when asking again by itself cannot help, else WARNING."""
    if not result.unknown:
        return None
    reasons = Counter(answer.reason for answer in result.unknown.values())
    severity = Severity.WARNING if all(reason.transient for reason in reasons) else Severity.ERROR
    told = {reason.value: count for reason, count in reasons.most_common()}
    text = f"the vendor did not answer for {len(result.unknown)} codes: {_counts(told)}"
    waits = [answer.retry_after for answer in result.unknown.values() if answer.retry_after is not None]
    first = min(result.unknown)
    data = {
        "reasons": told,
        "codes": sorted(result.unknown)[:NAMED],
        "codes_total": len(result.unknown),
        "example": f"{first}: {result.unknown[first].detail}",
        "retry_after_seconds": max(waits, default=None),
        "action": "nothing, the rest is asked again later"
        if severity is Severity.WARNING
        else "check the vendor's account, token and limits; the codes are asked again later",
    }
    return _alert(AlertKind.SOURCE_ERROR, severity, "Source error", text, report, now, data)


def rejected(report: DataQualityReport, result: CollectionResult, now: datetime) -> Alert | None:
    """Judge the rejected rows, and those that are stored with the flag of an error.

    ERROR when more than `REJECTED_ERROR` of the rows fetched were rejected, else WARNING. Rejects of rules that a
    configuration has made mere information are none of its business.
    """
    rejecting = [finding for finding in report.anomalies if finding.verdict is Verdict.REJECT]
    flagged = [f for f in report.anomalies if f.verdict is Verdict.FLAG and f.severity is Severity.ERROR]
    told = bool(result.rejected) and not (rejecting and all(f.severity is Severity.INFO for f in rejecting))
    if not told and not flagged:
        return None
    grave = told and result.rejected > REJECTED_ERROR * result.fetched
    rules = {finding.rule: finding.count for finding in rejecting}
    flags = {finding.rule: finding.count for finding in flagged}
    by_rule = f": {_counts(rules)}" if rules else ""
    parts = [f"{result.rejected} of {result.fetched} rows fetched were rejected{by_rule}"] if told else []
    if flags:
        parts.append(f"stored, and most likely wrong: {_counts(flags)}")
    data = {
        "rejected": result.rejected,
        "fetched": result.fetched,
        "thresholds": {"error_share": float(REJECTED_ERROR)},
        "rules": rules,
        "flagged_as_errors": flags,
        "examples": [example for finding in (*rejecting, *flagged) for example in finding.examples[:2]][:NAMED],
        "action": "read the rejected rows (ginkgo-data quarantine list); a rule that hits nearly all rows speaks of "
        "the source's units",
    }
    severity = Severity.ERROR if grave else Severity.WARNING
    title = "Rows rejected" if told else "Rows flagged"
    return _alert(AlertKind.VALIDATION_ERROR, severity, title, "; ".join(parts), report, now, data)


def _alert(
    kind: AlertKind,
    severity: Severity,
    title: str,
    text: str,
    report: DataQualityReport,
    now: datetime,
    data: Mapping[str, object],
) -> Alert:
    told = {"series": report.series, "command": report.command, "report_id": report.report_id, **data}
    return Alert(kind, severity, f"{title}: {report.series}", text, now, told, subject=report.series)


def _crossed(value: Fraction, warning: float | Fraction, error: float | Fraction) -> Severity | None:
    """Return how bad `value` is: only what is greater than a threshold crosses it."""
    if value > _exact(error):
        return Severity.ERROR
    return Severity.WARNING if value > _exact(warning) else None


def _exact(number: float | Fraction) -> Fraction:
    # 0.05 means 1/20, not the nearest binary fraction.
    return number if isinstance(number, Fraction) else Fraction(repr(float(number)))


def _worse(*severities: Severity | None) -> Severity | None:
    return next((one for one in (Severity.ERROR, Severity.WARNING) if one in severities), None)


def _records(result: CollectionResult) -> str:
    return "bars" if isinstance(result.series, Series) else "records"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
