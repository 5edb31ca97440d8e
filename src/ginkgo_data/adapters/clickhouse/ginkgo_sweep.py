# Upstream: adapters.clickhouse.ginkgo_bar_repository, entrypoints.container
# Downstream: adapters.clickhouse, domain.model.bars, ports.clock, numpy, pyarrow
# Role: Settles what a crash or another program left in Ginkgo's table: keys with more than one row
"""The sweep: of every key the greatest row stays. At the start of a worker and hourly, by any number of workers."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_merge import copies, rank
from ginkgo_data.adapters.clickhouse.ginkgo_table import GinkgoBarTable, codes_in
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.adapters.clickhouse.uuid7 import Longs
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.ports.clock import Clock

log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two sweeps of one worker."""

CODES_AT_ONCE = 500
"""Codes whose keys are counted by one statement: its memory grows with the keys."""


class GinkgoSweep:
    """Deletes the rows that lost. Safe for several threads and workers; a crash leaves the rest to the next one."""

    def __init__(self, client: ClickHouseClient, clock: Clock) -> None:
        self._client = client
        self._table = GinkgoBarTable(client)
        self._clock = clock
        self._lock = threading.Lock()
        self._done_at: float | None = None

    def sweep_when_due(self) -> int:
        """Sweep if that was not done within the hour; return the rows deleted. Raises `StoreUnavailable`."""
        with self._lock:
            now = self._clock.monotonic()
            if self._done_at is not None and now - self._done_at < EVERY:
                return 0
            deleted = self.sweep()
            self._done_at = now
            return deleted

    def sweep(self) -> int:
        """Settle every key of the table; return the rows deleted. Raises `StoreUnavailable`."""
        deleted = 0
        found = self._client.query("SELECT DISTINCT frequency, code FROM bar ORDER BY frequency, code")
        frequencies = found["frequency"].to_numpy()
        for frequency in np.unique(frequencies).tolist():
            codes = found["code"].filter(pa.array(frequencies == frequency)).to_pylist()
            for start in range(0, len(codes), CODES_AT_ONCE):
                some = ", ".join(quoted(code) for code in codes[start : start + CODES_AT_ONCE])
                deleted += settle(self._table, frequency, f"code IN ({some})")
        if deleted:
            log.warning("table bar: %d rows of keys with more than one row were deleted", deleted)
        return deleted


def settle(table: GinkgoBarTable, frequency: int, condition: str) -> int:
    """Leave of each key under `condition` its greatest row; return the rows deleted. Raises `StoreUnavailable`."""
    rows, losers, twins = _doubled(table, frequency, condition)
    if len(twins):
        table.insert(copies(rows, twins), frequency)
        rows, losers, _ = _doubled(table, frequency, condition)
    return table.delete(rows.take(pa.array(losers)), frequency)


def _doubled(table: GinkgoBarTable, frequency: int, condition: str) -> tuple[pa.Table, Longs, Longs]:
    """Return the rows of keys with several, which of them lost, and which are stored twice under one id."""
    keys = (
        f"SELECT code, timestamp FROM bar WHERE frequency = {frequency} AND ({condition}) "
        "GROUP BY code, timestamp HAVING count() > 1"
    )
    rows = table.rows(frequency, iter([f"({condition}) AND (code, timestamp) IN ({keys})"]))
    cells = (code_positions(rows["code"], codes_in(rows)) << 32) | rows["second"].to_numpy()
    ranked = rank(cells, rows["uuid"])
    return rows, ranked.losers, ranked.winner[ranked.twins]
