# Upstream: entrypoints.container
# Downstream: domain.model.quality, ports.clock
# Role: Port alert_memory in memory
"""Which alerts have been told, on one clock."""

from __future__ import annotations

import threading

from ginkgo_data.domain.model.quality import Alert, Severity
from ginkgo_data.ports.clock import Clock

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class InMemoryAlertMemory:
    """Remembers severity and end of the silence per key.

    A silence that is over does not forget the alert: its end is still news until `resolve` says so.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, tuple[Severity, float]] = {}
        self._lock = threading.Lock()

    def is_news(self, alert: Alert, cooldown: float) -> bool:
        """Whether `alert` is new, worse than what was told, or its silence is over; then it counts as told."""
        with self._lock:
            now = self._clock.monotonic()
            if alert.key in self._told:
                severity, silent_until = self._told[alert.key]
                if now < silent_until and _RANK[alert.severity] <= _RANK[severity]:
                    return False
            self._told[alert.key] = (alert.severity, now + cooldown)
            return True

    def silence(self, alert: Alert, cooldown: float) -> None:
        """Let the silence last for `cooldown` seconds from now; never shortens it."""
        with self._lock:
            until = self._clock.monotonic() + cooldown
            severity, silent_until = self._told.get(alert.key, (alert.severity, until))
            worse = max(severity, alert.severity, key=_RANK.__getitem__)
            self._told[alert.key] = (worse, max(silent_until, until))

    def resolve(self, key: str) -> bool:
        """Forget an alert; True if it had been told."""
        with self._lock:
            return self._told.pop(key, None) is not None
