# Upstream: entrypoints
# Downstream: domain.model.errors, entrypoints.{container, library, loading, settings}
# Role: The database that a command of the command line reads: named, there, and closed again
"""Opening what is stored, for people who look into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.library import database_url
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.settings import Settings


def database_settings(database: str | None, config: Path | None, *, may_be_new: bool = False) -> Settings:
    """Return the settings with the database that `--db` or the configuration names.

    Raises `ConfigurationError` where neither names one, and where a folder holds none, unless it `may_be_new`.
    """
    overrides = {"clickhouse.url": database_url(database)} if database else {}
    loaded = load_settings(config, overrides=overrides)
    if "clickhouse.url" not in loaded.origins:
        raise ConfigurationError("no database is named; use --db FOLDER, or clickhouse.url in a data_worker.yml")
    place = loaded.settings.clickhouse
    if place.embedded and not may_be_new and not (place.directory / "metadata").is_dir():
        raise ConfigurationError(
            f"there is no database at {place.directory}; name the folder given to quickstart --dir"
        )
    return loaded.settings


@contextmanager
def opened(settings: Settings) -> Iterator[Container]:
    """Give the parts, wired to a store that is only looked at (`opened_reader`); what was opened of them is closed."""
    container = Container(settings=settings)
    container.store.override(container.store_to_look_into)
    try:
        yield container
    finally:
        container.shutdown_resources()
