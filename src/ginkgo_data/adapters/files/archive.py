# Upstream: adapters.files.{bar_source, reference_source}, entrypoints.{file_sources, quickstart}
# Downstream: adapters.files.{config, errors, formats, keys, rows, scanning, tables}, domain.model.{errors, series}
# Role: The files of an archive: found, indexed once, watched for change, read on demand
"""An archive is one file or a folder of files. Its index is built at first use, and again where a file's stamp changes.

Files of a folder that hold no bars are passed over, each with a note. A file once indexed that is gone is an outage,
not an archive without those bars: the index keeps it, and asking for it says so.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Lock

from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.errors import reading
from ginkgo_data.adapters.files.formats import TDX_FORMATS
from ginkgo_data.adapters.files.keys import Wanted
from ginkgo_data.adapters.files.rows import Sheet, read_rows
from ginkgo_data.adapters.files.scanning import FileEntry, Stamp, scan, stamp_of
from ginkgo_data.adapters.files.tables import TABLE_SUFFIXES
from ginkgo_data.domain.model.errors import GinkgoDataError, SchemaMismatch, SourceUnavailable
from ginkgo_data.domain.model.series import Series

_LOG = logging.getLogger(__name__)
_SUFFIXES = (*TABLE_SUFFIXES, *TDX_FORMATS)
_NO_STAMP: Stamp = (-1, -1)
_CACHED_FILE_BYTES = 8 << 20
_CACHE_BYTES = 64 << 20


class FileArchive:
    """The bar files at one path. Safe to use from several threads."""

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self.name = config.path.name
        self._single = config.path.is_file()
        self._lock = Lock()
        self._entries: dict[Path, FileEntry] = {}
        self._refused: dict[Path, tuple[Stamp, str]] = {}
        self._by_code: dict[tuple[Series, str], list[Path]] = {}
        self._sheets: OrderedDict[tuple[Path, Stamp], Sheet] = OrderedDict()
        self.cached_bytes = 0
        """Bytes of the sheets kept in memory; never above `_CACHE_BYTES`."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Why files of the folder were passed over."""
        return tuple(message for _, message in self._refused.values())

    def entries(self, refresh: bool = False) -> list[FileEntry]:
        """Return what is known of every file, looking for new and changed ones at first use or when asked.

        Raises `SchemaMismatch` when a single file holds no bars or no file of a folder does, and
        `SourceUnavailable` when the path cannot be read at first use.
        """
        with self._lock:
            if refresh or not self._entries:
                self._refresh()
            return list(self._entries.values())

    def spans(self, series: Series) -> dict[str, tuple[date, date]]:
        """Return first and last session of every code that has bars of `series`; stray rows do not count."""
        found: dict[str, tuple[date, date]] = {}
        for entry in self.entries():
            for code, (first, last) in entry.spans.get(series, {}).items():
                known = found.get(code, (first, last))
                found[code] = (min(known[0], first), max(known[1], last))
        return found

    def holding(self, series: Series, codes: Sequence[str] | None) -> list[FileEntry]:
        """Return the files with rows of `series` for any of `codes`, or with rows that concern every request."""
        entries = self.entries()
        if codes is None:
            return [entry for entry in entries if series in entry.spans or entry.loose]
        with self._lock:
            paths = {path for code in codes for path in self._by_code.get((series, code), ())}
        return [entry for entry in entries if entry.path in paths or entry.loose]

    def sheet(self, entry: FileEntry, wanted: Wanted) -> tuple[FileEntry, Sheet]:
        """Return what the file has for `wanted`, and what is known of the file now.

        Raises `SourceUnavailable` when the file is gone, cannot be opened or changes under the reader, and
        `SchemaMismatch` when it no longer is what it was.
        """
        with reading(entry.layout.origin):
            entry = self._current(entry)
            wanted = replace(wanted, orphans=entry.orphans.get(wanted.series, ()))
            if entry.stamp[1] <= _CACHED_FILE_BYTES:
                found = self._whole(entry).select(wanted)
            else:
                blocks = entry.blocks(wanted)
                found = Sheet.concat([read_rows(block, entry.layout, wanted).select(wanted) for block in blocks])
            if stamp_of(entry.path) != entry.stamp:
                raise SourceUnavailable(f"{entry.layout.origin} changed while it was read")
        return entry, found

    def _whole(self, entry: FileEntry) -> Sheet:
        """Return all rows of a small file; the files asked for last are kept."""
        key = (entry.path, entry.stamp)
        with self._lock:
            if key in self._sheets:
                self._sheets.move_to_end(key)
                return self._sheets[key]
        sheet = Sheet.concat([read_rows(block, entry.layout) for block in entry.blocks()])
        with self._lock:
            if key not in self._sheets:
                self._sheets[key] = sheet
                self.cached_bytes += sheet.nbytes
            while self.cached_bytes > _CACHE_BYTES:
                _, oldest = self._sheets.popitem(last=False)
                self.cached_bytes -= oldest.nbytes
        return sheet

    def _current(self, entry: FileEntry) -> FileEntry:
        if stamp_of(entry.path) == entry.stamp:
            return entry
        with self._lock:
            fresh = scan(entry.path, self.config)
            self._entries[entry.path] = fresh
            self._arrange()
        return fresh

    def _refresh(self) -> None:
        for path in self._found():
            known = self._entries.get(path)
            stamp = _NO_STAMP
            try:
                with reading(path.name):
                    stamp = stamp_of(path)
                    if (known and known.stamp == stamp and not known.ripe) or self._refused.get(path, (_NO_STAMP, ""))[
                        0
                    ] == stamp:
                        continue
                    self._entries[path] = scan(path, self.config)
                    self._refused.pop(path, None)
            except GinkgoDataError as error:
                if self._single:
                    raise
                # What cannot be opened now may be another time; what was read and refused stays refused.
                self._refused[path] = (stamp if isinstance(error, SchemaMismatch) else _NO_STAMP, str(error))
                _LOG.warning("passed over: %s", error)
        if not self._entries:
            raise SchemaMismatch(f"{self.name} holds no file of bars; {'; '.join(self.notes) or 'it is empty'}")
        self._arrange()

    def _found(self) -> Iterator[Path]:
        root = self.config.path
        if self._single:
            return iter([root])
        if not root.is_dir():
            if self._entries:
                return iter([])
            raise SourceUnavailable(f"{root} has disappeared")
        files = (path for path in root.rglob("*") if path.name.endswith(_SUFFIXES) and path.is_file())
        return iter(
            sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(root).parts))
        )

    def _arrange(self) -> None:
        self._by_code = {}
        for path, entry in self._entries.items():
            for series, codes in entry.spans.items():
                for code in codes.keys() | entry.strays.get(series, frozenset()):
                    self._by_code.setdefault((series, code), []).append(path)
