# Upstream: adapters.tushare.{adjustment_source, bar_source, client, reference_source}
# Downstream: domain.model.{coverage, fetch}, numpy
# Role: Requests of the domain as parameters of the Tushare apis
"""Parameters: days as YYYYMMDD, codes as a comma list, a whole market as `trade_date` without codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest

Params = Mapping[str, str]

CODES_SHOWN = 3


def day_text(day: date) -> str:
    """Return a day as Tushare writes it."""
    return f"{day:%Y%m%d}"


def of_market(session: date) -> Params:
    """Ask for all codes on one session."""
    return {"trade_date": day_text(session)}


def of_codes(codes: Sequence[str], first: date, last: date) -> Params:
    """Ask for some codes on the sessions `first` … `last`."""
    return {"ts_code": ",".join(codes), "start_date": day_text(first), "end_date": day_text(last)}


def of_request(request: FetchRequest) -> Params:
    """Ask for what `request` asks for."""
    if request.codes is None:
        return of_market(request.first)
    return of_codes(request.codes, request.first, request.last)


def of_cells(request: FetchRequest, cells: Cells) -> Params:
    """Ask for what covers `cells` of `request`: the market where the request is for it, else the cells' codes."""
    if request.by_session:
        return of_market(request.first)
    codes = [cells.codes[i] for i in np.unique(cells.index).tolist()]
    return of_codes(codes, cells.session.min().item(), cells.session.max().item())


def in_words(api: str, params: Params) -> str:
    """Return a question for people; of a long list of codes only the first ones are named."""
    parts = []
    for name, value in params.items():
        values = value.split(",")
        cut = f"{','.join(values[:CODES_SHOWN])}… ({len(values)} codes)"
        parts.append(f"{name}={value if len(values) <= CODES_SHOWN else cut}")
    return f"{api}({', '.join(parts)})"
