# Upstream: none
# Downstream: domain.model.{adjustments, bars, fetch}, numpy, pyarrow
# Role: Port adjustment_source in memory: a vendor whose factors are given
"""A vendor of adjustment factors that answers from what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.domain.model.fetch import Answer, ProvenEmpty, Rows


class InMemoryAdjustmentSource:
    """Factors by code and session. Safe for several threads."""

    def __init__(self, factors: AdjustmentBatch) -> None:
        self._table = factors.table
        self._session = factors.table["session"].to_numpy().astype("datetime64[D]")

    def factors(self, codes: Sequence[str], first: date, last: date, version: int) -> Answer[AdjustmentBatch]:
        """Return the factors of `codes` in [first, last], in the order given; `ProvenEmpty` when there are none."""
        inside = (self._session >= np.datetime64(first, "D")) & (self._session <= np.datetime64(last, "D"))
        found = self._table.filter(pa.array(inside & (code_positions(self._table["code"], codes) >= 0)))
        if not found.num_rows:
            return ProvenEmpty()
        versions = pa.array(np.full(found.num_rows, version, np.uint64))
        return Rows(AdjustmentBatch(found.set_column(found.schema.get_field_index("version"), "version", versions)))
