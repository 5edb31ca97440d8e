"""The contracts of started marks and call leases, for the workers of one process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from contracts.call_lease import CallLeaseContract
from contracts.started_marks import StartedMarksContract
from ginkgo_data.adapters.memory.call_lease import InMemoryCallLease, LeaseBoard
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.started_marks import InMemoryStartedMarks


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 8, 15, tzinfo=UTC))


@pytest.fixture
def pass_time(clock: ManualClock) -> Callable[[float], None]:
    return clock.advance


class TestInMemoryStartedMarks(StartedMarksContract):
    @pytest.fixture
    def marks(self, clock: ManualClock) -> InMemoryStartedMarks:
        return InMemoryStartedMarks(clock)

    @pytest.fixture
    def neighbour(self, marks: InMemoryStartedMarks) -> InMemoryStartedMarks:
        return marks


class TestInMemoryCallLease(CallLeaseContract):
    @pytest.fixture
    def board(self) -> LeaseBoard:
        return LeaseBoard()

    @pytest.fixture
    def lease(self, clock: ManualClock, board: LeaseBoard) -> InMemoryCallLease:
        return InMemoryCallLease(clock, board)

    @pytest.fixture
    def neighbour(self, clock: ManualClock, board: LeaseBoard) -> InMemoryCallLease:
        return InMemoryCallLease(clock, board)

    def test_workers_with_boards_of_their_own_do_not_know_each_other(self, clock: ManualClock) -> None:
        one, two = InMemoryCallLease(clock), InMemoryCallLease(clock)
        assert one.take(["a"], 60.0) == two.take(["a"], 60.0) == {"a"}
