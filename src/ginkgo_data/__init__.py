# Upstream: entrypoints.{cli, contracts}
# Downstream: adapters.gtm.status, domain.model.worker, entrypoints.{gtm, gtm_cli, hosted, library, settings}
# Role: The map of the package, and its public names, loaded when first used
"""Market-data collection worker of the Ginkgo quant platform.

The map::

    domain/model      values: bars as Arrow, commands, coverage, answers, quality, states, errors
    domain/services   verbs: coalescing, planner, validation, assessment, disposal, offsets, the collector
    ports/            interfaces of the core: small Protocols, no logic
    adapters/         the outside world, one family per technology, and `memory`, real behaviour for tests
    entrypoints/      settings, the container that picks adapters, the worker, the command line

Three ways in: ``DataWorker``, ``open_worker`` and (as Ginkgo's GTM) ``run_data_worker`` for a host program,
``ginkgo-data`` on the command line, and the domain alone on the memory adapters. Importing this package loads no
client library; a public name loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ginkgo_data.adapters.gtm.status import WORKER_STATUS_TYPES
    from ginkgo_data.domain.model.worker import WorkerStatus
    from ginkgo_data.entrypoints.gtm import run_data_worker
    from ginkgo_data.entrypoints.gtm_cli import app as worker_app
    from ginkgo_data.entrypoints.hosted import DataWorker
    from ginkgo_data.entrypoints.library import open_worker
    from ginkgo_data.entrypoints.settings import Settings

__version__ = "0.1.0"
__all__ = [
    "DataWorker",
    "Settings",
    "WORKER_STATUS_TYPES",
    "WorkerStatus",
    "__version__",
    "open_worker",
    "run_data_worker",
    "worker_app",
]

_HOMES = {
    "DataWorker": ("ginkgo_data.entrypoints.hosted", "DataWorker"),
    "Settings": ("ginkgo_data.entrypoints.settings", "Settings"),
    "WORKER_STATUS_TYPES": ("ginkgo_data.adapters.gtm.status", "WORKER_STATUS_TYPES"),
    "WorkerStatus": ("ginkgo_data.domain.model.worker", "WorkerStatus"),
    "open_worker": ("ginkgo_data.entrypoints.library", "open_worker"),
    "run_data_worker": ("ginkgo_data.entrypoints.gtm", "run_data_worker"),
    "worker_app": ("ginkgo_data.entrypoints.gtm_cli", "app"),
}
"""Public name -> module and name there."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _HOMES[name]
    return getattr(import_module(module), there)


def __dir__() -> list[str]:
    return sorted(__all__)
