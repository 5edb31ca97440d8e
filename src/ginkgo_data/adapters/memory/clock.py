# Upstream: none
# Downstream: domain.model.bars
# Role: A clock turned by hand, on which waiting takes no time
"""The clock of tests: it stands still until it is advanced or somebody waits on it."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE


class ManualClock:
    """Starts at a zoned time. A wait moves the clock on by itself and returns at once: nothing ever sleeps."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError(f"start {start} has no zone; allowed: a zoned time")
        self._start = start.astimezone(ZoneInfo(EXCHANGE_ZONE))
        self._elapsed = 0.0
        self._interrupted = False
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the present, zoned Asia/Shanghai."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the seconds since the start."""
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move the clock on; raises `ValueError` when that would be backwards."""
        if seconds < 0:
            raise ValueError(f"seconds {seconds} would turn the clock back; allowed: 0 or more")
        with self._lock:
            self._elapsed += seconds

    def wait(self, seconds: float) -> bool:
        """Move the clock on by `seconds` and return False; True at once, the clock untouched, after an interrupt.

        Raises `ValueError` for a wait without end, which on this clock nobody could end.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"seconds {seconds} would never pass; allowed: a finite number")
        with self._lock:
            if not self._interrupted:
                self._elapsed += max(0.0, seconds)
            return self._interrupted

    def interrupt(self) -> None:
        """End every wait from now on."""
        with self._lock:
            self._interrupted = True
