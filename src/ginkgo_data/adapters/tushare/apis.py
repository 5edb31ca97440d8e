# Upstream: adapters.tushare, entrypoints.{doctor, trials}
# Downstream: none
# Role: The Tushare apis in use: names, fields with their kinds, and row limits
"""What is asked of Tushare. Field names, units and limits: its documentation, and the shared field facts.

Limits drift (`daily` was 5000 once), so a reply with as many rows as the limit is never taken as complete.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Api:
    """One api: fields that are read as text (codes, dates, names) and fields that are read as numbers."""

    name: str
    row_limit: int
    texts: tuple[str, ...]
    numbers: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields, in the order in which they are asked for."""
        return self.texts + self.numbers


PRICES = ("open", "high", "low", "close", "pre_close")

DAILY = Api("daily", 6000, ("ts_code", "trade_date"), (*PRICES, "vol", "amount"))
"""Daily bars as traded; `vol` in lots of 100 shares with decimals, `amount` in thousand CNY."""

DAILY_KEYS = Api("daily", 6000, ("ts_code", "trade_date"))
"""Which codes have a daily bar: the same api without its numbers."""

ADJ_FACTOR = Api("adj_factor", 6000, ("ts_code", "trade_date"), ("adj_factor",))

SUSPEND_D = Api("suspend_d", 5000, ("ts_code", "trade_date", "suspend_timing", "suspend_type"))
"""Suspensions; `suspend_type` S or R (resumed), an empty `suspend_timing` means the whole session."""

STOCK_BASIC = Api(
    "stock_basic",
    5000,
    ("ts_code", "name", "industry", "market", "list_status", "list_date", "delist_date", "exchange"),
)

TRADE_CAL = Api("trade_cal", 2000, ("exchange", "cal_date", "is_open"))
"""Days of an exchange; `is_open` comes as a number or as text. Its limit is not documented."""
