"""What every call budget promises, whatever it counts in."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ginkgo_data.ports.call_budget import CallBudget

MINUTE = 60.0
TOLERANCE = 1.0
"""Seconds that real time may add to the time that `pass_time` lets pass."""


class CallBudgetContract:
    """Subclasses provide the fixtures `budget` (fresh) and `pass_time` (seconds go by for it)."""

    def test_as_many_calls_as_the_limit_are_granted_at_once(self, budget: CallBudget) -> None:
        assert [budget.take("k", 3) for _ in range(3)] == [0.0, 0.0, 0.0]

    def test_a_call_beyond_the_limit_is_told_how_long_to_wait(self, budget: CallBudget) -> None:
        for _ in range(3):
            budget.take("k", 3)
        assert MINUTE - TOLERANCE <= budget.take("k", 3) <= MINUTE

    def test_after_the_wait_it_was_told_the_call_is_granted(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        budget.take("k", 1)
        pass_time(17.3)
        delay = budget.take("k", 1)
        pass_time(delay)
        assert budget.take("k", 1) == 0.0

    def test_a_refused_call_is_not_counted(self, budget: CallBudget, pass_time: Callable[[float], None]) -> None:
        budget.take("k", 1)
        for _ in range(5):
            assert budget.take("k", 1) > 0
        pass_time(MINUTE)
        assert budget.take("k", 1) == 0.0

    def test_the_minute_slides_and_does_not_begin_anew(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        budget.take("k", 2)
        pass_time(40)
        budget.take("k", 2)
        pass_time(21)
        assert budget.take("k", 2) == 0.0
        assert MINUTE - 21 - TOLERANCE <= budget.take("k", 2) <= MINUTE - 21

    def test_keys_have_budgets_of_their_own(self, budget: CallBudget) -> None:
        budget.take("a", 1)
        assert budget.take("b", 1) == 0.0
        assert budget.take("a", 1) > 0

    def test_a_closed_key_grants_nothing_until_it_opens(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        budget.close_until_open("k", 90.0)
        assert 90.0 - TOLERANCE <= budget.take("k", 100) <= 90.0
        assert budget.take("other", 100) == 0.0
        pass_time(89.0 - TOLERANCE)
        assert budget.take("k", 100) > 0
        pass_time(1.0 + TOLERANCE)
        assert budget.take("k", 100) == 0.0

    def test_a_shorter_closing_does_not_open_a_longer_one(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        budget.close_until_open("k", 90.0)
        budget.close_until_open("k", 5.0)
        pass_time(10.0)
        assert budget.take("k", 100) > 60.0

    def test_calls_granted_before_a_closing_still_count_after_it(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        for _ in range(2):
            budget.take("k", 2)
        budget.close_until_open("k", 10.0)
        pass_time(11.0)
        assert budget.take("k", 2) > 0

    def test_a_lowered_limit_counts_the_calls_granted_under_the_old_one(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        for _ in range(5):
            budget.take("k", 5)
            pass_time(5)
        # The calls were at 0, 5, 10, 15 and 20 s; a limit of 2 opens when the one of 15 s leaves the window.
        assert 50 - 2 * TOLERANCE <= budget.take("k", 2) <= 50

    def test_in_no_minute_more_calls_than_the_limit_are_granted(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        dice = random.Random(7)
        now, granted = 0.0, []
        for _ in range(600):
            if budget.take("k", 5) == 0.0:
                granted.append(now)
            step = dice.choice([0.0, 0.0, 0.5, 3.0, 11.0])
            pass_time(step)
            now += step
        assert len(granted) > 100
        assert all(later - earlier >= MINUTE - TOLERANCE for earlier, later in zip(granted, granted[5:], strict=False))

    def test_threads_together_get_no_more_than_the_limit(self, budget: CallBudget) -> None:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: budget.take("k", 50), range(200)))
        assert answers.count(0.0) == 50

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_limit_below_one_is_refused(self, budget: CallBudget, limit: int) -> None:
        with pytest.raises(ValueError, match=str(limit)):
            budget.take("k", limit)
