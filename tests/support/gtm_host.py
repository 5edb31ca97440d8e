"""A host as Ginkgo is one: its BarCRUD, its Tushare source and its logger, with the habits that matter.

Read off the code of Kaoruha/GinkGO at 743a124d8: `find` answers an error with an empty list, `add_batch` returns its
argument although the driver stored nothing, `remove` raises but drops filters on fields that it does not know, and
nothing is merged or unique. Columns are those of its table: two decimals, Int32 lots, DateTime without a zone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import uuid4

import pandas as pd

from ginkgo_data.domain.model.bars import BarBatch

CENT = Decimal("0.01")


@dataclass
class MBar:
    """A row of table `bar`; keywords only, like the model's constructor."""

    code: str = "ginkgo_test_code"
    open: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    low: Decimal = Decimal(0)
    close: Decimal = Decimal(0)
    volume: int = 0
    amount: Decimal = Decimal(0)
    frequency: int = -1
    timestamp: datetime = datetime(1970, 1, 1)
    source: int = -1
    uuid: str = field(default_factory=lambda: uuid4().hex)
    meta: str = "{}"
    desc: str = "This man is lazy, there is no description."


class FakeBarCRUD:
    """Rows in memory. `away`: the database is gone. `deaf`: it stores nothing, without a word."""

    def __init__(self) -> None:
        self._shelves: dict[str, list[MBar]] = {}
        self.calls: list[str] = []
        self.away = False
        self.deaf = False
        self.fails: int = 0
        """So many calls of `find` from now on end in an error, which it answers with an empty list."""
        self.repeats = False
        """Whether a batch is sent twice, as after a time-out of the driver."""
        self._lock = threading.Lock()

    @property
    def rows(self) -> list[MBar]:
        """All rows, as they are stored."""
        return [row for shelf in self._shelves.values() for row in shelf]

    def put(self, *rows: MBar) -> None:
        """Store rows as another program does."""
        for row in rows:
            self._shelves.setdefault(row.code, []).append(row)

    def ping(self) -> bool:
        """Say whether the database is there, as a driver's health_check does."""
        self.calls.append("ping")
        return not self.away

    def find(
        self,
        filters: dict[str, Any] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        order_by: str | None = None,
        desc_order: bool = False,
    ) -> list[MBar]:
        """Return copies of the rows."""
        self.calls.append("find")
        if self.away or self.fails > 0:
            self.fails -= 1
            return []
        with self._lock:
            found = [copy(row) for row in self._of_codes(filters or {}) if _under(row, filters or {})]
        found.sort(key=lambda row: getattr(row, order_by or "timestamp"), reverse=desc_order or order_by is None)
        return found if page_size is None else found[(page or 0) * page_size :][:page_size]

    def add_batch(self, items: list[MBar]) -> list[MBar]:
        """Store copies, cut to what the columns hold; return the argument whatever happened."""
        self.calls.append("add_batch")
        if not (self.away or self.deaf):
            with self._lock:
                for _ in range(1 + self.repeats):
                    self.put(*(_column_types(item) for item in items))
        return list(items)

    def remove(self, filters: dict[str, Any]) -> None:
        """Delete rows; raise when the database is gone."""
        self.calls.append("remove")
        if self.away:
            raise ConnectionError("Connection refused")
        with self._lock:
            for code, shelf in self._shelves.items():
                self._shelves[code] = [row for row in shelf if not _under(row, filters)]

    def _of_codes(self, filters: dict[str, Any]) -> list[MBar]:
        codes = filters.get("code__in") or ([filters["code"]] if "code" in filters else list(self._shelves))
        return [row for code in codes for row in self._shelves.get(code, ())]

    def stored(self) -> list[tuple[str, str, float]]:
        """Return code, time and close of all rows, in order."""
        return sorted((row.code, str(row.timestamp), float(row.close)) for row in self.rows)


