# Upstream: adapters.clickhouse.ginkgo_bar_repository
# Downstream: adapters.clickhouse, domain.model.{bars, series}, ports.bar_repository, numpy, pyarrow
# Role: What the ginkgo layout keeps beside Ginkgo's table: marks of sessions, withdrawals of bars
"""Our own tables beside Ginkgo's.

Marks lie in `held_sessions`, withdrawals as tombstones in `bars`: where the native layout has them too.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_units import seconds_in
from ginkgo_data.adapters.clickhouse.sql import of_bars, of_codes, of_series, of_sessions
from ginkgo_data.domain.model.bars import BarBatch, code_positions
from ginkgo_data.domain.model.series import Series
from ginkgo_data.ports.bar_repository import WriteReceipt


class GinkgoBeside:
    """Marks and withdrawals. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client
        self._native = ClickHouseBarRepository(client)

    def mark(self, bars: BarBatch) -> None:
        """Mark the sessions of `bars`; a key that is there twice is one row of its session."""
        moment = bars.table["timestamp"].cast(pa.int64()).to_numpy()
        order = np.lexsort((bars.table["version"].to_numpy(), moment, code_positions(bars.table["code"], bars.codes())))
        code = code_positions(bars.table["code"], bars.codes())[order]
        last = np.append((code[1:] != code[:-1]) | (moment[order][1:] != moment[order][:-1]), len(order) > 0)
        self._native.mark_held(bars.take(order[last[: len(order)]]))

    def withdraw(self, bars: BarBatch) -> WriteReceipt:
        """Note that the bars are withdrawn, as of the version of each, with the marks of their sessions."""
        return self._native.withdraw(bars)

    def marks_of(self, bars: BarBatch) -> pa.Table:
        """Return (code, day, rows, version) of marked sessions in the window of `bars`."""
        ends = pc.min_max(bars.table["session"]).as_py()
        some = of_codes(bars.codes())
        return pa.concat_tables([self.marks(bars.series, codes, ends["min"], ends["max"]) for codes in some])

    def marks(self, series: Series, codes: str, first: date, last: date, since: int | None = None) -> pa.Table:
        """Return (code, day, rows, version) of marked sessions; `codes` is a condition."""
        fresh = "" if since is None else f" AND version >= {since}"
        found = self._client.query(
            "SELECT toString(code) AS name, toInt64(toInt32(session)) AS day, rows, version FROM held_sessions FINAL "
            f"WHERE {of_series(series)} AND {codes} AND {of_sessions(first, last)}{fresh}"
        )
        return found.rename_columns(["code", "day", "rows", "version"])

    def withdrawn_in(self, bars: BarBatch, zone: str) -> pa.Table:
        """Return (code, second, version) of withdrawn keys in the window of `bars`; `zone` is the server's."""
        ends = pc.min_max(bars.table["session"]).as_py()
        parts = [
            self._client.query(
                "SELECT toString(code) AS name, timestamp, max(version) AS newest FROM bars WHERE is_deleted = 1 "
                f"AND {of_series(bars.series)} AND {of_bars(ends['min'], ends['max'])} AND {some} "
                "GROUP BY code, timestamp"
            )
            for some in of_codes(bars.codes())
        ]
        found = pa.concat_tables(parts)
        seconds = pa.array(seconds_in(pc.local_timestamp(found["timestamp"]), zone))
        return pa.table({"code": found["name"], "second": seconds, "version": found["newest"]})
