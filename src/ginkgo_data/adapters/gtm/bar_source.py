# Upstream: none
# Downstream: adapters.gtm.{errors, frames, host}, domain.model, ports.call_budget, numpy, pyarrow
# Role: Port bar_source through a host's source of daily bars, with the proof that it can give
"""Daily bars from a source of the host, such as Ginkgo's ``GinkgoTushare``.

It says nothing of suspensions, and its empty frame means "no rows" and "not yet published" alike. So the sessions
that a code lacks are proven by a witness: a code that is traded nearly always and has rows of them or of later ones.
That is a `NO_ROW`: recorded, neither explained nor final. Without a witness's rows there is no answer.

A missing price is 0 there (the host fills its frames), and validation rejects it. Each request is cut to windows for
which the host asks its vendor once; the host tries five times by itself, half a minute apart and longer, and a stop
waits for that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.gtm.errors import MINUTE, unknown_of
from ginkgo_data.adapters.gtm.frames import Reader, Row, day_in, midnight, number_in, required, rows_of, text_in
from ginkgo_data.adapters.gtm.host import HostBarSource, require_methods
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells
from ginkgo_data.domain.model.fetch import (
    PLACE_SCHEMA,
    BarAnswer,
    FetchRequest,
    Places,
    ProvenEmpty,
    Rows,
    SourceCapabilities,
    Unknown,
    UnknownReason,
)
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.model.steps import step
from ginkgo_data.ports.call_budget import CallBudget

WITNESSES = ("000001.SZ", "600519.SH")
"""Asked in turn when a code has no row: Ping An Bank and Kweichow Moutai."""
LONGEST_WINDOW = timedelta(days=1095)
"""The host asks its vendor once for a window of so many days, and for one of more than that in parts of its own."""
ROW_LIMIT = 6000
"""Rows of one reply of Tushare's `daily`; a window has at most 3 years of one code."""
API = "fetch_cn_stock_daybar"
_PRICES = ("open", "high", "low", "close", "pre_close")
_COLUMNS = ("ts_code", "trade_date", *_PRICES, "vol", "amount")
_SHARES_PER_LOT, _CNY_PER_UNIT = 100, 1000
_READERS = {
    "ts_code": required(text_in, "unreadable_code"),
    "trade_date": required(day_in, "unreadable_date"),
    **dict.fromkeys((*_PRICES, "vol", "amount"), number_in),
}


