# Upstream: entrypoints.container
# Downstream: adapters.files.{archive, bar_source, config, reference_source, tick_source}
# Role: Sources of files, imported when a configuration names them
"""A worker that asks a vendor does without the readers of files: 6 MiB and a thirtieth of a second at its start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ginkgo_data.adapters.files.archive import FileArchive
    from ginkgo_data.adapters.files.bar_source import FilesBarSource
    from ginkgo_data.adapters.files.config import FilesConfig
    from ginkgo_data.adapters.files.reference_source import FilesReferenceSource
    from ginkgo_data.adapters.files.tick_source import FilesTickSource


def file_archive(config: FilesConfig) -> FileArchive:
    """Return the files as one archive."""
    from ginkgo_data.adapters.files.archive import FileArchive

    return FileArchive(config)


def bars_of_files(config: FilesConfig, archive: FileArchive) -> FilesBarSource:
    """Return the source of bars."""
    from ginkgo_data.adapters.files.bar_source import FilesBarSource

    return FilesBarSource(config, archive)


def reference_of_files(
    config: FilesConfig, archive: FileArchive, ticks: FilesTickSource | None
) -> FilesReferenceSource:
    """Return the source of securities and sessions."""
    from ginkgo_data.adapters.files.reference_source import FilesReferenceSource

    return FilesReferenceSource(config, archive, ticks)


def ticks_of_files(config: FilesConfig) -> FilesTickSource:
    """Return the source of ticks."""
    from ginkgo_data.adapters.files.tick_source import FilesTickSource

    return FilesTickSource(config)
