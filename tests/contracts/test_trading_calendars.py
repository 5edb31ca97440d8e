"""The trading calendar contract, for every calendar there is."""

from __future__ import annotations

import csv
from datetime import date, datetime

import numpy as np
import pytest

from contracts.trading_calendar import FIRST, LAST, TradingCalendarContract, all_days, opened_days
from ginkgo_data.adapters.calendars.layered import LayeredTradingCalendar
from ginkgo_data.adapters.calendars.stored import StoredTradingCalendar
from ginkgo_data.adapters.calendars.xshg import ExchangeCalendarsTradingCalendar
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from support.shared_data import SHARED, needs_shared
from support.trading_days import session_days, store_of

FEBRUARY = date(2024, 2, 14)


def stored(first: date = FIRST, last: date = LAST) -> StoredTradingCalendar:
    return StoredTradingCalendar(store_of(session_days(all_days(first, last), opened_days(first, last))))


@pytest.fixture(scope="module")
def xshg() -> ExchangeCalendarsTradingCalendar:
    return ExchangeCalendarsTradingCalendar()


class TestInMemoryTradingCalendar(TradingCalendarContract):
    @pytest.fixture
    def calendar(self):
        return InMemoryTradingCalendar(reversed(opened_days()), LAST)

    def test_a_session_beyond_the_horizon_is_refused(self) -> None:
        with pytest.raises(ValueError, match="2024-03-01 lies beyond the horizon 2024-02-29"):
            InMemoryTradingCalendar(opened_days(), date(2024, 2, 29))


class TestStoredTradingCalendar(TradingCalendarContract):
    @pytest.fixture
    def calendar(self):
        return stored()


class TestLayeredTradingCalendarWithEverythingStored(TradingCalendarContract):
    @pytest.fixture
    def calendar(self):
        return LayeredTradingCalendar(stored(), lambda: InMemoryTradingCalendar([], date(2024, 1, 28)))


class TestLayeredTradingCalendarWithNothingStored(TradingCalendarContract):
    @pytest.fixture
    def calendar(self, xshg):
        return LayeredTradingCalendar(StoredTradingCalendar(store_of()), lambda: xshg)


class TestLayeredTradingCalendarInTwoHalves(TradingCalendarContract):
    @pytest.fixture(params=["the package knows the older half", "the package knows the newer half"])
    def calendar(self, request):
        older, newer = (FIRST, FEBRUARY), (FEBRUARY, LAST)
        kept, packed = (newer, older) if "older" in request.param else (older, newer)
        package = InMemoryTradingCalendar(opened_days(*packed), packed[1])
        return LayeredTradingCalendar(stored(*kept), lambda: package)


class TestExchangeCalendarsTradingCalendar(TradingCalendarContract):
    @pytest.fixture
    def calendar(self, xshg):
        return xshg

    def test_the_first_session_is_the_first_of_the_exchange(self, calendar) -> None:
        assert calendar.sessions(date(1970, 1, 1), date(1990, 12, 31))[0].item() == FIRST_SESSION

    def test_the_closure_that_was_added_for_the_epidemic_is_known(self, calendar) -> None:
        sessions = calendar.sessions(date(2020, 1, 23), date(2020, 2, 4)).tolist()
        assert sessions == [date(2020, 1, 23), date(2020, 2, 3), date(2020, 2, 4)]

    def test_no_session_falls_on_a_weekend(self, calendar) -> None:
        assert np.is_busday(calendar.sessions(FIRST_SESSION, calendar.horizon())).all()

    def test_the_horizon_is_the_end_of_a_year_whose_holidays_are_known(self, calendar) -> None:
        horizon = calendar.horizon()
        assert (horizon.month, horizon.day) == (12, 31)
        assert 235 < len(calendar.sessions(date(horizon.year, 1, 1), horizon)) < 250

    @needs_shared
    @pytest.mark.parametrize(
        "file",
        [
            "real_sessions_from_sh000001_day_19901219_20250805.csv",
            "trade_cal_tushare_shape_from_XSHG_1990_2026.csv",
            "tushare_trade_cal_open_days_20230925_20251023.csv",
        ],
    )
    def test_it_differs_on_no_day_from_the_real_sessions(self, calendar, file: str) -> None:
        with (SHARED / "calendar" / file).open(newline="") as lines:
            opened = [row["cal_date"] for row in csv.DictReader(lines) if row.get("is_open", "1") == "1"]
        real = [datetime.strptime(day, "%Y%m%d").date() for day in opened]
        assert len(real) >= 500
        assert calendar.sessions(real[0], real[-1]).tolist() == real
