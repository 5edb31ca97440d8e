# Upstream: entrypoints.worker
# Downstream: domain.model.{errors, worker}, ports.heartbeats
# Role: The thread that beats for a worker, as long as the worker makes progress
"""Heartbeats are not written for a worker that is not alive: they vouch for progress, not for a process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ginkgo_data.domain.model.errors import BrokerUnavailable
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
        except BrokerUnavailable as error:
            self.missed += 1
            log.warning("heartbeat missed (%d so far): %s", self.missed, error)
        except Exception:  # this thread lives as long as its worker, whatever an adapter raises
            self.missed += 1
            log.exception("heartbeat missed (%d so far)", self.missed)

    def soon(self) -> None:
        """Let the thread beat now instead of at the end of its interval."""
        self._wake.set()

    def end(self) -> None:
        """Stop beating and forget the heartbeat, so that a clean stop leaves no ghost."""
        self._ended = True
        self._wake.set()
        if self.is_alive():
            self.join(timeout=self._interval)
        if self._node_id is None:
            return
        try:
            self._heartbeats.clear(self._node_id)
        except BrokerUnavailable as error:
            log.warning("heartbeat of %s not cleared: %s", self._node_id, error)
