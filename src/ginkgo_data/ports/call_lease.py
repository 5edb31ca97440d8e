# Upstream: domain.services.{collector, leasing, session_job}
# Downstream: none
# Role: Port: who of the fleet makes a vendor call, so that the same call is made once
"""Leases of vendor calls, by a text that says what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class CallLease(Protocol):
    """A lease per key, held by one worker until it gives it back or its time is over.

    Never raises: while the place of the leases is away, everybody gets what is asked for, so that the same
    call may be made twice but none is left out. Safe for several threads.
    """

    def take(self, keys: Sequence[str], ttl: float) -> frozenset[str]:
        """Return those of `keys` that are this worker's for `ttl` seconds from now: free ones and its own."""

    def give_back(self, keys: Sequence[str]) -> None:
        """End the leases on `keys` that are this worker's; those of others stay."""
