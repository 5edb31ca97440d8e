# Upstream: adapters.kafka.{broadcasts, expiry, notifications}
# Downstream: none
# Role: Says the first of many like failures and their end, and keeps the rest for debugging
"""An outage in a log: two lines, however long it lasts."""

from __future__ import annotations

import logging
import threading


class Outage:
    """Lines at `level` of `log`, each beginning with `what`. Safe for several threads."""

    def __init__(self, log: logging.Logger, level: int, what: str) -> None:
        self._log = log
        self._level = level
        self._what = what
        self._failures = 0
        self._lock = threading.Lock()

    def failed(self, reason: str) -> None:
        """Say why it failed, if it is the first time since it last went well."""
        with self._lock:
            self._failures += 1
            first = self._failures == 1
        self._log.log(self._level if first else logging.DEBUG, "%s: %s", self._what, reason)

    def over(self) -> None:
        """Say that it goes well again and how often it had failed, if it had."""
        if not self._failures:  # nearly always; nobody waits for a lock then
            return
        with self._lock:
            failures, self._failures = self._failures, 0
        if failures:
            self._log.log(self._level, "%s: well again, after %d failures", self._what, failures)
