# Upstream: entrypoints.{parts, round}
# Downstream: domain.model.disposition
# Role: Port: what is left of a command, kept for later
"""The work topic: remainders of commands, tried again when they are due."""

from __future__ import annotations

from typing import Protocol

from ginkgo_data.domain.model.disposition import WorkItem


class WorkQueue(Protocol):
    """Keeps work items; they come back through the command stream, never before `not_before`."""

    def park(self, item: WorkItem) -> None:
        """Keep `item`; it is acknowledged on return.

        Raises `BrokerUnavailable`, and then nothing was kept for sure, and a `TerminalError` when the item can never
        be kept.
        """
