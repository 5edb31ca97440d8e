# Upstream: entrypoints.quickstart
# Downstream: domain.model.{fetch, reference}, numpy, pyarrow
# Role: Port reference_source in memory: a vendor whose securities and days are given
"""A vendor of reference data that answers from what it was given."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.fetch import Answer, ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.reference import Securities, SessionDays


class InMemoryReferenceSource:
    """Securities, and the exchange's days if any were given."""

    def __init__(self, securities: Securities, days: SessionDays | None = None) -> None:
        self._securities = securities
        self._days = days

    def securities(self, market: str | None, version: int) -> Answer[Securities]:
        """Return the securities (of `market`); none at all is an `Unknown`."""
        table = self._securities.table
        if market is not None:
            table = table.filter(pc.equal(table["market"], market))
        if not table.num_rows:
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, f"no securities of market {market or 'any'}")
        return Rows(Securities(_stamped(table, version)))

    def session_days(self, first: date, last: date, version: int) -> Answer[SessionDays]:
        """Return the days in [first, last]; `ProvenEmpty` when no days were given."""
        if self._days is None:
            return ProvenEmpty()
        table = self._days.table
        inside = pc.and_(pc.greater_equal(table["day"], pa.scalar(first)), pc.less_equal(table["day"], pa.scalar(last)))
        return Rows(SessionDays(_stamped(table.filter(inside), version)))


def _stamped(table: pa.Table, version: int) -> pa.Table:
    versions = pa.array(np.full(table.num_rows, version, np.uint64))
    return table.set_column(table.schema.get_field_index("version"), "version", versions)
