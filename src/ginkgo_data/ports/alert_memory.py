# Upstream: adapters.observing.alert_memory, domain.services.reporting
# Downstream: domain.model.quality
# Role: Port: which alerts have been told already
"""Alert memory: repeats are silenced across the fleet."""

from __future__ import annotations

from typing import Protocol

from ginkgo_data.domain.model.quality import Alert


class AlertMemory(Protocol):
    """Remembers told alerts by key for a cooldown; a higher severity than the one told is always new."""

    def is_news(self, alert: Alert, cooldown: float) -> bool:
        """Whether `alert` should be told; if so it counts as told for `cooldown` seconds."""

    def silence(self, alert: Alert, cooldown: float) -> None:
        """Let the silence of `alert`, which was told, last for `cooldown` seconds from now; never shortens it.

        A worker claims an alert for a short while (`is_news`), stores and tells it, and then silences it: one that
        dies in between hides it only for that while.
        """

    def resolve(self, key: str) -> bool:
        """Forget an alert; return True if it had been told, so that its end should be told too."""
