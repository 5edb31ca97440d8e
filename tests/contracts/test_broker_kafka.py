"""The contracts of everything a broker does, for the Kafka family on a real broker."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from contracts.broker import DATA_TOPIC, receive, snapshot
from contracts.command_stream import CommandStreamContract
from contracts.dead_letters import DeadLettersContract, Kept
from contracts.notifications import NotificationsContract
from contracts.work_queue import WorkQueueContract, item
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.dead_letters import KafkaDeadLetters
from ginkgo_data.adapters.kafka.letter_wire import LetterHeader
from ginkgo_data.adapters.kafka.notifications import KafkaNotifications
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, decode_report
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from support.kafka_broker import RealBroker, read_all, unique, until


@pytest.fixture
def broker(kafka_server):
    broker = RealBroker(kafka_server)
    yield broker
    broker.close()


class TestKafkaCommandStream(CommandStreamContract):
    def test_lag_is_what_is_not_committed(self, broker):
        for code in ("000001.SZ", "000002.SZ", "000004.SZ"):
            broker.put(snapshot(code))
        stream = broker.open()
        first, *_ = receive(broker, stream, 3)
        until(lambda: stream.lag().get(first.record.partition) == 3)
        stream.commit({first.record.partition: first.record.offset + 1})
        until(lambda: stream.lag().get(first.record.partition) == 2)
        assert sum(stream.lag().values()) == 2

    def test_a_commit_beyond_what_came_is_a_fault_of_the_caller(self, broker):
        broker.put(snapshot("000001.SZ"))
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        with pytest.raises(ValueError, match="lies beyond what came"):
            stream.commit({got.record.partition: got.record.offset + 2})


@pytest.mark.soak
class TestKafkaCommandStreamOfKip848(CommandStreamContract):
    @pytest.fixture
    def broker(self, kafka_server):
        broker = RealBroker(kafka_server, "consumer")
        yield broker
        broker.close()


class TestKafkaWorkQueue(WorkQueueContract):
    delay = 3.0

    def test_fresh_commands_come_first_but_one_place_is_kept_for_work(self, broker):
        first = self._one(broker)
        for _ in range(3):
            broker.work_queue().park(item(first, broker.present()))
        for number in range(1, 6):
            broker.put(snapshot(f"{number:06d}.SZ"))
        broker.pass_time(1.0)  # so that all of them are in hand; what is asserted holds for any that are
        topics = [d.record.partition.topic for d in self.stream.receive(4, broker.patience)]
        assert topics == [DATA_TOPIC] * 3 + ["ginkgo.data.commands.work"]

    def test_an_item_that_is_due_is_not_held_up_by_one_in_another_partition(self, broker):
        first = self._one(broker)
        broker.work_queue().park(item(first, broker.present() + timedelta(seconds=3600), codes=("600000.SH",)))
        for piece in range(1, 9):  # one of eight at the least falls on another of the twelve partitions
            broker.work_queue().park(item(first, broker.present(), piece=piece))
        (back, *_) = receive(broker, self.stream, 1)
        assert back.record.partition.topic == "ginkgo.data.commands.work"


@pytest.fixture
def own(kafka_server):
    config = KafkaConfig(
        bootstrap_servers=kafka_server.bootstrap,
        work_topic=unique("work"),
        dead_letter_topic=unique("dlq"),
        notification_topic=kafka_server.create_topic(unique("notifications"), 1),
        work_partitions=2,
    )
    topics = KafkaTopics(config)
    topics.create_own()
    producer = KafkaProducer(config, topics.restore)
    yield config, producer
    producer.close()


class TestKafkaDeadLetters(DeadLettersContract):
    @pytest.fixture
    def dead_letters(self, own):
        config, producer = own
        return KafkaDeadLetters(producer, config.dead_letter_topic)

    @pytest.fixture
    def kept(self, own):
        config, _ = own

        def read():
            # Compaction comes when the broker likes; by key it leaves the last one.
            last = {m.key(): m for m in read_all(config.bootstrap_servers, config.dead_letter_topic)}
            return [_kept(message) for message in last.values()]

        return read


def _kept(message):
    headers = dict(message.headers())
    place = "-".join(headers[n].decode() for n in (LetterHeader.TOPIC, LetterHeader.PARTITION, LetterHeader.OFFSET))
    codes = headers.get(LetterHeader.CODES, b"").decode()
    return Kept(
        None if LetterHeader.NULL in headers else message.value(),
        place,
        headers[LetterHeader.REASON].decode(),
        headers[LetterHeader.ERROR].decode(),
        int(headers[LetterHeader.ATTEMPTS]),
        tuple(codes.split(",")) if codes else (),
    )


class ToldOnKafka:
    """What stands on the notification topic."""

    def __init__(self, config, producer):
        self._config = config
        self._producer = producer

    def _messages(self, keys):
        assert self._producer.flush(20.0)
        found = read_all(self._config.bootstrap_servers, self._config.notification_topic)
        return [json.loads(m.value()) for m in found if m.key().decode() in keys]

    def reports(self):
        return [decode_report(message) for message in self._messages({REPORT_KEY})]

    def alerts(self):
        return [(m["type"], m["severity"], m["title"]) for m in self._messages({"data_worker_alert"})]

    def events(self):
        return [(m["type"], m["data"]) for m in self._messages({"data_worker_event"})]


class TestKafkaNotifications(NotificationsContract):
    @pytest.fixture
    def notifications(self, own):
        config, producer = own
        return KafkaNotifications(producer, config.notification_topic, "data_worker_a")

    @pytest.fixture
    def told(self, own):
        return ToldOnKafka(*own)

    def test_a_topic_that_is_missing_is_counted_and_holds_nothing_up(self, own):
        _, producer = own
        notifications = KafkaNotifications(producer, unique("nowhere"), "data_worker_a")
        notifications.event("stats", {})
        producer.flush(20.0)
        assert notifications.failures == 1
