# Upstream: entrypoints.container
# Downstream: adapters.tushare.{apis, client, parse, questions}, domain.model.{fetch, quality, reference}, numpy
# Role: Securities and trading days of Tushare
"""Tushare as a source of reference data.

`stock_basic` answers for one list status and by default for listed securities only; without the delisted
and paused ones a history would know survivors alone, so all three are asked for and all three must answer.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from ginkgo_data.adapters.tushare.apis import STOCK_BASIC, TRADE_CAL
from ginkgo_data.adapters.tushare.client import TushareClient
from ginkgo_data.adapters.tushare.parse import securities_of, session_days_of
from ginkgo_data.adapters.tushare.questions import day_text
from ginkgo_data.domain.model.fetch import Answer, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.reference import Securities, SessionDays

STATUSES = ("L", "P", "D")
"""Listed, paused, delisted. A code that moves between two calls is kept as the later call has it."""

EXCHANGE = "SSE"
"""The exchanges of Shanghai, Shenzhen and Beijing have the same sessions."""


class TushareReferenceSource:
    """Securities with their listing windows, and the days of the exchange."""

    def __init__(self, client: TushareClient) -> None:
        self._client = client

    def securities(self, market: str | None, version: int) -> Answer[Securities]:
        """Return all securities (of `market`, such as 主板), one row per code.

        No listed security at all is an `Unknown`; none paused or delisted is possible.
        """
        parts: list[Securities] = []
        rejects: list[Rejects] = []
        calls = 0
        for status in STATUSES:
            params = {"list_status": status} | ({"market": market} if market else {})
            frame = self._client.ask(STOCK_BASIC, params)
            if isinstance(frame, Unknown):
                return Unknown(frame.reason, frame.detail, frame.retry_after, calls + frame.calls)
            calls += frame.calls
            if status == "L" and not frame.table.num_rows:
                detail = f"stock_basic knows no listed security{f' of market {market}' if market else ''}"
                return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, detail, calls=calls)
            securities, bad = securities_of(frame.table, status, version)
            parts.append(securities)
            rejects.append(bad)
        return Rows(_last_of_each(Securities.concat(parts)), rejects=Rejects.concat(rejects), calls=calls)

    def session_days(self, first: date, last: date, version: int) -> Answer[SessionDays]:
        """Return the days `first` … `last`, open and closed, as far as the vendor knows them; none is an `Unknown`."""
        params = {"exchange": EXCHANGE, "start_date": day_text(first), "end_date": day_text(last)}
        frame = self._client.ask(TRADE_CAL, params)
        if isinstance(frame, Unknown):
            return frame
        if not frame.table.num_rows:
            detail = f"trade_cal has no day in {first} … {last}"
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, detail, calls=frame.calls)
        days, rejects = session_days_of(frame.table, version)
        return Rows(days, rejects=rejects, calls=frame.calls)


def _last_of_each(securities: Securities) -> Securities:
    """Return one row per code: the last one, in the order in which the codes first came."""
    codes = securities.table["code"].combine_chunks().dictionary_encode().indices.to_numpy()
    backwards = codes[::-1]
    _, at = np.unique(backwards, return_index=True)
    return Securities(securities.table.take(np.sort(len(codes) - 1 - at)))
