# Upstream: entrypoints.{quality_page, quality_table, show_quality}
# Downstream: domain.model.quality
# Role: Many reports as one history: the newest of each series, rules by count, codes that lack most
"""What reports say together. Counts of rules are added up over the reports, rates are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ginkgo_data.domain.model.quality import Agreement, DataQualityReport, Finding, Verdict

MOST_WORST = 50


@dataclass(frozen=True, slots=True)
class RuleTotal:
    """A rule over all reports; the examples are those of the newest report that it hit in."""

    finding: Finding
    reports: int
    """Reports in which it hit."""


@dataclass(frozen=True, slots=True)
class WorstCode:
    """A code among those that lack most, in the newest report that names it for a series."""

    code: str
    series: str
    missing: int
    report_id: str
    named: int
    """Reports of the series that name it."""


@dataclass(frozen=True, slots=True)
class VendorAgreement:
    """What all second opinions of one source on the bars of another come to."""

    figures: Agreement
    """Added up."""
    reports: int
    """Reports in which it was asked."""


@dataclass(frozen=True, slots=True)
class QualityHistory:
    """Reports, newest first, and what they say together."""

    reports: tuple[DataQualityReport, ...]
    latest: tuple[DataQualityReport, ...]
    """The newest report of each series, by series."""
    rules: tuple[RuleTotal, ...]
    """Rejects before flags, the most frequent first."""
    worst: tuple[WorstCode, ...]
    """Most missing first, at most `MOST_WORST`; a code that the newest report of its series has no more is left out."""
    agreement: tuple[VendorAgreement, ...] = ()
    """By whose bars they are and who was asked."""


def history_of(reports: Sequence[DataQualityReport]) -> QualityHistory:
    """Return the history of `reports`, in any order."""
    newest_first = sorted(reports, key=lambda report: (report.created_at, report.report_id), reverse=True)
    latest: dict[str, DataQualityReport] = {}
    for report in newest_first:
        latest.setdefault(report.series, report)
    return QualityHistory(
        tuple(newest_first),
        tuple(latest[series] for series in sorted(latest)),
        _rules(newest_first),
        _worst(newest_first, latest),
        _agreement(newest_first),
    )


def _rules(newest_first: Sequence[DataQualityReport]) -> tuple[RuleTotal, ...]:
    totals: dict[str, RuleTotal] = {}
    for report in newest_first:
        for finding in report.anomalies:
            before = totals.get(finding.rule)
            if before is None:
                totals[finding.rule] = RuleTotal(finding, 1)
            else:
                count = before.finding.count + finding.count
                totals[finding.rule] = RuleTotal(replace(before.finding, count=count), before.reports + 1)
    flags_last = sorted(
        totals.values(), key=lambda t: (t.finding.verdict is Verdict.FLAG, -t.finding.count, t.finding.rule)
    )
    return tuple(flags_last)


def _worst(newest_first: Sequence[DataQualityReport], latest: dict[str, DataQualityReport]) -> tuple[WorstCode, ...]:
    named: dict[tuple[str, str], int] = {}
    for report in newest_first:
        for code, _ in report.worst:
            named[(report.series, code)] = named.get((report.series, code), 0) + 1
    found = [
        WorstCode(code, series, missing, report.report_id, named[(series, code)])
        for series, report in latest.items()
        for code, missing in report.worst
    ]
    return tuple(sorted(found, key=lambda worst: (-worst.missing, worst.code, worst.series))[:MOST_WORST])


def _agreement(reports: Sequence[DataQualityReport]) -> tuple[VendorAgreement, ...]:
    totals: dict[tuple[str, str], VendorAgreement] = {}
    for found in (report.second_opinion for report in reports):
        if found is not None:
            key = (found.about, found.source)
            before = totals.get(key)
            totals[key] = (
                VendorAgreement(before.figures + found, before.reports + 1) if before else VendorAgreement(found, 1)
            )
    return tuple(totals[key] for key in sorted(totals))
