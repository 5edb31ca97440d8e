"""What every trading calendar promises, whatever it knows its sessions from."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ginkgo_data.domain.model.errors import CalendarHorizonExceeded
from ginkgo_data.ports.trading_calendar import TradingCalendar

FIRST, LAST = date(2024, 1, 29), date(2024, 3, 1)
"""The days that every calendar under test knows: a spring festival, with working weekends before and after it."""

FESTIVAL = (date(2024, 2, 9), date(2024, 2, 18))
CLOSED_WORKING_DAY = date(2024, 2, 9)
WORKING_SUNDAYS = (date(2024, 2, 4), date(2024, 2, 18))


def all_days(first: date = FIRST, last: date = LAST) -> list[date]:
    """Return every calendar day in [first, last]."""
    return [first + timedelta(n) for n in range((last - first).days + 1)]


def opened_days(first: date = FIRST, last: date = LAST) -> list[date]:
    """Return the sessions in [first, last], written down by hand: weekdays but the festival."""
    return [day for day in all_days(first, last) if day.weekday() < 5 and not FESTIVAL[0] <= day <= FESTIVAL[1]]


class TradingCalendarContract:
    """Subclasses provide the fixture `calendar`, which knows at least [FIRST, LAST]."""

    def test_sessions_are_days_in_ascending_order(self, calendar: TradingCalendar) -> None:
        sessions = calendar.sessions(FIRST, LAST)
        assert sessions.dtype == np.dtype("datetime64[D]")
        assert sessions.tolist() == opened_days()

    def test_both_ends_of_the_window_belong_to_it(self, calendar: TradingCalendar) -> None:
        week = calendar.sessions(date(2024, 1, 29), date(2024, 2, 2))
        assert (week[0].item(), week[-1].item()) == (date(2024, 1, 29), date(2024, 2, 2))
        assert calendar.sessions(FIRST, FIRST).tolist() == [FIRST]

    def test_a_working_day_on_which_the_exchange_is_closed_is_no_session(self, calendar: TradingCalendar) -> None:
        assert calendar.sessions(CLOSED_WORKING_DAY, CLOSED_WORKING_DAY).tolist() == []
        assert calendar.sessions(date(2024, 2, 8), date(2024, 2, 9)).tolist() == [date(2024, 2, 8)]

    @pytest.mark.parametrize("sunday", WORKING_SUNDAYS)
    def test_a_working_weekend_is_no_session(self, calendar: TradingCalendar, sunday: date) -> None:
        assert calendar.sessions(sunday, sunday).tolist() == []

    def test_a_window_of_holidays_is_empty(self, calendar: TradingCalendar) -> None:
        assert len(calendar.sessions(*FESTIVAL)) == 0

    def test_a_window_that_ends_before_it_begins_is_empty(self, calendar: TradingCalendar) -> None:
        beyond = calendar.horizon() + timedelta(days=30)
        for first, last in ((LAST, FIRST), (beyond + timedelta(days=1), beyond)):
            nothing = calendar.sessions(first, last)
            assert (len(nothing), nothing.dtype) == (0, np.dtype("datetime64[D]"))

    def test_days_before_the_exchange_existed_are_no_sessions(self, calendar: TradingCalendar) -> None:
        assert len(calendar.sessions(date(1980, 1, 1), date(1990, 12, 18))) == 0
        assert FIRST in calendar.sessions(date(1980, 1, 1), FIRST).tolist()

    def test_the_horizon_is_the_last_day_that_is_answered(self, calendar: TradingCalendar) -> None:
        horizon = calendar.horizon()
        assert horizon >= LAST
        assert set(calendar.sessions(horizon, horizon).tolist()) <= {horizon}
        with pytest.raises(CalendarHorizonExceeded):
            calendar.sessions(horizon, horizon + timedelta(days=1))

    def test_the_error_beyond_the_horizon_names_the_day_and_the_horizon(self, calendar: TradingCalendar) -> None:
        horizon = calendar.horizon()
        beyond = horizon + timedelta(days=40)
        with pytest.raises(CalendarHorizonExceeded, match=f"{beyond}.*{horizon}"):
            calendar.sessions(FIRST, beyond)

    def test_a_session_ends_at_three_in_the_afternoon_of_the_exchange(self, calendar: TradingCalendar) -> None:
        end = calendar.close_of(FIRST)
        assert end == datetime(2024, 1, 29, 15, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
        assert end.utcoffset() == timedelta(hours=8)

    def test_what_was_answered_cannot_be_used_to_change_the_calendar(self, calendar: TradingCalendar) -> None:
        answer = calendar.sessions(FIRST, LAST)
        if answer.flags.writeable:
            answer[:] = np.datetime64(FIRST, "D")
        assert calendar.sessions(FIRST, LAST).tolist() == opened_days()
