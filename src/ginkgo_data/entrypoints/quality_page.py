# Upstream: entrypoints.show_quality
# Downstream: domain.model.quality, domain.services, entrypoints.{quality_charts, quality_table}
# Role: The quality page: one self-contained HTML file with trends, coverage, rules by count and the worst codes
"""Fills the template `quality_page.html`. Everything is plain HTML and SVG: nothing is fetched, no script runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from html import escape
from importlib.resources import files

from ginkgo_data.domain.model.quality import DataQualityReport, QualityThresholds, Verdict
from ginkgo_data.domain.services.quality_history import QualityHistory
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.entrypoints.quality_charts import COLOURS, Chart, chart_svg
from ginkgo_data.entrypoints.quality_table import agreeing, flagged, percent

_MOST_LISTED = 200
_SHOWN_EXAMPLES = 2


def quality_page(history: QualityHistory, thresholds: QualityThresholds, database: str, read_at: datetime) -> str:
    """Return the page of `history`, read from `database` (shown as it is) at `read_at`."""
    template = (files(__package__) / "quality_page.html").read_text("utf-8")
    parts = _parts(history, thresholds, database, read_at)
    # One pass: what is filled in is never looked at again.
    return re.sub(r"<!--(\w+)-->", lambda match: parts[match[1]], template)


def _parts(history: QualityHistory, limits: QualityThresholds, database: str, read_at: datetime) -> dict[str, str]:
    reports = history.reports
    span = f"{reports[-1].created_at:%Y-%m-%d %H:%M} … {reports[0].created_at:%Y-%m-%d %H:%M}" if reports else "none"
    return {
        "title": f"Data quality, {span}",
        "window": escape(f"{len(reports):,} reports, {span} · read {read_at:%Y-%m-%d %H:%M} from {database}"),
        "verdict": _verdict(history, limits),
        "legend": "".join(_legend(history)),
        "charts": "".join(_charts(history, limits)),
        "coverage": "\n".join(_coverage(history, limits)),
        "rules": "\n".join(_rules(history)) or _nothing(6, "No rule has hit."),
        "agreement": "\n".join(_agreement(history)) or _nothing(8, "Nobody was asked (quality.second_opinion)."),
        "worst": "\n".join(_worst(history)) or _nothing(4, "No code lacks a session."),
        "reports": "\n".join(_reports(history, limits)) or _nothing(11, "No report is stored."),
    }


def _verdict(history: QualityHistory, limits: QualityThresholds) -> str:
    if not history.reports:
        return "<b>No report is stored.</b>"
    bad = [report for report in history.latest if report.missing_rate > limits.missing_warning]
    rejected = sum(report.records_failed for report in history.reports)
    rows = f" {rejected:,} rows were rejected in these reports." if rejected else " No row was rejected."
    if not bad:
        return f'<b class="good">Of every series no more is missing than is allowed.</b>{rows}'
    named = ", ".join(f"{report.series} {percent(report.missing_rate)}" for report in bad)
    return f'<b class="bad">Missing beyond the threshold: {escape(named)}.</b>{rows}'


def _legend(history: QualityHistory) -> Iterator[str]:
    for number, report in enumerate(history.latest):
        yield f'<li><i class="c{number % COLOURS}"></i>{escape(report.series)}</li>'


def _charts(history: QualityHistory, limits: QualityThresholds) -> Iterator[str]:
    charts = (
        Chart(
            "Missing sessions",
            lambda report: report.missing_rate,
            percent,
            (("warning", limits.missing_warning), ("error", limits.missing_error)),
        ),
        Chart("Rows rejected", lambda report: float(report.records_failed), lambda v: f"{v:,.0f}"),
        Chart("Rows flagged", lambda report: float(flagged(report)), lambda v: f"{v:,.0f}"),
        Chart(
            "Minutes late",
            lambda report: report.delay_minutes,
            lambda v: f"{v:,.0f}",
            (("warning", limits.delay_warning_minutes), ("error", limits.delay_error_minutes)),
        ),
        Chart("Sessions on which a second source disagrees", _disagreeing, percent),
        Chart("Rows written", lambda report: float(report.records_written), lambda v: f"{v:,.0f}"),
        Chart("Vendor calls", lambda report: float(report.calls), lambda v: f"{v:,.0f}"),
    )
    oldest_first = history.reports[::-1]
    series = [report.series for report in history.latest]
    for chart in charts:
        yield chart_svg(chart, oldest_first, series)


def _coverage(history: QualityHistory, limits: QualityThresholds) -> Iterator[str]:
    for report in history.latest:
        counts = report.coverage
        total = max(1, counts.due)
        parts = (("held", counts.held), ("absent", counts.absent), ("missing", counts.unexplained))
        bar = "".join(f'<i class="{name}" style="flex:{count / total:.6f}"></i>' for name, count in parts if count)
        window = f"{report.window[0]} … {report.window[1]}" if report.window else "nothing due"
        yield (
            f"<tr><td>{escape(report.series)}</td><td>{report.created_at:%Y-%m-%d %H:%M}</td><td>{window}</td>"
            f'<td class="bar"><span class="share" role="img" aria-label="{counts.held:,} held, {counts.absent:,} '
            f'explained, {counts.unexplained:,} missing">{bar}</span></td><td>{counts.expected:,}</td>'
            f"<td>{counts.held:,}</td><td>{counts.absent:,}</td>{_missing(report, limits)}</tr>"
        )


def _rules(history: QualityHistory) -> Iterator[str]:
    most = max((total.finding.count for total in history.rules), default=1)
    for total in history.rules:
        finding = total.finding
        rule = DEFAULT_RULES.get(finding.rule)
        does = "reject" if finding.verdict is Verdict.REJECT else "flag"
        examples = "<br>".join(escape(example) for example in finding.examples[:_SHOWN_EXAMPLES])
        meaning = escape(rule.meaning if rule else "", quote=True)
        yield (
            f'<tr><td title="{meaning}">{escape(finding.rule)}</td><td class="{does}">{does}</td>'
            f'<td>{escape(finding.severity.value)}</td><td class="bar"><span class="share"><i class="{does}" '
            f'style="flex:{finding.count / most:.6f}"></i><i style="flex:{1 - finding.count / most:.6f}"></i></span>'
            f'</td><td>{finding.count:,}</td><td class="text">{examples}</td></tr>'
        )


def _disagreeing(report: DataQualityReport) -> float | None:
    found = report.second_opinion
    rate = None if found is None else found.rate
    return None if rate is None else 1 - rate


def _agreement(history: QualityHistory) -> Iterator[str]:
    for total in history.agreement:
        found = total.figures
        grade = "" if found.agreed == found.compared else "warning"
        counts = "".join(f"<td>{n:,}</td>" for n in (total.reports, found.asked, found.compared, found.agreed))
        yield (
            f"<tr><td>{escape(found.source)}</td><td>{escape(found.about)}</td>{counts}"
            f'<td class="{grade}">{agreeing(found.rate)}</td><td>{agreeing(found.rate_by_chance)}</td></tr>'
        )


def _worst(history: QualityHistory) -> Iterator[str]:
    for worst in history.worst:
        yield (
            f"<tr><td>{escape(worst.code)}</td><td>{escape(worst.series)}</td><td>{worst.missing:,}</td>"
            f"<td>{worst.named:,}</td></tr>"
        )


def _reports(history: QualityHistory, limits: QualityThresholds) -> Iterator[str]:
    for report in history.reports[:_MOST_LISTED]:
        window = f"{report.window[0]} … {report.window[1]}" if report.window else "nothing due"
        late = "" if report.delay_minutes is None else f"{report.delay_minutes:.0f}"
        asked = ", ".join(report.request_ids[:3]) + (" …" if len(report.request_ids) > 3 else "")
        yield (
            f'<tr><td title="{escape(asked, quote=True)}">{report.created_at:%Y-%m-%d %H:%M:%S}</td>'
            f"<td>{escape(report.command)}</td><td>{escape(report.series)}</td><td>{window}</td>"
            f"<td>{report.records_expected:,}</td><td>{report.records_actual:,}</td>{_missing(report, limits)}"
            f"<td>{report.records_failed:,}</td><td>{flagged(report):,}</td><td>{late}</td>"
            f"<td>{report.duration_seconds:.1f}</td></tr>"
        )


def _missing(report: DataQualityReport, limits: QualityThresholds) -> str:
    rate = report.missing_rate
    grade = "error" if rate > limits.missing_error else "warning" if rate > limits.missing_warning else ""
    return f'<td class="{grade}">{percent(rate)}</td>'


def _nothing(columns: int, text: str) -> str:
    return f'<tr><td class="text" colspan="{columns}">{text}</td></tr>'
