# Upstream: entrypoints.{container, show_bars}
# Downstream: adapters.clickhouse.{client, sql}, domain.model.{bars, series}, pyarrow
# Role: Adjusted bars computed from raw bars and factors, for series that no vendor's adjusted bars are stored of
"""Reading the views `bars_qfq` and `bars_hfq`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import SORTED_SETTINGS, of_bars, quoted
from ginkgo_data.domain.model.bars import BAR_SCHEMA, BarBatch
from ginkgo_data.domain.model.series import Adjust, Series


@dataclass(frozen=True, slots=True, eq=False)
class AdjustedBars:
    """Bars computed from raw ones; `source` is that of the raw bars."""

    bars: BarBatch
    """Prices are null where no factor is known at or before the session."""
    without_factor: int
    """Bars among them whose prices are null for that reason."""
    basis: date | None
    """The session to whose prices qfq is scaled: of the newest factor held; None: hfq, or no factor is held."""


class ClickHouseAdjustedBars:
    """Adjusted bars, from the views."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def read(self, code: str, series: Series, first: date, last: date) -> AdjustedBars:
        """Return the bars of `code` in [first, last], adjusted as `series` says (qfq or hfq), by timestamp.

        Raises `StoreUnavailable`.
        """
        frequency = quoted(series.frequency.value)
        names = ", ".join(BAR_SCHEMA.names)
        basis = "basis" if series.adjust is Adjust.QFQ else "CAST(NULL, 'Nullable(Date32)') AS basis"
        found = self._client.query(
            f"SELECT {names.replace('volume', 'toFloat64(volume) AS volume')}, factor, {basis} "
            f"FROM bars_{series.adjust.value} WHERE code = {quoted(code)} AND frequency = {frequency} "
            f"AND {of_bars(first, last)} ORDER BY timestamp {SORTED_SETTINGS}"
        )
        bases = found["basis"].drop_null()
        table = pa.table({name: found[name] for name in BAR_SCHEMA.names})
        return AdjustedBars(
            BarBatch.of(table, series), found["factor"].null_count, bases[0].as_py() if len(bases) else None
        )
