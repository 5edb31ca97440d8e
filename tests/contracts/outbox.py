"""What every outbox promises: what is stored and not marked as told is found, oldest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from contracts.quality_repository import REPORT
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import Alert, AlertKind, DataQualityReport, Severity
from ginkgo_data.ports.outbox import Outbox
from ginkgo_data.ports.quality_repository import QualityRepository

AT = datetime(2024, 1, 2, 15, 30, 0, 123456, tzinfo=ZoneInfo("Asia/Shanghai"))
DAY = (AT - timedelta(days=1), AT + timedelta(days=1))
MICROSECOND = timedelta(microseconds=1)
DATA: dict[str, object] = {
    "missing_rate": 0.07,
    "sessions_missing": 7,
    "window": ["2024-01-02", "2024-01-03"],
    "thresholds": {"warning": 0.05, "nested": [{"deep": None}, []]},
    "complete": False,
    "detail": None,
    "说明": "停牌? 'quoted' \\ \"twice\"\n",
}
ALERT = Alert(AlertKind.DATA_MISSING, Severity.WARNING, "Bars are missing", "7 % of 1d/none 缺失", AT, DATA, "1d/none")


def report(name: str, at: datetime) -> DataQualityReport:
    return replace(REPORT, report_id=name, created_at=at)


def alert(subject: str, at: datetime) -> Alert:
    return replace(ALERT, subject=subject, raised_at=at)


class OutboxContract:
    """Subclasses provide the fixtures `outbox` and `quality`, empty, over one store, and `three_at_once`."""

    def test_an_empty_store_has_nothing_to_tell(self, outbox: Outbox) -> None:
        outbox.mark_told([])
        assert list(outbox.untold_reports(*DAY)) == []
        assert list(outbox.untold_alerts(*DAY)) == []

    def test_a_stored_report_is_untold_until_it_is_marked(self, outbox: Outbox, quality: QualityRepository) -> None:
        quality.write_report(REPORT)
        assert list(outbox.untold_reports(*DAY)) == [REPORT]
        outbox.mark_told(["r1"])
        assert list(outbox.untold_reports(*DAY)) == []
        assert list(quality.reports(10)) == [REPORT]

    @pytest.mark.parametrize("zone", [ZoneInfo("Asia/Shanghai"), UTC])
    def test_a_stored_alert_is_untold_in_full_until_it_is_marked(self, outbox: Outbox, zone: ZoneInfo) -> None:
        written = replace(ALERT, raised_at=AT.astimezone(zone))
        outbox.write_alert(written)
        (read,) = outbox.untold_alerts(*DAY)
        assert read == written
        assert read.alert_id == written.alert_id
        outbox.mark_told([written.alert_id])
        assert list(outbox.untold_alerts(*DAY)) == []

    def test_an_alert_with_little_in_it_is_read_back_too(self, outbox: Outbox) -> None:
        bare = Alert(AlertKind.COMMANDS_EXPIRED, Severity.INFO, "", "", AT)
        outbox.write_alert(bare)
        assert list(outbox.untold_alerts(*DAY)) == [bare]

    def test_an_alert_written_twice_is_one(self, outbox: Outbox) -> None:
        outbox.write_alert(ALERT)
        outbox.write_alert(ALERT)
        assert list(outbox.untold_alerts(*DAY)) == [ALERT]
        outbox.mark_told([ALERT.alert_id])
        outbox.write_alert(ALERT)
        assert list(outbox.untold_alerts(*DAY)) == []

    def test_a_worse_alert_of_the_same_key_is_another(self, outbox: Outbox) -> None:
        worse = replace(ALERT, severity=Severity.ERROR)
        outbox.write_alert(ALERT)
        outbox.write_alert(worse)
        outbox.mark_told([ALERT.alert_id])
        assert list(outbox.untold_alerts(*DAY)) == [worse]

    def test_the_oldest_come_first(self, outbox: Outbox, quality: QualityRepository) -> None:
        for n in (3, 1, 2):
            quality.write_report(report(f"r{n}", AT + n * MICROSECOND))
            outbox.write_alert(alert(f"s{n}", AT + n * MICROSECOND))
        assert [found.report_id for found in outbox.untold_reports(*DAY)] == ["r1", "r2", "r3"]
        assert [found.subject for found in outbox.untold_alerts(*DAY)] == ["s1", "s2", "s3"]

    def test_after_belongs_to_what_is_asked_and_before_does_not(
        self, outbox: Outbox, quality: QualityRepository
    ) -> None:
        after, before = AT, AT + timedelta(hours=1)
        for n, at in enumerate((after - MICROSECOND, after, before - MICROSECOND, before)):
            quality.write_report(report(f"r{n}", at))
            outbox.write_alert(alert(f"s{n}", at))
        utc = (after.astimezone(UTC), before.astimezone(UTC))
        assert [found.report_id for found in outbox.untold_reports(*utc)] == ["r1", "r2"]
        assert [found.subject for found in outbox.untold_alerts(*utc)] == ["s1", "s2"]

    def test_a_report_counts_as_what_was_written_last(self, outbox: Outbox, quality: QualityRepository) -> None:
        later = replace(REPORT, created_at=AT + timedelta(hours=2), calls=9)
        quality.write_report(REPORT)
        quality.write_report(later)
        assert list(outbox.untold_reports(*DAY)) == [later]
        assert list(outbox.untold_reports(DAY[0], AT + timedelta(hours=1))) == []

    def test_one_call_returns_no_more_than_it_may_and_the_rest_comes_next(
        self, outbox: Outbox, quality: QualityRepository, three_at_once: None
    ) -> None:
        for n in range(4):
            quality.write_report(report(f"r{n}", AT + n * MICROSECOND))
            outbox.write_alert(alert(f"s{n}", AT + n * MICROSECOND))
        first = [found.report_id for found in outbox.untold_reports(*DAY)]
        assert first == ["r0", "r1", "r2"]
        alerts = outbox.untold_alerts(*DAY)
        assert [found.subject for found in alerts] == ["s0", "s1", "s2"]
        outbox.mark_told([*first, *(found.alert_id for found in alerts)])
        assert [found.report_id for found in outbox.untold_reports(*DAY)] == ["r3"]
        assert [found.subject for found in outbox.untold_alerts(*DAY)] == ["s3"]

    def test_marking_is_idempotent_and_may_come_before_the_report(
        self, outbox: Outbox, quality: QualityRepository
    ) -> None:
        outbox.mark_told(["r1", "r1", "nobody's"])
        outbox.mark_told(["nobody's"])
        quality.write_report(REPORT)
        quality.write_report(report("r2", AT))
        assert [found.report_id for found in outbox.untold_reports(*DAY)] == ["r2"]

    def test_an_alert_without_a_zone_is_refused(self, outbox: Outbox) -> None:
        with pytest.raises(SchemaMismatch, match="raised_at"):
            outbox.write_alert(replace(ALERT, raised_at=datetime(2024, 1, 2, 15)))
        assert list(outbox.untold_alerts(*DAY)) == []
