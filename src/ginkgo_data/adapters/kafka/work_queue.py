# Upstream: entrypoints.container
# Downstream: adapters.kafka.{producer, wire}, domain.model.disposition
# Role: Port work_queue on Kafka: remainders on the work topic
"""Work records carry no key, so that they spread over the partitions, and thus over the workers."""

from __future__ import annotations

from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.wire import encode_work
from ginkgo_data.domain.model.disposition import WorkItem


class KafkaWorkQueue:
    """Writes to `topic`, which the command stream of the same group reads."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def park(self, item: WorkItem) -> None:
        """Keep `item`, acknowledged; raises `BrokerUnavailable`, and then it may have been kept all the same.

        Raises `RecordTooLarge`, a `TerminalError`, where others made the topic for smaller records than a command's.
        """
        value, headers = encode_work(item)
        self._producer.send(self._topic, value, headers=headers)
