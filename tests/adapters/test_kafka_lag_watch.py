"""When a partition counts as stuck and a topic as made anew, and what is asked while nobody answers."""

from __future__ import annotations

import pytest

from ginkgo_data.adapters.kafka import lag_watch
from ginkgo_data.adapters.kafka.asking import TopicSeen
from ginkgo_data.adapters.kafka.lag_watch import LagWatch

TOPIC = "ginkgo.data.commands"
PLACE, OTHER = (TOPIC, 0), (TOPIC, 1)


class Answers:
    """What a broker answers; it may be `away`."""

    def __init__(self):
        self.end = 10
        self.seen = TopicSeen(frozenset({0, 1}), "one")
        self.away = False
        self.asked = []

    def bounds(self, places, timeout):
        self.asked.append(timeout)
        if self.away:
            return {}, {}
        return dict.fromkeys(places, 0), dict.fromkeys(places, self.end)

    def topics(self, names, timeout):
        self.asked.append(timeout)
        return {} if self.away else dict.fromkeys(names, self.seen)


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(lag_watch, "time", clock)
    return clock


@pytest.fixture
def broker():
    return Answers()


@pytest.fixture
def watch(broker, clock):
    return LagWatch(broker, 60.0)


def turns(watch, clock, seconds, position=5, paused=frozenset()):
    """Let the member turn for `seconds`; return how many of them passed before a partition was stuck."""
    for second in range(seconds):
        clock.now += 1.0
        watch.look({PLACE: position})
        if watch.stuck({PLACE: position}, set(paused)):
            return second + 1
    return None


def test_a_partition_with_lag_that_stands_still_for_long_is_stuck_once(watch, clock):
    assert turns(watch, clock, 100) == 61
    assert turns(watch, clock, 200) is None


def test_one_that_moves_is_paused_or_has_nothing_to_come_is_not(watch, clock, broker):
    assert all(turns(watch, clock, 50, position) is None for position in (5, 6, 7))
    assert turns(watch, clock, 100, 7, {PLACE}) is None
    assert turns(watch, clock, 100, broker.end) is None


def test_the_rebuilds_of_others_do_not_begin_the_count_again(watch, clock):
    turned = 0
    while not turns(watch, clock, 20):
        turned += 20
        assert turned <= 60
        watch.assigned([PLACE])  # another member's client was replaced: all is assigned anew
    assert turned == 60


def test_the_time_for_which_a_partition_was_somebody_elses_does_not_count(watch, clock):
    assert turns(watch, clock, 30) is None
    clock.now += 3600.0
    watch.assigned([PLACE])
    assert turns(watch, clock, 60) == 31


def test_one_that_comes_back_further_on_begins_to_count_anew(watch, clock):
    assert turns(watch, clock, 50) is None
    watch.assigned([PLACE])
    assert turns(watch, clock, 55, position=6) is None


def test_a_topic_with_another_id_was_made_anew_which_is_said_once(watch, clock, broker):
    turns(watch, clock, 3)
    broker.seen = TopicSeen()  # it is gone for a moment
    turns(watch, clock, 2)
    assert watch.made_anew() is None
    broker.seen = TopicSeen(frozenset({0, 1}), "two")
    turns(watch, clock, 1)
    assert (watch.made_anew(), watch.made_anew()) == (TOPIC, None)
    turns(watch, clock, 3)
    assert watch.made_anew() is None


def test_without_ids_fewer_partitions_tell_it_and_more_do_not(watch, clock, broker):
    for numbers, anew in (({0, 1}, None), ({0, 1, 2}, None), ({0}, TOPIC), ({0}, None)):
        broker.seen = TopicSeen(frozenset(numbers))
        turns(watch, clock, 1)
        assert watch.made_anew() == anew


def test_an_end_below_what_came_tells_it_when_it_is_there_twice_and_once_only(watch, clock, broker):
    turns(watch, clock, 2, position=10)
    broker.end = 3
    turns(watch, clock, 1, position=10)
    assert watch.made_anew() is None
    turns(watch, clock, 1, position=10)
    assert watch.made_anew() == TOPIC
    watch.assigned([PLACE])
    turns(watch, clock, 5, position=10)
    assert watch.made_anew() is None


def test_an_end_that_lay_low_for_a_moment_tells_nothing(watch, clock, broker):
    for end in (10, 9, 10, 9, 10):
        broker.end = end
        turns(watch, clock, 1, position=10)
    assert watch.made_anew() is None


def test_where_the_group_stood_before_anything_came_may_lie_beyond_the_end(watch, clock, broker):
    broker.end = 0
    turns(watch, clock, 5, position=None)
    assert watch.made_anew() is None


def test_a_look_in_vain_takes_one_question_and_the_next_ones_come_seldom(watch, clock, broker):
    turns(watch, clock, 1)
    assert watch.unanswered_for == 0.0
    assert sum(broker.asked) <= 2.0
    broker.asked.clear()
    broker.away = True
    turns(watch, clock, 60)
    assert 5 <= len(broker.asked) <= 25
    assert watch.unanswered_for == 59.0  # since the first look in vain
    assert watch.lag(PLACE, 4) == 6
