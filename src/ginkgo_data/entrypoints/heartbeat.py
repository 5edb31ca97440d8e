# Upstream: entrypoints.{vital_signs, worker}
# Downstream: domain.model.{errors, health, worker}, ports.heartbeats
# Role: The thread that beats for a worker, as long as the worker makes progress
"""Heartbeats are not written for a worker that is not alive: they vouch for progress, not for a process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from ginkgo_data.domain.model.errors import BrokerUnavailable
from ginkgo_data.domain.model.health import Away
from ginkgo_data.domain.model.worker import Heartbeat
from ginkgo_data.ports.heartbeats import Heartbeats

log = logging.getLogger(__name__)


class HeartbeatThread(threading.Thread):
    """Writes what `observe` returns every `interval` seconds; `observe` returns None for a worker not alive."""

    def __init__(
        self, heartbeats: Heartbeats, observe: Callable[[], Heartbeat | None], interval: float, ttl: float
    ) -> None:
        super().__init__(name="ginkgo-data-heartbeat", daemon=True)
        self._heartbeats = heartbeats
        self._observe = observe
        self._interval = interval
        self._ttl = ttl
        self._wake = threading.Event()
        self._ended = False
        self._node_id: str | None = None
        self.missed = 0
        """Beats that could not be written."""
        self.failing: Away | None = None
        """Why the last beat could not be written and since when that is so, None where it was."""

    def run(self) -> None:
        """Beat until `end`."""
        while not self._ended:
            self._wake.clear()
            self.beat()
            self._wake.wait(self._interval)

    def beat(self) -> None:
        """Beat once, now; a failure is counted and logged, never raised."""
        try:
            heartbeat = self._observe()
            if heartbeat is None:
                return
            self._node_id = heartbeat.node_id
            self._heartbeats.beat(heartbeat, self._ttl)
            self.failing = None
        except BrokerUnavailable as error:
            self._failed(error)
            log.warning("heartbeat missed (%d so far): %s", self.missed, error)
        except Exception as error:  # this thread lives as long as its worker, whatever an adapter raises
            self._failed(error)
            log.exception("heartbeat missed (%d so far)", self.missed)

    def _failed(self, error: Exception) -> None:
        self.missed += 1
        since = self.failing.since if self.failing else datetime.now(UTC)
        self.failing = Away(f"{type(error).__name__}: {error}", since)

    def soon(self) -> None:
        """Let the thread beat now instead of at the end of its interval."""
        self._wake.set()

    def renew(self, heartbeats: Heartbeats, interval: float, ttl: float) -> None:
        """Beat from now on there, and in these seconds; what was written elsewhere is taken away."""
        before, self._heartbeats = self._heartbeats, heartbeats
        self._interval, self._ttl = interval, ttl
        if before is not heartbeats:
            self._clear(before)
        self.soon()

    def end(self) -> None:
        """Stop beating and forget the heartbeat, so that a clean stop leaves no ghost."""
        self._ended = True
        self._wake.set()
        if self.is_alive():
            self.join(timeout=self._interval)
        self._clear(self._heartbeats)

    def _clear(self, heartbeats: Heartbeats) -> None:
        if self._node_id is None:
            return
        try:
            heartbeats.clear(self._node_id)
        except BrokerUnavailable as error:
            log.warning("heartbeat of %s not cleared: %s", self._node_id, error)
