"""A record that kills its worker is found in few deaths, and what only stood beside it is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.services.suspects import GROUPS, sort_suspects
from support.deliveries import delivery

MOST = 5


def deliveries(count: int):
    return [delivery(CollectBars((f"{number:06d}.SZ",)), number) for number in range(count)]


def begun(found, times: int):
    return {one.record.lineage: times for one in found}


def test_what_was_begun_once_without_an_end_is_worked_with_all_the_others():
    waiting = deliveries(10)
    found = sort_suspects(waiting, begun(waiting[:4], 1), MOST)
    assert found.groups == (tuple(waiting),)
    assert found.given_up == ()


def test_a_few_suspects_stand_alone_after_all_that_are_clear():
    waiting = deliveries(6)
    found = sort_suspects(waiting, begun(waiting[:2], 2), MOST)
    assert found.groups == (tuple(waiting[2:]), (waiting[0],), (waiting[1],))


def test_many_suspects_first_share_few_groups_and_stand_alone_after_the_next_death():
    waiting = deliveries(320)
    found = sort_suspects(waiting, begun(waiting, 2), MOST)
    assert [len(group) for group in found.groups] == [20] * GROUPS
    again = sort_suspects(waiting[:20], begun(waiting[:20], 3), MOST)
    assert [len(group) for group in again.groups] == [1] * 20


def test_what_was_begun_as_often_as_is_allowed_is_given_up():
    waiting = deliveries(3)
    found = sort_suspects(waiting, begun(waiting[1:2], MOST), MOST)
    assert found.given_up == (waiting[1],)
    assert found.groups == ((waiting[0], waiting[2]),)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_nothing_is_given_up_that_never_stood_alone(most):
    waiting = deliveries(40)
    assert sort_suspects(waiting, begun(waiting, 1), most).groups == (tuple(waiting),)
    twice = sort_suspects(waiting, begun(waiting, 2), most)
    assert twice.given_up == ()
    assert [len(group) for group in twice.groups] == [1] * 40
    assert sort_suspects(waiting, begun(waiting, 3), most).given_up == tuple(waiting)


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(1, 7))
def test_every_delivery_is_in_exactly_one_place(counts, most):
    waiting = deliveries(len(counts))
    marks = {one.record.lineage: count for one, count in zip(waiting, counts, strict=True)}
    found = sort_suspects(waiting, marks, most)
    placed = [one for group in found.groups for one in group] + list(found.given_up)
    assert sorted(one.record.offset for one in placed) == list(range(len(counts)))
    assert all(found.groups)
