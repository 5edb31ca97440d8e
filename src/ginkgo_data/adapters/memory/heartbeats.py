# Upstream: entrypoints.container
# Downstream: domain.model.worker, ports.clock
# Role: Port heartbeats in memory
"""Heartbeats with a time to live."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ginkgo_data.domain.model.worker import Heartbeat
from ginkgo_data.ports.clock import Clock


class InMemoryHeartbeats:
    """One heartbeat per node, until its time on `clock` has passed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beats: dict[str, tuple[Heartbeat, float]] = {}
        self._lock = threading.Lock()

    def beat(self, heartbeat: Heartbeat, ttl: float) -> None:
        """Replace the node's heartbeat; it is gone after `ttl` seconds."""
        with self._lock:
            self._beats[heartbeat.node_id] = (heartbeat, self._clock.monotonic() + ttl)

    def clear(self, node_id: str) -> None:
        """Forget the node's heartbeat; one that is not there is no error."""
        with self._lock:
            self._beats.pop(node_id, None)

    def alive(self) -> Sequence[Heartbeat]:
        """Return the heartbeats not yet forgotten, by node."""
        with self._lock:
            now = self._clock.monotonic()
            return [beat for _, (beat, end) in sorted(self._beats.items()) if now < end]
