"""The broker of the contracts on a real Kafka: shared topics of one partition, a group of each test's own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from contracts.broker import CONTROL_TOPIC, DATA_TOPIC
from ginkgo_data.adapters.kafka.broadcasts import KafkaBroadcasts
from ginkgo_data.adapters.kafka.command_stream import KafkaCommandStream
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.kafka.wire import WORK_TOPIC, decode_command
from ginkgo_data.adapters.kafka.work_queue import KafkaWorkQueue
from support.kafka_server import KafkaTopics as Server

PATIENCE = 60.0


def unique(name: str) -> str:
    """Return a name that no other test has."""
    return f"{name}.{uuid.uuid4().hex[:12]}"


def ends(bootstrap: str, topics: tuple[str, ...], group: str = "nobody") -> list[TopicPartition]:
    """Return the end of every partition of `topics`."""
    asking = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    found = []
    for topic in topics:
        for number in asking.list_topics(topic, timeout=10).topics[topic].partitions:
            place = TopicPartition(topic, number)
            found.append(TopicPartition(topic, number, _end(asking, place)))
    asking.close()
    return found


def _end(asking: Consumer, place: TopicPartition) -> int:
    deadline = time.monotonic() + 10.0
    while True:  # a partition that was just made has no leader for a moment
        try:
            return asking.get_watermark_offsets(place, timeout=10)[1]
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def committed(bootstrap: str, group: str, topic: str, number: int = 0) -> int:
    """Return where the group stands, a negative number where it stands nowhere."""
    asking = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    (place,) = asking.committed([TopicPartition(topic, number)], timeout=10)
    asking.close()
    return place.offset


def read_all(bootstrap: str, topic: str) -> list[Message]:
    """Return every record of `topic`, partition by partition."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "nobody", "enable.auto.commit": False})
    found: list[Message] = []
    for end in ends(bootstrap, (topic,)):
        low, high = reader.get_watermark_offsets(end, timeout=10)
        reader.assign([TopicPartition(topic, end.partition, low)])
        position = low
        while position < high:
            message = reader.poll(10.0)
            assert message is not None
            assert message.error() is None, message.error()
            found.append(message)
            position = message.offset() + 1
    reader.close()
    return found


def until(condition, patience: float = PATIENCE) -> None:
    """Wait until `condition()` holds; fail when it does not within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


class RealBroker:
    """What `contracts.broker.BrokerUnderTest` asks for. A younger member gets every partition of the command topics."""

    patience = PATIENCE
    quiet = 1.0

    def __init__(self, server: Server, protocol: str = "classic", **more: object) -> None:
        self.bootstrap = server.bootstrap
        self.group = unique("group")
        self._age = 9999
        self._protocol = protocol
        self._server = server
        self._streams: list[KafkaCommandStream] = []
        self._preferred: list[KafkaCommandStream] = []
        self._readers: list[KafkaBroadcasts] = []
        self.settings: dict[str, object] = {
            "bootstrap_servers": server.bootstrap,
            "group_id": self.group,
            "group_protocol": protocol,
            "session_timeout": 2.0,
            "delivery_timeout": 10.0,
            "metadata_interval": 1.0,
            "broadcast_interval": 0.5,
            **more,
        }
        for topic in (DATA_TOPIC, CONTROL_TOPIC):
            if server.partitions(topic) not in (0, 1):
                server.delete_topic(topic)
            if not server.partitions(topic):
                server.create_topic(topic, 1)
        topics = KafkaTopics(self.config())
        topics.create_own()
        self.producer = KafkaProducer(self.config(), topics.restore)
        self.begin_at_the_ends()

    def begin_at_the_ends(self) -> None:
        """Put the group after what other tests left behind."""
        config = self.config()
        member = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
        topics = tuple(name for name in config.subscription if name in member.list_topics(timeout=10).topics)
        member.commit(offsets=ends(self.bootstrap, topics), asynchronous=False)
        member.close()

    def config(self, first: bool = False) -> KafkaConfig:
        """Return the next member's configuration; with `first` it sorts before all others."""
        self._age -= 1
        name = f"m{self._age}"
        options: dict[str, str] = {"client.id": name, "fetch.wait.max.ms": "50"}
        if self._protocol == "consumer":
            options["group.remote.assignor"] = "range"
            if first:  # KIP-848's range assignor serves members with an instance id first
                options["group.instance.id"] = name
        else:
            options["partition.assignment.strategy"] = "range"
        return KafkaConfig(**{**self.settings, "options": options})

    def put(
        self,
        value: bytes | None,
        topic: str = DATA_TOPIC,
        key: bytes | None = b"same partition",
        headers: Mapping[str, bytes] | None = None,
    ) -> None:
        self.producer.send(topic, value, key, headers)

    def join(self, first: bool = False, **more: object) -> KafkaCommandStream:
        """Return a new member, which may still be joining."""
        config = self.config(first)
        stream = KafkaCommandStream(config.model_copy(update=more), decode_command)
        self._streams.append(stream)
        if first:
            self._preferred.append(stream)
        return stream

    def open(self) -> KafkaCommandStream:
        return self._assigned(self.join())

    def _assigned(self, stream: KafkaCommandStream) -> KafkaCommandStream:
        until(lambda: any(partition.topic == DATA_TOPIC for partition in stream.state().assigned))
        return stream

    def restart(self, stream: KafkaCommandStream) -> KafkaCommandStream:
        stream.close()
        # One that evicted another member would not get the partitions back from it otherwise.
        return self._assigned(self.join(first=stream in self._preferred))

    def evict(self, stream: KafkaCommandStream) -> KafkaCommandStream:
        return self._assigned(self.join(first=True))

    def expire(self, topic: str, number: int, before: int) -> None:
        admin, place = self._server.admin(), TopicPartition(topic, number, before)
        admin.delete_records([place])[place].result(10.0)

    def broadcasts(self) -> KafkaBroadcasts:
        reader = KafkaBroadcasts(self.config(), decode_command)
        self._readers.append(reader)
        return reader

    def work_queue(self) -> KafkaWorkQueue:
        return KafkaWorkQueue(self.producer, WORK_TOPIC)

    def present(self) -> datetime:
        return datetime.now(UTC)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """End all members and readers."""
        for member in [*self._streams, *self._readers]:
            member.close()
        self.producer.close()
