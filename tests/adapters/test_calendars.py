"""What the stored and the layered calendar add to the contract, and the warning about the horizon."""

from __future__ import annotations

import sys
import threading
from datetime import date, timedelta

import pytest

from ginkgo_data.adapters.calendars.layered import LayeredTradingCalendar
from ginkgo_data.adapters.calendars.stored import StoredTradingCalendar
from ginkgo_data.adapters.calendars.xshg import ExchangeCalendarsTradingCalendar
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.errors import CalendarHorizonExceeded, NotAvailable, StoreUnavailable
from ginkgo_data.domain.model.reference import SessionDays
from ginkgo_data.domain.services.calendar_horizon import horizon_warning
from support.trading_days import session_days, store_of

MONDAY = date(2026, 3, 2)


def day(number: int) -> date:
    """Return the `number`-th day counted from Monday, 2026-03-02, which is day 0."""
    return MONDAY + timedelta(number)


def days(first: int, last: int) -> list[date]:
    return [day(n) for n in range(first, last + 1)]


def weekdays(first: int, last: int) -> list[date]:
    return [d for d in days(first, last) if d.weekday() < 5]


class NoPackage:
    """A package factory that must not be asked, or that has nothing to give."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> InMemoryTradingCalendar:
        self.asked += 1
        raise NotAvailable("no package here")


def stated(first: int, last: int) -> SessionDays:
    return session_days(days(first, last), weekdays(first, last))


def stored(*spans: tuple[int, int]) -> StoredTradingCalendar:
    return StoredTradingCalendar(store_of(*(stated(*span) for span in spans)))


def package(first: int, last: int) -> InMemoryTradingCalendar:
    return InMemoryTradingCalendar(weekdays(first, last), day(last))


def test_an_empty_store_knows_no_day():
    calendar = StoredTradingCalendar(store_of())
    assert calendar.horizon() == date.min
    with pytest.raises(CalendarHorizonExceeded, match="no trading calendar is stored, so 2026-03-02"):
        calendar.sessions(MONDAY, MONDAY)


def test_a_weekday_left_out_of_the_stored_days_is_unknown_not_closed():
    calendar = stored((0, 8), (11, 20))
    with pytest.raises(CalendarHorizonExceeded, match=r"2026-03-11 is missing .* from 2026-03-02 to 2026-03-22 with 2"):
        calendar.sessions(day(0), day(20))
    assert calendar.sessions(day(0), day(8)).tolist() == weekdays(0, 8)
    assert calendar.sessions(day(11), day(20)).tolist() == weekdays(11, 20)


def test_a_vendor_that_leaves_out_weekends_leaves_no_hole():
    only_weekdays = session_days(weekdays(0, 18), weekdays(0, 18))
    assert StoredTradingCalendar(store_of(only_weekdays)).sessions(day(0), day(18)).tolist() == weekdays(0, 18)


def test_days_before_the_first_stored_one_are_no_sessions():
    assert stored((0, 8)).sessions(day(-400), day(1)).tolist() == [day(0), day(1)]


def test_a_day_is_a_session_when_any_exchange_was_open():
    both = store_of(session_days([day(0)], [], exchange="SSE"), session_days([day(0)], [day(0)], exchange="SZSE"))
    assert StoredTradingCalendar(both).sessions(day(0), day(0)).tolist() == [day(0)]


def test_newly_stored_days_are_seen_after_a_refresh():
    store = store_of(stated(0, 8))
    calendar = StoredTradingCalendar(store)
    assert calendar.horizon() == day(8)
    store.write_session_days(stated(0, 18))
    assert calendar.horizon() == day(8)
    LayeredTradingCalendar(calendar, NoPackage()).refresh()
    assert calendar.horizon() == day(18)


def test_a_refresh_that_fails_leaves_what_was_known():
    store = store_of(stated(0, 8))
    calendar = StoredTradingCalendar(store)
    assert calendar.horizon() == day(8)

    def away():
        raise StoreUnavailable("away")

    store.session_days = away
    with pytest.raises(StoreUnavailable):
        calendar.refresh()
    assert calendar.sessions(day(0), day(8)).tolist() == weekdays(0, 8)


def test_what_the_store_covers_loads_no_package():
    untouched = NoPackage()
    calendar = LayeredTradingCalendar(stored((0, 40)), untouched)
    calendar.sessions(day(0), day(40))
    calendar.sessions(day(41), day(3))
    calendar.close_of(day(0))
    assert horizon_warning(calendar, day(10)) is None
    assert untouched.asked == 0


def test_a_calendar_stored_from_the_first_session_on_needs_no_package_for_older_days():
    untouched = NoPackage()
    first = (date(1990, 12, 19) - MONDAY).days
    calendar = LayeredTradingCalendar(stored((first, 0)), untouched)
    assert calendar.sessions(date(1900, 1, 1), date(1990, 12, 19)).tolist() == [date(1990, 12, 19)]
    assert untouched.asked == 0


def test_the_stored_days_win_over_the_package():
    closed_at_short_notice = session_days(days(0, 6), [d for d in weekdays(0, 6) if d != day(2)])
    calendar = LayeredTradingCalendar(StoredTradingCalendar(store_of(closed_at_short_notice)), lambda: package(-30, 30))
    assert day(2) not in calendar.sessions(day(0), day(6)).tolist()
    assert calendar.sessions(day(-3), day(9)).tolist() == [d for d in weekdays(-3, 9) if d != day(2)]


def test_a_session_only_the_vendor_knows_is_kept_when_the_package_is_asked_too():
    extra = session_days(days(0, 6), [*weekdays(0, 6), day(5)])
    calendar = LayeredTradingCalendar(StoredTradingCalendar(store_of(extra)), lambda: package(-30, 30))
    assert calendar.sessions(day(-3), day(9)).tolist() == sorted([*weekdays(-3, 9), day(5)])


def test_the_package_answers_before_after_and_between_the_stored_days():
    calendar = LayeredTradingCalendar(stored((0, 8), (21, 28)), lambda: package(-50, 50))
    assert calendar.sessions(day(-10), day(-1)).tolist() == weekdays(-10, -1)
    assert calendar.sessions(day(9), day(20)).tolist() == weekdays(9, 20)
    assert calendar.sessions(day(29), day(50)).tolist() == weekdays(29, 50)
    assert calendar.sessions(day(-10), day(50)).tolist() == weekdays(-10, 50)


def test_stored_days_reach_beyond_the_package():
    calendar = LayeredTradingCalendar(stored((4, 30)), lambda: package(-50, 9))
    assert calendar.horizon() == day(30)
    assert calendar.sessions(day(-10), day(30)).tolist() == weekdays(-10, 30)


def test_a_weekday_that_neither_knows_is_refused_by_name_and_its_neighbours_are_not():
    calendar = LayeredTradingCalendar(stored((12, 14), (17, 30)), lambda: package(-50, 11))
    assert calendar.horizon() == day(30)
    with pytest.raises(CalendarHorizonExceeded, match=f"{day(15)} is neither stored .* ends on {day(11)}"):
        calendar.sessions(day(9), day(20))
    assert calendar.sessions(day(9), day(14)).tolist() == weekdays(9, 14)
    assert calendar.sessions(day(17), day(30)).tolist() == weekdays(17, 30)


def test_a_weekend_between_the_two_is_no_break():
    calendar = LayeredTradingCalendar(stored((7, 30)), lambda: package(-50, 4))
    assert calendar.horizon() == day(30)
    assert calendar.sessions(day(0), day(30)).tolist() == weekdays(0, 30)


def test_the_package_is_loaded_once_whoever_asks():
    loaded = []

    def factory() -> InMemoryTradingCalendar:
        loaded.append(threading.current_thread())
        together.wait(0.05)
        return package(-50, 50)

    together = threading.Event()
    calendar = LayeredTradingCalendar(stored((0, 4)), factory)
    threads = [threading.Thread(target=calendar.sessions, args=(day(-9), day(9))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1


def test_without_a_package_the_stored_horizon_holds_and_other_days_are_refused():
    calendar = LayeredTradingCalendar(stored((0, 8)), NoPackage())
    assert calendar.horizon() == day(8)
    with pytest.raises(CalendarHorizonExceeded, match=f"{day(9)}.*{day(8)}"):
        calendar.sessions(day(0), day(9))
    with pytest.raises(NotAvailable, match="no package here"):
        calendar.sessions(day(-9), day(8))


def test_without_a_package_and_without_stored_days_nothing_can_be_told():
    calendar = LayeredTradingCalendar(StoredTradingCalendar(store_of()), NoPackage())
    for ask in (
        calendar.horizon,
        lambda: calendar.sessions(day(0), day(1)),
        lambda: calendar.disagreements(*days(0, 1)),
    ):
        with pytest.raises(NotAvailable, match="no package here"):
            ask()


def test_disagreements_name_the_days_that_only_one_calls_a_session():
    vendor = session_days(days(0, 20), [*(d for d in weekdays(0, 20) if d != day(2)), day(5)])
    calendar = LayeredTradingCalendar(StoredTradingCalendar(store_of(vendor)), lambda: package(-50, 50))
    assert calendar.disagreements(day(-20), day(40)) == [day(2), day(5)]
    assert calendar.disagreements(day(3), day(40)) == [day(5)]


def test_days_that_only_one_speaks_of_are_no_disagreements():
    calendar = LayeredTradingCalendar(stored((0, 8), (12, 30)), lambda: package(-50, 14))
    assert calendar.disagreements(day(-20), day(40)) == []
    assert calendar.disagreements(day(20), day(40)) == []


def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars.exchange_calendar_xshg", None)
    with pytest.raises(NotAvailable, match=r"pip install 'ginkgo-data\[calendars\]'"):
        ExchangeCalendarsTradingCalendar()


def test_a_horizon_of_thirty_days_is_not_warned_about():
    assert horizon_warning(package(-50, 30), day(0)) is None


def test_a_horizon_nearer_than_thirty_days_is_warned_about_with_the_day_and_what_to_do():
    text = horizon_warning(package(-50, 29), day(0))
    assert text is not None
    assert "known only up to 2026-03-31, 29 days after today (2026-03-02), less than 30" in text
    assert "ginkgo-data send trade_day" in text
    assert "upgrade" in text


def test_how_many_days_are_enough_can_be_chosen():
    assert horizon_warning(package(-50, 9), day(0), days=9) is None
    assert "less than 10" in str(horizon_warning(package(-50, 9), day(0), days=10))


def test_a_horizon_that_has_passed_is_warned_about():
    assert "it ended on 2026-02-25, 5 days before today (2026-03-02)" in str(horizon_warning(package(-50, -5), day(0)))


def test_a_calendar_that_knows_nothing_is_warned_about():
    empty = StoredTradingCalendar(store_of())
    assert "no trading calendar is stored" in str(horizon_warning(empty, day(0)))
    assert "no package here" in str(horizon_warning(LayeredTradingCalendar(empty, NoPackage()), day(0)))


def test_a_hole_in_the_coming_days_is_warned_about():
    assert "2026-03-11 is missing" in str(horizon_warning(stored((0, 8), (11, 60)), day(0)))
