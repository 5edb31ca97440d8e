# Upstream: adapters.kafka.command_stream
# Downstream: adapters.kafka.{errors, member, membership}
# Role: The one thread that owns the client: turns for ever, a new client after a fault
"""Nothing stops this thread but `stop`: an outage is waited through, a client that cannot go on is replaced."""

from __future__ import annotations

import logging
import threading
import time

from ginkgo_data.adapters.kafka.errors import RebuildNeededError
from ginkgo_data.adapters.kafka.member import Member
from ginkgo_data.adapters.kafka.membership import Membership

log = logging.getLogger(__name__)

LONGEST_BACKOFF = 30.0


class ClientThread(threading.Thread):
    """Runs a member of the group. The first client is made here, so that bad options stop a start.

    Raises `ConfigurationError`.
    """

    def __init__(self, own: Membership) -> None:
        super().__init__(name="ginkgo-data-kafka-client", daemon=True)
        self._own = own
        self._close_timeout = own.config.close_timeout
        self._stopping = threading.Event()
        self._member: Member | None = Member(own)
        self.last_turn = time.monotonic()
        """When the last turn began (monotonic seconds); turns follow each other within a few seconds."""
        self.rebuilt = 0
        """How many clients were replaced."""

    @property
    def missing(self) -> dict[str, str]:
        """Topics that cannot be read, with the broker's words."""
        member = self._member
        return dict(member.missing) if member else {}

    def run(self) -> None:
        """Turn until `stop`, then leave the group."""
        failures = 0
        while not self._stopping.is_set():
            self.last_turn = time.monotonic()
            try:
                if self._member is None:
                    self._member = Member(self._own)
                self._member.turn()
                failures = failures if self._idle() else 0
            except Exception as error:
                failures += 1
                self._replace(error, failures)
        if self._member:
            # The whole is bounded by the caller; half of the time is for commits, the rest for leaving.
            self._member.finish(self._close_timeout / 2)
            self._own.inbox.close()
            self._own.commits.forget()
            if not self._member.close(self._close_timeout / 2):
                log.warning("the group was not left in time; the broker finds out by itself")

    def stop(self) -> None:
        """Ask the thread to end after its turn; idempotent."""
        self._stopping.set()

    def _idle(self) -> bool:
        return not self._own.inbox.following()

    def _replace(self, error: Exception, failures: int) -> None:
        """Give the client up: what was not committed comes again, to the new one or to another member."""
        pause = min(LONGEST_BACKOFF, 0.5 * 2.0 ** min(failures, 10))
        log.warning(
            "a new client in %.1f s: %s: %s",
            pause, type(error).__name__, error, exc_info=not isinstance(error, RebuildNeededError),
        )  # fmt: skip
        self.rebuilt += 1
        gone, self._member = self._member, None
        self._own.inbox.revoke()
        self._own.expiry.revoke()
        self._own.commits.forget()
        if gone:
            gone.close(self._close_timeout / 2)
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self._stopping.wait(min(1.0, left)):
            self.last_turn = time.monotonic()
