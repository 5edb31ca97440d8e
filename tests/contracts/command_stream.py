"""What every command stream promises, whatever broker is behind it."""

from __future__ import annotations

import threading
import time

from contracts.broker import (
    CONTROL_TOPIC,
    DATA_TOPIC,
    BrokerUnderTest,
    becomes_true,
    commit,
    nothing_comes,
    receive,
    snapshot,
    values,
)
from ginkgo_data.domain.model.commands import CollectBars, CommandMessage, ReloadConfig
from ginkgo_data.domain.model.delivery import Delivery, Malformed, Partition
from ginkgo_data.domain.model.stream import ExpiredRecords, StreamState
from ginkgo_data.ports.command_stream import CommandStream

CODES = ["000001.SZ", "000002.SZ", "000004.SZ", "600000.SH", "430047.BJ"]


def codes(deliveries: list[Delivery]) -> list[str]:
    """Return the one code of each delivered snapshot."""
    found = []
    for delivery in deliveries:
        assert isinstance(delivery.body, CommandMessage)
        assert isinstance(delivery.body.command, CollectBars)
        found += delivery.body.command.codes or ()
    return found


def expired(broker: BrokerUnderTest, stream: CommandStream) -> list[ExpiredRecords]:
    """Return what is found expired, within the broker's patience."""
    found: list[ExpiredRecords] = []
    assert becomes_true(broker, lambda: bool(found.extend(stream.expired()) or found))
    return found


