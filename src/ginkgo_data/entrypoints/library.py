# Upstream: entrypoints.{database, quickstart}, ginkgo_data
# Downstream: entrypoints.{container, loading, settings, worker}
# Role: The way in for host programs: a worker wired from settings
"""`open_worker`: what a host process calls instead of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.worker import DataWorker


@contextmanager
def open_worker(settings: Settings | None = None, *, node_id: str | None = None) -> Iterator[DataWorker]:
    """Yield a worker, wired but not started; on leaving it is stopped and its clients are closed.

    Without `settings`, they are read as the command line reads them (file, environment, defaults). Raises
    `ConfigurationError`, `StoreUnavailable` or `BrokerUnavailable` when a part cannot be opened.
    """
    chosen = settings or load_settings().settings
    if node_id is not None:
        chosen = chosen.model_copy(update={"worker": chosen.worker.model_copy(update={"node_id": node_id})})
    container = Container(settings=chosen)
    try:
        worker = container.worker()
        try:
            yield worker
        finally:
            # Whatever happened in the host: a worker thread left behind would keep its process alive.
            worker.stop(chosen.worker.shutdown_timeout)
    finally:
        container.shutdown_resources()


def database_url(text: str) -> str:
    """Return the address of a database: one with a scheme stays, anything else is a folder of the embedded engine."""
    return text if "://" in text else f"chdb://{quote(str(Path(text).expanduser().resolve()))}"
