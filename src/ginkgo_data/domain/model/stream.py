# Upstream: adapters.{kafka, memory}, domain.{model, services}, entrypoints, ports.command_stream
# Downstream: domain.model.delivery
# Role: What is known of a command stream beside its records: assignment, lag, missing topics, what expired
"""The state of a command stream, and records that were gone before anybody read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ginkgo_data.domain.model.delivery import Partition


@dataclass(frozen=True, slots=True)
class ExpiredRecords:
    """Records of a partition that the broker deleted before the group read them."""

    partition: Partition
    first: int
    """The group's next offset: the first one that is gone."""
    count: int
    """Offsets between `first` and the oldest one that is still there."""
    since: datetime | None = None
    """When the group last committed there (zoned), None where that is not known."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as it is at a moment; figures are a few seconds old at the most."""

    assigned: tuple[Partition, ...] = ()
    """Partitions that are this member's, in their present epoch."""
    lag: Mapping[Partition, int] = field(default_factory=dict)
    """Records not yet committed, per assigned partition whose end is known."""
    missing_topics: Mapping[str, str] = field(default_factory=dict)
    """Subscribed topics that cannot be read, with the broker's words; the others are read all the same."""
    turned_ago: float = 0.0
    """Seconds since the client's thread last turned; many mean that it hangs."""
    unanswered_for: float = 0.0
    """Seconds for which the broker has answered no question; 0.0 while it answers."""
    committed_at: datetime | None = None
    """When a commit was last acknowledged (zoned), None for never in the life of this stream."""
