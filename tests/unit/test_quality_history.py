"""Reports as a history: the newest of each series, rules by count, worst codes; the page, and the report's schema."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from contracts.quality_repository import REPORT
from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, encode_report, report_schema
from ginkgo_data.adapters.kafka.wire_json import to_bytes
from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.quality import (
    Agreement,
    DataQualityReport,
    Finding,
    QualityThresholds,
    Severity,
    Verdict,
)
from ginkgo_data.domain.services.quality_history import history_of
from ginkgo_data.entrypoints.quality_page import quality_page
from ginkgo_data.entrypoints.quality_table import agreeing, print_history
from ginkgo_data.entrypoints.rule_words import rules_markdown
from support.json_schema import faults

DOCS = Path(__file__).resolve().parents[2] / "docs"
LIMITS = QualityThresholds()
REJECT = Finding("zero_price", Severity.ERROR, Verdict.REJECT, 3, ("newer",))
FLAG = Finding("volume_spike", Severity.WARNING, Verdict.FLAG, 9, ("flagged",))


def report(n: int, series: str = "1d/none", missing: int = 0, **more: object) -> DataQualityReport:
    """Return report number `n`, made so many days after the first."""
    counts = CoverageCounts(100, 110, 100 - missing, 10, missing)
    plain = {
        "report_id": f"r{n}",
        "series": series,
        "created_at": REPORT.created_at + timedelta(days=n),
        "coverage": counts,
        "missing_rate": counts.missing_rate,
        "records_failed": 0,
        "anomalies": (),
        "worst": (),
    }
    return replace(REPORT, **(plain | more))


def opinion(about: str = "tushare", source: str = "files", **figures: int) -> Agreement:
    plain = {"asked": 10, "compared": 10, "agreed": 10, "compared_by_chance": 5, "agreed_by_chance": 5, "calls": 2}
    return Agreement(about, source, **{**plain, **figures})


def test_reports_come_newest_first_and_of_each_series_the_newest_is_the_latest() -> None:
    history = history_of([report(1), report(3), report(2, "5m/none"), report(0, "5m/none")])
    assert [r.report_id for r in history.reports] == ["r3", "r2", "r1", "r0"]
    assert [r.report_id for r in history.latest] == ["r3", "r2"]


def test_counts_of_rules_are_added_up_rejects_before_flags_with_the_newest_examples() -> None:
    older = replace(REJECT, count=4, examples=("older",))
    history = history_of([report(1, anomalies=(REJECT, FLAG)), report(0, anomalies=(older,))])
    assert [(t.finding.rule, t.finding.count, t.reports, t.finding.examples) for t in history.rules] == [
        ("zero_price", 7, 2, ("newer",)),
        ("volume_spike", 9, 1, ("flagged",)),
    ]


def test_worst_codes_are_those_of_the_newest_report_of_each_series() -> None:
    history = history_of(
        [
            report(0, worst=(("a", 9), ("gone", 8))),
            report(1, worst=(("a", 2), ("b", 5))),
            report(0, "5m/none", worst=(("a", 7),)),
        ]
    )
    assert [(w.code, w.series, w.missing, w.named) for w in history.worst] == [
        ("a", "5m/none", 7, 1),
        ("b", "1d/none", 5, 1),
        ("a", "1d/none", 2, 2),
    ]


def test_agreement_is_added_up_by_who_was_asked_about_whose_bars() -> None:
    told = [
        report(0, second_opinion=opinion(compared=8, agreed=8, compared_by_chance=4, agreed_by_chance=4)),
        report(1, second_opinion=opinion(compared=10, agreed=7, compared_by_chance=5, agreed_by_chance=5)),
        report(2, second_opinion=opinion("files", "tushare", asked=3, compared=0, agreed=0, compared_by_chance=0)),
        report(3),
    ]
    first, other = history_of(told).agreement
    assert (first.figures.about, first.figures.source, first.reports) == ("files", "tushare", 1)
    assert (first.figures.rate, first.figures.rate_by_chance) == (None, None)
    assert (other.figures.about, other.figures.source, other.reports) == ("tushare", "files", 2)
    assert other.figures == opinion(asked=20, compared=18, agreed=15, compared_by_chance=9, agreed_by_chance=9, calls=4)
    assert (other.figures.rate, other.figures.rate_by_chance) == (15 / 18, 1.0)


def test_agreement_stands_in_the_table_and_on_the_page() -> None:
    told = [
        report(0, second_opinion=opinion(asked=12, compared=10, agreed=9, compared_by_chance=5, agreed_by_chance=5)),
        report(1, second_opinion=opinion(asked=2, compared=0, agreed=0, compared_by_chance=0, agreed_by_chance=0)),
        report(2),
    ]
    console = Console(record=True, width=200, file=StringIO())
    print_history(history_of(told), LIMITS, console)
    line = next(line for line in console.export_text().splitlines() if line.startswith("files on tushare"))
    assert line.split() == ["files", "on", "tushare", "2", "14", "10", "9", "90.00", "%", "100.00", "%"]
    page = Page(quality_page(history_of(told), LIMITS, "x", REPORT.created_at))
    assert page.tables["agreement"][1:] == [["files", "tushare", "2", "14", "10", "9", "90.00 %", "100.00 %"]]
    # Only one of the three reports has something to compare.
    assert "Sessions on which a second source disagrees: 1 reports, newest 10.00 %" in page.charts


def test_where_nobody_was_asked_the_page_says_so_and_the_table_nothing() -> None:
    console = Console(record=True, width=200, file=StringIO())
    print_history(history_of([report(0)]), LIMITS, console)
    assert "second opinion" not in console.export_text()
    page = Page(quality_page(history_of([report(0)]), LIMITS, "x", REPORT.created_at))
    assert page.tables["agreement"][1:] == [["Nobody was asked (quality.second_opinion)."]]


@pytest.mark.parametrize(
    ("share", "told"), [(None, "nothing to compare"), (1.0, "100.00 %"), (0.99999, "> 99.99 %"), (0.0, "0.00 %")]
)
def test_a_share_that_is_not_whole_never_reads_as_whole(share: float | None, told: str) -> None:
    assert agreeing(share) == told


def test_without_reports_there_is_nothing_to_say() -> None:
    history = history_of([])
    assert (history.reports, history.latest, history.rules, history.worst) == ((), (), (), ())
    page = quality_page(history, LIMITS, "chdb://x", REPORT.created_at)
    assert "No report is stored." in page
    assert "<svg" not in page


class Page(HTMLParser):
    """Tables by id, charts, addresses and scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.charts: list[str] = []
        self.foreign: list[str] = []
        self.points: list[str] = []
        self._table: str | None = None
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self._inside.append(tag)
        if tag in ("script", "link", "img", "iframe", "object"):
            self.foreign.append(tag)
        self.foreign += [name for name in ("src", "href", "srcset", "action", "onclick", "onload") if name in given]
        if tag == "table":
            self._table = given.get("id")
        if tag == "tr" and self._table:
            self.tables.setdefault(self._table, []).append([])
        if tag in ("td", "th") and self._table:
            self.tables[self._table][-1].append("")
        if tag == "svg":
            self.charts.append(given["aria-label"] or "")

    def handle_data(self, data: str) -> None:
        if self._table and {"td", "th"} & set(self._inside):
            self.tables[self._table][-1][-1] += data
        if self._inside and self._inside[-1] == "title" and "svg" in self._inside:
            self.points.append(data)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass
        if tag == "table":
            self._table = None


