# Upstream: domain.services.{collector, completion}
# Downstream: domain.{model, services}, ports.{bar_repository, trading_calendar}, numpy
# Role: Use case: looks at bars beside those before them and, for minutes, beside the daily bars of the store
"""The second look at an answer, at what its rows do not show one by one. It only flags.

What lies before an answer is read from the store: of a daily answer the sessions that its rules look back on, of a
minute answer the daily bars of the same sessions. What the store does not have is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeAlias

import numpy as np

from ginkgo_data.domain.model.bars import BarBatch, Sessions, code_positions
from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.quality import Finding
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.domain.services import neighbour_checks as neighbour
from ginkgo_data.domain.services import session_checks as session
from ginkgo_data.domain.services.listings import Listings
from ginkgo_data.domain.services.neighbours import Longs, Neighbours
from ginkgo_data.domain.services.rule_set import Rule, RuleSet, Subject
from ginkgo_data.domain.services.session_checks import MinuteSessions
from ginkgo_data.ports.bar_repository import BarRepository
from ginkgo_data.ports.trading_calendar import TradingCalendar

LOOK_BACK = timedelta(days=42)
"""Days before an answer that are read: enough for twenty sessions across the longest holidays."""

EXAMPLES = 5

Check: TypeAlias = Callable[..., Longs]
Say: TypeAlias = Callable[..., list[str]]

NEIGHBOUR_CHECKS: Mapping[str, tuple[Check, Say]] = {
    "volume_spike": (neighbour.volume_spikes, neighbour.say_spikes),
    "stale_price_run": (neighbour.stale_runs, neighbour.say_stale),
    "stale_copy": (neighbour.stale_copies, neighbour.say_copies),
    "reference_step": (neighbour.reference_steps, neighbour.say_steps),
}
SESSION_CHECKS: Mapping[str, tuple[Check, Say]] = {
    "bars_per_session": (session.odd_counts, session.say_counts),
    "minute_sums": (session.odd_sums, session.say_sums),
}


@dataclass(frozen=True, slots=True, eq=False)
class Inspected:
    """What was found; `hits` has, per rule, the rows of the batch (of a session: its first row)."""

    findings: tuple[Finding, ...] = ()
    hits: Mapping[str, Longs] = field(default_factory=dict)


@dataclass(slots=True)
class Inspection:
    """Looks at the validated answers of one job, those that are stored together at once: that takes few reads."""

    bars: BarRepository
    calendar: TradingCalendar
    rules: RuleSet
    listings: Listings = field(default_factory=Listings)
    """Before a code was listed there is nothing to read."""
    _waiting: list[BarBatch] = field(default_factory=list)
    _market: bool = False

    def add(self, request: FetchRequest, batch: BarBatch) -> None:
        """Take validated bars that answer `request`."""
        if len(batch) and self.rules.of(batch.series, _subject(batch.series)):
            self._waiting.append(batch)
            self._market |= request.by_session

    def look(self) -> Inspected:
        """Return what the rules say of everything taken since the last time. Raises `StoreUnavailable`.

        The rows of `hits` are counted through all the batches, in the order in which they were taken.
        """
        if not self._waiting:
            return Inspected()
        batch = BarBatch.concat(self._waiting, self._waiting[0].series)
        codes = batch.codes()
        days = np.unique(batch.table["session"].to_numpy().astype("datetime64[D]"))
        rules = self.rules.of(batch.series, _subject(batch.series))
        if batch.series.frequency is Frequency.DAY:
            found = self._behind_history(batch, codes, days, rules)
        else:
            found = inspect_sessions(batch, self._daily(None if self._market else codes, days, rules), rules)
        self._waiting.clear()
        self._market = False
        return found

    def _behind_history(self, batch: BarBatch, codes: list[str], days: Sessions, rules: tuple[Rule, ...]) -> Inspected:
        begins = _first_days(batch, codes)
        listed = self.listings.tables(codes).listed[:-1]
        older = listed < begins.astype(np.int64)
        spans = [
            (max(first - LOOK_BACK, FIRST_SESSION), last - timedelta(days=1))
            for first, last in _spans(np.unique(begins[older]))
        ]
        asked = (
            None if self._market else [code for code, is_older in zip(codes, older.tolist(), strict=True) if is_older]
        )
        parts = [self.bars.read(asked, batch.series, first, last) for first, last in spans if first <= last]
        earliest = min([days[0].item(), *(first for first, _ in spans)])
        sessions = self.calendar.sessions(earliest, days[-1].item())
        return inspect_neighbours(batch, BarBatch.concat(parts, batch.series), sessions, rules)

    def _daily(self, codes: list[str] | None, days: Sessions, rules: tuple[Rule, ...]) -> BarBatch:
        """Return the daily bars beside minute ones: as traded, since no adjustment changes a volume."""
        series = Series(Frequency.DAY, Adjust.NONE)
        if all(rule.id != "minute_sums" for rule in rules):
            return BarBatch.empty(series)
        return BarBatch.concat([self.bars.read(codes, series, *span) for span in _spans(days)], series)


def _subject(series: Series) -> Subject:
    return Subject.NEIGHBOURS if series.frequency is Frequency.DAY else Subject.SESSION


def _first_days(batch: BarBatch, codes: list[str]) -> Sessions:
    """Return the first session of each of `codes`, those of `batch`."""
    first = np.full(len(codes), np.datetime64("2199-12-31"), "datetime64[D]")
    days = batch.table["session"].to_numpy().astype("datetime64[D]")
    np.minimum.at(first, code_positions(batch.table["code"], codes), days)
    return first


def _spans(days: Sessions) -> list[tuple[date, date]]:
    """Return the first and the last of each run of `days` (ascending) without a gap longer than what is read before."""
    if not len(days):
        return []
    parts = np.split(days, np.flatnonzero(np.diff(days).astype(np.int64) > LOOK_BACK.days) + 1)
    return [(part[0].item(), part[-1].item()) for part in parts]


def inspect_neighbours(batch: BarBatch, history: BarBatch, sessions: Sessions, rules: tuple[Rule, ...]) -> Inspected:
    """Look at daily bars behind those of earlier sessions; `sessions` are the calendar's over both, ascending."""
    bars = Neighbours(batch, _earlier(history, batch), sessions)
    findings, hits = [], {}
    with np.errstate(all="ignore"):
        for rule in rules:
            check, say = NEIGHBOUR_CHECKS[rule.id]
            places = check(bars, **rule.values)
            places = places[bars.fresh[places]]
            if len(places):
                shown = places[:EXAMPLES]
                findings.append(_finding(rule, len(places), bars.named(shown), say(bars, shown, **rule.values)))
                hits[rule.id] = bars.row[places]
    return Inspected(tuple(findings), hits)


