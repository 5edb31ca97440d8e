# Upstream: domain.services.reporting
# Downstream: domain.model.{collection, quality}, domain.services.alert_rules
# Role: From the facts of a job to its quality report and to the alerts these call for
"""Judging a job: its report with the rates, and the alerts that these call for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.quality import Alert, DataQualityReport, QualityThresholds
from ginkgo_data.domain.services.alert_rules import NAMED, delayed, missing, rejected, unanswered


def assess(
    result: CollectionResult,
    *,
    command: str,
    request_ids: Iterable[str],
    report_id: str,
    node_id: str,
    created_at: datetime,
    delay_minutes: float | None,
) -> DataQualityReport:
    """Return the report of a job.

    The success rate is bars held / bars expected, 1.0 when none is expected, and never above (a vendor may send
    more bars per session than the calendar counts). `unknown` names at most `NAMED` codes; a note tells the rest.
    """
    rate = min(1.0, result.bars_held / result.bars_expected) if result.bars_expected else 1.0
    notes = list(result.notes)
    if len(result.unknown) > NAMED:
        notes.append(f"{len(result.unknown)} codes without an answer, {NAMED} of them named")
    if result.unknown_codes:
        notes.append(f"not among the known securities: {_some(result.unknown_codes)}")
    if result.unfinished:
        notes.append(f"not worked to the end, the time of the round was over: {_some(result.unfinished)}")
    return DataQualityReport(
        report_id=report_id,
        node_id=node_id,
        command=command,
        series=str(result.series),
        request_ids=tuple(request_ids),
        created_at=created_at,
        window=result.window,
        records_expected=result.bars_expected,
        records_actual=result.bars_held,
        records_failed=result.rejected,
        records_skipped=result.skipped,
        records_written=result.written,
        success_rate=rate,
        coverage=result.counts,
        missing_rate=result.counts.missing_rate,
        calls=result.calls,
        inserts=result.inserts,
        duration_seconds=result.duration,
        anomalies=result.findings,
        unknown={
            code: f"{answer.reason.value}: {answer.detail}" for code, answer in sorted(result.unknown.items())[:NAMED]
        },
        worst=result.worst,
        delay_minutes=delay_minutes,
        notes=tuple(notes),
        second_opinion=result.second_opinion,
    )


def alerts_for(
    report: DataQualityReport, result: CollectionResult, thresholds: QualityThresholds, now: datetime
) -> tuple[Alert, ...]:
    """Return the alerts that a job calls for, at most one of each kind, about its series.

    `data` can be written as JSON: numbers, the threshold passed, affected codes (at most `NAMED`, with how many there
    are) and what to do.
    """
    found = (
        missing(report, result, thresholds, now),
        delayed(report, result, thresholds, now),
        unanswered(report, result, now),
        rejected(report, result, now),
    )
    return tuple(alert for alert in found if alert is not None)


def _some(codes: tuple[str, ...]) -> str:
    rest = f" and {len(codes) - NAMED} more" if len(codes) > NAMED else ""
    return ", ".join(codes[:NAMED]) + rest
