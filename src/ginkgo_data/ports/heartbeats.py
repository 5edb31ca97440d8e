# Upstream: entrypoints.{heartbeat, parts}
# Downstream: domain.model.worker
# Role: Port: signs of life, with an end
"""Heartbeats of workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ginkgo_data.domain.model.worker import Heartbeat


class Heartbeats(Protocol):
    """One heartbeat per node, forgotten after its time to live."""

    def beat(self, heartbeat: Heartbeat, ttl: float) -> None:
        """Replace the node's heartbeat; it is gone after `ttl` seconds. Raises `BrokerUnavailable`."""

    def clear(self, node_id: str) -> None:
        """Forget the node's heartbeat now: a clean stop leaves no ghost. Raises `BrokerUnavailable`."""

    def alive(self) -> Sequence[Heartbeat]:
        """Return the heartbeats not yet forgotten, by node."""