def test_the_page_says_what_the_reports_say_and_fetches_nothing() -> None:
    reports = [
        report(0, missing=3, worst=(("000001.SZ", 2),)),
        report(1, missing=30, anomalies=(REJECT, FLAG), records_failed=3, worst=(("000001.SZ", 30),)),
        report(1, "5m/none", delay_minutes=12.5),
    ]
    page = Page(quality_page(history_of(reports), LIMITS, "chdb://x", REPORT.created_at))
    assert page.foreign == []
    assert page.tables["coverage"][1:] == [
        ["1d/none", "2024-01-03 15:30", "2024-01-02 … 2024-01-03", "", "100", "70", "10", "30.00 %"],
        ["5m/none", "2024-01-03 15:30", "2024-01-02 … 2024-01-03", "", "100", "100", "10", "0.00 %"],
    ]
    assert page.tables["rules"][1:] == [
        ["zero_price", "reject", "ERROR", "", "3", "newer"],
        ["volume_spike", "flag", "WARNING", "", "9", "flagged"],
    ]
    assert page.tables["worst"][1:] == [["000001.SZ", "1d/none", "30", "2"]]
    assert [row[6] for row in page.tables["reports"][1:]] == ["30.00 %", "0.00 %", "3.00 %"]
    assert [label.partition(":")[0] for label in page.charts] == [
        "Missing sessions",
        "Rows rejected",
        "Rows flagged",
        "Minutes late",
        "Rows written",
        "Vendor calls",
    ]
    assert "2024-01-03 15:30 1d/none bar_snapshot: 30.00 %" in page.points
    # Only one of the three reports was late.
    assert page.charts[3] == "Minutes late: 1 reports, newest 12"


