# Upstream: domain.services.reporting, entrypoints.doctor
# Downstream: domain.model.errors, ports.trading_calendar
# Role: Decision: does the trading calendar still reach far enough ahead, and what to do if not
"""A calendar that runs out stops all collecting, so its end is told weeks before it comes.

Exchanges publish the holidays of a year only in the last weeks of the year before; the vendor's list and
the package follow. Every December the horizon comes near, and somebody has to look.
"""

from __future__ import annotations

from datetime import date, timedelta

from ginkgo_data.domain.model.errors import CalendarHorizonExceeded, NotAvailable
from ginkgo_data.ports.trading_calendar import TradingCalendar

REMEDY = (
    "Refresh it from a vendor (`ginkgo-data send trade_day`, a vendor of reference data must be configured) "
    "or upgrade the package exchange_calendars"
)


def horizon_warning(calendar: TradingCalendar, today: date, days: int = 30) -> str | None:
    """Return a warning when `calendar` is known for less than `days` days after `today`, else None.

    The text names the last known day and what to do. Asks for the sessions of those days rather than for
    the horizon, so that a calendar which knows them from the store loads nothing more to answer.
    """
    try:
        calendar.sessions(today, today + timedelta(days))
    except NotAvailable as error:
        reason = str(error)
    except CalendarHorizonExceeded as error:
        reason = _distance(calendar.horizon(), today, days) or str(error)
    else:
        return None
    return f"TRADING CALENDAR RUNS OUT: {reason}. Days it does not know cannot be collected. {REMEDY}."


def _distance(horizon: date, today: date, days: int) -> str | None:
    """Say how far away `horizon` is; None where that is not the trouble (nothing known, or a hole before it)."""
    left = (horizon - today).days
    if horizon == date.min or left >= days:
        return None
    if left < 0:
        return f"it ended on {horizon}, {-left} days before today ({today})"
    return f"it is known only up to {horizon}, {left} days after today ({today}), less than {days}"
