# Upstream: domain.services.reporting, entrypoints.container
# Downstream: domain.model.quality, ports.{clock, notifications, outbox}
# Role: Telling reports and alerts until the notification topic is known to hold them
"""At least once: what is stored is told, told again until that is acknowledged, and then marked as told.

`report_id` and `alert_id` make a second telling recognisable.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import TypeAlias, TypeVar

from ginkgo_data.domain.model.quality import Alert, DataQualityReport
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.notifications import Notifications, Told
from ginkgo_data.ports.outbox import Outbox

log = logging.getLogger(__name__)

_Tell: TypeAlias = Callable[[Told], None]
_Value = TypeVar("_Value")

PATIENCE = 60.0
"""Seconds for which nobody tells again what may still be acknowledged: the one who told it, or another worker."""

FAILED_REST = 5.0
"""Seconds from a telling to the next of what the topic is known not to hold."""

UNSTORED_PATIENCE = 30.0
"""The same for an alert that no store holds, so that nobody else could tell it."""

REACH = timedelta(days=1)
"""Age beyond which nothing is told any more: it would be no news."""

STORE_REST = 10.0
"""Seconds without a call after the store has failed one: each may take as long as a connection takes to fail."""

MOST_UNSTORED = 1_000
MOST_FAILED = 1_000
MOST_REMEMBERED = 10_000
"""Alerts that no store holds, messages not kept, ids; the oldest go first. Without its id a message is told twice."""


class Telling:
    """What a worker has told, and what of it has been acknowledged. Safe for several threads, but for `settle`."""

    def __init__(
        self, outbox: Outbox, notifications: Notifications, clock: Clock, sweep_interval: float = PATIENCE
    ) -> None:
        self._outbox = outbox
        self._notifications = notifications
        self._clock = clock
        self._sweep_interval = sweep_interval
        self._lock = threading.Lock()
        self._posted: dict[str, float] = {}
        """Id -> when it was last told, for as long as that may still be acknowledged."""
        self._told: dict[str, None] = {}
        """Acknowledged, not yet marked in the store."""
        self._unstored: dict[str, Alert] = {}
        """Alerts that the store did not take and nobody acknowledged."""
        self._failed: dict[str, _Tell] = {}
        """What the topic is known not to hold, in the order it was told."""
        self._sweep_at = self._store_rests_until = clock.monotonic()

    def report(self, report: DataQualityReport) -> None:
        """Tell a report that is stored."""
        self._post(report.report_id, partial(self._notifications.report, report))

    def keep_quiet(self, report: DataQualityReport) -> None:
        """Never tell a report that is stored."""
        with self._lock:
            self._told[report.report_id] = None
            _keep_newest(self._told, MOST_REMEMBERED)

    def alert(self, alert: Alert) -> None:
        """Store an alert and tell it; one that cannot be stored is told all the same, and kept here until then.

        What failed is told again before it: the end of an outage does not come before its begin.
        """
        try:
            self._outbox.write_alert(alert)
        except Exception as error:  # whatever is wrong with the store, this alert may be the one that says so
            log.warning("alert %s is told without being stored: %s: %s", alert.key, type(error).__name__, error)
            self._keep(alert)
        self._tell_failed(rest=0.0)
        self._post(alert.alert_id, partial(self._notifications.alert, alert))

    def settle(self) -> None:
        """Mark what was acknowledged, and tell again what was not: called between rounds, never raises.

        Without anything to do it makes no call. The store's untold reports and alerts of the last day, also
        those of a worker that died, are looked for at the first time and then once per `sweep_interval`.
        """
        now = self._clock.monotonic()
        self._forget(now)
        self._tell_failed(FAILED_REST)
        for step in (self._tell_unstored, self._mark, self._sweep):
            try:
                step(now)
            except Exception as error:  # telling never holds up work
                self._store_rests_until = self._clock.monotonic() + STORE_REST
                log.warning("telling goes on later: %s: %s", type(error).__name__, error)

    # -- the steps of settling ------------------------------------------------------------------

    def _tell_failed(self, rest: float) -> None:
        """Tell again, in order, what is known not to be kept and was told `rest` seconds ago or earlier."""
        told_before = self._clock.monotonic() - rest
        with self._lock:
            due = [known for known in self._failed if self._posted.get(known, told_before) <= told_before]
            again = [(message_id, self._failed.pop(message_id)) for message_id in due]
        for message_id, tell in again:
            self._post(message_id, tell)

    def _tell_unstored(self, now: float) -> None:
        """Tell again the alerts that nobody else could tell; a store that is back takes them first."""
        with self._lock:
            last = {alert_id: self._posted.get(alert_id) for alert_id in self._unstored}
            due = [
                self._unstored[alert_id] for alert_id, at in last.items() if at is None or now - at >= UNSTORED_PATIENCE
            ]
        for alert in due:
            self._post(alert.alert_id, partial(self._notifications.alert, alert))
        for alert in due if self._store_answers(now) else ():
            self._outbox.write_alert(alert)
            with self._lock:
                self._unstored.pop(alert.alert_id, None)

    def _mark(self, now: float) -> None:
        """Mark in the store what was acknowledged; what comes in meanwhile is for the next time."""
        with self._lock:
            ids = list(self._told)
        if ids and self._store_answers(now):
            self._outbox.mark_told(ids)
            with self._lock:
                for acknowledged in ids:
                    self._told.pop(acknowledged, None)

    def _sweep(self, now: float) -> None:
        """Tell what the store holds untold, but for what is so young that whoever stored it may still tell it."""
        if now < self._sweep_at or not self._store_answers(now):
            return
        self._sweep_at = now + self._sweep_interval
        present = self._clock.now()
        window = (present - REACH, present - timedelta(seconds=PATIENCE))
        reports = ((r.report_id, partial(self._notifications.report, r)) for r in self._outbox.untold_reports(*window))
        again = self._tell_again(reports)
        alerts = ((a.alert_id, partial(self._notifications.alert, a)) for a in self._outbox.untold_alerts(*window))
        again += self._tell_again(alerts)
        if again:
            log.info("%d stored reports and alerts were not known to be told; they are told now", again)

    def _tell_again(self, messages: Iterable[tuple[str, _Tell]]) -> int:
        count = 0
        for message_id, tell in messages:
            with self._lock:
                under_way = message_id in self._posted or message_id in self._told
            if not under_way:
                self._post(message_id, tell)
                count += 1
        return count

    # -- what is remembered ---------------------------------------------------------------------

    def _post(self, message_id: str, tell: _Tell) -> None:
        """Tell; noted before, since the acknowledgement may come at once."""
        with self._lock:
            self._posted.pop(message_id, None)
            self._posted[message_id] = self._clock.monotonic()
            _keep_newest(self._posted, MOST_REMEMBERED)
        tell(partial(self._ended, message_id, tell))

    def _ended(self, message_id: str, tell: _Tell, kept: bool) -> None:
        with self._lock:
            if not kept:
                self._failed[message_id] = tell
                _keep_newest(self._failed, MOST_FAILED)
                return
            self._failed.pop(message_id, None)
            self._unstored.pop(message_id, None)
            self._told[message_id] = None
            _keep_newest(self._told, MOST_REMEMBERED)

    def _keep(self, alert: Alert) -> None:
        with self._lock:
            self._unstored[alert.alert_id] = alert
            dropped = _keep_newest(self._unstored, MOST_UNSTORED)
        for lost in dropped:
            log.error("alert %s is given up: neither stored nor told, and %d newer ones wait", lost, MOST_UNSTORED)

    def _forget(self, now: float) -> None:
        """Forget tellings that nobody waits for any more."""
        with self._lock:
            for message_id in [known for known, at in self._posted.items() if now - at >= PATIENCE]:
                del self._posted[message_id]

    def _store_answers(self, now: float) -> bool:
        return now >= self._store_rests_until


def _keep_newest(known: dict[str, _Value], most: int) -> list[str]:
    """Take the oldest out of `known` until `most` are left, and return their ids."""
    dropped = list(known)[: max(0, len(known) - most)]
    for oldest in dropped:
        del known[oldest]
    return dropped
