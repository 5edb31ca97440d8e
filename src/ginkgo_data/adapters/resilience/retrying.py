# Upstream: adapters.resilience.{adjustment_source, bar_source, reference_source, tick_source}
# Downstream: domain.model.{fetch, retry}, ports.clock, tenacity
# Role: Asking again when an answer is a passing `Unknown`
"""One call, tried several times. Commands are tried again elsewhere: here it is a matter of seconds."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result

from ginkgo_data.domain.model.fetch import Answer, Unknown
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.ports.clock import Clock

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")


class AnswerRetry:
    """Repeats a call while its answer is an `Unknown` whose reason is transient.

    Waits grow exponentially and get a random share on top, so that workers who failed together do not come
    back together. A vendor's `retry_after` is the least wait; one beyond the policy's `max_delay` ends the
    attempts at once, and so does an interrupted wait. Exceptions are not repeated.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock

    def ask(self, call: Callable[[], Answer[Batch]]) -> Answer[Batch]:
        """Return the first answer that is not to be repeated, or the last one; `calls` sums up all attempts."""
        answers: list[Answer[Batch]] = []
        interrupted = False

        def attempt() -> Answer[Batch]:
            if not interrupted:
                answers.append(call())
            return answers[-1]

        def sleep(seconds: float) -> None:
            nonlocal interrupted
            interrupted = self._clock.wait(seconds)

        retrying = Retrying(
            retry=retry_if_result(self._worth_repeating),
            stop=lambda state: interrupted or state.attempt_number >= self._policy.attempts,
            wait=self._delay,
            sleep=sleep,
            before_sleep=_tell,
            retry_error_callback=lambda _: answers[-1],
        )
        last: Answer[Batch] = retrying(attempt)
        return replace(last, calls=sum(answer.calls for answer in answers))

    def _worth_repeating(self, answer: Answer[Batch]) -> bool:
        if not isinstance(answer, Unknown) or not answer.reason.transient:
            return False
        return answer.retry_after is None or answer.retry_after <= self._policy.max_delay

    def _delay(self, state: RetryCallState) -> float:
        """Return the seconds to wait after an attempt."""
        answer = _unknown(state)
        delay = max(self._policy.delay(state.attempt_number), answer.retry_after or 0.0 if answer else 0.0)
        return delay * (1 + self._policy.jitter * random.random())


def _tell(state: RetryCallState) -> None:
    answer = _unknown(state)
    if answer:
        logger.info("attempt %d: %s; again in %.1f s", state.attempt_number, answer.detail, state.upcoming_sleep)


def _unknown(state: RetryCallState) -> Unknown | None:
    answer = state.outcome.result() if state.outcome else None
    return answer if isinstance(answer, Unknown) else None
