# Upstream: domain.services, entrypoints.dispatch
# Downstream: domain.services.tally
# Role: What a round lends to a collection in it: how far it may go, and whom to tell
"""The pace of a collection is the round's, not its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ginkgo_data.domain.services.tally import Watch

GoOn: TypeAlias = Callable[[], bool]
"""A question that is asked again and again: whether there is time (and a wish) to go on."""


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _any(code: str) -> bool:
    return True


def _untold(codes: tuple[str, ...]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a collection may go. The default is: to the end, alone."""

    go_on: GoOn = _always
    """Asked before each call, and at least once a second while waiting for answers or for others; False: no new
    call. Being asked is the sign that the work makes progress."""
    stopping: GoOn = _never
    """Whether not even the calls under way are worth more than a moment; once True, it stays so."""
    watch: Watch | None = None
    """Told of progress, call by call."""
    most_calls: int | None = None
    """Vendor calls that are this round's share of the work; None: no limit."""
    may_shed: Callable[[str], bool] = _any
    """Whether a code may be left to others; one that has been left once already may not."""
    shed: Callable[[tuple[str, ...]], None] = _untold
    """Told, before the first vendor call, which codes are more than the share and left to others. What it raises
    ends the collection, of which nothing is fetched then."""
