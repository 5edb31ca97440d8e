# Upstream: none
# Downstream: adapters.gtm.{errors, frames, host}, domain.model.{fetch, reference, steps}, pyarrow
# Role: Port reference_source through a host's source: its securities and the exchange's days
"""Securities and trading days from a source of the host, such as Ginkgo's ``GinkgoTushare``.

It asks for listed securities only: a delisted or paused one never arrives, so a history from here knows survivors
alone, and a security that is delisted keeps the window it had. The board is not among its fields: `market` is empty,
and a command that names one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.gtm.errors import unknown_of
from ginkgo_data.adapters.gtm.frames import Reader, Row, Unreadable, day_in, required, rows_of, text_in
from ginkgo_data.adapters.gtm.host import HostFrame, HostReferenceSource, require_methods
from ginkgo_data.domain.model.fetch import Answer, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.reference import Securities, SessionDays
from ginkgo_data.domain.model.steps import step

SECURITIES, DAYS = "fetch_cn_stockinfo", "fetch_cn_stock_trade_day"


def _flag_in(value: object) -> bool:
    text = text_in(value)
    if text not in ("0", "1", "0.0", "1.0", "True", "False"):
        raise Unreadable("unreadable_flag")
    return text in ("1", "1.0", "True")


_SECURITY = {
    "ts_code": required(text_in, "unreadable_code"),
    "name": text_in,
    "industry": text_in,
    "list_date": day_in,
    "delist_date": day_in,
}
_DAY = {
    "exchange": text_in,
    "cal_date": required(day_in, "unreadable_date"),
    "is_open": _flag_in,
}


class GtmReferenceSource:
    """Listed securities with their list dates, and the days of the exchange.

    `name` is stored with every row. Raises `ConfigurationError` where `source` lacks one of its two methods.
    """

    def __init__(self, source: HostReferenceSource, *, name: str = "tushare") -> None:
        require_methods("source", source, SECURITIES, DAYS)
        self._source = source
        self._name = name

    def securities(self, market: str | None, version: int) -> Answer[Securities]:
        """Return the listed securities; none at all is an `Unknown`."""
        if market is not None:
            detail = f"{SECURITIES}: the host's source knows no market {market!r}; allowed: all markets"
            return Unknown(UnknownReason.REFUSED, detail, calls=0)
        rows = self._ask(SECURITIES, self._source.fetch_cn_stockinfo, list(_SECURITY))
        if isinstance(rows, Unknown):
            return rows
        reader = Reader(self._name, SECURITIES, version)
        read = {row["ts_code"]: row for _, row in reader.read(rows, _SECURITY)}.values()
        columns = {
            "code": pa.array([row["ts_code"] for row in read], pa.string()),
            "name": pa.array([row["name"] for row in read], pa.string()),
            "market": pa.array([""] * len(read), pa.string()),
            "industry": pa.array([row["industry"] for row in read], pa.string()),
            "list_date": pa.array([row["list_date"] for row in read], pa.date32()),
            "delist_date": pa.array([row["delist_date"] for row in read], pa.date32()),
            "status": pa.array(["L"] * len(read), pa.string()),
            **self._stamps(len(read), version),
        }
        return Rows(Securities.of(pa.table(columns)), rejects=reader.rejects("ts_code", None))

    def session_days(self, first: date, last: date, version: int) -> Answer[SessionDays]:
        """Return the days `first` … `last`, as far as the host knows them; none is an `Unknown`."""
        rows = self._ask(DAYS, self._source.fetch_cn_stock_trade_day, list(_DAY))
        if isinstance(rows, Unknown):
            return rows
        reader = Reader(self._name, DAYS, version)
        read = [row for _, row in reader.read(rows, _DAY) if first <= _day(row) <= last]
        if not read:
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, f"{DAYS} has no day in {first} … {last}")
        columns = {
            "exchange": pa.array([row["exchange"] for row in read], pa.string()),
            "day": pa.array([_day(row) for row in read], pa.date32()),
            "is_open": pa.array([row["is_open"] for row in read], pa.bool_()),
            **self._stamps(len(read), version),
        }
        return Rows(SessionDays.of(pa.table(columns)), rejects=reader.rejects("exchange", "cal_date"))

    def _ask(self, api: str, call: Callable[[], HostFrame | None], columns: Sequence[str]) -> list[Row] | Unknown:
        try:
            with step("vendor_call", vendor=self._name, api=api):
                rows = rows_of(api, call(), columns)
        except Exception as error:  # the vendor library's own errors are not known here
            return unknown_of(api, error)
        return rows or Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, f"{api} has no row at all")

    def _stamps(self, rows: int, version: int) -> dict[str, pa.Array]:
        return {"source": pa.array([self._name] * rows), "version": pa.array([version] * rows, pa.uint64())}


def _day(row: Row) -> date:
    day = row["cal_date"]
    assert isinstance(day, date)
    return day
