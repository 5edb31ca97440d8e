# Upstream: entrypoints.container
# Downstream: adapters.tushare, domain.model.{adjustments, fetch, quality}, numpy, pyarrow
# Role: Adjustment factors of Tushare, by code or by session, whichever takes fewer calls
"""Tushare as a source of adjustment factors.

`adj_factor` is documented for one code over a range, or for all codes of one session. A range has at most
as many sessions as working days, which bounds the calls by session without knowing the calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.tushare.apis import ADJ_FACTOR
from ginkgo_data.adapters.tushare.client import TushareClient
from ginkgo_data.adapters.tushare.columns import SOURCE
from ginkgo_data.adapters.tushare.parse import factors_of
from ginkgo_data.adapters.tushare.questions import Params, of_codes, of_market
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.fetch import Answer, Rows, SourceCapabilities, Unknown, UnknownReason
from ginkgo_data.domain.model.quality import Rejects


class TushareAdjustmentSource:
    """Cumulative adjustment factors: ``hfq = raw x factor``."""

    def __init__(self, client: TushareClient) -> None:
        self._client = client
        config = client.config
        self._capabilities = SourceCapabilities(
            name=SOURCE,
            series=frozenset(),
            row_limit=config.row_limit(ADJ_FACTOR),
            codes_per_call=config.adjustment_codes_per_call,
            by_session=config.by_session,
            market_rows=config.market_rows,
        )

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for."""
        return self._capabilities

    def factors(self, codes: Sequence[str] | None, first: date, last: date, version: int) -> Answer[AdjustmentBatch]:
        """Return the factors of `codes` on the sessions `first` … `last`, or of the market on one session.

        A listed code has a factor on every session, suspended or not, so no factor at all is an `Unknown`.
        If one call of several fails, the answer is that failure, with the calls spent.
        """
        if codes is None and first != last:
            detail = f"adj_factor: the whole market is asked for one session, not {first} … {last}"
            return Unknown(UnknownReason.REFUSED, detail, calls=0)
        batches: list[pa.Table] = []
        rejects: list[Rejects] = []
        calls = 0
        for params in [of_market(first)] if codes is None else self._questions(codes, first, last):
            frame = self._client.ask(ADJ_FACTOR, params)
            if isinstance(frame, Unknown):
                return Unknown(frame.reason, frame.detail, frame.retry_after, calls + frame.calls)
            calls += frame.calls
            batch, bad = factors_of(frame.table, version)
            batches.append(batch.table if codes is None else _of(batch.table, codes))
            rejects.append(bad)
        if not any(len(part) for part in (*batches, *rejects)):
            who = "the market" if codes is None else f"{len(codes)} codes"
            detail = f"adj_factor has no row of {who} in {first} … {last}"
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, detail, calls=calls)
        joined = pa.concat_tables(batches).unify_dictionaries()
        return Rows(AdjustmentBatch(joined), rejects=Rejects.concat(rejects), calls=calls)

    def _questions(self, codes: Sequence[str], first: date, last: date) -> list[Params]:
        """Return the fewest questions that cover codes and range."""
        size = self._client.config.adjustment_codes_per_call
        span = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)
        working = span[np.is_busday(span)]
        by_code = [of_codes(codes[at : at + size], first, last) for at in range(0, len(codes), size)]
        if self._client.config.by_session and len(working) < len(by_code):
            return [of_market(day) for day in working.tolist()]
        return by_code


def _of(table: pa.Table, codes: Sequence[str]) -> pa.Table:
    return table.filter(pc.is_in(table["code"].cast(pa.string()), pa.array(codes, pa.string())))
