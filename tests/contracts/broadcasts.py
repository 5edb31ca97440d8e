"""What every reader of broadcasts promises, whatever broker is behind it."""

from __future__ import annotations

import threading
import time

from contracts.broker import CONTROL_TOPIC, DATA_TOPIC, BrokerUnderTest, commit, receive, snapshot
from contracts.work_queue import item
from ginkgo_data.domain.model.commands import CommandMessage, ProbeHeartbeat, ReloadConfig
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.ports.broadcasts import Broadcasts

RELOAD = b'{"command":"reload","request_id":"r-%d"}'
PROBE = b'{"command":"heartbeat_test","request_id":"p-%d"}'


def taken(broker: BrokerUnderTest, reader: Broadcasts, count: int) -> list[Delivery]:
    """Return `count` broadcasts; fails when fewer arrive within the broker's patience."""
    got: list[Delivery] = []
    while len(got) < count:
        more = reader.take(broker.patience)
        assert more, f"{len(got)} of {count} arrived"
        got += more
    return got


def requests(deliveries: list[Delivery]) -> list[str]:
    """Return the request ids."""
    return [delivery.request_id for delivery in deliveries]


class BroadcastsContract:
    """Subclasses provide the fixture `broker`."""

    def test_every_reader_is_told_whatever_the_group_does(self, broker: BrokerUnderTest) -> None:
        first, second = broker.broadcasts(), broker.broadcasts()
        broker.put(RELOAD % 1)
        broker.put(PROBE % 2, CONTROL_TOPIC)
        stream = broker.open()
        commit(stream, *receive(broker, stream, 2))
        for reader in (first, second):
            found = {d.request_id: d for d in taken(broker, reader, 2)}
            one, two = found["r-1"], found["p-2"]
            assert isinstance(one.body, CommandMessage)
            assert isinstance(two.body, CommandMessage)
            assert (one.body.command, one.record.partition.topic) == (ReloadConfig(), DATA_TOPIC)
            assert (two.body.command, two.record.partition.topic) == (ProbeHeartbeat(), CONTROL_TOPIC)
            reader.close()

    def test_the_group_is_given_its_copy_whoever_reads_beside_it(self, broker: BrokerUnderTest) -> None:
        reader = broker.broadcasts()
        broker.put(RELOAD % 1)
        assert requests(taken(broker, reader, 1)) == ["r-1"]
        reader.close()
        assert requests(receive(broker, broker.open(), 1)) == ["r-1"]

    def test_what_was_sent_before_the_reader_was_made_is_not_for_it(self, broker: BrokerUnderTest) -> None:
        broker.put(RELOAD % 1)
        reader = broker.broadcasts()
        assert list(reader.take(broker.quiet)) == []
        broker.put(RELOAD % 2)
        assert requests(taken(broker, reader, 1)) == ["r-2"]
        reader.close()

    def test_other_commands_and_what_only_looks_like_one_are_left_out(self, broker: BrokerUnderTest) -> None:
        reader = broker.broadcasts()
        for value in [
            snapshot("000001.SZ"),
            snapshot("000001.SZ", note="reload"),
            b"reload heartbeat_test",
            b'{"command":"frob","params":{"then":"reload"}}',
            None,
            b"",
            b"\xff reload",
        ]:
            broker.put(value)
        broker.put(RELOAD % 1)
        assert requests(taken(broker, reader, 1)) == ["r-1"]
        assert list(reader.take(broker.quiet)) == []
        reader.close()

    def test_many_come_in_order_and_each_once(self, broker: BrokerUnderTest) -> None:
        reader = broker.broadcasts()
        for number in range(200):
            broker.put(snapshot("000001.SZ"))
            broker.put((RELOAD if number % 2 else PROBE) % number)
        got = requests(taken(broker, reader, 200))
        assert got == [f"{'r' if number % 2 else 'p'}-{number}" for number in range(200)]
        assert list(reader.take(broker.quiet)) == []
        reader.close()

    def test_what_the_group_has_parked_is_not_told_again(self, broker: BrokerUnderTest) -> None:
        broker.put(RELOAD % 1)
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        reader = broker.broadcasts()
        broker.work_queue().park(item(got, broker.present()))
        (back,) = receive(broker, stream, 1)
        assert back.request_id == "r-1"
        assert list(reader.take(broker.quiet)) == []
        reader.close()

    def test_what_comes_while_waiting_ends_the_wait(self, broker: BrokerUnderTest) -> None:
        reader = broker.broadcasts()
        got: list[Delivery] = []
        waiting = threading.Thread(target=lambda: got.extend(reader.take(600.0)), daemon=True)
        waiting.start()
        time.sleep(0.02)  # so that it most likely waits already; the test is right, if weaker, when it does not
        broker.put(PROBE % 1)
        waiting.join(broker.patience)
        assert requests(got) == ["p-1"]
        reader.close()

    def test_closing_ends_the_reading_and_a_wait_in_another_thread(self, broker: BrokerUnderTest) -> None:
        reader = broker.broadcasts()
        waiting = threading.Thread(target=lambda: reader.take(600.0), daemon=True)
        waiting.start()
        time.sleep(0.02)
        reader.close()
        reader.close()
        waiting.join(broker.patience)
        assert not waiting.is_alive()
        broker.put(RELOAD % 1)
        assert list(reader.take(broker.quiet)) == []
