# Upstream: entrypoints.worker_cli
# Downstream: domain.model.errors, entrypoints.loading, pydantic
# Role: The answer to `reload`: the configuration read again, and what of it differs from the one in force
"""A `reload` reads the configuration again and says what it found.

What differs takes effect when the worker is started anew; nothing is changed under a running round, and the
answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.loading import LoadedSettings


class Rereading:
    """Compares what `read` returns with the settings in force; safe for several threads."""

    def __init__(self, loaded: LoadedSettings, read: Callable[[], LoadedSettings]) -> None:
        self._in_force = dict(_leaves(loaded.settings))
        self._read = read

    def outcome(self) -> Mapping[str, object]:
        """Return the answer: ``unchanged``, ``restart_needed`` with the keys that differ, or ``refused`` with why."""
        try:
            found = dict(_leaves(self._read().settings))
        except ConfigurationError as error:
            return {"outcome": "refused", "error": str(error), "changed": []}
        changed = sorted(key for key in self._in_force | found if self._in_force.get(key) != found.get(key))
        return {"outcome": "restart_needed" if changed else "unchanged", "changed": changed}


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield (dotted key, value) of every setting; secrets stay wrapped, they compare all the same."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
