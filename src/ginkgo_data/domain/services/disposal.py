# Upstream: entrypoints.{dispatch, round}
# Downstream: domain.model.{collection, delivery, disposition, errors, fetch, retry}
# Role: How a delivery ends, decided from what happened to it
"""Dispositions: pure decisions from facts (a job's result, an error) and the retry policy.

The table of ends is DESIGN section 3: committed, worked later, dead letter, hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from ginkgo_data.domain.model.collection import WHOLE_UNIVERSE, CollectionResult
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.domain.model.disposition import Disposition, Settlement
from ginkgo_data.domain.model.errors import TerminalError, TransientError
from ginkgo_data.domain.model.fetch import Unknown
from ginkgo_data.domain.model.retry import RetryPolicy

DONE = (Settlement(Disposition.COMMIT, "done"),)


def settle_collection(
    delivery: Delivery,
    codes: tuple[str, ...] | None,
    result: CollectionResult,
    policy: RetryPolicy,
    now: datetime,
    first_delivered: datetime | None = None,
) -> tuple[Settlement, ...]:
    """Return the ends of a delivery that asked for `codes` (None: all) and was worked in a job with `result`.

    Codes that no one knows are a dead letter of their own, codes without an answer and codes not reached go
    to the work topic; what was done stays done. Codes shed are on the work topic already. Without any of these the
    delivery is simply done.
    """
    ends: list[Settlement] = []
    if unknown_codes := _mine(result.unknown_codes, codes):
        reason = f"not among the securities: {_listed(unknown_codes)}"
        ends.append(Settlement(Disposition.DEAD_LETTER, reason, "UnknownCode", unknown_codes))
    unanswered = {code: result.unknown[code] for code in _mine(result.unknown, codes)}
    if WHOLE_UNIVERSE in result.unknown:
        unanswered[WHOLE_UNIVERSE] = result.unknown[WHOLE_UNIVERSE]
    if unanswered:
        ends.append(_later_or_never(delivery, unanswered, policy, now, first_delivered))
    if unfinished := _mine(result.unfinished, codes):
        gained = result.written > 0 or result.fetched > 0 or result.excused
        ends.append(_next_piece(delivery, unfinished, policy, gained))
    return tuple(ends) or DONE


def settle_sync(
    delivery: Delivery, unknown: Unknown | None, policy: RetryPolicy, now: datetime, first_delivered: datetime | None
) -> tuple[Settlement, ...]:
    """Return the ends of a delivery that asked for reference data."""
    return DONE if unknown is None else (_later_or_never(delivery, {"": unknown}, policy, now, first_delivered),)


def settle_error(error: Exception) -> Settlement:
    """Return the end that an exception of a delivery worked alone leads to.

    Transient errors of our own servers hold (nothing was given up, nothing is committed); terminal ones and
    the unexpected are dead letters.
    """
    name = type(error).__name__
    if isinstance(error, TransientError):
        return Settlement(Disposition.HOLD, str(error), name)
    if isinstance(error, TerminalError):
        return Settlement(Disposition.DEAD_LETTER, str(error), name)
    return Settlement(Disposition.DEAD_LETTER, f"unexpected {name}: {error}", name)


def _later_or_never(
    delivery: Delivery,
    unanswered: Mapping[str, Unknown],
    policy: RetryPolicy,
    now: datetime,
    first_delivered: datetime | None,
) -> Settlement:
    answers = list(unanswered.values())
    codes = tuple(code for code in unanswered if code)
    worst = answers[0]
    reason = f"{worst.reason.value}: {worst.detail}"
    outage = all(answer.reason.outage for answer in answers)
    attempt = delivery.attempt + (0 if outage else 1)
    waited = (now - first_delivered).total_seconds() if first_delivered else 0.0
    if attempt >= policy.max_deliveries or (outage and waited > policy.give_up_after):
        return Settlement(Disposition.DEAD_LETTER, reason, _error_of(worst), codes, counts_as_attempt=not outage)
    asked = [answer.retry_after for answer in answers if answer.retry_after is not None]
    delay = max([policy.delay(delivery.attempt + delivery.piece + 1), *asked])
    return Settlement(
        Disposition.WORK_LATER, reason, _error_of(worst), codes, min(delay, policy.max_postponement), not outage
    )


def _next_piece(delivery: Delivery, codes: tuple[str, ...], policy: RetryPolicy, gained: bool) -> Settlement:
    if not gained and delivery.attempt + 1 >= policy.max_deliveries:
        reason = f"{policy.max_deliveries} rounds in a row gained nothing"
        return Settlement(Disposition.DEAD_LETTER, reason, "NoProgress", codes, counts_as_attempt=True)
    return Settlement(Disposition.WORK_LATER, "the round was over", codes=codes, counts_as_attempt=not gained)


def _error_of(unknown: Unknown) -> str:
    return "SourceUnavailable" if unknown.reason.outage else "SourceRejected"


def _mine(affected: Iterable[str], codes: tuple[str, ...] | None) -> tuple[str, ...]:
    if codes is None:
        return tuple(affected)
    own = set(codes)
    return tuple(code for code in affected if code in own)


def _listed(codes: tuple[str, ...], limit: int = 10) -> str:
    shown = ", ".join(codes[:limit])
    return shown if len(codes) <= limit else f"{shown} and {len(codes) - limit} more"
