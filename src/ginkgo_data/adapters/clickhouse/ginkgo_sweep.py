# Upstream: adapters.clickhouse.ginkgo_bar_repository, entrypoints.container
# Downstream: adapters.clickhouse, domain.model.bars, ports.clock, numpy, pyarrow
# Role: Settles what a crash or another program left in Ginkgo's tables: keys with several rows, days with two lists
"""The sweep, at the start of a worker and hourly, by any number of workers.

Of every key the greatest row stays, of every day of ticks the greatest list, and the derived columns of factors fit.
"""

from __future__ import annotations

import logging
import threading

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_factor_settling import FactorSettling
from ginkgo_data.adapters.clickhouse.ginkgo_factor_table import GinkgoFactorTable
from ginkgo_data.adapters.clickhouse.ginkgo_merge import copies, rank
from ginkgo_data.adapters.clickhouse.ginkgo_table import GinkgoBarTable, codes_in
from ginkgo_data.adapters.clickhouse.ginkgo_tick_settling import sweep_ticks
from ginkgo_data.adapters.clickhouse.ginkgo_tick_tables import GinkgoTickTables
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.adapters.clickhouse.uuid7 import Longs
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.ports.clock import Clock

log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two sweeps of one worker."""

CODES_AT_ONCE = 500
"""Codes whose keys are counted by one statement: its memory grows with the keys."""

TABLES_AT_ONCE = 20
LOOK_BACK = 7 * 86_400.0
"""Seconds since the last change of a table of ticks after which the first sweep of a worker passes it over: all of them
may be more than can be read at once. A day with two lists in it is not held, so that the next command settles it."""


class GinkgoSweep:
    """Deletes the rows that lost. Safe for several threads and workers; a crash leaves the rest to the next one."""

    def __init__(self, client: ClickHouseClient, clock: Clock) -> None:
        self._client = client
        self._table = GinkgoBarTable(client)
        self._factors = FactorSettling(GinkgoFactorTable(client))
        self._ticks = GinkgoTickTables(client)
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
        """Settle every key and day of the tables; return the rows (of ticks the lists) deleted.

        A table of ticks or a history of factors that does not fit is told in the log, and left alone. Raises
        `StoreUnavailable`.
        """
        deleted = self._sweep_bars()
        if self._client.query("EXISTS TABLE adjustfactor").column(0)[0].as_py():
            deleted += self._sweep_factors()
        return deleted + self._sweep_ticks()

    def _sweep_bars(self) -> int:
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

    def _sweep_factors(self) -> int:
        deleted = self._factors.sweep(CODES_AT_ONCE)
        if deleted:
            log.warning("table adjustfactor: %d rows that others took the place of were deleted", deleted)
        return deleted

    def _sweep_ticks(self) -> int:
        present = self._clock.monotonic()
        seconds = LOOK_BACK if self._done_at is None else present - self._done_at + EVERY
        changed = self._ticks.changed(seconds)
        deleted = 0
        for start in range(0, len(changed), TABLES_AT_ONCE):
            codes = self._ticks.fitting(changed[start : start + TABLES_AT_ONCE])
            deleted += sweep_ticks(self._client, self._ticks, codes)
        if deleted:
            log.warning("tables of ticks: %d lists that others took the place of were deleted", deleted)
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
