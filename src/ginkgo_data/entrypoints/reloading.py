# Upstream: entrypoints.worker_cli
# Downstream: domain.model, entrypoints
# Role: Reload: who asked, the configuration read again and tried, and what came of it told
"""A reload happens between two rounds, in the worker's thread; triggers that arrive together make one.

The new configuration is read and checked as a whole, and whatever it connects anew is tried first, beside the
running clients. Only then is anything changed. A configuration that cannot be read, checked or connected is refused
with its reason: the running one stays whole, an alert goes out, and the heartbeat carries the reason until a good
one has been read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ginkgo_data.domain.model.errors import ConfigurationError, GinkgoDataError
from ginkgo_data.domain.model.measures import RELOADS
from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.generations import Generations
from ginkgo_data.entrypoints.loading import LoadedSettings
from ginkgo_data.entrypoints.parts import Renewal, WorkerParts
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.settings_changes import Change, changes_between
from ginkgo_data.entrypoints.start_fault import start_recovery
from ginkgo_data.entrypoints.trials import try_connections

log = logging.getLogger(__name__)

FIXED = ("worker.node_id",)
"""Keys that name the worker itself: they take effect with a new start."""
_ALERT_SUBJECT = "reload"


@dataclass(slots=True)
class _Asked:
    """What has asked for a reload since the last one."""

    triggers: list[str] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)


class Reloading:
    """The reloads of one worker. `request` and `fault` may be called from any thread, the rest is the worker's.

    `read` returns the configuration anew or raises `ConfigurationError`; `applied` is told of one that is in force.
    """

    def __init__(
        self,
        container: Container,
        loaded: LoadedSettings,
        read: Callable[[], LoadedSettings],
        applied: Callable[[Settings], object] = lambda _: None,
    ) -> None:
        self._generations = Generations(container)
        self._read = read
        self._applied = applied
        self._settings: Settings = container.settings()
        self._files = loaded.files
        self._asked = _Asked()
        self._lock = threading.Lock()
        self._fault: str | None = container.start_fault()
        self._last: Mapping[str, object] = {}

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self._settings

    @property
    def files(self) -> Sequence[Path]:
        """The files that it came from, or would come from."""
        return self._files

    @property
    def container(self) -> Container:
        """The container in force."""
        return self._generations.current

    def request(self, trigger: str, request_id: str = "") -> None:
        """Ask for a reload, which follows the round under way."""
        with self._lock:
            if trigger not in self._asked.triggers:
                self._asked.triggers.append(trigger)
            if request_id:
                self._asked.request_ids.append(request_id)

    def due(self) -> bool:
        """Whether somebody has asked."""
        with self._lock:
            return bool(self._asked.triggers)

    def fault(self) -> str | None:
        """Return why the last reload was refused, None when it was not."""
        return self._fault

    def figures(self) -> Mapping[str, object]:
        """Return what the heartbeat says of reloads; empty before the first."""
        return self._last

    def attempt(self) -> Renewal | None:
        """Read, check and try; return what the worker is to change to, None where nothing is to be changed.

        What came of it is told then, or by the renewal's `done` or `failed`. Never raises.
        """
        with self._lock:
            asked, self._asked = self._asked, _Asked()
        began = time.monotonic()
        try:
            loaded = self._read()
        except ConfigurationError as error:
            self._refused(asked, began, error, ())
            return None
        self._files, wanted = loaded.files, loaded.settings
        changes = changes_between(self._settings, wanted)
        fixed = tuple(change for change in changes if change.key in FIXED)
        changes = tuple(change for change in changes if change.key not in FIXED)
        if not changes:
            self._over(asked, began, "restart_needed" if fixed else "unchanged", fixed)
            return None
        wanted = wanted.model_copy(
            update={"worker": wanted.worker.model_copy(update={"node_id": self._settings.worker.node_id})}
        )
        found = self._generations.following(wanted, changes)
        rebuilt = self._generations.rebuilt(changes)
        try:
            try_connections(found, rebuilt, [change.key for change in changes])
            parts, options = found.worker_parts(), found.worker_options()
        except Exception as error:  # whatever a client makes of new settings, the running ones stay
            self._generations.drop(found, changes)
            self._refused(asked, began, error, changes)
            return None

        def done() -> None:
            self._generations.adopt(found, changes)
            self._settings = wanted
            self._applied(wanted)
            self._over(asked, began, "applied", (*changes, *fixed), rebuilt)

        def failed(error: Exception) -> None:
            self._generations.drop(found, changes)
            self._refused(asked, began, error, changes)

        return Renewal(parts, options, "stream" in rebuilt, done, failed)

    def close(self) -> None:
        """Close the clients of the container in force."""
        self._generations.close()

    # -- telling ----------------------------------------------------------------------------------

    def _refused(self, asked: _Asked, began: float, error: Exception, changes: tuple[Change, ...]) -> None:
        known = isinstance(error, GinkgoDataError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        log.error("reload refused, the running configuration stays: %s", reason, exc_info=None if known else error)
        self._fault = f"the configuration was not reloaded: {reason}"
        parts = self._parts()
        parts.reporter.raise_alerts([_refusal(reason, parts.clock.now())])
        self._tell(asked, began, {"outcome": "refused", "error": reason, "changed": _plain(changes)})

    def _over(
        self, asked: _Asked, began: float, outcome: str, changes: tuple[Change, ...], rebuilt: tuple[str, ...] = ()
    ) -> None:
        parts = self._parts()
        if self._fault is not None:
            self._fault = None
            for end in (_recovery(parts.clock.now()), start_recovery(parts.clock.now())):
                parts.reporter.resolve(end.key, end)
        log.info("reload %s: %s", outcome, "; ".join(map(str, changes)) or "no key differs")
        self._tell(asked, began, {"outcome": outcome, "changed": _plain(changes), "rebuilt": list(rebuilt)})

    def _tell(self, asked: _Asked, began: float, outcome: dict[str, object]) -> None:
        parts = self._parts()
        parts.metrics.count(RELOADS, outcome=str(outcome["outcome"]))
        told = {**outcome, "triggers": asked.triggers, "seconds": round(time.monotonic() - began, 3)}
        self._last = {**told, "at": parts.clock.now().isoformat()}
        for request_id in asked.request_ids:
            parts.notifications.event("reload_answer", {"request_id": request_id, **told})
        if not asked.request_ids:
            parts.notifications.event("config_reload", told)

    def _parts(self) -> WorkerParts:
        parts: WorkerParts = self._generations.current.worker_parts()
        return parts


def _plain(changes: tuple[Change, ...]) -> list[dict[str, object]]:
    return [{"key": change.key, "old": change.old, "new": change.new} for change in changes]


def _refusal(reason: str, now: datetime) -> Alert:
    return Alert(
        AlertKind.CONFIG_ERROR,
        Severity.ERROR,
        "A new configuration was refused",
        f"{reason}. The running configuration stays; correct the file, or see: ginkgo-data config check FILE",
        now,
        {"reason": reason},
        subject=_ALERT_SUBJECT,
    )


def _recovery(now: datetime) -> Alert:
    return Alert(
        AlertKind.CONFIG_ERROR,
        Severity.INFO,
        "The configuration is in order again",
        "It was read, and what it changed is in force.",
        now,
        {},
        subject=_ALERT_SUBJECT,
    )
