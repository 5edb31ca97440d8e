# Upstream: entrypoints.parts
# Downstream: none
# Role: Port: which deliveries a worker has begun and not ended, so that one that kills its worker is known
"""Started marks: what was being worked when a worker died."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class StartedMarks(Protocol):
    """Counts per delivery id how often work on it began since it was last cleared; the fleet's, not a worker's.

    A worker that dies clears nothing: what it had begun stays marked. Never raises: while the place of the
    marks is away, nothing is known and nothing is kept.
    """

    def counts(self, ids: Sequence[str]) -> Mapping[str, int]:
        """Return how often each of `ids` was begun and not cleared; ids that never were are left out."""

    def begin(self, ids: Sequence[str]) -> None:
        """Count each of `ids` once more; a count is forgotten after a day."""

    def clear(self, ids: Sequence[str]) -> None:
        """Forget `ids`: their work has ended, well or not, and this worker lives."""
