"""The contracts of everything a broker does, for the adapters in memory."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from contracts.alert_memory import AlertMemoryContract
from contracts.broadcasts import BroadcastsContract
from contracts.broker import DATA_TOPIC, commit, receive, snapshot, values
from contracts.clock import ClockContract
from contracts.command_stream import CommandStreamContract
from contracts.dead_letters import DeadLettersContract, Kept
from contracts.heartbeats import HeartbeatsContract
from contracts.notifications import NotificationsContract
from contracts.work_queue import WorkQueueContract, item
from ginkgo_data.adapters.kafka.letter_wire import dead_letter_key
from ginkgo_data.adapters.kafka.wire import decode_command, encode_work
from ginkgo_data.adapters.memory.alert_memory import InMemoryAlertMemory
from ginkgo_data.adapters.memory.broadcasts import InMemoryBroadcasts
from ginkgo_data.adapters.memory.broker import InMemoryBroker
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.command_stream import InMemoryCommandStream
from ginkgo_data.adapters.memory.dead_letters import InMemoryDeadLetters
from ginkgo_data.adapters.memory.heartbeats import InMemoryHeartbeats
from ginkgo_data.adapters.memory.notifications import InMemoryNotifications
from ginkgo_data.adapters.memory.work_queue import InMemoryWorkQueue
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.delivery import Partition

START = datetime(2026, 8, 15, 21, 10, tzinfo=ZoneInfo("Asia/Shanghai"))


class MemoryBroker:
    """The broker of the contracts, in memory."""

    patience = 5.0
    quiet = 0.0

    def __init__(self):
        self.clock = ManualClock(START)
        self.broker = InMemoryBroker(self.clock)

    def put(self, value, topic=DATA_TOPIC, key=b"same partition", headers=None):
        self.broker.put(topic, value, headers, key)

    def open(self):
        return InMemoryCommandStream(decode_command, self.broker)

    def restart(self, stream):
        return stream.restart()

    evict = restart

    def expire(self, topic, number, before):
        self.broker.expire(topic, number, before)

    def broadcasts(self):
        return InMemoryBroadcasts(decode_command, self.broker)

    def work_queue(self):
        return InMemoryWorkQueue(self.broker, encode_work)

    def present(self):
        return self.clock.now()

    def pass_time(self, seconds):
        self.clock.advance(seconds)


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def pass_time(clock):
    return clock.advance


@pytest.fixture
def broker():
    return MemoryBroker()


class TestInMemoryCommandStream(CommandStreamContract):
    def test_what_is_committed_and_what_is_pending_can_be_read(self, broker):
        stream = broker.open()
        for code in ("000001.SZ", "000002.SZ"):
            stream.put(DATA_TOPIC, snapshot(code), key=b"k")
        first, second = receive(broker, stream, 2)
        assert (stream.committed, len(stream.pending())) == ({}, 2)
        commit(stream, first)
        place = (first.record.partition.topic, first.record.partition.number)
        assert stream.committed == {place: 1}
        assert [record.value for record in stream.pending()] == [second.record.value]
        commit(stream, second)
        assert (stream.committed, list(stream.pending())) == ({place: 2}, [])

    def test_records_without_a_key_spread_over_the_partitions_and_come_in_order_of_arrival(self, broker):
        sent = [snapshot(f"{number:06d}.SZ") for number in range(1, 10)]
        for value in sent:
            broker.put(value, key=None)
        got = receive(broker, broker.open(), 9)
        assert values(got) == sent
        assert {d.record.partition.number for d in got} == {0, 1, 2}

    def test_a_commit_beyond_the_end_is_a_fault_of_the_caller(self, broker):
        broker.put(snapshot("000001.SZ"))
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        with pytest.raises(ValueError, match=r"offset 2 .* beyond the end, 1"):
            stream.commit({got.record.partition: 2})

    def test_closing_ends_a_wait_in_another_thread(self, broker):
        stream = broker.open()
        waiting = threading.Thread(target=lambda: stream.receive(1, 3600.0), daemon=True)
        waiting.start()
        stream.close()
        waiting.join(10.0)
        assert not waiting.is_alive()

    def test_senders_in_many_threads_lose_nothing(self, broker):
        stream = broker.open()
        senders = [
            threading.Thread(target=lambda: [broker.put(snapshot("000001.SZ"), key=None) for _ in range(50)])
            for _ in range(4)
        ]
        for sender in senders:
            sender.start()
        got = receive(broker, stream, 200)
        assert len({d.record.delivery_id for d in got}) == 200
        assert not stream.receive(1, 0.0)

    def test_a_topic_that_was_never_written_is_not_owned(self, broker):
        stream = broker.open()
        assert not stream.owns(Partition("ginkgo.nowhere", 0, 1))


class TestInMemoryWorkQueue(WorkQueueContract):
    def test_fresh_commands_come_first_but_one_place_is_kept_for_work(self, broker):
        first = self._one(broker)
        queue = broker.work_queue()
        for _ in range(3):
            queue.park(item(first, broker.present()))
        for number in range(1, 6):
            broker.put(snapshot(f"{number:06d}.SZ"), key=None)
        topics = [d.record.partition.topic for d in self.stream.receive(4, 0.0)]
        assert topics == [DATA_TOPIC] * 3 + ["ginkgo.data.commands.work"]
        topics = [d.record.partition.topic for d in self.stream.receive(10, 0.0)]
        assert topics == [DATA_TOPIC] * 2 + ["ginkgo.data.commands.work"] * 2
        assert len(queue.parked) == 3

    def test_on_a_running_clock_an_item_that_falls_due_ends_the_wait(self):
        clock = SystemClock()
        broker = InMemoryBroker(clock)
        broker.put(DATA_TOPIC, snapshot("000001.SZ"))
        stream = InMemoryCommandStream(decode_command, broker)
        (first,) = stream.receive(1, 0.0)
        due = clock.now() + timedelta(seconds=0.05)
        InMemoryWorkQueue(broker, encode_work).park(item(first, due))
        assert len(stream.receive(1, 3600.0)) == 1
        assert clock.now() >= due


class TestInMemoryDeadLetters(DeadLettersContract):
    @pytest.fixture
    def dead_letters(self):
        return InMemoryDeadLetters(dead_letter_key)

    @pytest.fixture
    def kept(self, dead_letters):
        def read():
            return [
                Kept(
                    letter.delivery.record.value,
                    letter.delivery.record.delivery_id,
                    letter.reason,
                    letter.error,
                    letter.attempts,
                    letter.codes,
                )
                for letter in dead_letters.letters.values()
            ]

        return read


class TestInMemoryDeadLettersWithoutAWire(TestInMemoryDeadLetters):
    @pytest.fixture
    def dead_letters(self):
        return InMemoryDeadLetters()

    test_a_command_parked_in_between_is_still_one_letter = None


class TestInMemoryHeartbeats(HeartbeatsContract):
    @pytest.fixture
    def heartbeats(self, clock):
        return InMemoryHeartbeats(clock)

    @pytest.fixture
    def neighbour(self, heartbeats):
        return heartbeats


class TestInMemoryAlertMemory(AlertMemoryContract):
    @pytest.fixture
    def memory(self, clock):
        return InMemoryAlertMemory(clock)

    @pytest.fixture
    def neighbour(self, memory):
        return memory


class ToldInMemory:
    """What in-memory notifications were told."""

    def __init__(self, notifications):
        self._notifications = notifications

    def reports(self):
        return self._notifications.reports

    def alerts(self):
        return [(alert.kind.value, alert.severity.value, alert.title) for alert in self._notifications.alerts]

    def events(self):
        return list(self._notifications.events)


class TestInMemoryBroadcasts(BroadcastsContract):
    def test_a_topic_that_appears_later_is_read_from_its_beginning(self, broker):
        reader = broker.broadcasts()
        broker.put(b'{"command":"reload"}', topic="ginkgo.later")
        (got,) = reader.take(0.0)
        assert got.record.partition.topic == "ginkgo.later"


class TestInMemoryNotifications(NotificationsContract):
    @pytest.fixture
    def notifications(self):
        return InMemoryNotifications()

    @pytest.fixture
    def told(self, notifications):
        return ToldInMemory(notifications)


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self):
        return SystemClock()


class TestManualClock(ClockContract):
    def test_it_stands_still_until_it_is_turned(self, clock):
        assert clock.now() == clock.now() == START
        clock.advance(90.5)
        assert ((clock.now() - START).total_seconds(), clock.monotonic()) == (90.5, 90.5)

    def test_a_wait_turns_it_and_an_interrupted_one_does_not(self, clock):
        clock.wait(3600.0)
        clock.interrupt()
        clock.wait(3600.0)
        assert clock.monotonic() == 3600.0

    def test_it_cannot_be_turned_back_nor_started_without_a_zone_nor_waited_for_ever(self, clock):
        with pytest.raises(ValueError, match=r"-0\.1 would turn the clock back"):
            clock.advance(-0.1)
        with pytest.raises(ValueError, match="inf would never pass"):
            clock.wait(float("inf"))
        with pytest.raises(ValueError, match="has no zone"):
            ManualClock(datetime(2026, 8, 15))