class GtmBarSource:
    """Daily bars as traded (1d/none) of one code a call, in shares and CNY.

    `name` is stored with every row. With a `budget`, each call takes one of `calls_per_minute` under `budget_key`
    first; a call that is not granted is an `Unknown` with the seconds to wait. Safe for several threads where the
    host's source is. Raises `ConfigurationError` where `source` lacks fetch_cn_stock_daybar.
    """

    def __init__(
        self,
        source: HostBarSource,
        *,
        name: str = "tushare",
        witnesses: Sequence[str] = WITNESSES,
        budget: CallBudget | None = None,
        budget_key: str = "tushare:daily",
        calls_per_minute: int = 190,
    ) -> None:
        require_methods("source", source, API)
        self._source = source
        self._witnesses = tuple(witnesses)
        self._budget = budget
        self._budget_key = budget_key
        self._calls_per_minute = calls_per_minute
        self._capabilities = SourceCapabilities(name=name, series=frozenset({DAILY}), row_limit=ROW_LIMIT)
        self._published = date.min
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for."""
        return self._capabilities

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request`, and prove what has no row as far as a witness can."""
        if request.series != DAILY:
            detail = f"{API}: {request.series} is not offered; allowed: {DAILY}"
            return Unknown(UnknownReason.REFUSED, detail, calls=0)
        if request.codes is None or len(request.codes) != 1:
            detail = f"{API}: {len(request.codes or ())} codes in one call; allowed: 1"
            return Unknown(UnknownReason.REFUSED, detail, calls=0)
        (code,) = request.codes
        asked = self._rows(code, request.first, request.last)
        if isinstance(asked, Unknown):
            return asked
        rows, calls = asked
        batch, places, rejects = self._parsed(rows, request)
        if len(rejects) and not len(batch):
            return Rows(batch, rejects=rejects, places=places, calls=calls)
        gaps = request.unanswered(batch)
        if not len(gaps):
            return Rows(batch, Absences.empty(), rejects, places, calls) if len(batch) else self._nothing(code, calls)
        published = self._published_until(code, gaps, batch)
        if isinstance(published, Unknown):
            return published
        until, more = published
        told = self._absences(gaps, until, rejects, request.version)
        if len(batch):
            return Rows(batch, told, rejects, places, calls + more)
        if len(told) < len(gaps):
            return self._nothing(code, calls + more)
        return ProvenEmpty(told, calls=calls + more)

    def _nothing(self, code: str, calls: int) -> Unknown:
        detail = f"{API} of {code} has no row, and no witness ({', '.join(self._witnesses)}) has any of these sessions"
        return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, detail, calls=calls)

    def _published_until(self, code: str, gaps: Cells, batch: BarBatch) -> tuple[date, int] | Unknown:
        """Return up to which day the vendor has published, as far as `gaps` need it, and the calls it took to know."""
        if len(batch):
            self._note(max(batch.table["session"].to_pylist()))
            return self._published, 0
        wanted: date = gaps.session.max().item()
        calls = 0
        for witness in self._witnesses:
            if wanted <= self._published:
                break
            if witness == code:
                continue
            asked = self._rows(witness, wanted, wanted)
            if isinstance(asked, Unknown):
                return asked
            rows, more = asked
            calls += more
            if Reader(self._capabilities.name, API, 0).read(rows, _READERS):
                self._note(wanted)
        return self._published, calls

    def _note(self, day: date) -> None:
        with self._lock:
            self._published = max(self._published, day)

    def _absences(self, gaps: Cells, until: date, rejects: Rejects, version: int) -> Absences:
        """Return `NO_ROW` for the gaps that are published, but for those that a rejected row may have been about."""
        if len(rejects):
            return Absences.empty()
        evidence = f"{API} has rows of other codes or sessions up to {until}, none of this"
        told = [(code, day, AbsenceReason.NO_ROW, evidence) for code, day in gaps.pairs() if day <= until]
        return Absences.of(told, self._capabilities.name, version)

    def _rows(self, code: str, first: date, last: date) -> tuple[list[Row], int] | Unknown:
        """Return the rows of a code, over as many calls as it takes, and how many those were."""
        found: list[Row] = []
        calls = 0
        for begin, end in _windows(first, last):
            rows = self._call(code, begin, end)
            if isinstance(rows, Unknown):
                return Unknown(rows.reason, rows.detail, rows.retry_after, calls + rows.calls)
            calls += 1
            if len(rows) >= ROW_LIMIT:
                detail = f"{API} of {code}: {len(rows)} rows reach the limit of one reply"
                return Unknown(UnknownReason.TRUNCATED, detail, calls=calls)
            found += rows
        return found, calls

    def _call(self, code: str, first: date, last: date) -> list[Row] | Unknown:
        what = f"{API} of {code}, {first} … {last}"
        if self._budget is not None and (delay := self._budget.take(self._budget_key, self._calls_per_minute)):
            return Unknown(UnknownReason.RATE_LIMITED, f"{what}: the call budget is used up", delay, calls=0)
        try:
            with step("vendor_call", vendor=self._capabilities.name, api=API):
                frame = self._source.fetch_cn_stock_daybar(code, start_date=_start(first), end_date=_start(last))
            answer = rows_of(what, frame, _COLUMNS)
        except Exception as error:  # the vendor library's own errors are not known here
            answer = unknown_of(what, error)
        self._settle(answer)
        return answer

    def _settle(self, answer: list[Row] | Unknown) -> None:
        """Tell the budget how a call ended."""
        if self._budget is None:
            return
        self._budget.returned(self._budget_key)
        if isinstance(answer, Unknown) and answer.reason is UnknownReason.RATE_LIMITED:
            self._budget.close_until_open(self._budget_key, answer.retry_after or MINUTE)
        else:
            self._budget.answered(self._budget_key)

    def _parsed(self, rows: list[Row], request: FetchRequest) -> tuple[BarBatch, Places, Rejects]:
        """Return the rows within the request in our units, where each came from, and those that cannot be read."""
        name, version = self._capabilities.name, request.version
        reader = Reader(name, API, version, DAILY)
        read = [
            (line, row)
            for line, row in reader.read(rows, _READERS)
            if request.first <= _day(row) <= request.last and row["ts_code"] in (request.codes or ())
        ]
        days = pa.array([_day(row) for _, row in read], pa.date32())
        columns = {
            "code": pa.array([row["ts_code"] for _, row in read], pa.string()),
            "session": days,
            "timestamp": midnight(days),
            **{price: pa.array([row[price] for _, row in read], pa.float64()) for price in _PRICES},
            # lots x 100 and thousands x 1000 are not exact in floating point
            "volume": pa.array([_scaled(row["vol"], _SHARES_PER_LOT, 0) for _, row in read], pa.float64()),
            "amount": pa.array([_scaled(row["amount"], _CNY_PER_UNIT, 2) for _, row in read], pa.float64()),
            "source": pa.array([name] * len(read), pa.string()),
            "version": pa.array(np.full(len(read), version, np.uint64)),
        }
        places = {
            "origin": pa.array([f"{name} {API}"] * len(read), pa.string()),
            "line": pa.array([line for line, _ in read], pa.int64()),
        }
        batch = BarBatch.of(pa.table(columns))
        return batch, Places(pa.table(places).cast(PLACE_SCHEMA)), reader.rejects("ts_code", "trade_date")


def _windows(first: date, last: date) -> Iterator[tuple[date, date]]:
    while first <= last:
        end = min(first + LONGEST_WINDOW, last)
        yield first, end
        first = end + timedelta(days=1)


def _start(day: date) -> datetime:
    return datetime.combine(day, time())


def _day(row: Row) -> date:
    day = row["trade_date"]
    assert isinstance(day, date)
    return day


def _scaled(value: object, factor: int, decimals: int) -> float | None:
    return round(value * factor, decimals) if isinstance(value, float) else None
