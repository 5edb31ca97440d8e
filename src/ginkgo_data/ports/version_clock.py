# Upstream: domain.services, entrypoints.parts
# Downstream: none
# Role: Port: the fleet's one clock for row versions, the store's
"""One clock for the fleet: versions come from the store's clock, so no host's clock can win a race of rows."""

from __future__ import annotations

from typing import Protocol


class VersionClock(Protocol):
    """The store's clock, carried forward between rounds by the local monotonic clock."""

    def synchronise(self) -> None:
        """Ask the store for its time; called at the start of each round. Raises `StoreUnavailable`."""

    def version(self) -> int:
        """Return the store's present in microseconds since 1970, greater than any returned before.

        Synchronises by itself when that was never done. Raises `StoreUnavailable`.
        """