def test_the_verdict_names_the_series_beyond_the_threshold() -> None:
    page = quality_page(
        history_of([report(0, missing=5), report(0, "5m/none", missing=6)]), LIMITS, "x", REPORT.created_at
    )
    assert '<b class="bad">Missing beyond the threshold: 5m/none 6.00 %.</b> No row was rejected.' in page
    well = quality_page(history_of([report(0, missing=5, records_failed=7)]), LIMITS, "x", REPORT.created_at)
    assert '<b class="good">Of every series no more is missing than is allowed.</b> 7 rows were rejected' in well


def test_texts_of_reports_cannot_become_markup() -> None:
    evil = '<script>alert(1)</script>"><b onload=x>'
    odd = report(
        0,
        series=evil,
        command=evil,
        request_ids=(evil,),
        anomalies=(Finding(evil, Severity.ERROR, Verdict.REJECT, 1, (evil,)),),
        worst=((evil, 1),),
        missing=30,
        second_opinion=opinion(evil, evil),
    )
    text = quality_page(history_of([odd]), LIMITS, evil, REPORT.created_at)
    assert "<script" not in text
    assert Page(text).foreign == []
    assert Page(text).tables["worst"][1][0] == evil
    assert "<!--" not in re.sub(r"<!doctype html>", "", text)


def test_rates_that_are_no_numbers_are_drawn_and_told_as_unknown() -> None:
    text = quality_page(history_of([report(0, missing_rate=float("nan"))]), LIMITS, "x", REPORT.created_at)
    assert "nan" not in text.lower()
    assert Page(text).tables["reports"][1][6] == "?"


def as_sent(sent: DataQualityReport) -> dict[str, object]:
    return json.loads(to_bytes(encode_report(sent)))


@pytest.mark.parametrize(
    "sent",
    [
        REPORT,
        replace(REPORT, window=None, delay_minutes=12.5, anomalies=(), unknown={}, worst=(), notes=()),
        replace(REPORT, success_rate=float("nan"), missing_rate=float("inf")),
        replace(REPORT, second_opinion=opinion()),
        report(1, anomalies=(REJECT, FLAG)),
    ],
)
def test_a_report_as_it_is_sent_is_what_its_schema_says(sent: DataQualityReport) -> None:
    assert list(faults(as_sent(sent), report_schema())) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"more": 1}, "more: is not expected"),
        ({"records_expected": "100"}, "records_expected: 100 is no integer"),
        ({"created_at": "yesterday"}, "created_at: yesterday is no date-time"),
        ({"type": "other"}, f"type: other is not {REPORT_KEY}"),
        ({"window": ["2024-01-02"]}, "window: ['2024-01-02'] is none of"),
        ({"coverage": {"due": 1}}, "coverage.expected: is missing"),
        ({"anomalies": [{"rule": 1}]}, "anomalies[0].severity: is missing"),
        ({"worst": [["a", "b"]]}, "worst[0][1]: b is no integer"),
        ({"unknown": {"a": 1}}, "unknown.a: 1 is no string"),
    ],
)
def test_the_schema_refuses_what_is_no_report(change: dict[str, object], fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(as_sent(REPORT) | change, report_schema()))


def test_the_schema_refuses_a_report_without_one_of_its_keys() -> None:
    whole = as_sent(REPORT)
    assert list(report_schema()["properties"]) == list(whole)
    for name in whole:
        less = {key: value for key, value in whole.items() if key != name}
        assert list(faults(less, report_schema())) == [f"{name}: is missing"]


def test_the_documents_are_those_that_the_program_would_write() -> None:
    schema = json.loads((DOCS / "schemas" / f"{REPORT_KEY}.schema.json").read_text("utf-8"))
    assert schema == report_schema()
    assert (DOCS / "rules.md").read_text("utf-8") == rules_markdown()
