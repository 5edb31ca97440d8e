# Upstream: entrypoints.worker_cli
# Downstream: none
# Role: Watches the files that a configuration came from, and says when they have changed and settled
"""A change of a configuration file, seen by looking: what it is, where it leads to, and what is in it.

Looking works alike for a file that is written, replaced by a renamed one, or reached through links that are turned
to another folder (a ConfigMap of Kubernetes), on every file system.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks; a file has settled when it is the same at two of them."""

_Seen: TypeAlias = tuple[tuple[str, str, str], ...]


class ConfigWatch(threading.Thread):
    """Calls `changed` once for each settled change of `files`, which is asked at every look."""

    def __init__(
        self, files: Callable[[], Sequence[Path]], changed: Callable[[], None], interval: float = INTERVAL
    ) -> None:
        super().__init__(name="ginkgo-data-config-watch", daemon=True)
        self._files = files
        self._changed = changed
        self._interval = interval
        self._ended = threading.Event()
        self._known = self._look()

    def run(self) -> None:
        """Look until `end`."""
        before = self._known
        while not self._ended.wait(self._interval):
            try:
                seen = self._look()
                if seen == before and seen != self._known:
                    self._known = seen
                    self._changed()
                before = seen
            except Exception:  # a file that cannot be looked at must not end the watch for good
                log.exception("the configuration files could not be looked at")

    def end(self) -> None:
        """Stop looking; idempotent."""
        self._ended.set()

    def _look(self) -> _Seen:
        return tuple(_seen(path) for path in self._files())


def _seen(path: Path) -> tuple[str, str, str]:
    """Return where `path` leads to and what is there; a file that is missing is something to be seen as well."""
    try:
        place = path.resolve()
        return str(path), str(place), blake2b(place.read_bytes(), digest_size=16).hexdigest()
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return str(path), "", ""
