"""What the contracts need of a broker beside the ports: to send as others send, and to let a member go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.ports.broadcasts import Broadcasts
from ginkgo_data.ports.command_stream import CommandStream
from ginkgo_data.ports.work_queue import WorkQueue

DATA_TOPIC = "ginkgo.data.commands"
CONTROL_TOPIC = "ginkgo.live.control.commands"


class BrokerUnderTest(Protocol):
    """The fixture `broker`: one fresh broker with both command topics and the work topic, and one group."""

    patience: float
    """Seconds within which a record that was sent arrives (joining a group included)."""
    quiet: float
    """Seconds without a record that are taken to show that none comes."""

    def put(
        self,
        value: bytes | None,
        topic: str = DATA_TOPIC,
        key: bytes | None = b"same partition",
        headers: Mapping[str, bytes] | None = None,
    ) -> None:
        """Send a record as upstream would."""

    def open(self) -> CommandStream:
        """Return a new member of the group."""

    def restart(self, stream: CommandStream) -> CommandStream:
        """Return the member of a new process, after that of `stream` is gone; nothing more is committed."""

    def evict(self, stream: CommandStream) -> CommandStream:
        """Make the group take all partitions from `stream`, which stays open; return the member that has them."""

    def expire(self, topic: str, number: int, before: int) -> None:
        """Delete the records of a partition below offset `before`, as retention does."""

    def broadcasts(self) -> Broadcasts:
        """Return a reader of what is for every worker."""

    def work_queue(self) -> WorkQueue:
        """Return a queue whose items come back through the streams."""

    def present(self) -> datetime:
        """Return the present by which due times are judged."""

    def pass_time(self, seconds: float) -> None:
        """Let `seconds` go by."""


def snapshot(code: str, **params: object) -> bytes:
    """Return the bytes of a `bar_snapshot` of `code`."""
    return json.dumps({"command": "bar_snapshot", "params": {"code": code, **params}}).encode()


def receive(broker: BrokerUnderTest, stream: CommandStream, count: int) -> list[Delivery]:
    """Return `count` deliveries; fails when fewer arrive within the broker's patience."""
    got: list[Delivery] = []
    while len(got) < count:
        more = stream.receive(count - len(got), broker.patience)
        assert more, f"{len(got)} of {count} records arrived"
        got += more
    return got


def nothing_comes(broker: BrokerUnderTest, stream: CommandStream) -> bool:
    """Whether the stream stays silent."""
    return not stream.receive(10, broker.quiet)


def becomes_true(broker: BrokerUnderTest, condition: Callable[[], bool]) -> bool:
    """Whether `condition()` holds within the broker's patience."""
    deadline = time.monotonic() + broker.patience
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


def values(deliveries: Sequence[Delivery]) -> list[bytes | None]:
    """Return the bytes of `deliveries`."""
    return [delivery.record.value for delivery in deliveries]


def commit(stream: CommandStream, *deliveries: Delivery) -> None:
    """Commit each of `deliveries`, the last one of a partition last."""
    stream.commit({delivery.record.partition: delivery.record.offset + 1 for delivery in deliveries})
