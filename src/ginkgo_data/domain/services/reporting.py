# Upstream: domain.services.freshness, entrypoints
# Downstream: domain.{model, services}, ports
# Role: Use case: account for a job (report stored, then told), and raise and resolve alerts, each once for the fleet
"""Reports and alerts are stored before they are told; telling never holds up work."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from ginkgo_data.domain.model.collection import CollectionResult
from ginkgo_data.domain.model.errors import CalendarHorizonExceeded
from ginkgo_data.domain.model.quality import Alert, AlertKind, DataQualityReport, QualityThresholds, Severity
from ginkgo_data.domain.services.assessment import alerts_for, assess
from ginkgo_data.domain.services.calendar_horizon import horizon_warning
from ginkgo_data.domain.services.coalescing import Work
from ginkgo_data.domain.services.sessions import newest_closed
from ginkgo_data.domain.services.telling import PATIENCE, Telling
from ginkgo_data.ports.alert_memory import AlertMemory
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.notifications import Notifications
from ginkgo_data.ports.outbox import Outbox
from ginkgo_data.ports.quality_repository import QualityRepository
from ginkgo_data.ports.trading_calendar import TradingCalendar

log = logging.getLogger(__name__)

_NAMESPACE = uuid.UUID("5f1c7f0e-6f5b-4f0f-9d52-9b1d6b1f6f51")

CLAIM = 30.0
"""Seconds for which an alert is a worker's to store and tell: one that dies meanwhile hides it no longer."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Turns the facts of a job into a stored report, a message, and the alerts that are news.

    Its owner calls `settle` between rounds: else what was not acknowledged is never told again by this worker.
    """

    quality: QualityRepository
    notifications: Notifications
    memory: AlertMemory
    outbox: Outbox
    calendar: TradingCalendar
    clock: Clock
    node_id: str
    thresholds: QualityThresholds = field(default_factory=QualityThresholds)
    cooldown: float = 3600.0
    """Seconds for which the repeat of an alert is silent."""
    sweep_interval: float = PATIENCE
    """Seconds between two searches of the store for what was never told."""
    enabled: bool = True
    """Whether reports and alerts of jobs are told; they are stored in any case, and a worker's own alerts are told."""
    telling: Telling | None = None
    """What was told and is not acknowledged; made for this reporter where none is given."""
    _telling: Telling = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = self.telling or Telling(self.outbox, self.notifications, self.clock, self.sweep_interval)
        object.__setattr__(self, "_telling", made)

    def account(self, work: Work, result: CollectionResult) -> DataQualityReport:
        """Store and tell the report of `work`, raise its alerts, and return it. Raises `StoreUnavailable`."""
        now = self.clock.now()
        report = assess(
            result,
            command=work.command.word,
            request_ids=work.request_ids,
            report_id=report_id(work),
            node_id=self.node_id,
            created_at=now,
            delay_minutes=self._delay(result, now),
        )
        self.quality.write_report(report)
        if not self.enabled:
            self._telling.keep_quiet(report)
            return report
        self._telling.report(report)
        self.raise_alerts(alerts_for(report, result, self.thresholds, now))
        if result.calls and not result.unknown:
            end = _source_answers(report, now)
            self.resolve(end.key, end)
        return report

    def _delay(self, result: CollectionResult, now: datetime) -> float | None:
        """Return the minutes since the close of the newest closed session, if that one is missing.

        An old gap is missing, not late; so is a job about the past.
        """
        if result.newest_missing is None or result.newest_missing != self._newest_closed(now):
            return None
        return (now - self.calendar.close_of(result.newest_missing)).total_seconds() / 60

    def _newest_closed(self, now: datetime) -> date | None:
        try:
            return newest_closed(self.calendar, now)
        except CalendarHorizonExceeded:
            return None

    def watch_calendar(self) -> None:
        """Tell, loudly, when the trading calendar reaches less than 30 days ahead."""
        now = self.clock.now()
        text = horizon_warning(self.calendar, now.date())
        if text is None:
            return
        title = "The trading calendar runs out"
        self.raise_alerts([Alert(AlertKind.CALENDAR_HORIZON, Severity.WARNING, title, text, now)])

    def raise_alerts(self, alerts: Iterable[Alert]) -> None:
        """Store and tell those of `alerts` that are news to the fleet; a store that is away hides none of them."""
        for alert in alerts:
            if self.memory.is_news(alert, min(CLAIM, self.cooldown)):
                log.warning("%s: %s", alert.title, alert.text)
                self._telling.alert(alert)
                self.memory.silence(alert, self.cooldown)

    def resolve(self, key: str, alert: Alert) -> None:
        """Store and tell `alert` (of severity INFO), the end of those of `key`, if one of them had been told."""
        if self.memory.resolve(key):
            log.info("%s: %s", alert.title, alert.text)
            self._telling.alert(alert)

    def settle(self) -> None:
        """Mark what is known to be told, and tell again what is not, also of a worker that died. Never raises."""
        self._telling.settle()


def _source_answers(report: DataQualityReport, now: datetime) -> Alert:
    """Return the end of a `SOURCE_ERROR` about a series: a job whose every call was answered."""
    text = f"a job of {report.series} got all its answers in {report.calls} calls"
    title, data = f"The source answers again: {report.series}", {"series": report.series, "report_id": report.report_id}
    return Alert(AlertKind.SOURCE_ERROR, Severity.INFO, title, text, now, data, subject=report.series)


def report_id(work: Work) -> str:
    """Return an id derived from the deliveries, the same when a round is repeated."""
    parts = sorted(f"{d.lineage}/{d.attempt}/{d.piece}" for d in work.deliveries)
    return str(uuid.uuid5(_NAMESPACE, "|".join(parts)))
