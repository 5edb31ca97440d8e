# Upstream: entrypoints.{reloading, worker}
# Downstream: domain.model.quality
# Role: Alerts about a configuration that a worker was started with and could not use as a whole
"""A worker starts with what of its configuration holds, and says so."""

from __future__ import annotations

from datetime import datetime

from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity

_SUBJECT = "start"


def start_alert(fault: str, node_id: str, now: datetime) -> Alert:
    """Return the alert that a worker works with defaults in place of what is wrong."""
    return Alert(
        AlertKind.CONFIG_ERROR,
        Severity.ERROR,
        "A worker was started with a faulty configuration",
        f"{fault}. It works all the same; correct the file, or see: ginkgo-data config check FILE",
        now,
        {"reason": fault, "node_id": node_id},
        subject=_SUBJECT,
    )


def start_recovery(now: datetime) -> Alert:
    """Return the alert that ends it."""
    text = "It was read again, and what it says is in force."
    return Alert(
        AlertKind.CONFIG_ERROR, Severity.INFO, "The configuration is in order now", text, now, subject=_SUBJECT
    )
