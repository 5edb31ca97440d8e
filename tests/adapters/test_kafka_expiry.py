"""What counts as expired before it was read, and what only looks like it: markers, compaction, prefetched records."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ginkgo_data.adapters.kafka import expiry
from ginkgo_data.adapters.kafka.expiry import ExpiryWatch
from ginkgo_data.adapters.kafka.records import CommitNote
from ginkgo_data.domain.model.delivery import Partition

PLACE = ("ginkgo.data.commands", 0)
MINE = Partition(*PLACE, epoch=4)
AT = datetime(2026, 8, 15, 13, 10, tzinfo=UTC)


class Group:
    """What a client answers about the offsets of its group; the broker may be `away`."""

    def __init__(self, offset=-1001, metadata=""):
        self.answer = TopicPartition(*PLACE, offset, metadata=metadata)
        self.away = False
        self.asked = 0

    def committed(self, places, timeout):
        self.asked += 1
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return [self.answer]


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(expiry, "time", clock)
    return clock


@pytest.fixture
def watch(clock):
    watch = ExpiryWatch()
    watch.assign([MINE])
    return watch


def found(watch):
    return [(one.first, one.count) for one in watch.take()]


def test_records_that_came_before_the_start_was_known_hide_nothing(watch):
    for offset in (150, 151):
        watch.came(PLACE, offset)
    assert not watch.settled(PLACE)
    watch.learn(Group(100, AT.isoformat()))
    assert not watch.settled(PLACE)
    watch.compare({PLACE: 150}, set())
    assert watch.settled(PLACE)
    (one,) = watch.take()
    assert (one.partition, one.first, one.count, one.since) == (MINE, 100, 50, AT)
    watch.compare({PLACE: 150}, set())
    assert found(watch) == []


def test_what_expired_after_it_came_is_not_counted(watch):
    watch.came(PLACE, 120)
    watch.learn(Group(100))
    watch.compare({PLACE: 180}, set())
    assert found(watch)[0] == (100, 20)


def test_a_gap_of_markers_or_compaction_is_no_expiry(watch):
    watch.learn(Group(100))
    for offset in (102, 103, 110):
        watch.came(PLACE, offset)
    watch.compare({PLACE: 90}, set())
    assert found(watch) == []


def test_where_the_group_never_stood_nothing_expires_before_the_first_record(watch):
    watch.learn(Group())
    watch.compare({PLACE: 500}, {PLACE})
    watch.came(PLACE, 500)
    watch.compare({PLACE: 500}, set())
    assert found(watch) == []
    assert watch.start(PLACE) is None


def test_what_the_client_had_fetched_before_it_was_deleted_is_given_time_to_come(watch, clock):
    watch.learn(Group(100))
    watch.compare({PLACE: 150}, set())
    clock.now += expiry.SETTLED - 0.1
    watch.came(PLACE, 100)
    watch.compare({PLACE: 150}, set())
    clock.now += expiry.SETTLED - 0.1
    watch.compare({PLACE: 150}, set())
    assert found(watch) == []
    clock.now += 0.2
    watch.compare({PLACE: 150}, set())
    assert found(watch) == [(101, 49)]


def test_a_paused_partition_has_nothing_fetched_so_its_loss_is_known_at_once(watch):
    watch.learn(Group(100))
    watch.came(PLACE, 100)
    watch.compare({PLACE: 150}, {PLACE})
    watch.compare({PLACE: 170}, {PLACE})
    watch.came(PLACE, 170)
    watch.compare({PLACE: 170}, set())
    assert found(watch) == [(101, 49), (150, 20)]


def test_the_same_loss_is_found_once_however_often_the_partition_is_assigned(watch):
    for _ in range(3):
        watch.assign([MINE])
        watch.learn(Group(100))
        watch.came(PLACE, 150)
        watch.compare({PLACE: 150}, set())
        watch.revoke([PLACE])
    assert found(watch) == [(100, 50)]


def test_the_last_commit_is_the_time_since_when_records_are_lost(watch):
    watch.learn(Group(100, "2020-01-01T00:00:00+00:00"))
    watch.came(PLACE, 100)
    watch.committed(PLACE, AT)
    watch.compare({PLACE: 150}, {PLACE})
    (one,) = watch.take()
    assert one.since == AT


def test_a_broker_that_is_away_is_asked_more_and_more_seldom_and_a_new_assignment_asks_at_once(watch, clock):
    group = Group(100)
    group.away = True
    for _ in range(600):
        clock.now += 0.1
        watch.learn(group)
    assert 12 <= group.asked <= 20
    assert not watch.settled(PLACE)
    watch.assign([MINE])
    group.away = False
    watch.learn(group)
    assert watch.settled(PLACE)


@pytest.mark.parametrize(
    ("stood_in", "is_now", "offset", "misplaced"),
    [
        ("old", "new", 100, True),
        ("old", "old", 100, False),
        ("old", "new", 0, False),  # nothing lies below
        (None, "new", 100, False),  # committed by another program, or by an older release
        ("old", None, 100, False),  # a broker without ids
    ],
)
def test_a_place_in_another_topic_of_that_name_is_no_place_to_begin_at(watch, stood_in, is_now, offset, misplaced):
    watch.learn(Group(offset, str(CommitNote(AT, stood_in))))
    # Until it is known what was assigned, a commit could hide what the group has not read of it.
    assert watch.identify({}) == set()
    assert watch.settled(PLACE) is (stood_in is None or offset == 0)
    assert watch.identify({PLACE[0]: is_now}) == ({PLACE} if misplaced else set())
    assert watch.settled(PLACE) is not misplaced
    # What is there under the name later does not change what was assigned.
    watch.identify({PLACE[0]: "newest"})
    assert watch.topic_id(PLACE) == is_now


def test_what_expired_of_a_topic_that_nobody_stood_in_is_told_once_with_the_last_time_in_its_namesake(watch):
    watch.learn(Group(40, str(CommitNote(AT, "old"))))
    watch.identify({PLACE[0]: "new"})
    watch.came(PLACE, 150)
    watch.compare({PLACE: 100}, set())
    assert found(watch) == []
    watch.sent_back(PLACE, 100)
    watch.sent_back(PLACE, 100)
    (one,) = watch.take()
    assert (one.first, one.count, one.since) == (0, 100, AT)
    assert watch.since(PLACE) == AT
    # The same with the next topic of that name, in the life of the same client.
    watch.assign([MINE])
    watch.learn(Group(100, str(CommitNote(AT, "new"))))
    watch.identify({PLACE[0]: "newer"})
    watch.sent_back(PLACE, 100)
    assert found(watch) == [(0, 100)]


@pytest.mark.parametrize(
    "metadata",
    [None, "", "给", "consumer-1", "2026-08-15T13:10:00", "0001-01-01T00:00:00+00:00", "20260815", "x" * 4096],
)
def test_what_others_write_beside_an_offset_is_no_time(metadata):
    assert CommitNote.read(metadata) == CommitNote()
    assert CommitNote.read("2026-08-15T21:10:00+08:00") == CommitNote(AT)
    assert CommitNote.read(str(CommitNote(AT, "Xq3"))) == CommitNote(AT, "Xq3")
