# Upstream: adapters.redis.call_budget
# Downstream: adapters.redis.budget_scripts
# Role: What one worker knows of closings, probes and learned limits, to go by while Redis cannot be asked
"""Notes of one worker, by a monotonic clock that the caller reads. Not thread-safe: the owner holds the lock."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from ginkgo_data.adapters.redis.budget_scripts import DAY, PROBE, PROBE_STEP, TakeReply


@dataclass(frozen=True, slots=True)
class Closing:
    """A closing after which the vendor has not answered yet; when it is over, a call that is granted is a probe."""

    until: float
    shared: bool
    """Whether Redis has heard of it."""
    probe_until: float = -math.inf
    """Until when a probe counts as under way."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Calls a minute by the vendor's word, believed for a while."""

    per_minute: int
    until: float
    shared: bool
    """Whether Redis has heard of it."""


class Known(NamedTuple):
    """What was known of a key at one moment."""

    closing: Closing | None
    limit: Limit | None

    def arguments(self, now: float) -> list[int]:
        """Return it as the script TAKE wants it: closing, unanswered, learned, for how long, news."""
        closed = milliseconds(max(self.closing.until - now, 0.0)) if self.closing else 0
        unanswered = self.closing is not None and not self.closing.shared
        if self.limit is None:
            return [closed, int(unanswered), 0, 0, 0]
        left = max(milliseconds(self.limit.until - now), 1)
        return [closed, int(unanswered), self.limit.per_minute, left, int(not self.limit.shared)]


class BudgetNotes:
    """Says what the worker itself has told, and what Redis told it last."""

    def __init__(self) -> None:
        self._closings: dict[str, Closing] = {}
        self._limits: dict[str, Limit] = {}
        self._probing: set[str] = set()

    def close(self, key: str, until: float) -> None:
        """Note a closing; one that ends before another that is known changes nothing."""
        known = self._closings.get(key)
        if known is None or until > known.until:
            self._closings[key] = Closing(until, shared=False)
            self._probing.discard(key)

    def learn(self, key: str, per_minute: int, now: float) -> None:
        """Note the vendor's latest word."""
        self._limits[key] = Limit(per_minute, now + DAY, shared=False)

    def known(self, key: str, now: float) -> Known:
        """Return what is known of `key`; a limit is forgotten when its time is over."""
        if (limit := self._limits.get(key)) is not None and limit.until <= now:
            del self._limits[key]
        return Known(self._closings.get(key), self._limits.get(key))

    def share(self, key: str, told: Known) -> None:
        """Note that Redis has heard of what was `told`, unless there is later news."""
        closing, limit = told
        if closing is not None and self._closings.get(key) is closing:
            self._closings[key] = replace(closing, shared=True)
        if limit is not None and self._limits.get(key) is limit:
            self._limits[key] = replace(limit, shared=True)

    def hear(self, key: str, told: Known, reply: TakeReply, now: float) -> None:
        """Note what Redis answered to what was `told`, unless there is later news."""
        if self._closings.get(key) is told.closing:
            self._closings.pop(key, None)
            if reply.probe_wanted:
                self._closings[key] = Closing(now + reply.closed_for, True, now + reply.probe_for)
        if self._limits.get(key) is told.limit:
            self._limits.pop(key, None)
            if reply.limit:
                self._limits[key] = Limit(reply.limit, now + reply.limit_for, True)
        # Not by the closing noted above: two threads' answers may be heard in the other order.
        if not reply.probe_wanted:
            self._probing.discard(key)
        elif not reply.wait and not reply.unknown_for:
            self._probing.add(key)

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until a closing ends or a probe under way may have been answered; 0.0: none."""
        known = self._closings.get(key)
        if known is None:
            return 0.0
        return max(known.until - now, min(known.probe_until - now, PROBE_STEP), 0.0)

    def grant(self, key: str, now: float) -> None:
        """Note a call that the worker granted itself: the first one after a closing is a probe."""
        known = self._closings.get(key)
        if known is not None:
            self._closings[key] = replace(known, probe_until=now + PROBE)
            self._probing.add(key)

    def probing(self, key: str) -> bool:
        """Whether a call of this worker is a probe that has not been answered."""
        return key in self._probing

    def end_probe(self, key: str) -> None:
        """Note that no call of this worker is a probe any more."""
        self._probing.discard(key)

    def answered(self, key: str, now: float) -> bool:
        """Note the vendor's answer; return whether it ends a probe of this worker, so that others should hear of it."""
        if key not in self._probing:
            return False
        self._probing.discard(key)
        known = self._closings.get(key)
        if known is not None and known.until <= now:
            del self._closings[key]
        return True


def milliseconds(seconds: float) -> int:
    """Return `seconds` in milliseconds, rounded up."""
    return math.ceil(seconds * 1000)
