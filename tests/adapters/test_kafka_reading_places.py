"""Where a reader without a group reads on: what is new, what was made anew, and what has no answer yet."""

from __future__ import annotations

import pytest
from confluent_kafka import OFFSET_BEGINNING

from ginkgo_data.adapters.kafka import reading_places
from ginkgo_data.adapters.kafka.asking import TopicSeen
from ginkgo_data.adapters.kafka.reading_places import ReadingPlaces


class Answers:
    """What a broker answers; a topic that is `silent` has no answer."""

    def __init__(self):
        self.found = {"a": TopicSeen(frozenset({0}), "a1"), "b": TopicSeen(frozenset({0}), "b1")}
        self.held = {("a", 0): 7, ("b", 0): 8}
        self.silent = set()

    def topics(self, names, timeout):
        return {name: self.found.get(name, TopicSeen()) for name in names if name not in self.silent}

    def ends(self, places, timeout):
        return {place: self.held[place] for place in places if place in self.held}


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(reading_places, "time", clock)
    return clock


@pytest.fixture
def broker():
    return Answers()


@pytest.fixture
def places(clock):
    return ReadingPlaces(("a", "b"), 60.0)


def look(places, clock, broker):
    clock.now += 60.0
    places.look(broker, 1.0)
    return {(p.topic, p.partition): p.offset for p in places.positions()}


def test_what_is_there_is_read_from_its_end_and_what_comes_later_from_its_beginning(places, clock, broker):
    assert look(places, clock, broker) == {("a", 0): 7, ("b", 0): 8}
    broker.found["b"] = TopicSeen(frozenset({0, 1}), "b1")
    broker.held["b", 1] = 4
    assert look(places, clock, broker) == {("a", 0): 7, ("b", 0): 8, ("b", 1): OFFSET_BEGINNING}
    assert not places.unknown


def test_a_topic_without_an_answer_keeps_no_other_one_back(places, clock, broker):
    broker.silent.add("a")
    assert look(places, clock, broker) == {("b", 0): 8}
    assert places.unknown
    broker.silent.clear()
    # It was not seen to be missing, so what it holds is not new.
    assert look(places, clock, broker) == {("a", 0): 7, ("b", 0): 8}


def test_a_partition_without_an_answer_keeps_no_other_one_back_and_is_still_read_from_its_end(places, clock, broker):
    end = broker.held.pop(("a", 0))
    assert look(places, clock, broker) == {("b", 0): 8}
    assert places.unknown
    broker.held["a", 0] = end
    assert look(places, clock, broker) == {("a", 0): 7, ("b", 0): 8}


def test_a_topic_made_anew_is_read_from_its_beginning_however_much_it_holds_already(places, clock, broker):
    look(places, clock, broker)
    broker.found["a"] = TopicSeen(frozenset({0}), "a2")
    broker.held["a", 0] = 70
    assert look(places, clock, broker) == {("a", 0): OFFSET_BEGINNING, ("b", 0): 8}


def test_without_ids_an_end_below_what_was_read_tells_that_it_was_made_anew(places, clock, broker):
    broker.found["a"] = TopicSeen(frozenset({0}))
    look(places, clock, broker)
    broker.held["a", 0] = 2
    assert look(places, clock, broker)["a", 0] == OFFSET_BEGINNING


def test_a_topic_that_is_deleted_is_followed_no_more_and_new_when_it_comes_back(places, clock, broker):
    look(places, clock, broker)
    gone = broker.found.pop("a")
    assert look(places, clock, broker) == {("b", 0): 8}
    broker.found["a"] = gone
    assert look(places, clock, broker) == {("a", 0): OFFSET_BEGINNING, ("b", 0): 8}


def test_a_look_in_vain_is_repeated_soon_and_a_good_one_after_the_interval(places, clock, broker):
    broker.silent |= {"a", "b"}
    assert look(places, clock, broker) == {}
    broker.silent.clear()
    clock.now += 1.0
    assert places.look(broker, 1.0)
    broker.held["b", 0] = 0
    clock.now += 59.0
    assert not places.look(broker, 1.0)
    clock.now += 2.0
    assert places.look(broker, 1.0)