class CommandStreamContract:
    """Subclasses provide the fixture `broker`."""

    def test_commands_come_decoded_and_in_the_order_of_their_partition(self, broker: BrokerUnderTest) -> None:
        for code in CODES:
            broker.put(snapshot(code))
        got = receive(broker, broker.open(), 5)
        assert codes(got) == CODES
        assert len({delivery.record.partition for delivery in got}) == 1
        assert [d.record.offset for d in got] == sorted({d.record.offset for d in got})

    def test_a_record_is_delivered_as_it_was_sent(self, broker: BrokerUnderTest) -> None:
        broker.put(b'{"command":"reload"}', key=b"\xff\x00", headers={"trace_id": b"abc", "odd": b"\xfe"})
        (got,) = receive(broker, broker.open(), 1)
        record = got.record
        assert (record.value, record.key) == (b'{"command":"reload"}', b"\xff\x00")
        assert dict(record.headers) == {"trace_id": b"abc", "odd": b"\xfe"}
        assert record.partition.topic == DATA_TOPIC
        assert record.timestamp is not None
        assert record.timestamp.tzinfo is not None
        assert got.first_delivered == record.timestamp
        assert isinstance(got.body, CommandMessage)
        assert (got.body.command, got.body.trace_id) == (ReloadConfig(), "abc")

    def test_both_command_topics_are_read(self, broker: BrokerUnderTest) -> None:
        broker.put(snapshot(CODES[0]), DATA_TOPIC)
        broker.put(snapshot(CODES[1]), CONTROL_TOPIC)
        assert set(codes(receive(broker, broker.open(), 2))) == {CODES[0], CODES[1]}

    def test_a_bad_record_stands_in_its_place_and_stops_nothing(self, broker: BrokerUnderTest) -> None:
        sent = [snapshot(CODES[0]), b"\xff\xfenot JSON", None, b"", snapshot(CODES[1])]
        for value in sent:
            broker.put(value)
        got = receive(broker, broker.open(), 5)
        assert values(got) == sent
        assert [isinstance(d.body, Malformed) for d in got] == [False, True, True, True, False]

    def test_no_more_than_the_limit_are_received_at_once(self, broker: BrokerUnderTest) -> None:
        for code in CODES:
            broker.put(snapshot(code))
        stream = broker.open()
        first = stream.receive(2, broker.patience)
        assert 1 <= len(first) <= 2
        assert codes([*first, *receive(broker, stream, 5 - len(first))]) == CODES

    def test_receiving_where_nothing_is_returns_nothing(self, broker: BrokerUnderTest) -> None:
        assert nothing_comes(broker, broker.open())

    def test_a_member_is_given_a_record_once(self, broker: BrokerUnderTest) -> None:
        broker.put(snapshot(CODES[0]))
        stream = broker.open()
        receive(broker, stream, 1)
        assert nothing_comes(broker, stream)

    def test_a_record_that_comes_while_receiving_ends_the_wait(self, broker: BrokerUnderTest) -> None:
        stream = broker.open()
        assert nothing_comes(broker, stream)
        got: list[Delivery] = []
        waiting = threading.Thread(target=lambda: got.extend(stream.receive(1, 600.0)), daemon=True)
        waiting.start()
        time.sleep(0.02)  # so that it most likely waits already; the test is right, if weaker, when it does not
        broker.put(snapshot(CODES[0]))
        waiting.join(broker.patience)
        assert codes(got) == CODES[:1]

    def test_what_was_not_committed_is_delivered_again_after_a_restart(self, broker: BrokerUnderTest) -> None:
        for code in CODES[:3]:
            broker.put(snapshot(code))
        stream = broker.open()
        before = receive(broker, stream, 3)
        after = receive(broker, broker.restart(stream), 3)
        assert values(after) == values(before)
        assert [d.record.delivery_id for d in after] == [d.record.delivery_id for d in before]
        assert [d.request_id for d in after] == [d.request_id for d in before]

    def test_what_was_committed_is_not_delivered_again(self, broker: BrokerUnderTest) -> None:
        for code in CODES:
            broker.put(snapshot(code))
        stream = broker.open()
        commit(stream, *receive(broker, stream, 5)[:2])
        stream = broker.restart(stream)
        rest = receive(broker, stream, 3)
        assert codes(rest) == CODES[2:]
        commit(stream, *rest)
        assert nothing_comes(broker, broker.restart(stream))

    def test_a_commit_never_goes_back(self, broker: BrokerUnderTest) -> None:
        for code in CODES[:4]:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 4)
        commit(stream, got[2])
        commit(stream, got[0])
        assert codes(receive(broker, broker.restart(stream), 1)) == [CODES[3]]

    def test_a_partition_that_is_not_owned_is_left_out_of_a_commit(self, broker: BrokerUnderTest) -> None:
        for code in CODES[:2]:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 2)
        mine = got[0].record.partition
        stream.commit({Partition(mine.topic, 999, mine.epoch): 7, mine: got[0].record.offset + 1})
        assert codes(receive(broker, broker.restart(stream), 1)) == [CODES[1]]

    def test_a_partition_of_another_assignment_is_left_out_of_a_commit(self, broker: BrokerUnderTest) -> None:
        broker.put(snapshot(CODES[0]))
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        other = got.record.partition._replace(epoch=got.record.partition.epoch + 1)
        assert stream.owns(got.record.partition)
        assert not stream.owns(other)
        stream.commit({other: got.record.offset + 1})
        assert codes(receive(broker, broker.restart(stream), 1)) == [CODES[0]]

    def test_a_member_that_lost_its_partitions_receives_and_commits_nothing(self, broker: BrokerUnderTest) -> None:
        for code in CODES[:2]:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 2)
        successor = broker.evict(stream)
        again = receive(broker, successor, 2)
        assert codes(again) == CODES[:2]
        commit(successor, again[0])
        assert not stream.owns(got[0].record.partition)
        commit(stream, *got)
        broker.put(snapshot(CODES[2]))
        assert nothing_comes(broker, stream)
        assert codes(receive(broker, broker.restart(successor), 2)) == CODES[1:3]

    def test_a_closed_member_owns_and_commits_nothing(self, broker: BrokerUnderTest) -> None:
        broker.put(snapshot(CODES[0]))
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        stream.close()
        stream.close()
        assert not stream.owns(got.record.partition)
        commit(stream, got)
        assert codes(receive(broker, broker.restart(stream), 1)) == [CODES[0]]

    def test_on_hold_nothing_comes_and_then_it_goes_on_where_it_stopped(self, broker: BrokerUnderTest) -> None:
        stream = broker.open()
        stream.hold(True)
        broker.pass_time(0.5)
        for code in CODES:
            broker.put(snapshot(code))
        assert nothing_comes(broker, stream)
        stream.hold(False)
        assert codes(receive(broker, stream, 5)) == CODES

    def test_a_member_that_follows_one_on_hold_is_not(self, broker: BrokerUnderTest) -> None:
        stream = broker.open()
        stream.hold(True)
        successor = broker.evict(stream)
        broker.put(snapshot(CODES[0]))
        assert codes(receive(broker, successor, 1)) == CODES[:1]

    def test_the_state_tells_what_is_assigned_and_how_far_it_lags(self, broker: BrokerUnderTest) -> None:
        for code in CODES:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 5)
        mine = got[0].record.partition
        assert becomes_true(broker, lambda: stream.state().lag.get(mine) == 5)
        commit(stream, *got[:3])
        assert becomes_true(broker, lambda: stream.state().lag.get(mine) == 2)
        state = stream.state()
        assert mine in state.assigned
        assert set(state.lag) <= set(state.assigned)
        assert sum(state.lag.values()) == 2
        assert state.missing_topics == {}
        assert 0.0 <= state.turned_ago < broker.patience
        stream.close()
        assert (stream.state().assigned, stream.state().lag) == ((), {})

    def test_the_state_tells_when_a_commit_was_last_acknowledged(self, broker: BrokerUnderTest) -> None:
        for code in CODES[:3]:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 3)
        assert stream.state().committed_at is None
        before = broker.present()
        commit(stream, got[0])
        assert becomes_true(broker, lambda: stream.state().committed_at is not None)
        first = stream.state().committed_at
        assert first is not None
        assert before <= first <= broker.present()
        broker.pass_time(0.01)
        commit(stream, *got[1:])
        assert becomes_true(broker, lambda: stream.state().committed_at != first)
        # Another member has committed nothing yet, and what this one did stays true.
        assert broker.evict(stream).state().committed_at is None
        assert (stream.state().committed_at or first) > first

    def test_what_another_member_has_is_neither_assigned_nor_lag(self, broker: BrokerUnderTest) -> None:
        broker.put(snapshot(CODES[0]))
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        successor = broker.evict(stream)
        mine = got.record.partition

        def has_data(state: StreamState) -> bool:
            return any((p.topic, p.number) == (mine.topic, mine.number) for p in state.assigned)

        assert has_data(successor.state())
        assert becomes_true(broker, lambda: not has_data(stream.state()))
        assert mine not in stream.state().lag

    def test_records_that_expired_while_nobody_read_are_found_once(self, broker: BrokerUnderTest) -> None:
        for code in CODES:
            broker.put(snapshot(code))
        stream = broker.open()
        before = broker.present()
        got = receive(broker, stream, 5)
        commit(stream, *got[:2])
        stream.close()
        place, first = got[2].record.partition, got[2].record.offset
        broker.expire(place.topic, place.number, got[4].record.offset)
        stream = broker.open()
        assert codes(receive(broker, stream, 1)) == CODES[4:]
        (found,) = expired(broker, stream)
        assert (found.partition.topic, found.partition.number) == (place.topic, place.number)
        assert stream.owns(found.partition)
        assert (found.first, found.count) == (first, 2)
        assert found.since is not None
        assert before <= found.since <= broker.present()
        assert list(stream.expired()) == []

    def test_when_all_that_is_left_expired_that_is_found_too(self, broker: BrokerUnderTest) -> None:
        for code in CODES[:3]:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 3)
        commit(stream, got[0])
        stream.close()
        place = got[0].record.partition
        broker.expire(place.topic, place.number, got[2].record.offset + 1)
        stream = broker.open()
        (found,) = expired(broker, stream)
        assert (found.first, found.count) == (got[1].record.offset, 2)
        assert becomes_true(broker, lambda: sum(stream.state().lag.values()) == 0)
        broker.put(snapshot(CODES[4]))
        assert codes(receive(broker, stream, 1)) == CODES[4:]
        assert list(stream.expired()) == []

    def test_records_that_expire_on_hold_are_found_and_what_was_received_is_not_among_them(
        self, broker: BrokerUnderTest
    ) -> None:
        for code in CODES[:2]:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 2)
        stream.hold(True)
        broker.pass_time(0.5)
        for code in CODES[2:]:
            broker.put(snapshot(code))
        last = got[1].record
        broker.expire(last.partition.topic, last.partition.number, last.offset + 3)
        (found,) = expired(broker, stream)
        assert found == ExpiredRecords(last.partition, last.offset + 1, 2, found.since)
        stream.hold(False)
        assert codes(receive(broker, stream, 1)) == CODES[4:]
        assert list(stream.expired()) == []

    def test_records_that_expire_after_they_were_committed_are_not_missed(self, broker: BrokerUnderTest) -> None:
        for code in CODES[:3]:
            broker.put(snapshot(code))
        stream = broker.open()
        got = receive(broker, stream, 3)
        commit(stream, *got)
        stream.close()
        last = got[2].record
        broker.expire(last.partition.topic, last.partition.number, last.offset + 1)
        stream = broker.open()
        broker.put(snapshot(CODES[3]))
        assert codes(receive(broker, stream, 1)) == [CODES[3]]
        assert becomes_true(broker, lambda: sum(stream.state().lag.values()) == 1)
        assert list(stream.expired()) == []
