# Upstream: adapters.gtm.bar_source, adapters.resilience.call_budget, adapters.tushare.client, entrypoints.opening
# Downstream: none
# Role: Port: the vendor's quota, shared by the fleet
"""The call budget: the scarce thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class CallBudget(Protocol):
    """A sliding window of one minute per key: in no 60 seconds does the vendor meet more calls than the limit.

    When the vendor met a call is known only to lie between its grant and its return, so it counts until a minute after
    its return. One that does not return within a minute counts for a minute from its grant.
    """

    def take(self, key: str, per_minute: int) -> float:
        """Ask for one call of `key`. Return 0.0 if it is granted (and counted), else the seconds until it may be.

        A refused call is not counted. Raises `ValueError` when `per_minute` is below 1.
        """

    def returned(self, key: str) -> None:
        """Note that a call of `key` that was granted to the caller is over, however it ended."""

    def close_until_open(self, key: str, seconds: float) -> None:
        """Grant no call of `key` for `seconds`: the vendor has said that its quota is used up.

        After that one call is granted as a probe, and no other before `answered` or 30 seconds later.
        """

    def answered(self, key: str) -> None:
        """Note that the vendor answered a call of `key`: after a closing, calls are granted again as usual."""

    def left(self) -> Mapping[str, int]:
        """Return by key the calls left in the present minute, as far as this process knows; nobody is asked for it.

        Keys that were never asked for are left out, and so is what is not known.
        """

    def learn(self, key: str, per_minute: int) -> None:
        """Believe for a day, for all who share the budget, that `key` may have `per_minute` calls and no more.

        A `take` with a greater limit is held to the smaller one; the latest word counts.
        """
