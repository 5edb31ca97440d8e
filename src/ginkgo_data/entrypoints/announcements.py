# Upstream: entrypoints.worker
# Downstream: domain.model.{commands, delivery}, ports.{broadcasts, notifications}
# Role: Broadcasts: the thread that reads them, and each request answered once by this worker
"""`heartbeat_test` and `reload` are for every worker.

A worker reads them beside the group (the thread here), and the one that the group gives its copy to may meet
it a second time: each request id is answered once in the life of a worker.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

from ginkgo_data.domain.model.commands import CommandMessage, ReloadConfig
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.ports.broadcasts import Broadcasts
from ginkgo_data.ports.notifications import Notifications

log = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Request ids that are known to be answered."""
_TURN = 0.5
_AFTER_A_FAULT = 5.0


class Answering:
    """Answers broadcasts; safe for several threads.

    `beat` writes a heartbeat at once; `reload` takes a request id and answers it when the reload is over.
    """

    def __init__(
        self, notifications: Callable[[], Notifications], beat: Callable[[], None], reload: Callable[[str], None]
    ) -> None:
        self._notifications = notifications
        self._beat = beat
        self._reload = reload
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, message: CommandMessage) -> bool:
        """Answer `message` unless that was done; return whether it was news."""
        with self._lock:
            if message.request_id in self._answered:
                return False
            self._answered[message.request_id] = None
            if len(self._answered) > REMEMBERED:
                self._answered.popitem(last=False)
        if isinstance(message.command, ReloadConfig):
            self._reload(message.request_id)
        else:
            self._beat()
            self._notifications().event("heartbeat_test_answer", {"request_id": message.request_id})
        return True


class AnnouncementThread(threading.Thread):
    """Reads broadcasts until `end`; a fault of the reader is logged and never the worker's end."""

    def __init__(self, open_reader: Callable[[], Broadcasts], answering: Answering) -> None:
        super().__init__(name="ginkgo-data-broadcasts", daemon=True)
        self._open = open_reader
        self._answering = answering
        self._reader: Broadcasts | None = None
        self._ended = threading.Event()
        self._renewed = threading.Event()

    def renew(self, open_reader: Callable[[], Broadcasts]) -> None:
        """Read from now on with another reader; what is sent meanwhile is read by either."""
        self._open = open_reader
        self._renewed.set()

    def open(self) -> None:
        """Make the reader now: what is sent from here on is read."""
        self._reader = self._open()

    def run(self) -> None:
        """Read and answer."""
        while not self._ended.is_set():
            try:
                if self._reader is None or self._renewed.is_set():
                    self._reopen()
                for delivery in self._reader.take(_TURN) if self._reader else ():
                    self._take(delivery)
            except Exception:  # whatever an adapter raises: the worker lives without broadcasts, too
                log.exception("broadcasts could not be read, tried again in %g s", _AFTER_A_FAULT)
                self._ended.wait(_AFTER_A_FAULT)
        self._close()

    def end(self, timeout: float) -> None:
        """Stop reading; waits up to `timeout` seconds for the thread. Idempotent, also before the start."""
        self._ended.set()
        self._close()
        if self.is_alive():
            self.join(timeout)

    def _reopen(self) -> None:
        self._renewed.clear()
        before = self._reader
        self.open()
        if before is not None:
            before.close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _take(self, delivery: Delivery) -> None:
        if isinstance(delivery.body, CommandMessage):
            self._answering.answer(delivery.body)
