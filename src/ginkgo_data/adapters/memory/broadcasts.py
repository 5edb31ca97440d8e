# Upstream: entrypoints.container
# Downstream: adapters.memory.broker, domain.model.{commands, delivery}, ports.command_stream
# Role: Port broadcasts in memory: a reader of an in-memory broker that is in no group
"""What is for every worker, of a broker in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from ginkgo_data.adapters.memory.broker import InMemoryBroker
from ginkgo_data.domain.model.commands import CommandMessage, ProbeHeartbeat, ReloadConfig
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.ports.command_stream import CommandDecoder

WORDS = (ReloadConfig().word.encode(), ProbeHeartbeat().word.encode())
"""What is looked for in the bytes, before anything is decoded."""


class InMemoryBroadcasts:
    """Reads every topic but the work topic, from where they end when this is made."""

    def __init__(self, decode: CommandDecoder, broker: InMemoryBroker) -> None:
        self._decode = decode
        self._broker = broker
        self._positions = broker.ends()
        self._closed = threading.Event()

    def take(self, timeout: float) -> Sequence[Delivery]:
        """Return what has come, waiting up to `timeout` real seconds for the first; `close` ends the wait."""
        deadline = time.monotonic() + timeout
        while not self._closed.is_set():
            records = self._broker.read(self._positions, deadline - time.monotonic(), self._closed.is_set)
            worth = (record for record in records if any(word in (record.value or b"") for word in WORDS))
            found = [delivery for delivery in map(self._decode, worth) if _is_for_all(delivery)]
            if found or time.monotonic() >= deadline:
                return found
        return []

    def close(self) -> None:
        """End the reading; idempotent, from any thread."""
        self._closed.set()
        self._broker.wake()


def _is_for_all(delivery: Delivery) -> bool:
    body = delivery.body
    return isinstance(body, CommandMessage) and isinstance(body.command, ReloadConfig | ProbeHeartbeat)
