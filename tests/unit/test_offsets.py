"""Which offsets may be committed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.services.offsets import OffsetLedger

P = Partition("commands", 0, 1)
Q = Partition("commands", 1, 1)


def record(offset: int, partition: Partition = P) -> RawRecord:
    return RawRecord(partition, offset, b"{}")


def ledger_of(*offsets: int, finished: tuple[int, ...] = ()) -> OffsetLedger:
    ledger = OffsetLedger()
    for offset in offsets:
        ledger.delivered(record(offset))
    for offset in finished:
        ledger.finished(record(offset))
    return ledger


def test_the_commit_is_the_offset_after_the_last_record_before_the_first_unfinished_one() -> None:
    assert ledger_of(5, 6, 7, finished=(5, 6)).committable() == {P: 7}


def test_nothing_is_committable_while_the_first_record_is_unfinished() -> None:
    assert ledger_of(5, 6, 7, finished=(7, 6)).committable() == {}


def test_records_may_finish_in_any_order() -> None:
    assert ledger_of(5, 6, 7, finished=(7, 5, 6)).committable() == {P: 8}


def test_gaps_between_offsets_mean_nothing() -> None:
    assert ledger_of(5, 90, 1000, finished=(5, 90)).committable() == {P: 91}


def test_the_very_first_offset_of_a_topic_is_committable() -> None:
    assert ledger_of(0, finished=(0,)).committable() == {P: 1}


def test_partitions_do_not_hold_each_other_up() -> None:
    ledger = ledger_of(5, 6, finished=(6,))
    ledger.delivered(record(40, Q))
    ledger.finished(record(40, Q))
    assert ledger.committable() == {Q: 41}
    assert ledger.unfinished() == 1


def test_a_commit_that_was_not_made_is_offered_again_and_one_that_was_made_is_not() -> None:
    ledger = ledger_of(5, 6, finished=(5,))
    assert ledger.committable() == ledger.committable() == {P: 6}
    ledger.committed({P: 6})
    assert ledger.committable() == {}
    ledger.finished(record(6))
    assert ledger.committable() == {P: 7}


def test_a_commit_of_less_than_was_committed_changes_nothing() -> None:
    ledger = ledger_of(5, 6, 7, finished=(5, 6))
    ledger.committed({P: 7})
    ledger.committed({P: 6, Q: 99})
    assert ledger.committable() == {}


def test_finishing_a_record_that_was_not_delivered_or_twice_is_ignored() -> None:
    ledger = ledger_of(5, 6, finished=(4, 5, 5, 7))
    ledger.finished(record(5, Q))
    assert ledger.committable() == {P: 6}
    assert ledger.unfinished() == 1


def test_a_record_delivered_again_while_unfinished_stays_one_record() -> None:
    ledger = ledger_of(5, 6, 5)
    assert ledger.unfinished() == 2
    ledger.finished(record(5))
    ledger.finished(record(6))
    assert ledger.committable() == {P: 7}
    assert ledger.unfinished() == 0


def test_a_record_delivered_again_after_it_was_finished_must_be_finished_again() -> None:
    ledger = ledger_of(5, 6, finished=(5, 6))
    ledger.delivered(record(5))
    ledger.delivered(record(7))
    ledger.finished(record(7))
    assert ledger.committable() == {P: 5}
    ledger.finished(record(5))
    assert ledger.committable() == {P: 8}


def test_records_of_a_topic_made_anew_hold_the_commit_and_it_never_goes_back() -> None:
    ledger = ledger_of(500, finished=(500,))
    ledger.committed({P: 501})
    ledger.delivered(record(0))
    ledger.finished(record(0))
    assert ledger.committable() == {}
    ledger.delivered(record(1))
    ledger.delivered(record(600))
    ledger.finished(record(600))
    assert ledger.committable() == {}


def test_where_offsets_go_back_all_that_is_finished_is_still_committable() -> None:
    ledger = ledger_of(7, 3, finished=(7,))
    assert ledger.committable() == {P: 3}
    ledger.finished(record(3))
    assert ledger.committable() == {P: 8}


def test_a_dropped_partition_is_forgotten_and_its_records_are_unknown() -> None:
    ledger = ledger_of(5, 6, finished=(5,))
    ledger.drop(P)
    ledger.drop(P)
    ledger.finished(record(6))
    assert ledger.committable() == {}
    assert ledger.unfinished() == 0


def test_a_partition_assigned_again_is_another_one() -> None:
    again = P._replace(epoch=2)
    ledger = ledger_of(5, 6, finished=(5, 6))
    ledger.drop(P)
    ledger.delivered(record(5, again))
    ledger.finished(record(5, P))
    assert ledger.committable() == {}
    ledger.finished(record(5, again))
    assert ledger.committable() == {again: 6}


class Model:
    """The rule, written down plainly: every delivery of each partition in order, with whether it is finished."""

    def __init__(self) -> None:
        self.deliveries: dict[Partition, list[list]] = {}
        self.committed: dict[Partition, int] = {}

    def delivered(self, partition: Partition, offset: int) -> None:
        log = self.deliveries.setdefault(partition, [])
        if [offset, False] not in log:
            log.append([offset, False])

    def finished(self, partition: Partition, offset: int) -> None:
        for entry in self.deliveries.get(partition, []):
            if entry == [offset, False]:
                entry[1] = True

    def drop(self, partition: Partition) -> None:
        self.deliveries.pop(partition, None)
        self.committed.pop(partition, None)

    def open_offsets(self, partition: Partition) -> list[int]:
        return [offset for offset, done in self.deliveries[partition] if not done]

    def committable(self) -> dict[Partition, int]:
        """By order of delivery; offsets are delivered ascending within an assignment."""
        result = {}
        for partition, log in self.deliveries.items():
            passed = [offset for place, (offset, _) in enumerate(log) if all(done for _, done in log[: place + 1])]
            if passed and passed[-1] + 1 > self.committed.get(partition, 0):
                result[partition] = passed[-1] + 1
        return result


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("deliver", "deliver", "redeliver", "finish", "finish", "finish", "commit", "drop")),
        st.sampled_from((0, 0, 1)),
        st.integers(0, 7),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_no_commit_passes_an_unfinished_record_or_goes_back_and_all_that_is_finished_is_finally_committable(
    steps,
) -> None:
    ledger, model = OffsetLedger(), Model()
    epochs, ends = [0, 0], [0, 0]
    for verb, number, choice in steps:
        partition = Partition("commands", number, epochs[number])
        still_open = model.open_offsets(partition) if partition in model.deliveries else []
        if verb == "deliver":
            ends[number] += 1 + choice  # gaps of any size
            ledger.delivered(record(ends[number], partition))
            model.delivered(partition, ends[number])
        elif verb == "redeliver" and still_open:
            ledger.delivered(record(still_open[choice % len(still_open)], partition))
        elif verb == "finish" and still_open:
            offset = still_open[choice % len(still_open)]
            ledger.finished(record(offset, partition))
            model.finished(partition, offset)
        elif verb == "commit":
            for known, offset in ledger.committable().items():
                assert offset > model.committed.get(known, 0)
                assert all(offset <= left for left in model.open_offsets(known))
            ledger.committed(ledger.committable())
            model.committed.update(model.committable())
        elif verb == "drop":
            ledger.drop(partition)
            model.drop(partition)
            epochs[number] += 1
        assert ledger.committable() == model.committable()
        assert ledger.unfinished() == sum(len(model.open_offsets(known)) for known in model.deliveries)
    for partition, log in model.deliveries.items():
        for offset in model.open_offsets(partition):
            ledger.finished(record(offset, partition))
        newest = max(offset for offset, _ in log) + 1
        assert max(ledger.committable().get(partition, 0), model.committed.get(partition, 0)) == newest
    assert ledger.unfinished() == 0


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(("deliver", "finish", "commit")), st.integers(0, 9)), max_size=30))
def test_no_commit_passes_an_unfinished_record_even_where_offsets_go_back(steps) -> None:
    ledger = OffsetLedger()
    still_open: set[int] = set()
    committed = 0
    for verb, offset in steps:
        if verb == "deliver":
            ledger.delivered(record(offset))
            still_open.add(offset)
        elif verb == "finish":
            ledger.finished(record(offset))
            still_open.discard(offset)
        else:
            for reached in ledger.committable().values():
                assert reached > committed
                assert all(reached <= left for left in still_open)
                committed = reached
            ledger.committed({P: committed})
        assert ledger.unfinished() == len(still_open)
