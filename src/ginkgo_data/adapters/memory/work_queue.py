# Upstream: entrypoints.container
# Downstream: adapters.memory.broker, domain.model.disposition
# Role: Port work_queue in memory: remainders on the broker's work topic
"""Work items come back through the command stream of the same broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ginkgo_data.adapters.memory.broker import InMemoryBroker
from ginkgo_data.domain.model.disposition import WorkItem


class InMemoryWorkQueue:
    """Puts work records, encoded as the wire of the stream's decoder has it; what was parked can be read."""

    def __init__(self, broker: InMemoryBroker, encode: Callable[[WorkItem], tuple[bytes, Mapping[str, bytes]]]) -> None:
        self._broker = broker
        self._encode = encode
        self._parked: list[WorkItem] = []

    @property
    def parked(self) -> Sequence[WorkItem]:
        """All items ever parked, in order."""
        return tuple(self._parked)

    def park(self, item: WorkItem) -> None:
        """Keep `item` on the work topic until it is due."""
        value, headers = self._encode(item)
        self._broker.put(self._broker.work_topic, value, headers, not_before=item.not_before)
        self._parked.append(item)
