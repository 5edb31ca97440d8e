"""What every work queue promises: what is left of a command comes back through the command stream."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from contracts.broker import BrokerUnderTest, commit, nothing_comes, receive, snapshot
from ginkgo_data.domain.model.commands import CollectBars, CommandMessage
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.domain.model.disposition import WorkItem

THREE = json.dumps(
    {"command": "bar_snapshot", "params": {"codes": ["000001.SZ", "000002.SZ", "600000.SH"], "force": True}}
).encode()


def item(delivery: Delivery, due: datetime, codes: tuple[str, ...] = (), attempt: int = 0, piece: int = 1) -> WorkItem:
    """Return what is left of `delivery`."""
    return WorkItem(delivery, codes, attempt, piece, due, "over its quota")


def bars(delivery: Delivery) -> CollectBars:
    """Return the command of a delivered snapshot."""
    assert isinstance(delivery.body, CommandMessage)
    assert isinstance(delivery.body.command, CollectBars)
    return delivery.body.command


class WorkQueueContract:
    """Subclasses provide the fixture `broker`."""

    delay = 300.0
    """Seconds that a parked item waits; a real broker's subclass has less patience."""

    def _one(self, broker: BrokerUnderTest, value: bytes = THREE, headers: dict[str, bytes] | None = None) -> Delivery:
        broker.put(value, headers=headers)
        stream = broker.open()
        (got,) = receive(broker, stream, 1)
        commit(stream, got)
        self.stream = stream
        return got

    def test_a_parked_command_comes_back_as_it_was_with_its_counters(self, broker: BrokerUnderTest) -> None:
        first = self._one(broker)
        broker.work_queue().park(item(first, broker.present(), attempt=2, piece=7))
        (back,) = receive(broker, self.stream, 1)
        assert back.record.value == THREE
        assert bars(back) == bars(first)
        assert (back.attempt, back.piece) == (2, 7)

    def test_a_remainder_comes_back_for_its_codes_only(self, broker: BrokerUnderTest) -> None:
        first = self._one(broker)
        broker.work_queue().park(item(first, broker.present(), codes=("600000.SH",)))
        (back,) = receive(broker, self.stream, 1)
        assert bars(back) == bars(first).for_codes(("600000.SH",))

    def test_a_command_keeps_its_first_time_and_its_request_however_often_it_is_parked(
        self, broker: BrokerUnderTest
    ) -> None:
        first = self._one(broker)
        again = first
        for piece, codes in enumerate([(), ("000001.SZ", "600000.SH"), ("600000.SH",), ()], start=1):
            broker.pass_time(0.01)
            broker.work_queue().park(item(again, broker.present(), codes=codes, piece=piece))
            (again,) = receive(broker, self.stream, 1)
        assert again.record.delivery_id != first.record.delivery_id
        assert again.request_id == first.request_id
        assert again.first_delivered == first.first_delivered == first.record.timestamp
        assert isinstance(first.body, CommandMessage)
        assert isinstance(again.body, CommandMessage)
        assert again.body.sent_at == first.body.sent_at
        assert bars(again).codes == ("600000.SH",)

    def test_headers_of_others_travel_along(self, broker: BrokerUnderTest) -> None:
        first = self._one(broker, headers={"trace_id": b"abc", "odd": b"\xfe"})
        broker.work_queue().park(item(first, broker.present(), codes=("600000.SH",)))
        (back,) = receive(broker, self.stream, 1)
        assert {"trace_id": b"abc", "odd": b"\xfe"}.items() <= dict(back.record.headers).items()
        assert isinstance(back.body, CommandMessage)
        assert back.body.trace_id == "abc"

    def test_an_item_is_never_delivered_before_it_is_due(self, broker: BrokerUnderTest) -> None:
        first = self._one(broker)
        due = broker.present() + timedelta(seconds=self.delay)
        broker.work_queue().park(item(first, due))
        assert nothing_comes(broker, self.stream)
        broker.pass_time(self.delay)
        (back,) = receive(broker, self.stream, 1)
        assert back.record.value == THREE
        assert broker.present() >= due

    def test_an_item_that_is_not_due_holds_up_no_fresh_command(self, broker: BrokerUnderTest) -> None:
        first = self._one(broker)
        broker.work_queue().park(item(first, broker.present() + timedelta(seconds=self.delay)))
        broker.put(snapshot("000004.SZ"))
        (fresh,) = receive(broker, self.stream, 1)
        assert bars(fresh).codes == ("000004.SZ",)

    def test_items_parked_survive_a_restart_until_they_are_committed(self, broker: BrokerUnderTest) -> None:
        first = self._one(broker)
        broker.work_queue().park(item(first, broker.present()))
        receive(broker, self.stream, 1)
        stream = broker.restart(self.stream)
        (again,) = receive(broker, stream, 1)
        assert (bars(again), again.piece) == (bars(first), 1)
        commit(stream, again)
        assert nothing_comes(broker, broker.restart(stream))
