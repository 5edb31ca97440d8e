# Upstream: entrypoints.gtm, ginkgo_data
# Downstream: domain.model.errors, entrypoints.{container, loading, settings, worker}, dependency_injector
# Role: DataWorker with the constructor that Ginkgo's GTM calls: it wires itself
"""`DataWorker` as a host program makes it: `from ginkgo_data import DataWorker`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from dependency_injector import providers

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints import worker
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.settings import Settings

log = logging.getLogger(__name__)


class DataWorker(worker.DataWorker):
    """A worker that wires itself from settings and closes its clients when it has ended.

    The keywords are upstream's. Without `settings` they are read as the command line reads them (file,
    environment, GCONF, defaults), and what is wrong there is said and left out; `group_id`, `auto_offset_reset` and
    `node_id` win over them where they are given. `bar_crud` is taken because GTM passes it; as in upstream's worker
    nothing is done with it: rows go to the store that the settings name. A host that wants its own objects in the place
    of ours names them in `parts`: names of the container's providers, such as ``bar_repository`` or
    ``plain_bar_source`` (docs/gtm.md). Raises `ConfigurationError` for what is wrong with the keywords.
    """

    def __init__(
        self,
        bar_crud: object = None,
        group_id: str | None = None,
        auto_offset_reset: str | None = None,
        node_id: str | None = None,
        *,
        settings: Settings | None = None,
        parts: Mapping[str, object] | None = None,
    ) -> None:
        given = {"group_id": group_id, "auto_offset_reset": auto_offset_reset, "node_id": node_id}
        fault: str | None = None
        wanted: dict[str, object] = {f"worker.{key}": value for key, value in given.items() if value is not None}
        if settings is None:
            loaded = load_settings(overrides=wanted, tolerant=True)
            chosen, fault = loaded.settings, loaded.fault
            for warning in (*loaded.warnings, *map(str, loaded.faults)):
                log.warning("%s", warning)
        else:
            values = settings.worker.model_dump() | {key.partition(".")[2]: value for key, value in wanted.items()}
            chosen = settings.model_copy(update={"worker": type(settings.worker).model_validate(values)})
        self.container = Container(settings=chosen)
        self.container.start_fault.override(providers.Object(fault))
        for name, part in (parts or {}).items():
            _replace(self.container, name, part)
        wired = replace(self.container.worker_parts(), close=self._close)
        super().__init__(wired, self.container.worker_options())
        self.container.metrics().show(self.health)

    def _close(self) -> None:
        self.container.shutdown_resources()


def _replace(container: Container, name: str, part: object) -> None:
    if name not in container.providers:
        known = ", ".join(sorted(container.providers))
        raise ConfigurationError(f"parts: {name!r} is no part of a worker; allowed: {known}")
    container.providers[name].override(providers.Object(part))