def _column_types(row: MBar) -> MBar:
    kept = copy(row)
    for name in ("open", "high", "low", "close", "amount"):
        setattr(kept, name, Decimal(getattr(row, name)).quantize(CENT, ROUND_DOWN))
    assert -(2**31) <= row.volume < 2**31
    assert isinstance(row.timestamp, datetime)
    assert row.timestamp.tzinfo is None
    return kept


def _under(row: MBar, filters: dict[str, Any]) -> bool:
    for key, value in filters.items():
        name, _, operator = key.partition("__")
        if not hasattr(row, name):
            continue  # upstream: a field that the model lacks is no condition
        found = getattr(row, name)
        if operator == "":
            fits = found == value
        elif operator == "in":
            fits = found in value
        else:
            fits = {"gte": found >= value, "lte": found <= value}[operator]
        if not fits:
            return False
    return True


DAYBAR = ("ts_code", "trade_date", "open", "high", "low", "close", "pre_close", "change", "pct_chg", "vol", "amount")


class FakeTushare:
    """Ginkgo's source over given bars: daily frames in lots and thousand CNY, filled with 0, and what it was asked."""

    def __init__(self, bars: BarBatch | None = None, listed: pd.DataFrame | None = None) -> None:
        self._bars = (bars or BarBatch.empty()).table.to_pandas()
        self._listed = listed
        self.asked: list[tuple[str, date, date]] = []
        self.error: BaseException | None = None
        self.days = pd.DataFrame()

    def fetch_cn_stock_daybar(self, code: str, start_date: Any, end_date: Any) -> pd.DataFrame:
        """Return a frame of `daily`, newest first; without rows an empty frame without columns."""
        first, last = start_date.date(), end_date.date()
        self.asked.append((code, first, last))
        if self.error is not None:
            raise self.error
        rows = self._bars
        rows = rows[(rows["code"].astype(str) == code) & (rows["session"] >= first) & (rows["session"] <= last)]
        if not len(rows):
            return pd.DataFrame()
        frame = pd.DataFrame({name: rows[name] for name in ("open", "high", "low", "close", "pre_close")})
        frame["ts_code"] = code
        frame["trade_date"] = [day.strftime("%Y%m%d") for day in rows["session"]]
        frame["change"] = frame["pct_chg"] = 0.0
        frame["vol"] = rows["volume"] / 100
        frame["amount"] = rows["amount"] / 1000
        return frame[list(DAYBAR)].fillna(0).iloc[::-1].reset_index(drop=True)

    def fetch_cn_stockinfo(self) -> pd.DataFrame:
        """Return the frame of `stock_basic` that was given."""
        if self.error is not None:
            raise self.error
        return pd.DataFrame() if self._listed is None else self._listed

    def fetch_cn_stock_trade_day(self) -> pd.DataFrame:
        """Return the frame of `trade_cal` that was given."""
        if self.error is not None:
            raise self.error
        return self.days


class FakeGLOG:
    """Keeps lines as (level, trace id, text)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str | None, str]] = []
        self._trace: ContextVar[str | None] = ContextVar("trace", default=None)

    @contextmanager
    def with_trace_id(self, trace_id: str) -> Iterator[None]:
        """Give lines within this trace id."""
        token = self._trace.set(trace_id)
        try:
            yield
        finally:
            self._trace.reset(token)

    def _keep(self, level: str, msg: str) -> None:
        self.lines.append((level, self._trace.get(), msg))

    def DEBUG(self, msg: str) -> None:  # noqa: N802
        self._keep("DEBUG", msg)

    def INFO(self, msg: str) -> None:  # noqa: N802
        self._keep("INFO", msg)

    def WARN(self, msg: str) -> None:  # noqa: N802
        self._keep("WARN", msg)

    def ERROR(self, msg: str) -> None:  # noqa: N802
        self._keep("ERROR", msg)

    def CRITICAL(self, msg: str) -> None:  # noqa: N802
        self._keep("CRITICAL", msg)
