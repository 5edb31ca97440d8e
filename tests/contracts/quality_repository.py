"""What every store of rejected rows and reports promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import (
    REJECT_SCHEMA,
    Agreement,
    DataQualityReport,
    Finding,
    Rejects,
    Release,
    Severity,
    Verdict,
)
from ginkgo_data.ports.quality_repository import QualityRepository

ZONE = ZoneInfo("Asia/Shanghai")
REJECT: dict[str, object] = {
    "code": "000001.SZ",
    "frequency": "1d",
    "adjust": "none",
    "timestamp": datetime(2024, 1, 2, tzinfo=ZONE),
    "rule": "negative_price",
    "field": "close",
    "value": "-1.5",
    "place": "daily.csv:17",
    "row": '{"名": "平安"}',
    "content_hash": 2**64 - 1,
    "source": "files",
    "version": 1,
}
REPORT = DataQualityReport(
    report_id="r1",
    node_id="node-1",
    command="bar_snapshot",
    series="1d/none",
    request_ids=("a", "b"),
    created_at=datetime(2024, 1, 2, 15, 30, 0, 123456, tzinfo=ZONE),
    window=(date(2024, 1, 2), date(2024, 1, 3)),
    records_expected=100,
    records_actual=98,
    records_failed=1,
    records_skipped=5,
    records_written=93,
    success_rate=0.98,
    coverage=CoverageCounts(expected=100, due=110, held=98, absent=10, unexplained=2),
    missing_rate=0.02,
    calls=3,
    inserts=1,
    duration_seconds=1.25,
    anomalies=(Finding("negative_price", Severity.ERROR, Verdict.REJECT, 1, ("000001.SZ 2024-01-02: close -1.5",)),),
    unknown={"600519.SH": "timed_out: 停"},
    worst=(("000002.SZ", 2),),
    delay_minutes=None,
    notes=("held back",),
)


def rejects(*changes: dict[str, object]) -> Rejects:
    """Return one reject per change, each REJECT but for it."""
    return Rejects(pa.Table.from_pylist([REJECT | change for change in changes], _plain()).cast(REJECT_SCHEMA))


def _plain() -> pa.Schema:
    """REJECT_SCHEMA without dictionaries, which Arrow does not build from Python values."""
    return pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in REJECT_SCHEMA])


class QualityRepositoryContract:
    """Subclasses provide the fixture `repository`, empty."""

    def test_an_empty_store_has_nothing(self, repository: QualityRepository) -> None:
        repository.quarantine(Rejects.empty())
        assert len(repository.quarantined()) == 0
        assert repository.reports(10) == []

    def test_a_rejected_row_is_read_back_in_full(self, repository: QualityRepository) -> None:
        repository.quarantine(rejects({}))
        assert repository.quarantined().table.to_pylist() == [REJECT]

    def test_a_row_without_code_timestamp_or_value_is_kept_as_it_was(self, repository: QualityRepository) -> None:
        nothing = {"code": None, "timestamp": None, "field": None, "value": None, "place": None, "row": None}
        repository.quarantine(rejects(nothing))
        assert repository.quarantined().table.to_pylist() == [REJECT | nothing]
        assert len(repository.quarantined(["000001.SZ"])) == 0
        assert len(repository.quarantined([""])) == 0

    def test_no_code_and_an_empty_code_no_time_and_1970_are_different_rows(self, repository: QualityRepository) -> None:
        epoch = datetime(1970, 1, 1, 8, tzinfo=ZONE)
        changes = [{"code": code, "timestamp": time} for code in ("", None) for time in (epoch, None)]
        for change in changes:
            repository.quarantine(rejects(change))
        assert repository.quarantined().table.to_pylist() == [REJECT | change for change in changes]
        assert repository.quarantined([""]).table.to_pylist() == [REJECT | change for change in changes[:2]]

    @pytest.mark.parametrize("year", [1, 1899, 1991, 2400, 9999])
    def test_an_absurd_timestamp_is_kept_as_it_was(self, repository: QualityRepository, year: int) -> None:
        change = {"timestamp": datetime(year, 6, 2, 1, 2, 3, 4000, tzinfo=ZONE)}
        written = rejects(change)
        repository.quarantine(written)
        assert repository.quarantined().table["timestamp"].equals(written.table["timestamp"])

    def test_a_rejection_repeated_adds_nothing(self, repository: QualityRepository) -> None:
        repository.quarantine(rejects({}, {}))
        repository.quarantine(rejects({}))
        repository.quarantine(rejects({"version": 2, "place": "daily.csv:18"}))
        assert repository.quarantined().table["place"].to_pylist() == ["daily.csv:18"]

    def test_each_part_of_the_key_makes_another_row(self, repository: QualityRepository) -> None:
        changes: list[dict[str, object]] = [
            {},
            {"code": "600519.SH"},
            {"frequency": "5m"},
            {"adjust": "qfq"},
            {"timestamp": datetime(2024, 1, 3, tzinfo=ZONE)},
            {"rule": "zero_price"},
            {"content_hash": 7},
        ]
        repository.quarantine(rejects(*changes))
        assert len(repository.quarantined()) == len(changes)

    def test_rejected_rows_come_by_code_timestamp_and_rule(self, repository: QualityRepository) -> None:
        later = datetime(2024, 1, 3, tzinfo=ZONE)
        ordered: list[dict[str, object]] = [
            {"rule": "a"},
            {"rule": "b"},
            {"rule": "a", "timestamp": later},
            {"rule": "a", "timestamp": None},
            {"code": "600519.SH"},
            {"code": None},
        ]
        repository.quarantine(rejects(*reversed(ordered)))
        assert repository.quarantined().table.to_pylist() == [REJECT | change for change in ordered]
        assert len(repository.quarantined(["600519.SH", "000002.SZ"])) == 1
        assert len(repository.quarantined([])) == 0

    def test_a_row_without_a_rule_raises_and_stores_nothing(self, repository: QualityRepository) -> None:
        with pytest.raises(SchemaMismatch, match="rule"):
            repository.quarantine(rejects({}, {"rule": None}))
        assert len(repository.quarantined()) == 0

    def test_releases_are_read_back_by_version(self, repository: QualityRepository) -> None:
        assert list(repository.releases()) == []
        repository.write_releases([])
        later = Release(7, "zero_price", 20, "someone@host", "the exchange says so: 停牌")
        first = Release(2**64 - 1, "unit_mismatch", 10, "someone")
        repository.write_releases([later, first])
        assert list(repository.releases()) == [first, later]

    def test_of_one_content_and_rule_the_later_release_counts(self, repository: QualityRepository) -> None:
        repository.write_releases([Release(7, "zero_price", 20, "b")])
        repository.write_releases([Release(7, "zero_price", 10, "a"), Release(7, "negative_price", 5, "c")])
        assert [(r.rule, r.by) for r in repository.releases()] == [("negative_price", "c"), ("zero_price", "b")]

    def test_a_release_leaves_quarantine_as_it_is(self, repository: QualityRepository) -> None:
        repository.quarantine(rejects({"content_hash": 7}))
        repository.write_releases([Release(7, "negative_price", 20, "b")])
        assert repository.quarantined().table["content_hash"].to_pylist() == [7]

    def test_a_report_is_read_back_in_full(self, repository: QualityRepository) -> None:
        repository.write_report(REPORT)
        (read,) = repository.reports(1)
        assert read == REPORT
        assert read.created_at.tzinfo == ZONE

    def test_a_report_with_little_in_it_is_read_back_too(self, repository: QualityRepository) -> None:
        empty = replace(
            REPORT, request_ids=(), window=None, anomalies=(), unknown={}, worst=(), delay_minutes=12.5, notes=()
        )
        repository.write_report(empty)
        assert list(repository.reports(1)) == [empty]

    def test_a_second_opinion_is_kept_with_its_report(self, repository: QualityRepository) -> None:
        told = replace(REPORT, second_opinion=Agreement("tushare", "files", 20, 19, 18, 10, 9, 2))
        repository.write_report(told)
        assert list(repository.reports(1)) == [told]

    def test_a_report_written_twice_is_one(self, repository: QualityRepository) -> None:
        repository.write_report(REPORT)
        repository.write_report(REPORT)
        assert list(repository.reports(10)) == [REPORT]

    def test_the_newest_reports_come_first(self, repository: QualityRepository) -> None:
        written = [
            replace(REPORT, report_id=f"r{n}", created_at=REPORT.created_at + timedelta(microseconds=n))
            for n in (3, 1, 5, 2, 4)
        ]
        for report in written:
            repository.write_report(report)
        assert [report.report_id for report in repository.reports(3)] == ["r5", "r4", "r3"]
        assert len(repository.reports(100)) == 5
        assert list(repository.reports(0)) == []

    def test_reports_since_a_moment_are_those_made_then_or_later(self, repository: QualityRepository) -> None:
        for n in range(4):
            made = REPORT.created_at + timedelta(microseconds=n)
            repository.write_report(replace(REPORT, report_id=f"r{n}", created_at=made))
        since = REPORT.created_at + timedelta(microseconds=2)
        assert [report.report_id for report in repository.reports(10, since)] == ["r3", "r2"]
        assert [report.report_id for report in repository.reports(1, since)] == ["r3"]
        assert list(repository.reports(10, since + timedelta(days=1))) == []

    def test_a_report_without_a_zone_is_refused(self, repository: QualityRepository) -> None:
        with pytest.raises(SchemaMismatch, match="created_at"):
            repository.write_report(replace(REPORT, created_at=datetime(2024, 1, 2, 15)))
        assert list(repository.reports(1)) == []
