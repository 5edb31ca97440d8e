# Upstream: entrypoints.quality_page
# Downstream: domain.model.quality
# Role: Small charts of many reports as plain SVG: a line per series over time, with thresholds
"""A chart needs no script and no address: it is drawn into the page, and says its numbers when pointed at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from ginkgo_data.domain.model.quality import DataQualityReport

WIDTH, HEIGHT = 560, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 26
COLOURS = 6
"""Colours of series in the page's style, `--c0` … ."""

Value = Callable[[DataQualityReport], float | None]
Words = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of the reports over time; `marks` are thresholds with their names."""

    title: str
    value: Value
    words: Words
    marks: Sequence[tuple[str, float]] = ()


def chart_svg(chart: Chart, oldest_first: Sequence[DataQualityReport], series: Sequence[str]) -> str:
    """Return the chart; empty where no report has a value."""
    found = ((report, chart.value(report)) for report in oldest_first)
    points = [(report, value) for report, value in found if value is not None and math.isfinite(value)]
    if not points:
        return ""
    scale = _Scale.of(points, chart.marks)
    parts = [*_frame(chart, scale), *_marks(chart, scale)]
    for number, name in enumerate(series):
        own = [(report, value) for report, value in points if report.series == name]
        parts += _line(own, scale, number % COLOURS, chart.words)
    label = escape(f"{chart.title}: {len(points)} reports, newest {chart.words(points[-1][1])}", quote=True)
    return (
        f'<figure><figcaption>{escape(chart.title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg></figure>'
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    first: datetime
    last: datetime
    top: float

    @classmethod
    def of(cls, points: Sequence[tuple[DataQualityReport, float]], marks: Sequence[tuple[str, float]]) -> _Scale:
        moments = [report.created_at for report, _ in points]
        highest = max(value for _, value in points)
        # A threshold is shown as soon as a value comes near it.
        near = [mark for _, mark in marks if mark <= highest * 2]
        return cls(min(moments), max(moments), max([highest, *near]) * 1.1 or 1.0)

    def x(self, moment: datetime) -> float:
        span = (self.last - self.first).total_seconds()
        inside = (moment - self.first).total_seconds() / span if span else 0.5
        return _LEFT + inside * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - max(value, 0.0) / self.top * (HEIGHT - _TOP - _BOTTOM)


def _frame(chart: Chart, scale: _Scale) -> Iterator[str]:
    for share in (0.0, 0.5, 1.0):
        value = scale.top / 1.1 * share
        y = scale.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        text = escape(chart.words(value))
        yield f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    whole_days = (scale.last - scale.first).days >= 2
    for moment, anchor in ((scale.first, "start"), (scale.last, "end")):
        text = f"{moment:%Y-%m-%d}" if whole_days else f"{moment:%m-%d %H:%M}"
        x = scale.x(moment) if scale.first != scale.last else (_LEFT if anchor == "start" else -1000)
        yield f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{text}</text>'


def _marks(chart: Chart, scale: _Scale) -> Iterator[str]:
    for name, mark in chart.marks:
        if mark <= scale.top:
            y = scale.y(mark)
            yield f'<line class="{name}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _line(own: Sequence[tuple[DataQualityReport, float]], scale: _Scale, colour: int, words: Words) -> Iterator[str]:
    places = [(scale.x(report.created_at), scale.y(value), report, value) for report, value in own]
    if len(places) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
        yield f'<polyline class="line c{colour}" points="{path}"/>'
    for x, y, report, value in places:
        said = escape(f"{report.created_at:%Y-%m-%d %H:%M} {report.series} {report.command}: {words(value)}")
        yield f'<circle class="dot c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{said}</title></circle>'
