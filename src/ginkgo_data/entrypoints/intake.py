# Upstream: entrypoints.{loop, parts, vital_signs, worker}
# Downstream: domain.model.{delivery, errors}, domain.services.offsets, ports.{clock, command_stream}
# Role: Deliveries in the worker's hand: gathered, finished, committed, forgotten when they belong to another
"""Between the stream and the rounds. Owned by the worker's thread; only the figures may be read from others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.domain.model.errors import BrokerUnavailable
from ginkgo_data.domain.services.offsets import OffsetLedger
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.command_stream import CommandStream


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much one round takes, and how long it waits for it (seconds)."""

    records: int = 500
    poll_timeout: float = 1.0
    coalesce_wait: float = 0.5


class Intake:
    """What was received and is not finished. Nothing leaves the hand but by `finished` or by a lost partition."""

    def __init__(self, stream: CommandStream, clock: Clock, limits: IntakeLimits) -> None:
        self.stream = stream
        self._clock = clock
        self.limits = limits
        """May change between two rounds."""
        self._ledger = OffsetLedger()
        self._held = False
        self.in_hand: list[Delivery] = []
        """Received and not finished, in order of delivery."""
        self.last_poll: datetime | None = None
        """When the stream was last asked (zoned)."""

    def gather(self) -> None:
        """Receive what waits; the first delivery waits `coalesce_wait` for company. Raises `BrokerUnavailable`."""
        limits, clock = self.limits, self._clock
        self.last_poll = clock.now()
        gathered = list(self.stream.receive(limits.records, limits.poll_timeout))
        until = clock.monotonic() + limits.coalesce_wait
        while gathered and len(gathered) < limits.records and (left := until - clock.monotonic()) > 0:
            try:
                gathered += self.stream.receive(limits.records - len(gathered), left)
            except BrokerUnavailable:
                break  # the next turn will meet it again; what was received is worked first
        for delivery in gathered:
            self._ledger.delivered(delivery.record)
        self.in_hand += gathered

    def owns(self, delivery: Delivery) -> bool:
        """Whether the delivery's partition, in its epoch, is still this worker's."""
        return self.stream.owns(delivery.record.partition)

    def forget_lost(self) -> Sequence[Delivery]:
        """Let go of deliveries whose partition went to another worker, and return them: it gets them anew."""
        lost = [delivery for delivery in self.in_hand if not self.owns(delivery)]
        if lost:
            gone = {id(delivery) for delivery in lost}
            self.in_hand = [delivery for delivery in self.in_hand if id(delivery) not in gone]
        for partition in self._ledger.partitions():
            if not self.stream.owns(partition):
                self._ledger.drop(partition)
        return lost

    def finished(self, deliveries: Iterable[Delivery]) -> None:
        """Note deliveries whose end is acknowledged: they may be committed."""
        done = {id(delivery) for delivery in deliveries}
        for delivery in self.in_hand:
            if id(delivery) in done:
                self._ledger.finished(delivery.record)
        self.in_hand = [delivery for delivery in self.in_hand if id(delivery) not in done]

    def commit(self) -> None:
        """Give back the offsets that may be. Raises `BrokerUnavailable` when earlier ones are not acknowledged."""
        if offsets := self._ledger.committable():
            self.stream.commit(offsets)
            self._ledger.committed(offsets)

    def hold(self, held: bool) -> None:
        """Stop the intake at the broker, or let it go on; idempotent."""
        if held is not self._held:
            self.stream.hold(held)
            self._held = held

    def unfinished(self) -> int:
        """Return how many deliveries are received and not finished; from any thread."""
        return self._ledger.unfinished()
