# Upstream: entrypoints.{loop, vital_signs}
# Downstream: domain.model.{errors, quality}, domain.services.reporting, ports.clock
# Role: HOLD: since when and why the worker cannot work, and whom it has told
"""The store or the broker does not do what it is asked: nothing is committed until it does.

One alert after `ALERT_AFTER` seconds, its end told once; how long it has lasted decides when waiting commands
move to the work topic, where they do not expire.
"""

from __future__ import annotations

import logging
import math
from datetime import datetime

from ginkgo_data.domain.model.errors import BrokerUnavailable, GinkgoDataError
from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.domain.services.reporting import Reporter
from ginkgo_data.ports.clock import Clock

log = logging.getLogger(__name__)

ALERT_AFTER = 60.0
"""Seconds: shorter holds are a hiccup."""


class Hold:
    """One hold after another. Owned by the worker's thread; `reason` and `since` may be read from others."""

    def __init__(self, reporter: Reporter, clock: Clock, alert_after: float = ALERT_AFTER) -> None:
        self._reporter = reporter
        self._clock = clock
        self._alert_after = alert_after
        self._began = 0.0
        self._told: str | None = None
        self._of_broker = False
        self.reason: str | None = None
        """Why the worker holds, None while it does not."""
        self.since: datetime | None = None
        """Since when (zoned)."""

    @property
    def seconds(self) -> float:
        """How long the hold has lasted; 0.0 without one."""
        return self._clock.monotonic() - self._began if self.reason is not None else 0.0

    @property
    def of_broker(self) -> bool:
        """Whether it is the broker, rather than the store, that the hold is about."""
        return self._of_broker

    @property
    def can_park(self) -> bool:
        """Whether the broker still takes what is moved to the work topic."""
        return self.reason is not None and not self._of_broker

    @property
    def alert_in(self) -> float:
        """Seconds until the alert of the hold under way is due; infinite where there is none to be told."""
        waits = self.reason is not None and self._told is None
        return max(0.0, self._alert_after - self.seconds) if waits else math.inf

    def begin(self, reason: str, of_broker: bool) -> None:
        """Note that the worker cannot go on, for `reason`; a hold under way goes on."""
        if self.reason is None:
            self._began, self.since = self._clock.monotonic(), self._clock.now()
            log.warning("on hold, nothing is committed: %s", reason)
        self.reason, self._of_broker = reason, of_broker
        if self._told is None and self.seconds >= self._alert_after:
            alert = self._alert(Severity.ERROR, "cannot work", reason)
            self._told = alert.key
            self._reporter.raise_alerts([alert])

    def renew(self, reporter: Reporter, alert_after: float) -> None:
        """Tell from now on through `reporter`; a hold under way goes on."""
        self._reporter, self._alert_after = reporter, alert_after

    def end(self) -> None:
        """Note that the worker works again; idempotent."""
        if self.reason is None:
            return
        lasted = self.seconds
        log.warning("works again after a hold of %.0f s", lasted)
        if self._told is not None:
            alert = self._alert(Severity.INFO, "works again", f"the hold lasted {lasted:.0f} s")
            self._reporter.resolve(self._told, alert)
        self.reason = self.since = self._told = None

    def _alert(self, severity: Severity, what: str, reason: str) -> Alert:
        server = "the broker" if self._of_broker else "the store"
        text = (
            f"{reason}. Commands wait and nothing is lost: look at {server}."
            if severity is Severity.ERROR
            else f"{reason}; what waited is being worked."
        )
        return Alert(
            AlertKind.WORKER_HELD,
            severity,
            f"The worker {what}: {server} {'fails' if severity is Severity.ERROR else 'answers'}",
            text,
            self._clock.now(),
            {"reason": reason, "held_seconds": round(self.seconds)},
            subject=server,
        )


def is_of_broker(error: GinkgoDataError) -> bool:
    """Whether it is the broker, rather than the store, that failed."""
    return isinstance(error, BrokerUnavailable)
