# Upstream: adapters.clickhouse.{outbox, quality_repository}
# Downstream: domain.model.{bars, errors, quality}, pyarrow, pydantic
# Role: A quality report between the domain's value and the row that holds it
"""Reports as rows: the main numbers as columns for queries, the whole report as JSON for reading back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import TypeAdapter

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import DataQualityReport

_TIME = pa.timestamp("us", EXCHANGE_ZONE)


@cache
def _report() -> TypeAdapter[DataQualityReport]:
    """Made with the first report: a start does not wait for it."""
    return TypeAdapter(DataQualityReport)


def report_row(report: DataQualityReport) -> pa.Table:
    """Return the row of `report`; its version is its time, so a report is replaced only by a later one.

    Raises `SchemaMismatch` when `created_at` has no zone: it would mean another moment on another host.
    """
    if report.created_at.tzinfo is None:
        raise SchemaMismatch(f"report {report.report_id}: created_at {report.created_at} has no zone; it must say one")
    first, last = report.window or (None, None)
    created = pa.scalar(report.created_at, _TIME)
    values = {
        "report_id": pa.scalar(report.report_id, pa.string()),
        "created_at": created,
        "node_id": pa.scalar(report.node_id, pa.string()),
        "command": pa.scalar(report.command, pa.string()),
        "series": pa.scalar(report.series, pa.string()),
        "window_first": pa.scalar(first, pa.date32()),
        "window_last": pa.scalar(last, pa.date32()),
        "records_expected": pa.scalar(report.records_expected, pa.int64()),
        "records_actual": pa.scalar(report.records_actual, pa.int64()),
        "records_failed": pa.scalar(report.records_failed, pa.int64()),
        "records_skipped": pa.scalar(report.records_skipped, pa.int64()),
        "records_written": pa.scalar(report.records_written, pa.int64()),
        "success_rate": pa.scalar(report.success_rate, pa.float64()),
        "missing_rate": pa.scalar(report.missing_rate, pa.float64()),
        "calls": pa.scalar(report.calls, pa.int64()),
        "inserts": pa.scalar(report.inserts, pa.int64()),
        "duration_seconds": pa.scalar(report.duration_seconds, pa.float64()),
        "delay_minutes": pa.scalar(report.delay_minutes, pa.float64()),
        "payload": pa.scalar(_payload(report), pa.string()),
        "version": pa.scalar(created.value, pa.uint64()),
    }
    return pa.table({name: pa.array([value.as_py()], value.type) for name, value in values.items()})


def report_of(payload: str) -> DataQualityReport:
    """Return the report whose row holds `payload`; raises `SchemaMismatch` when it is no report's."""
    try:
        report = _report().validate_python(json.loads(payload), strict=False)
    except ValueError as error:
        raise SchemaMismatch(f"quality_reports: a payload is no report: {error}") from error
    moment: datetime = report.created_at
    return replace(report, created_at=moment.astimezone(ZoneInfo(EXCHANGE_ZONE)))


def _payload(report: DataQualityReport) -> str:
    return json.dumps(_report().dump_python(report, mode="json"), ensure_ascii=False)
