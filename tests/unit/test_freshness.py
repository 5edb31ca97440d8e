"""Freshness is watched by the clock: no command has to come for somebody to be told that data are late."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.quality import AlertKind, Severity
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.freshness import FreshnessWatch, WatchedDataset
from support.bars import bars
from support.stack import SESSIONS, Stack, listed

CODES = [f"{number:06d}.SZ" for number in range(1, 21)]
SHANGHAI = ZoneInfo("Asia/Shanghai")
THURSDAY, FRIDAY = "2024-01-11", "2024-01-12"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


class Watched:
    """Twenty codes, their daily bars, and the watch of one worker; `others` are those of other workers."""

    def __init__(self, now: str) -> None:
        self.parts = Stack(None, listed(CODES), now=at(now))
        self.watch = self.another()

    def another(self, **more: object) -> FreshnessWatch:
        parts = self.parts
        daily = WatchedDataset(
            "1d/none",
            lambda codes, first, last: parts.bars.held(codes, DAILY, first, last),
            lambda codes, first, last: parts.absences.absences(codes, DAILY, first, last),
        )
        return FreshnessWatch([daily], parts.reference, parts.calendar, parts.reporter, parts.clock, **more)

    def hold(self, session: str, codes: list[str] = CODES) -> None:
        for code in codes:
            self.parts.bars.write(bars(code, [session], [10.0]))
            self.parts.bars.mark_held(bars(code, [session], [10.0]))

    def go_to(self, moment: str) -> None:
        self.parts.clock.advance((at(moment) - self.parts.clock.now()).total_seconds())
        self.watch.look_when_due()

    @property
    def told(self) -> list[tuple[Severity, AlertKind]]:
        return [(alert.severity, alert.kind) for alert in self.parts.notifications.alerts]


WARNING, ERROR, OVER = (
    (severity, AlertKind.DATA_DELAYED) for severity in (Severity.WARNING, Severity.ERROR, Severity.INFO)
)


@pytest.fixture
def friday() -> Watched:
    """Friday at four: Thursday is held, Friday has closed and is due at five."""
    watched = Watched("2024-01-12T16:00:00")
    watched.hold(THURSDAY)
    return watched


def test_before_the_vendor_publishes_nothing_is_late(friday):
    friday.watch.look_when_due()
    assert friday.told == []
    friday.go_to("2024-01-12T16:59:00")
    assert friday.told == []


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("17:05:00", []),
        ("17:05:01", [WARNING]),
        ("17:10:00", [WARNING]),
        ("17:10:01", [ERROR]),
    ],
)
def test_more_than_five_minutes_is_a_warning_and_more_than_ten_an_error(friday, moment, told):
    friday.go_to(f"2024-01-12T{moment}")
    assert friday.told == told


def test_a_delay_is_told_once_its_growing_worse_always_and_its_end_once(friday):
    for minute in range(0, 60, 5):
        friday.go_to(f"2024-01-12T17:{minute:02d}:30")
    assert friday.told == [WARNING, ERROR]
    alert = friday.parts.notifications.alerts[-1]
    assert (alert.data["newest_missing_session"], alert.data["newest_held_session"]) == (FRIDAY, THURSDAY)
    assert (alert.data["codes_due"], alert.data["codes_total"], alert.data["codes"]) == (20, 20, CODES)
    friday.hold(FRIDAY)
    friday.go_to("2024-01-12T18:10:00")
    friday.go_to("2024-01-12T18:20:00")
    assert friday.told == [WARNING, ERROR, OVER]


def test_four_workers_tell_it_once(friday):
    others = [friday.another() for _ in range(3)]
    friday.parts.clock.advance(2 * 3600)
    for watch in (friday.watch, *others):
        watch.look_when_due()
    assert friday.told == [ERROR]
    friday.hold(FRIDAY)
    friday.parts.clock.advance(600)
    for watch in (friday.watch, *others):
        watch.look_when_due()
    assert friday.told == [ERROR, OVER]


def test_one_code_of_twenty_is_probably_suspended_and_two_are_not(friday):
    friday.hold(FRIDAY, CODES[:19])
    friday.go_to("2024-01-12T18:00:00")
    assert friday.told == [], "exactly 5 %"
    behind = Watched("2024-01-12T16:00:00")
    behind.hold(THURSDAY)
    behind.hold(FRIDAY, CODES[:18])
    behind.go_to("2024-01-12T18:00:00")
    assert behind.told == [ERROR]


def test_an_explained_absence_is_not_behind(friday):
    friday.hold(FRIDAY, CODES[:10])
    absent = [(code, date(2024, 1, 12), AbsenceReason.SUSPENDED, "suspend_d") for code in CODES[10:]]
    friday.parts.absences.write_absences(Absences.of(absent, "test", 1), DAILY)
    friday.go_to("2024-01-12T18:00:00")
    assert friday.told == []


def test_a_weekend_and_a_holiday_are_no_sessions():
    watched = Watched("2024-01-12T20:00:00")
    watched.parts.calendar = InMemoryTradingCalendar(
        SESSIONS[SESSIONS.dtype.type("2024-01-15") != SESSIONS], date(2024, 3, 29)
    )
    watched.watch = watched.another()
    watched.hold(FRIDAY)
    for moment in ("2024-01-12T23:00:00", "2024-01-13T18:00:00", "2024-01-14T18:00:00", "2024-01-15T18:00:00"):
        watched.go_to(moment)
    assert watched.told == []
    watched.go_to("2024-01-16T18:00:00")
    assert watched.told == [ERROR]


def test_a_week_with_a_late_monday_and_a_tuesday_that_never_came(friday):
    """Repeats are silent for an hour: a delay that lasts is told again at each later look of this test."""
    friday.hold(FRIDAY)
    friday.go_to("2024-01-12T23:00:00")
    assert friday.told == []
    for day in (15, 16, 17):
        friday.go_to(f"2024-01-{day}T12:00:00")
        friday.go_to(f"2024-01-{day}T17:30:00")
        if day != 16:
            friday.hold(f"2024-01-{day}")
        friday.go_to(f"2024-01-{day}T20:00:00")
    assert friday.told == [ERROR, OVER, *[ERROR] * 4, OVER]


def test_what_was_never_collected_is_not_watched_and_a_calendar_that_ended_is_told_elsewhere():
    watched = Watched("2024-01-12T20:00:00")
    watched.watch.look_when_due()
    assert watched.watch.look() == []
    watched.parts.clock.advance(timedelta(days=300).total_seconds())
    watched.watch.look_when_due()
    assert watched.told == []


def test_it_looks_once_per_interval_and_a_store_that_is_away_is_asked_again(friday, caplog):
    looks = []

    def held(codes, first, last):
        looks.append(last)
        raise StoreUnavailable("connection refused")

    watch = friday.another(interval=300.0)
    watch.datasets = [WatchedDataset("1d/none", held)]
    friday.parts.clock.advance(7200)
    for _ in range(6):
        watch.look_when_due()
        friday.parts.clock.advance(100)
    assert len(looks) == 2
    assert "connection refused" in caplog.text
    assert friday.told == []
