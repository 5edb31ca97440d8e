# Upstream: entrypoints.freshness_parts
# Downstream: domain.{model, services}, ports.{clock, reference_repository, trading_calendar}, numpy
# Role: Freshness: is the newest session held that should be, command or no command
"""Looks, on a timer, whether each dataset has its newest due session, and tells when it has not.

A session is due when it has closed and the vendor has had its `grace` to publish it. Of the codes that trade on it, the
ones without a row and without an explanation are behind. A single code is probably suspended, and no news; a share of
them above the missing threshold is a dataset that is late. How late is counted from the moment the session was due.
Every worker looks; the alert memory lets one of them tell, and one tell the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction

import numpy as np

from ginkgo_data.domain.model.coverage import Absences, Held
from ginkgo_data.domain.model.errors import CalendarHorizonExceeded, GinkgoDataError
from ginkgo_data.domain.model.quality import Alert, AlertKind, QualityThresholds, Severity
from ginkgo_data.domain.services.alert_rules import NAMED
from ginkgo_data.domain.services.reporting import Reporter
from ginkgo_data.domain.services.sessions import newest_closed
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.reference_repository import ReferenceRepository
from ginkgo_data.ports.trading_calendar import TradingCalendar

log = logging.getLogger(__name__)

_REACH = timedelta(days=30)
"""How far back a dataset is looked for that is behind; one without a row for longer is not in use."""


def _none(codes: Sequence[str] | None, first: date, last: date) -> Absences:
    return Absences.empty()


@dataclass(frozen=True, slots=True)
class WatchedDataset:
    """What is watched: its name (the subject of its alerts), and how to ask the store for it."""

    name: str
    held: Callable[[Sequence[str] | None, date, date], Held]
    absences: Callable[[Sequence[str] | None, date, date], Absences] = _none


@dataclass(frozen=True, slots=True)
class Freshness:
    """One dataset at one moment."""

    dataset: str
    session: date
    """The newest session that is due."""
    due_at: datetime
    due: int
    """Codes that trade on it."""
    behind: tuple[str, ...]
    """Those without a row and without an explanation, ascending."""
    newest_held: date | None


@dataclass(slots=True)
class FreshnessWatch:
    """Looks every `interval` seconds. Owned by one thread."""

    datasets: Sequence[WatchedDataset]
    reference: ReferenceRepository
    calendar: TradingCalendar
    reporter: Reporter
    clock: Clock
    thresholds: QualityThresholds = field(default_factory=QualityThresholds)
    grace: timedelta = timedelta(hours=2)
    """From the close of a session to its publication; Tushare has daily bars between 15:00 and 17:00."""
    interval: float = 300.0
    _looked_at: float | None = None

    def look_when_due(self) -> None:
        """Look if that was not done within the interval; what cannot be asked now is asked then. Never raises."""
        now = self.clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < self.interval:
            return
        self._looked_at = now
        try:
            for found in self.look():
                self._tell(found)
        except GinkgoDataError as error:
            log.warning("freshness is looked at later: %s", error)

    def look(self) -> list[Freshness]:
        """Return how fresh each dataset in use is; nothing where no session is due.

        Raises what the store raises.
        """
        now = self.clock.now()
        try:
            session = newest_closed(self.calendar, now - self.grace)
        except CalendarHorizonExceeded:
            return []  # told by the calendar's own alert
        if session is None:
            return []
        due_at = self.calendar.close_of(session) + self.grace
        codes = self._trading(session)
        found = (self._judge(dataset, codes, session, due_at) for dataset in self.datasets if codes)
        return [one for one in found if one is not None]

    def _trading(self, session: date) -> list[str]:
        securities = self.reference.securities()
        codes = securities.codes()
        first, last = securities.windows(codes)
        day = np.datetime64(session, "D")
        return [code for code, trades in zip(codes, (first <= day) & (day <= last), strict=True) if trades]

    def _judge(self, dataset: WatchedDataset, codes: list[str], session: date, due_at: datetime) -> Freshness | None:
        newest = {code: days[-1].item() for code, days in dataset.held(None, session - _REACH, session).items()}
        if not newest:
            return None
        held = {code for code, day in newest.items() if day == session}
        absent = set(dataset.absences(None, session, session).table["code"].to_pylist())
        behind = tuple(code for code in codes if code not in held and code not in absent)
        return Freshness(dataset.name, session, due_at, len(codes), behind, max(newest.values()))

    def _tell(self, found: Freshness) -> None:
        now = self.clock.now()
        share = Fraction(len(found.behind), found.due)
        if share <= Fraction(repr(self.thresholds.missing_warning)):
            self._over(found, now)
            return
        minutes = (now - found.due_at).total_seconds() / 60
        severity = self._severity(minutes)
        if severity is not None:
            self.reporter.raise_alerts([self._alert(found, severity, minutes, now)])

    def _severity(self, minutes: float) -> Severity | None:
        if minutes > self.thresholds.delay_error_minutes:
            return Severity.ERROR
        return Severity.WARNING if minutes > self.thresholds.delay_warning_minutes else None

    def _alert(self, found: Freshness, severity: Severity, minutes: float, now: datetime) -> Alert:
        text = (
            f"session {found.session} was due at {found.due_at:%Y-%m-%d %H:%M} and {len(found.behind)} of {found.due} "
            f"codes have not got it {minutes:.0f} minutes later; the newest session held is {found.newest_held}"
        )
        return Alert(
            AlertKind.DATA_DELAYED,
            severity,
            f"Data delayed: {found.dataset}",
            text,
            now,
            self._figures(found, minutes),
            subject=found.dataset,
        )

    def _figures(self, found: Freshness, minutes: float) -> Mapping[str, object]:
        return {
            "series": found.dataset,
            "delay_minutes": round(minutes, 1),
            "newest_missing_session": found.session.isoformat(),
            "newest_held_session": None if found.newest_held is None else found.newest_held.isoformat(),
            "due_at": found.due_at.isoformat(),
            "codes_due": found.due,
            "codes_total": len(found.behind),
            "codes": list(found.behind[:NAMED]),
            "thresholds": {
                "share": self.thresholds.missing_warning,
                "warning": self.thresholds.delay_warning_minutes,
                "error": self.thresholds.delay_error_minutes,
            },
            "action": "see that the vendor has published the session, and that a command asks for it: "
            "ginkgo-data send update_data --days 1",
        }

    def _over(self, found: Freshness, now: datetime) -> None:
        """Tell the end of the delay, if one was told: by this watch or by a job."""
        text = f"{found.due - len(found.behind)} of {found.due} codes have session {found.session}, or an explanation"
        title, data = f"Data in time again: {found.dataset}", {"series": found.dataset}
        end = Alert(AlertKind.DATA_DELAYED, Severity.INFO, title, text, now, data, subject=found.dataset)
        self.reporter.resolve(end.key, end)
