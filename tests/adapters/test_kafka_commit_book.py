"""What is known of commits: when the last one was acknowledged, and nothing of assignments that are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ginkgo_data.adapters.kafka.commit_book import CommitBook
from ginkgo_data.domain.model.delivery import Partition

PLACE = ("ginkgo.data.commands", 0)
START = datetime(2026, 8, 15, 13, 10, tzinfo=UTC)


class Present:
    now = START

    def __call__(self):
        return self.now


@pytest.fixture
def present():
    return Present()


@pytest.fixture
def book(present):
    return CommitBook(lambda partition, offset: True, present)


def send(book, partition, offset):
    book.ask({partition: offset})
    return {(p.topic, p.number): o for p, o in book.next_batch(lambda place: True).items()}


def test_a_commit_counts_when_it_is_acknowledged_not_when_it_is_sent(book, present):
    sent = send(book, Partition(*PLACE, 1), 5)
    present.now += timedelta(seconds=40)
    assert book.committed_at is None
    book.answered(sent, [])
    assert book.committed_at == present.now
    assert book.acknowledged(Partition(*PLACE, 1)) == 5


def test_one_that_fails_counts_for_nothing(book):
    book.answered(send(book, Partition(*PLACE, 1), 5), [PLACE])
    assert book.committed_at is None


def test_what_was_acknowledged_is_known_of_the_present_assignment_only(book):
    for epoch in range(1, 50):
        book.answered(send(book, Partition(*PLACE, epoch), epoch), [])
        if epoch % 2:
            book.forget([PLACE])
    assert len(book._acknowledged) <= 1
    assert book.acknowledged(Partition(*PLACE, 48)) is None
    book.forget()
    assert not book._acknowledged
    assert book.committed_at == START


def test_an_acknowledgement_that_comes_after_the_partition_came_back_tells_nothing_of_it(book, present):
    early, now_mine = Partition(*PLACE, 1), Partition(*PLACE, 2)
    sent = send(book, early, 5)
    book.forget([PLACE])
    book.ask({now_mine: 3})
    # It was taken away again at once: then a second one is sent while the first is on its way.
    book.last_batch([PLACE], lambda place: True)
    book.answered({PLACE: 3}, [])
    present.now += timedelta(seconds=1)
    book.answered(sent, [])
    assert book.acknowledged(now_mine) == 3
    assert book.committed_at == present.now
