# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.client, ports.clock
# Role: The engine's clock, carried forward by the host's monotonic one
"""Versions of rows from ClickHouse's clock."""

from __future__ import annotations

import threading

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.ports.clock import Clock


class ClickHouseVersionClock:
    """`now64(6)` of the store less the host's monotonic clock, kept between rounds. Safe for several threads."""

    def __init__(self, client: ClickHouseClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead: int | None = None
        """Microseconds by which the store's clock is ahead of the host's monotonic one."""
        self._newest = 0

    def synchronise(self) -> None:
        """Ask the store for its time, taken to be that of the middle of the call."""
        before = self._clock.monotonic()
        found = self._client.query("SELECT toUnixTimestamp64Micro(now64(6)) AS present")
        middle = (before + self._clock.monotonic()) / 2
        with self._lock:
            self._ahead = found["present"][0].as_py() - _microseconds(middle)

    def version(self) -> int:
        """Return the store's present in microseconds since 1970, greater than any returned before."""
        if self._ahead is None:
            self.synchronise()
        with self._lock:
            present = (self._ahead or 0) + _microseconds(self._clock.monotonic())
            self._newest = max(present, self._newest + 1)
            return self._newest


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
