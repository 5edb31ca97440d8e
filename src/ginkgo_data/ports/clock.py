# Upstream: adapters.{clickhouse, memory, observing, redis, resilience, tushare}, domain.services, entrypoints
# Downstream: none
# Role: Port: the present, the passing of time, and waiting that a stop can cut short
"""Infra time: back-off, heartbeats, latency. Business time never comes from here but from the calendar."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """A clock that tests can turn."""

    def now(self) -> datetime:
        """Return the present, zoned Asia/Shanghai whatever the host's zone is."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return True early (at once, ever after) when the wait was interrupted."""

    def interrupt(self) -> None:
        """End every wait, present and future: the owner is stopping. Idempotent, from any thread."""
