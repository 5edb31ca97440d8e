# Upstream: entrypoints.{announcements, parts}
# Downstream: domain.model.delivery
# Role: Port: commands that are for every worker, read beside the group
"""Broadcasts. A consumer group gives a record to one worker; `reload` and `heartbeat_test` are for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ginkgo_data.domain.model.delivery import Delivery


class Broadcasts(Protocol):
    """Every `reload` and `heartbeat_test` put on the command topics after this was made, at least once each.

    The reader belongs to this worker alone: it is in no group and commits nothing. Used by one thread, but for
    `close`.
    """

    def take(self, timeout: float) -> Sequence[Delivery]:
        """Return what has come, waiting up to `timeout` seconds for the first.

        A broker that is away looks like silence; what was sent meanwhile comes when it is back.
        """

    def close(self) -> None:
        """End the reading; idempotent, from any thread."""
