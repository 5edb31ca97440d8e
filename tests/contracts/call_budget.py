"""What every call budget promises, whatever it counts in."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ginkgo_data.ports.call_budget import CallBudget

MINUTE = 60.0
PROBE = 30.0
"""Seconds after which an unanswered probe is followed by the next one."""
DAY = 86_400.0
TOLERANCE = 1.0
"""Seconds that real time may add to the time that `pass_time` lets pass."""

PassTime = Callable[[float], None]


class CallBudgetContract:
    """Subclasses provide the fixtures `budget` (fresh), `neighbour` (the same, seen by another worker) and `pass_time`.

    `pass_time` lets seconds go by for both.
    """

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

    def test_a_call_counts_until_a_minute_after_its_return(
        self, budget: CallBudget, pass_time: Callable[[float], None]
    ) -> None:
        budget.take("k", 2)
        budget.take("k", 2)
        pass_time(20)
        budget.returned("k")
        pass_time(40)
        assert budget.take("k", 2) == 0.0, "one of them has not returned within a minute"
        assert 20 - TOLERANCE <= budget.take("k", 2) <= 20
        pass_time(10)
        assert 50 - TOLERANCE <= budget.take("k", 1) <= 50
        for _ in range(3):
            budget.returned("k")
        assert MINUTE - TOLERANCE <= budget.take("k", 1) <= MINUTE, "the last one returned just now"

    def test_a_return_of_a_call_that_nobody_made_changes_nothing(self, budget: CallBudget) -> None:
        budget.returned("k")
        assert budget.take("k", 1) == 0.0
        budget.returned("other")
        assert budget.take("k", 1) > 0

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
        with pytest.raises(ValueError, match=str(limit)):
            budget.learn("k", limit)

    def test_a_closing_for_no_time_closes_nothing(self, budget: CallBudget) -> None:
        budget.close_until_open("k", 0.0)
        assert _granted(budget, 3, 3) == 3

    def test_after_a_closing_one_call_is_granted_as_a_probe_and_no_other(
        self, budget: CallBudget, neighbour: CallBudget, pass_time: PassTime
    ) -> None:
        budget.close_until_open("k", 90.0)
        pass_time(90.0)
        assert _granted(neighbour, 100, 5) == 1
        assert _granted(budget, 100, 5) == 0
        assert 0 < budget.take("k", 100) <= 1.0, "soon it may be answered"
        assert budget.take("other", 100) == 0.0
        pass_time(PROBE - 1.0 - TOLERANCE)
        assert _granted(budget, 100, 5) + _granted(neighbour, 100, 5) == 0

    def test_threads_together_send_one_probe(
        self, budget: CallBudget, neighbour: CallBudget, pass_time: PassTime
    ) -> None:
        budget.close_until_open("k", 90.0)
        pass_time(90.0)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: (budget, neighbour)[n % 2].take("k", 100), range(40)))
        assert answers.count(0.0) == 1

    def test_once_the_probe_is_answered_calls_are_granted_as_usual(
        self, budget: CallBudget, neighbour: CallBudget, pass_time: PassTime
    ) -> None:
        budget.close_until_open("k", 90.0)
        pass_time(90.0)
        assert neighbour.take("k", 4) == 0.0
        assert budget.take("k", 4) > 0.0
        neighbour.answered("k")
        assert _granted(budget, 4, 5) == 3, "the probe counts as well"

    def test_a_probe_that_is_not_answered_is_followed_by_one_more(
        self, budget: CallBudget, neighbour: CallBudget, pass_time: PassTime
    ) -> None:
        budget.close_until_open("k", 90.0)
        pass_time(90.0)
        assert _granted(budget, 100, 5) == 1
        pass_time(PROBE)
        assert _granted(neighbour, 100, 5) == 1
        assert _granted(budget, 100, 5) == 0

    def test_a_late_answer_of_a_probe_counts_too(
        self, budget: CallBudget, neighbour: CallBudget, pass_time: PassTime
    ) -> None:
        budget.close_until_open("k", 90.0)
        pass_time(90.0)
        assert budget.take("k", 100) == 0.0
        pass_time(PROBE)
        budget.answered("k")
        assert _granted(neighbour, 100, 5) == 5

    def test_a_probe_that_is_refused_closes_again_and_is_followed_by_another_after_that(
        self, budget: CallBudget, neighbour: CallBudget, pass_time: PassTime
    ) -> None:
        budget.close_until_open("k", 90.0)
        pass_time(90.0)
        assert budget.take("k", 100) == 0.0
        budget.close_until_open("k", 10.0)
        assert 1.0 < neighbour.take("k", 100) <= 10.0
        pass_time(10.0)
        assert _granted(neighbour, 100, 5) == 1
        assert _granted(budget, 100, 5) == 0

    def test_an_answer_of_an_older_call_neither_opens_a_closing_nor_stands_for_its_probe(
        self, budget: CallBudget, pass_time: PassTime
    ) -> None:
        assert budget.take("k", 100) == 0.0
        budget.close_until_open("k", 90.0)
        budget.answered("k")
        assert budget.take("k", 100) > 1.0
        pass_time(90.0)
        budget.answered("k")
        assert _granted(budget, 100, 5) == 1

    def test_an_answer_without_a_closing_changes_nothing(self, budget: CallBudget) -> None:
        assert budget.take("k", 2) == 0.0
        budget.answered("k")
        budget.answered("never asked")
        assert _granted(budget, 2, 5) == 1

    def test_a_probe_keeps_to_the_limit_and_a_refused_one_is_none(
        self, budget: CallBudget, pass_time: PassTime
    ) -> None:
        assert _granted(budget, 2, 2) == 2
        budget.close_until_open("k", 10.0)
        pass_time(11.0)
        assert budget.take("k", 2) > 1.0, "for the minute, not for a probe"
        pass_time(MINUTE - 11.0)
        assert _granted(budget, 2, 5) == 1

    def test_what_one_has_learned_holds_for_all(self, budget: CallBudget, neighbour: CallBudget) -> None:
        budget.learn("k", 3)
        assert _granted(neighbour, 100, 2) == 2
        assert _granted(budget, 100, 5) == 1
        assert _granted(neighbour, 100, 5) == 0
        assert budget.take("other", 100) == 0.0

    def test_a_limit_asked_for_below_the_learned_one_holds(self, budget: CallBudget) -> None:
        budget.learn("k", 3)
        assert _granted(budget, 2, 5) == 2

    def test_of_what_was_learned_the_latest_word_counts(self, budget: CallBudget, neighbour: CallBudget) -> None:
        budget.learn("k", 3)
        assert _granted(budget, 100, 5) == 3
        neighbour.learn("k", 5)
        assert _granted(budget, 100, 5) == 2
        budget.learn("k", 1)
        assert neighbour.take("k", 100) > 0.0

    def test_what_was_learned_is_forgotten_after_a_day(
        self, budget: CallBudget, neighbour: CallBudget, pass_time: PassTime
    ) -> None:
        budget.learn("k", 1)
        assert _granted(neighbour, 5, 5) == 1
        pass_time(DAY - 60.0)
        assert _granted(neighbour, 5, 5) == 1
        pass_time(60.0)
        assert _granted(budget, 5, 5) + _granted(neighbour, 5, 5) == 5

    def test_what_is_left_is_known_without_asking_as_far_as_this_worker_heard(
        self, budget: CallBudget, pass_time: PassTime
    ) -> None:
        assert budget.left() == {}
        budget.take("k", 3)
        budget.take("other", 1)
        assert self.known({"k": 2, "other": 0}) == budget.left()
        budget.take("k", 3)
        budget.take("other", 1)
        assert self.known({"k": 1, "other": 0}) == budget.left()
        pass_time(MINUTE)
        assert self.known({"k": 3, "other": 1}) == budget.left()

    def test_what_is_left_is_left_of_a_learned_limit(self, budget: CallBudget) -> None:
        budget.learn("k", 2)
        budget.take("k", 100)
        assert self.known({"k": 1}) == budget.left()

    def known(self, left: dict[str, int]) -> dict[str, int]:
        """Return what the budget knows of `left`: a worker that is alone does not know what others use."""
        return left


def _granted(budget: CallBudget, limit: int, tries: int) -> int:
    return [budget.take("k", limit) for _ in range(tries)].count(0.0)
