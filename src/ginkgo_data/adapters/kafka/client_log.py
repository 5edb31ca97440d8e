# Upstream: adapters.kafka.{broadcasts, member, producer}
# Downstream: none
# Role: Where the client library writes its log: a line of a kind once a minute, the rest for debugging
"""A client that cannot connect says so up to twenty times a second."""

from __future__ import annotations

import logging
import time

SELDOM = 60.0
"""Seconds between two lines of one kind of one client."""


class Seldom(logging.Filter):
    """Takes the library's records, whose first arguments are the kind (``FAIL``, ``REQTMOUT`` …) and the client."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[object, ...], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the first line of a kind through as it is; those after it, within `SELDOM`, become debugging's."""
        kind = record.args[:2] if isinstance(record.args, tuple) else ()
        now = time.monotonic()
        self._said = {known: said for known, said in self._said.items() if now - said < SELDOM}
        if kind not in self._said:
            self._said[kind] = now
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return CLIENT_LOG.isEnabledFor(logging.DEBUG)


CLIENT_LOG = logging.getLogger("ginkgo_data.adapters.kafka.client")
"""For the `logger` of every long-lived client."""
CLIENT_LOG.addFilter(Seldom())
