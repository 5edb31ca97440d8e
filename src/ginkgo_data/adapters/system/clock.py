# Upstream: entrypoints.{container, opening, operator_parts, status}
# Downstream: domain.model.bars
# Role: The host's clock, read in the exchange's zone
"""The clock of the machine the worker runs on."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE


class SystemClock:
    """The host's time, zoned Asia/Shanghai whatever the host's zone is. One instance per owner that stops."""

    def __init__(self) -> None:
        self._zone = ZoneInfo(EXCHANGE_ZONE)
        self._interrupted = threading.Event()

    def now(self) -> datetime:
        """Return the present, zoned Asia/Shanghai."""
        return datetime.now(self._zone)

    def monotonic(self) -> float:
        """Return seconds that never go back, whatever happens to the wall clock."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` (not at all when that is negative); return whether the wait was interrupted."""
        return self._interrupted.wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX))

    def interrupt(self) -> None:
        """End every wait, present and future."""
        self._interrupted.set()
