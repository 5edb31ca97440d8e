"""The call budget contract, for the budget of one process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from contracts.call_budget import CallBudgetContract
from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.clock import ManualClock


class TestInMemoryCallBudget(CallBudgetContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(datetime(2024, 1, 2, tzinfo=UTC))

    @pytest.fixture
    def budget(self, clock: ManualClock) -> InMemoryCallBudget:
        return InMemoryCallBudget(clock)

    @pytest.fixture
    def neighbour(self, budget: InMemoryCallBudget) -> InMemoryCallBudget:
        return budget

    @pytest.fixture
    def pass_time(self, clock: ManualClock) -> Callable[[float], None]:
        return clock.advance

    def test_the_wait_it_tells_is_long_enough_also_where_seconds_are_not_exact(
        self, budget: InMemoryCallBudget, clock: ManualClock
    ) -> None:
        clock.advance(2.189438)
        budget.take("k", 1)
        clock.advance(2.479061)
        clock.advance(budget.take("k", 1))
        assert budget.take("k", 1) == 0.0
