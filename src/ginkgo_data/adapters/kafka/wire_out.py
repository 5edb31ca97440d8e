# Upstream: adapters.kafka.notifications
# Downstream: adapters.kafka.{messages, wire_json}, domain.model.quality
# Role: Alerts and events as JSON objects that Ginkgo's notifier and the specification's readers both take
"""Messages of the notification topic, but for reports (`report_wire`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from ginkgo_data.adapters.kafka.messages import AlertField, AlertMessage, EventMessage
from ginkgo_data.adapters.kafka.wire_json import Json, clean, plain, plain_object
from ginkgo_data.domain.model.quality import Alert, Severity

MODULE = "DataWorker"
_LEVELS: Mapping[Severity, Literal["INFO", "WARN", "ERROR"]] = {
    Severity.INFO: "INFO",
    Severity.WARNING: "WARN",
    Severity.ERROR: "ERROR",
}
"""Colours of `custom_fields` know WARN but not WARNING."""

# Discord, where the notifier posts, refuses a message beyond these: 25 fields, 6000 characters altogether.
_TITLE, _CONTENT, _FIELDS, _NAME, _VALUE = 256, 2000, 15, 50, 150


def encode_alert(alert: Alert, node_id: str, group_name: str = "System") -> Json:
    """Return one object for both readers of an alert.

    The specification's reads `type`, `severity` and `data`; Ginkgo's notifier routes by `message_type` and shows
    `title`, `content`, `level` and the non-empty `fields` to the members of `group_name`, cut to what its
    webhook takes. `text` and `data` are whole; `alert_id` is the same whenever the alert is told again.
    """
    title = alert.title or alert.kind.value
    return AlertMessage(
        type=alert.kind.value,
        severity=alert.severity.value,
        data=plain_object(alert.data),
        message_type="custom_fields",
        group_name=group_name,
        title=_cut(title, _TITLE),
        content=_cut(alert.text or title, _CONTENT),
        level=_LEVELS[alert.severity],
        module=MODULE,
        fields=_fields(alert, node_id),
        text=clean(alert.text),
        alert_id=alert.alert_id,
        subject=clean(alert.subject),
        key=clean(alert.key),
        node_id=node_id,
        timestamp=alert.raised_at.isoformat(),
    ).model_dump()


def _fields(alert: Alert, node_id: str) -> list[AlertField]:
    shown: Json = {"node_id": node_id, "type": alert.kind.value, "subject": alert.subject}
    shown |= {str(name): plain(value) for name, value in alert.data.items() if name not in shown}
    # Discord refuses an empty value.
    filled = [(name, str(value)) for name, value in shown.items() if name and value not in (None, "", [], {})]
    return [AlertField(name=_cut(n, _NAME), value=_cut(t, _VALUE), inline=True) for n, t in filled[:_FIELDS]]


def encode_event(kind: str, data: Mapping[str, object], node_id: str, sent_at: datetime) -> Json:
    """Return a state change, statistics or an answer; it carries no `message_type`, so nobody is bothered."""
    timestamp = sent_at.isoformat()
    return EventMessage(type=kind, node_id=node_id, timestamp=timestamp, data=plain_object(data)).model_dump()


def _cut(text: str, length: int) -> str:
    whole = clean(text)
    return whole if len(whole) <= length else whole[: length - 1] + "…"
