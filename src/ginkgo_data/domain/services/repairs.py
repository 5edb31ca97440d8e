# Upstream: domain.services.validation
# Downstream: domain.model.bars, domain.services.bar_columns, numpy, pyarrow
# Role: Repairs of bars whose fault and remedy are both known: the opens of 0 that Eastmoney's older minutes have
"""An open of 0 in an otherwise whole minute bar becomes the close before it in its session, or its own close."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import BAR_SCHEMA, BarBatch
from ginkgo_data.domain.services.bar_columns import BarColumns, Longs

_OPEN = BAR_SCHEMA.get_field_index("open")


def zero_opens(columns: BarColumns) -> Longs:
    """Return the rows with an open of exactly 0 whose other prices are above 0 and fit together."""
    values = columns.floats
    low, high, close = (values[name] for name in ("low", "high", "close"))
    with np.errstate(all="ignore"):
        broken = (values["open"] == 0.0) & (low > 0.0) & (low <= close) & (close <= high)
    return np.flatnonzero(broken)


def with_opens(bars: BarBatch, columns: BarColumns, rows: Longs) -> tuple[BarBatch, BarColumns]:
    """Return both with the opens of `rows` repaired; a close outside the bar's own range counts as its nearer end."""
    values = columns.floats
    order = np.lexsort((columns.timestamp, columns.session, columns.code))
    before = np.full(len(order), -1, np.int64)
    same = (np.diff(columns.code[order]) == 0) & (np.diff(columns.session[order]) == 0)
    before[order[1:]] = np.where(same, order[:-1], -1)
    earlier = before[rows]
    wanted = np.where(earlier >= 0, values["close"][earlier], values["close"][rows])
    opens = values["open"].copy()
    with np.errstate(all="ignore"):
        wanted = np.where(wanted > 0.0, wanted, values["close"][rows])
        opens[rows] = np.clip(wanted, values["low"][rows], values["high"][rows])
    nulls = np.isnan(opens) if bars.table["open"].null_count else None
    table = bars.table.set_column(_OPEN, BAR_SCHEMA.field(_OPEN), pa.array(opens, mask=nulls))
    return BarBatch(table, bars.series), replace(columns, floats={**values, "open": opens})
