"""The contracts of everything a broker does, for the Kafka family on a real broker."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicCollection, TopicPartition
from pydantic import SecretStr

from contracts.broadcasts import RELOAD, BroadcastsContract, requests, taken
from contracts.broker import DATA_TOPIC, commit, receive, snapshot
from contracts.command_stream import CommandStreamContract, expired
from contracts.dead_letters import DeadLettersContract, Kept
from contracts.notifications import ALERT, NotificationsContract
from contracts.work_queue import WorkQueueContract, item
from ginkgo_data.adapters.kafka.broadcasts import KafkaBroadcasts
from ginkgo_data.adapters.kafka.command_stream import KafkaCommandStream
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.dead_letters import KafkaDeadLetters
from ginkgo_data.adapters.kafka.errors import RecordTooLarge
from ginkgo_data.adapters.kafka.letter_wire import LetterHeader
from ginkgo_data.adapters.kafka.notifications import KafkaNotifications
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.records import CommitNote
from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, decode_report
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.kafka.wire import decode_command
from ginkgo_data.adapters.kafka.work_queue import KafkaWorkQueue
from ginkgo_data.domain.model.errors import TerminalError
from support.kafka_broker import RealBroker, read_all, unique, until


def topic_id(server, topic):
    admin = server.admin()  # it has to outlive its answer
    return str(admin.describe_topics(TopicCollection([topic]))[topic].result(10.0).topic_id)


@pytest.fixture
def broker(kafka_server):
    broker = RealBroker(kafka_server)
    yield broker
    broker.close()


class TestKafkaCommandStream(CommandStreamContract):
    def test_a_commit_beyond_what_came_is_a_fault_of_the_caller(self, broker):
        broker.put(snapshot("000001.SZ"))
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        with pytest.raises(ValueError, match="lies beyond what came"):
            stream.commit({got.record.partition: got.record.offset + 2})

    def test_what_stands_beside_a_committed_offset_may_be_anything_and_a_time_is_taken_for_one(
        self, broker, kafka_server
    ):
        for code in ("000001.SZ", "000002.SZ"):
            broker.put(snapshot(code))
        stream = broker.open()
        first, second = receive(broker, stream, 2)
        commit(stream, first)
        place = first.record.partition
        stream.close()
        asking = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": broker.group})
        (stood,) = asking.committed([TopicPartition(place.topic, place.number)], timeout=10.0)
        written = CommitNote.read(stood.metadata)
        assert abs(broker.present() - written.at) < timedelta(seconds=60)
        assert written.topic_id == topic_id(kafka_server, place.topic)
        foreign = TopicPartition(place.topic, place.number, stood.offset, metadata="给 consumer-1 was here")
        asking.commit(offsets=[foreign], asynchronous=False)
        asking.close()
        broker.expire(place.topic, place.number, second.record.offset + 1)
        (found,) = expired(broker, broker.open())
        assert (found.first, found.count, found.since) == (second.record.offset, 1, None)

    def test_a_topic_made_anew_under_two_members_is_read_again_within_seconds(self, kafka_server):
        topic = kafka_server.create_topic(unique("reset"), 2)
        broker = RealBroker(kafka_server, topics=(topic,))
        # As in production: nobody looks at the topics for half a minute, and a fetch waits for half a second.
        usual = broker.config().model_copy(update={"options": {}, "metadata_interval": 30.0})
        streams = [KafkaCommandStream(usual, decode_command) for _ in range(2)]
        try:
            until(lambda: all(any(p.topic == topic for p in s.state().assigned) for s in streams))
            for times in (6, 12):  # more than it held before: the end tells nothing
                for number in range(times):
                    broker.put(RELOAD % number, topic=topic, key=b"%d" % number)
                got = set()
                begun = time.monotonic()
                while len(got) < times:
                    assert time.monotonic() - begun < 20.0, f"{len(got)} of {times}"
                    for stream in streams:
                        deliveries = stream.receive(100, 0.2)
                        got |= set(requests(deliveries))
                        commit(stream, *deliveries)
                # A look comes every second; what is asked at the same moment is answered in far less than that.
                assert max(stream.state().turned_ago for stream in streams) < 2.0
                if times == 6:
                    until(lambda: all(sum(stream.state().lag.values()) == 0 for stream in streams))
                    kafka_server.delete_topic(topic)
                    kafka_server.create_topic(topic, 2)
        finally:
            for stream in streams:
                stream.close()
            broker.close()

    def test_a_place_in_a_topic_of_that_name_that_is_gone_hides_no_record_of_this_one(self, kafka_server):
        topic = kafka_server.create_topic(unique("namesake"), 1)
        broker = RealBroker(kafka_server, topics=(topic,))
        try:
            gone = topic_id(kafka_server, topic)
            kafka_server.delete_topic(topic)
            kafka_server.create_topic(topic, 1)
            for number in range(6):
                broker.put(RELOAD % number, topic=topic)
            # What a member does that has not yet learnt of it.
            late = TopicPartition(topic, 0, 4, metadata=str(CommitNote(broker.present(), gone)))
            member = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": broker.group})
            member.commit(offsets=[late], asynchronous=False)
            stream = broker.join()
            got = defaultdict(list)

            def all_came() -> bool:
                for delivery in stream.receive(100, 0.2):
                    got[delivery.record.partition.epoch].append(delivery)
                return [d.record.offset for d in got[max(got, default=0)]] == list(range(6))

            until(all_came)
            commit(stream, *got[max(got)])
            until(lambda: member.committed([TopicPartition(topic, 0)], timeout=10.0)[0].offset == 6)
            (stood,) = member.committed([TopicPartition(topic, 0)], timeout=10.0)
            assert CommitNote.read(stood.metadata).topic_id == topic_id(kafka_server, topic)
            member.close()
        finally:
            broker.close()

    def test_where_the_group_never_stood_nothing_has_expired(self, kafka_server):
        topic = kafka_server.create_topic(unique("aged"), 1)
        broker = RealBroker(kafka_server, topics=(topic,))
        try:
            for code in ("000001.SZ", "000002.SZ", "000004.SZ"):
                broker.put(snapshot(code), topic=topic)
            broker.expire(topic, 0, 2)
            newcomer = broker.join(group_id=unique("newcomer"))
            until(lambda: topic in {d.record.partition.topic for d in newcomer.receive(500, 0.5)})
            until(lambda: any(partition.topic == topic for partition in newcomer.state().lag))
            assert list(newcomer.expired()) == []
        finally:
            broker.close()


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

    def test_an_item_that_its_topic_never_takes_is_told_from_a_broker_that_is_away(self, kafka_server):
        topic = kafka_server.create_topic(unique("small"), 1, {"max.message.bytes": "1000"})
        broker = RealBroker(kafka_server)
        try:
            first = self._one(broker, b'{"command":"reload","note":"%s"}' % (b"x" * 2000))
            queue = KafkaWorkQueue(broker.producer, topic)
            with pytest.raises(RecordTooLarge) as raised:
                queue.park(item(first, broker.present()))
            assert isinstance(raised.value, TerminalError)
            queue.park(item(replace(first, record=replace(first.record, value=b"{}")), broker.present()))
        finally:
            broker.close()


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


class TestKafkaBroadcasts(BroadcastsContract):
    def test_partitions_and_topics_that_come_later_are_read_from_their_beginning(self, kafka_server):
        grown, later = kafka_server.create_topic(unique("grown"), 1), unique("later")
        broker = RealBroker(kafka_server, topics=(grown, later))
        try:
            broker.put(RELOAD % 0, topic=grown)
            reader = broker.broadcasts()
            KafkaTopics(broker.config()).grow(grown, 3)
            kafka_server.create_topic(later, 2)
            until(lambda: kafka_server.partitions(grown) == 3)
            places = [*((grown, number) for number in range(3)), *((later, number) for number in range(2))]
            sender = Producer({"bootstrap.servers": kafka_server.bootstrap})
            for topic, number in places:
                sender.produce(topic, RELOAD % number, partition=number)
            sender.flush()
            got = taken(broker, reader, 5)
            assert sorted((d.record.partition.topic, d.record.partition.number) for d in got) == sorted(places)
        finally:
            broker.close()

    def test_on_a_quiet_broker_no_question_goes_unanswered_and_what_grows_is_read(self, kafka_server):
        topics = tuple(kafka_server.create_topic(unique(name), 1) for name in ("quiet", "quieter"))
        broker = RealBroker(kafka_server, topics=topics)
        # A reader's usual fetch waits at the broker for half a second, and nothing else is answered meanwhile.
        reader = KafkaBroadcasts(
            broker.config().model_copy(update={"options": {}, "broadcast_interval": 0.3}), decode_command
        )
        try:
            until(lambda: list(reader.take(0.2)) == [] and not reader._places.unknown)
            looks = [(list(reader.take(0.3)), reader._places.unknown) for _ in range(15)]
            assert looks == [([], False)] * 15
            KafkaTopics(broker.config()).grow(topics[1], 4)
            until(lambda: kafka_server.partitions(topics[1]) == 4)
            sender = Producer({"bootstrap.servers": kafka_server.bootstrap})
            for number in range(1, 4):
                sender.produce(topics[1], RELOAD % number, partition=number)
            sender.flush()
            assert sorted(requests(taken(broker, reader, 3))) == ["r-1", "r-2", "r-3"]
        finally:
            reader.close()
            broker.close()

    def test_a_topic_made_anew_is_read_from_its_beginning(self, kafka_server):
        topic = kafka_server.create_topic(unique("reset"), 1)
        broker = RealBroker(kafka_server, topics=(topic,))
        try:
            for number in range(5):
                broker.put(RELOAD % number, topic=topic)
            reader = broker.broadcasts()
            broker.put(RELOAD % 5, topic=topic)
            assert requests(taken(broker, reader, 1)) == ["r-5"]
            kafka_server.delete_topic(topic)
            kafka_server.create_topic(topic, 1)
            broker.put(RELOAD % 6, topic=topic)
            assert requests(taken(broker, reader, 1)) == ["r-6"]
        finally:
            broker.close()

    def test_a_client_with_a_fatal_error_is_replaced_and_goes_on_where_it_was(self, broker):
        reader = broker.broadcasts()
        broker.put(RELOAD % 1)
        assert requests(taken(broker, reader, 1)) == ["r-1"]
        broker.put(RELOAD % 2)
        before = reader._consumer
        reader._on_error(KafkaError(KafkaError._FATAL, "as librdkafka reports it", True))
        assert requests(taken(broker, reader, 1)) == ["r-2"]
        broker.put(RELOAD % 3)
        assert requests(taken(broker, reader, 1)) == ["r-3"]
        assert reader._consumer is not before

    def test_it_is_in_no_group_and_commits_nothing(self, broker, kafka_server):
        reader = broker.broadcasts()
        broker.put(RELOAD % 1)
        taken(broker, reader, 1)
        groups = {group.group_id for group in kafka_server.admin().list_consumer_groups().result(10.0).valid}
        assert not {name for name in groups if name.startswith(broker.group) and name != broker.group}


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
        said = []
        notifications.event("stats", {})
        notifications.alert(ALERT, told=said.append)
        until(lambda: notifications.failures == 2 and said)
        assert said == [False]

    def test_a_burst_larger_than_the_clients_queue_loses_nothing(self, own):
        config, _ = own
        small = config.model_copy(update={"options": {"queue.buffering.max.messages": SecretStr("100")}})
        producer = KafkaProducer(small)
        notifications = KafkaNotifications(producer, config.notification_topic, "data_worker_a")
        for number in range(2000):
            notifications.event("stats", {"number": number})
        producer.close()
        assert notifications.failures == 0
        assert len(read_all(config.bootstrap_servers, config.notification_topic)) == 2000

    def test_a_fault_of_the_one_who_is_told_ends_nothing(self, own):
        config, producer = own
        notifications = KafkaNotifications(producer, config.notification_topic, "data_worker_a")
        said = []
        notifications.alert(ALERT, told=lambda kept: 1 / 0)
        notifications.alert(ALERT, told=said.append)
        until(lambda: said == [1])
