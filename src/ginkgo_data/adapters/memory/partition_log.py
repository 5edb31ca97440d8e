# Upstream: adapters.memory.broker
# Downstream: domain.model.delivery
# Role: One partition of the broker in memory: its records, and where the group stands in it
"""Guarded by the broker's lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ginkgo_data.domain.model.delivery import RawRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with what the broker knows of it."""

    record: RawRecord
    arrival: int
    """Position among all records of the broker."""
    not_before: datetime | None


@dataclass(slots=True)
class PartitionLog:
    """Records in order of their offsets."""

    entries: list[Entry] = field(default_factory=list)
    """Those that were not deleted."""
    low: int = 0
    """Offset of the first of them, or of the next record where there is none."""
    committed: int = 0
    committed_at: datetime | None = None
    """When the group last committed (zoned), None for never."""
    position: int = 0
    """The next offset that the member is given."""

    @property
    def end(self) -> int:
        """Offset of the next record."""
        return self.low + len(self.entries)

    def since(self, offset: int, limit: int | None = None) -> list[Entry]:
        """Return up to `limit` records at and after `offset`."""
        first = max(0, offset - self.low)
        return self.entries[first : None if limit is None else first + limit]

    def expire(self, before: int) -> None:
        """Delete the records below `before`."""
        gone = min(max(0, before - self.low), len(self.entries))
        del self.entries[:gone]
        self.low += gone