def inspect_sessions(batch: BarBatch, daily: BarBatch, rules: tuple[Rule, ...]) -> Inspected:
    """Look at minute bars session by session, beside the `daily` bars of the same codes where these are known."""
    bars = Neighbours(batch, BarBatch.empty(batch.series), np.empty(0, "datetime64[D]"))
    sessions = MinuteSessions.of(bars, batch.series.frequency.bars_per_session, daily)
    findings, hits = [], {}
    with np.errstate(all="ignore"):
        for rule in rules:
            check, say = SESSION_CHECKS[rule.id]
            places = check(sessions, **rule.values)
            if len(places):
                shown, starts = places[:EXAMPLES], sessions.starts[places]
                texts = say(sessions, shown, **rule.values)
                findings.append(_finding(rule, len(places), bars.named(starts[:EXAMPLES]), texts))
                hits[rule.id] = bars.row[starts]
    return Inspected(tuple(findings), hits)


def _earlier(history: BarBatch, batch: BarBatch) -> BarBatch:
    """Return the bars of `history` that lie before the first one of their code in `batch`."""
    if not len(history):
        return history
    codes = batch.codes()
    position = code_positions(history.table["code"], codes)
    first = np.append(_first_days(batch, codes), np.datetime64("0001-01-01"))
    return history.filter(history.table["session"].to_numpy().astype("datetime64[D]") < first[position])


def _finding(rule: Rule, count: int, named: list[str], texts: list[str]) -> Finding:
    examples = tuple(f"{name}: {text}" for name, text in zip(named, texts, strict=True))
    return Finding(rule.id, rule.severity, rule.verdict, count, examples)
