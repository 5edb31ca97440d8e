# Upstream: entrypoints.{coverage_table, show_coverage}
# Downstream: domain.model.{coverage, coverage_map}, domain.services.coverage_reading, numpy
# Role: The coverage page: one self-contained HTML file with a heat map of codes by sessions
"""Fills the template `coverage_page.html`: figures and table as plain HTML, the cells as runs for its script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from html import escape
from importlib.resources import files

import numpy as np

from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.coverage_map import CellState, CoverageMap, StateCounts
from ginkgo_data.domain.services.coverage_reading import CoverageReading

TEXTS = {
    CellState.NOT_DUE: "not due",
    CellState.HELD: "held",
    CellState.SUSPENDED: "explained: suspended",
    CellState.PROBABLY_SUSPENDED: "explained: probably suspended",
    CellState.NOT_LISTED: "explained: not listed",
    CellState.HOLIDAY: "explained: exchange closed",
    CellState.NO_ROW: "unexplained: no row in the answer",
    CellState.UNRECORDED: "unexplained: no answer yet",
}
LETTERS = {
    CellState.NOT_DUE: "n",
    CellState.HELD: "h",
    CellState.SUSPENDED: "s",
    CellState.PROBABLY_SUSPENDED: "p",
    CellState.NOT_LISTED: "l",
    CellState.HOLIDAY: "c",
    CellState.NO_ROW: "r",
    CellState.UNRECORDED: "u",
}
_MOST_LISTED = 100
_MOST_NAMED = 20


def coverage_page(reading: CoverageReading, database: str, read_at: datetime) -> str:
    """Return the page of `reading`, read from `database` (shown as it is) at `read_at`."""
    template = (files(__package__) / "coverage_page.html").read_text("utf-8")
    parts = _parts(reading, database, read_at)
    # One pass: what is filled in is never looked at again.
    return re.sub(r"<!--(\w+)-->", lambda match: parts[match[1]], template)


def runs_texts(cover: CoverageMap) -> list[str]:
    """Return each code's states as runs: a letter and, beyond one session, how many of them (``n94h30r``)."""
    letters = [LETTERS[state] for state in CellState]
    texts = []
    for states in cover.states:
        starts = np.append(0, np.flatnonzero(np.diff(states)) + 1)
        lengths = np.diff(starts, append=len(states))
        runs = zip(states[starts].tolist(), lengths.tolist(), strict=True)
        texts.append("".join(letters[state] + (str(length) if length > 1 else "") for state, length in runs))
    return texts


def _parts(reading: CoverageReading, database: str, read_at: datetime) -> dict[str, str]:
    cover, counts = reading.cover, reading.cover.counts()
    total = counts.coverage()
    what = f"Coverage of {reading.series} bars"
    return {
        "title": f"{what}, {reading.first} … {reading.last}",
        "heading": what,
        "window": escape(
            f"{reading.first} … {reading.last} · {len(cover.codes):,} codes × {len(cover.sessions):,} sessions · "
            f"read {read_at:%Y-%m-%d %H:%M} from {database}"
        ),
        "verdict": _verdict(counts),
        "share": "".join(_share(counts)),
        "share_label": f"{total.held:,} held, {total.absent:,} explained, {total.unexplained:,} unexplained",
        "legend": "".join(_legend(counts)),
        "named": ' class="named"' if reading.names else "",
        "caption": "Codes, most missing first",
        "rows": "\n".join(_rows(reading, counts)),
        "notes": "".join(f"<p>{escape(note)}</p>" for note in notes(reading)),
        "data": _data(reading),
    }


def _verdict(counts: StateCounts) -> str:
    total = counts.coverage()
    if not total.due:
        return "<b>No session is due.</b>"
    if not total.unexplained:
        return f'<b class="good">Complete:</b> all {total.held:,} expected sessions are held.'
    lacking = counts.unexplained
    return (
        f'<b class="bad">{total.unexplained:,} of {total.expected:,} expected sessions are missing '
        f"({escape(rate_text(total))}),</b> in {int((lacking > 0).sum()):,} of {len(lacking):,} codes."
    )


def rate_text(counts: CoverageCounts) -> str:
    """Return the missing rate in percent; a small one never reads as none."""
    tiny = counts.unexplained and counts.missing_rate < 0.0001
    return "< 0.01%" if tiny else f"{counts.missing_rate:.2%}"


def _share(counts: StateCounts) -> Iterator[str]:
    numbers = counts.total().numbers.tolist()
    for state in list(CellState)[1:]:
        if numbers[state]:
            yield f'<i style="flex:{numbers[state]};background:var(--{state.word})"></i>'


def _legend(counts: StateCounts) -> Iterator[str]:
    numbers = counts.total().numbers.tolist()
    for state in (*list(CellState)[1:], CellState.NOT_DUE):
        if numbers[state] or not state.absent:
            swatch = f'<i style="background:var(--{state.word})"></i>'
            yield f'<li data-state="{state.word}">{swatch}<span>{TEXTS[state]}</span> <b>{numbers[state]:,}</b></li>'


def _rows(reading: CoverageReading, counts: StateCounts) -> Iterator[str]:
    cover = reading.cover
    for row in cover.worst_first()[:_MOST_LISTED].tolist():
        code, one = cover.codes[row], StateCounts(counts.numbers[row]).coverage()
        rate = f"{100 * one.missing_rate:.1f} %" if one.expected else "–"
        yield (
            f'<tr><td>{escape(code)}</td><td class="name">{escape(reading.names.get(code, ""))}</td>'
            f"<td>{one.unexplained:,}</td><td>{rate}</td><td>{one.held:,}</td><td>{one.absent:,}</td></tr>"
        )


def notes(reading: CoverageReading) -> Iterator[str]:
    """Yield what the figures do not say: codes left out, and codes whose listing nobody told."""
    if reading.idle:
        yield f"No session was due for {_named(reading.idle)}; left out."
    if reading.observed:
        yield f"No security describes {_named(reading.observed)}: taken as listed from the first bar on."


def _named(codes: tuple[str, ...]) -> str:
    more = f" and {len(codes) - _MOST_NAMED:,} more" if len(codes) > _MOST_NAMED else ""
    return f"{len(codes):,} codes ({', '.join(codes[:_MOST_NAMED])}{more})" if len(codes) > 1 else codes[0]


def _data(reading: CoverageReading) -> str:
    cover = reading.cover
    content = {
        "states": [
            {
                "word": state.word,
                "letter": LETTERS[state],
                "text": TEXTS[state],
                "absent": state.absent,
                "unexplained": state.unexplained,
            }
            for state in CellState
        ],
        "sessions": cover.sessions.astype(str).tolist(),
        "codes": cover.codes,
        "names": {code: reading.names[code] for code in cover.codes if code in reading.names},
        "runs": runs_texts(cover),
    }
    # Inside a script element only this character could end it.
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
