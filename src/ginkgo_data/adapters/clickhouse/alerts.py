# Upstream: adapters.clickhouse.outbox
# Downstream: adapters.clickhouse.tables, domain.model.{bars, errors, quality}, pyarrow, pydantic
# Role: An alert between the domain's value and the row that holds it
"""Alerts as rows: what it is about as columns for queries, the whole alert as JSON for reading back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from enum import Enum
from functools import cache

import pyarrow as pa
from pydantic import TypeAdapter

from ginkgo_data.adapters.clickhouse.tables import ALERTS
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import Alert

_TIME = pa.timestamp("us", EXCHANGE_ZONE)


@cache
def _alert() -> TypeAdapter[Alert]:
    """Made with the first alert: a start does not wait for it."""
    return TypeAdapter(Alert)


def alert_row(alert: Alert) -> pa.Table:
    """Return the row of `alert`; its version is the moment at which it was raised.

    A value of `data` that JSON does not know is kept as its text. Raises `SchemaMismatch` when `raised_at` has
    no zone: it would mean another moment on another host.
    """
    if alert.raised_at.tzinfo is None:
        raise SchemaMismatch(f"alert {alert.key}: raised_at {alert.raised_at} has no zone; it must say one")
    raised = pa.scalar(alert.raised_at, _TIME)
    texts = {
        "alert_id": alert.alert_id,
        "kind": alert.kind.value,
        "subject": alert.subject,
        "severity": alert.severity.value,
        "title": alert.title,
        "payload": _payload(alert),
    }
    columns: dict[str, pa.Array] = {name: pa.array([_clean(text)], pa.string()) for name, text in texts.items()}
    columns["raised_at"] = pa.array([raised.as_py()], _TIME)
    columns["version"] = pa.array([raised.value], pa.uint64())
    return pa.table(columns)


def alert_of(payload: str) -> Alert:
    """Return the alert whose row holds `payload`; raises `SchemaMismatch` when it is no alert's.

    `raised_at` keeps the offset it was written with: `alert_id` is made of that text.
    """
    try:
        return _alert().validate_python(json.loads(payload), strict=False)
    except ValueError as error:
        raise SchemaMismatch(f"{ALERTS.name}: a payload is no alert: {error}") from error


def _payload(alert: Alert) -> str:
    values = {field.name: getattr(alert, field.name) for field in fields(alert)}
    return json.dumps(values, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def _clean(text: str) -> str:
    """Return `text` as UTF-8 can hold it; in a JSON text the escape means what was there before."""
    return text.encode("utf-8", "backslashreplace").decode()
