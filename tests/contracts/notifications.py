"""What every way of telling promises."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Protocol

from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.quality import Alert, AlertKind, DataQualityReport, Finding, Severity, Verdict
from ginkgo_data.ports.notifications import Notifications

AT = datetime(2026, 8, 15, 13, 10, 0, 5, tzinfo=UTC)
REPORT = DataQualityReport(
    report_id="r-1",
    node_id="data_worker_a",
    command="bar_snapshot",
    series="1d/none",
    request_ids=("a", "b"),
    created_at=AT,
    window=(date(2026, 8, 10), date(2026, 8, 14)),
    records_expected=100,
    records_actual=93,
    records_failed=2,
    records_skipped=40,
    records_written=53,
    success_rate=0.93,
    coverage=CoverageCounts(expected=100, due=104, held=93, absent=4, unexplained=7),
    missing_rate=0.07,
    calls=5,
    inserts=1,
    duration_seconds=1.25,
    anomalies=(Finding("zero_price", Severity.ERROR, Verdict.REJECT, 2, ("000001.SZ 2026-08-14: close 0.0",)),),
    unknown={"000002.SZ": "停牌?"},
    worst=(("000002.SZ", 5), ("600000.SH", 2)),
    delay_minutes=12.5,
    notes=("list cut",),
)
ALERT = Alert(
    AlertKind.DATA_MISSING, Severity.WARNING, "Bars are missing", "7 % of 1d/none", AT, {"rate": 0.07}, "1d/none"
)
BURST = 10_000


class Told(Protocol):
    """The fixture `told`: what can be read where it was told, in order."""

    def reports(self) -> Sequence[DataQualityReport]:
        """Return the reports."""

    def alerts(self) -> Sequence[tuple[str, str, str]]:
        """Return kind, severity and title of the alerts, in the specification's words."""

    def events(self) -> Sequence[tuple[str, dict[str, object]]]:
        """Return kind and data of the events."""


class NotificationsContract:
    """Subclasses provide the fixtures `notifications` and `told`."""

    def test_a_report_is_told_whole(self, notifications: Notifications, told: Told) -> None:
        later = replace(REPORT, report_id="r-2", window=None, anomalies=(), delay_minutes=None, unknown={}, worst=())
        notifications.report(REPORT)
        notifications.report(later)
        assert list(told.reports()) == [REPORT, later]

    def test_an_alert_is_told(self, notifications: Notifications, told: Told) -> None:
        notifications.alert(ALERT)
        notifications.alert(replace(ALERT, kind=AlertKind.DEAD_LETTER, severity=Severity.ERROR, title="给不出来"))
        assert list(told.alerts()) == [
            ("data_missing", "WARNING", "Bars are missing"),
            ("dead_letter", "ERROR", "给不出来"),
        ]

    def test_an_event_is_told_as_it_was_at_that_moment(self, notifications: Notifications, told: Told) -> None:
        data: dict[str, object] = {"from": "STARTING", "to": "RUNNING", "codes": ["000001.SZ"], "lag": {"total": 3}}
        notifications.event("worker_status", data)
        data["to"] = "STOPPED"
        notifications.event("heartbeat_test", {"request_id": "给"})
        assert list(told.events()) == [
            ("worker_status", {"from": "STARTING", "to": "RUNNING", "codes": ["000001.SZ"], "lag": {"total": 3}}),
            ("heartbeat_test", {"request_id": "给"}),
        ]

    def test_a_value_that_json_does_not_know_holds_nothing_up(self, notifications: Notifications, told: Told) -> None:
        notifications.event("stats", {"rate": float("nan"), "at": AT, "text": "\ud800", "odd": object()})
        notifications.alert(replace(ALERT, data={"rate": float("inf"), "day": date(2026, 8, 14)}))
        assert [kind for kind, _ in told.events()] == ["stats"]
        assert len(told.alerts()) == 1

    def test_what_is_kept_is_said_once_without_anybody_sending_more(self, notifications: Notifications) -> None:
        said: list[str] = []
        notifications.report(REPORT, told=lambda kept: said.append(f"report {kept}"))
        notifications.alert(ALERT, told=lambda kept: said.append(f"alert {kept}"))
        deadline = time.monotonic() + 20.0
        while len(said) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sorted(said) == ["alert True", "report True"]

    def test_a_burst_is_told_whole_and_in_order(self, notifications: Notifications, told: Told) -> None:
        for number in range(BURST):
            notifications.event("stats", {"number": number})
        assert [data["number"] for _, data in told.events()] == list(range(BURST))
