# Upstream: entrypoints.container
# Downstream: adapters.tushare, domain.model.{coverage, fetch, series}, pyarrow
# Role: Daily bars of Tushare, with the proof for what is not there
"""Tushare as a source of daily bars: by a list of codes over a range, or the whole market of one session.

Sessions without trading have no row, and so have sessions that are not published yet. Which of the two it
is, is asked: `suspend_d` names the codes suspended for the whole session, and a whole market without rows
is not published.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.tushare.apis import DAILY, DAILY_KEYS, SUSPEND_D
from ginkgo_data.adapters.tushare.client import TushareClient
from ginkgo_data.adapters.tushare.columns import SOURCE, days, flags
from ginkgo_data.adapters.tushare.evidence import (
    SUSPENDED,
    absences,
    chosen,
    doubtful,
    published_without,
    suspended,
)
from ginkgo_data.adapters.tushare.parse import ParsedBars, bars_of
from ginkgo_data.adapters.tushare.questions import in_words, of_cells, of_market, of_request
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells
from ginkgo_data.domain.model.fetch import (
    BarAnswer,
    FetchRequest,
    ProvenEmpty,
    Rows,
    SourceCapabilities,
    Unknown,
    UnknownReason,
)
from ginkgo_data.domain.model.series import DAILY as DAILY_SERIES

Empty = TypeVar("Empty", bound=ProvenEmpty | Unknown)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Suspensions:
    """What `suspend_d` says of some cells: those it explains, those left, or why it did not answer."""

    explained: Absences
    left: Cells
    calls: int
    trouble: Unknown | None = None


class TushareBarSource:
    """Daily bars as traded (1d/none), in shares and CNY."""

    def __init__(self, client: TushareClient) -> None:
        self._client = client
        config = client.config
        self._capabilities = SourceCapabilities(
            name=SOURCE,
            series=frozenset({DAILY_SERIES}),
            row_limit=config.row_limit(DAILY),
            codes_per_call=config.codes_per_call,
            by_session=config.by_session,
            market_rows=config.market_rows,
        )

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for."""
        return self._capabilities

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request` with one call of `daily`, and at most two more that prove what has no row."""
        refused = self._cannot_ask(request)
        if refused:
            return Unknown(UnknownReason.REFUSED, f"daily: {refused}", calls=0)
        frame = self._client.ask(DAILY, of_request(request))
        if isinstance(frame, Unknown):
            return frame
        parsed = bars_of(frame.table, request.version)
        gaps = request.unanswered(parsed.batch)
        if frame.table.num_rows:
            return self._rows(request, parsed, gaps, frame.calls)
        return _plus_calls(self._without_rows(request, gaps), frame.calls)

    def _cannot_ask(self, request: FetchRequest) -> str | None:
        if request.series != DAILY_SERIES:
            return f"{request.series} is not offered; allowed: {DAILY_SERIES}"
        if request.codes is None:
            if request.first != request.last:
                return f"the whole market is asked for one session, not {request.first} … {request.last}"
            return None
        if not 1 <= len(request.codes) <= self._capabilities.codes_per_call:
            # An empty list would ask for the whole market.
            return f"{len(request.codes)} codes in one call; allowed: 1 … {self._capabilities.codes_per_call}"
        return None

    def _rows(self, request: FetchRequest, parsed: ParsedBars, gaps: Cells, calls: int) -> BarAnswer:
        certain = chosen(gaps, ~doubtful(gaps, parsed.rejects))
        told = self._suspensions(request, certain)
        if told.trouble:
            logger.warning("absences of %d cells stay unproven: %s", len(certain), told.trouble.detail)
        unexplained = published_without(told.left, parsed.batch, DAILY.name, request.version)
        return Rows(
            parsed.batch,
            Absences.concat([told.explained, unexplained]),
            parsed.rejects,
            parsed.places,
            calls + told.calls,
        )

    def _without_rows(self, request: FetchRequest, gaps: Cells) -> ProvenEmpty | Unknown:
        """Answer where `daily` has no row at all: proven cell by cell, or unknown. Counts its own calls only.

        An account that may not ask for suspensions is left with what the market shows.
        """
        if not len(gaps):
            detail = f"{in_words(DAILY.name, of_request(request))} has no row, and no cell was wanted to prove that for"
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, detail, calls=0)
        told = self._suspensions(request, gaps)
        if told.trouble and told.trouble.reason is not UnknownReason.NO_PERMISSION:
            return told.trouble
        if not len(told.left):
            return ProvenEmpty(told.explained, calls=told.calls)
        if request.by_session:
            detail = f"{in_words(DAILY.name, of_request(request))} has no row at all: not published, or no session"
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, detail, calls=told.calls)
        answer = self._confirmed_by_market(request, told.left)
        if isinstance(answer, Unknown):
            return _plus_calls(answer, told.calls)
        return ProvenEmpty(Absences.concat([told.explained, answer.absences]), calls=told.calls + answer.calls)

    def _suspensions(self, request: FetchRequest, cells: Cells) -> _Suspensions:
        """Ask `suspend_d` about `cells`; no call when there are none."""
        if not len(cells):
            return _Suspensions(Absences.empty(), cells, 0)
        frame = self._client.ask(SUSPEND_D, {**of_cells(request, cells), "suspend_type": "S"})
        if isinstance(frame, Unknown):
            return _Suspensions(Absences.empty(), cells, frame.calls, frame)
        mask = suspended(cells, frame.table)
        explained = absences(chosen(cells, mask), AbsenceReason.SUSPENDED, SUSPENDED, request.version)
        return _Suspensions(explained, chosen(cells, ~mask), frame.calls)

    def _confirmed_by_market(self, request: FetchRequest, cells: Cells) -> ProvenEmpty | Unknown:
        """Ask for the market of the last session of `cells`: rows of others prove that it is published.

        Vendors publish sessions in order, so the earlier ones are published too.
        """
        session: date = cells.session.max().item()
        asked = in_words(DAILY.name, of_market(session))
        frame = self._client.ask(DAILY_KEYS, of_market(session))
        if isinstance(frame, Unknown):
            return frame
        market = frame.table.filter(pc.equal(days(frame.table["trade_date"]), session))
        own = int(flags(pc.is_in(market["ts_code"], pa.array(request.codes or (), pa.string()))).sum())
        if own or not market.num_rows:
            why = f"but {asked} has {own} of them" if own else f"and {asked} has none at all: it is not published"
            detail = f"{in_words(DAILY.name, of_request(request))} has no row, {why}"
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, detail, calls=frame.calls)
        evidence = f"{asked} has {market.num_rows:,} rows, none of this code"
        return ProvenEmpty(absences(cells, AbsenceReason.NO_ROW, evidence, request.version), calls=frame.calls)


def _plus_calls(answer: Empty, calls: int) -> Empty:
    return replace(answer, calls=answer.calls + calls)
