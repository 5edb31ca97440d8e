# Upstream: adapters.files.reference_source, entrypoints.file_sources
# Downstream: adapters.files, domain.model.{coverage, errors, fetch, ticks}, ports.tick_source, numpy, pyarrow
# Role: Ticks from an archive of files
"""The files source of ticks: CSV and Parquet lists of trades behind the port of a vendor."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.errors import reading
from ginkgo_data.adapters.files.rows import SOURCE
from ginkgo_data.adapters.files.scanning import Stamp, stamp_of
from ginkgo_data.adapters.files.tables import TABLE_SUFFIXES, Piece, read_blocks
from ginkgo_data.adapters.files.tick_rows import (
    TickLayout,
    TickSheet,
    read_tick_keys,
    read_ticks,
    rejects_of_ticks,
    tick_layout_of,
)
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.errors import GinkgoDataError, SchemaMismatch, SourceUnavailable
from ginkgo_data.domain.model.fetch import (
    PLACE_SCHEMA,
    Answer,
    Places,
    ProvenEmpty,
    Rows,
    Unknown,
    UnknownReason,
)
from ginkgo_data.domain.model.ticks import TickBatch
from ginkgo_data.ports.tick_source import TickCapabilities

_LOG = logging.getLogger(__name__)
_DAY = 24
"""A key is one integer: the code's position above these bits, the day since 1970 in them."""


@dataclass(frozen=True, eq=False)
class _Listing:
    """What one file holds: the pieces with ticks of each code's session."""

    path: Path
    stamp: Stamp
    layout: TickLayout
    pieces: Mapping[tuple[str, date], tuple[Piece, ...]]


class FilesTickSource:
    """Lists of ticks as files give them, in our units. Safe to use from several threads.

    A row that cannot be read is among the rejects of its session's answer; one without a code or a day, among those of
    every session of its part of the file. A list that runs backwards in time is turned round.
    """

    def __init__(self, config: FilesConfig) -> None:
        self._config = config
        self._lock = Lock()
        self._listings: dict[Path, _Listing] = {}
        self._refused: dict[Path, tuple[Stamp, str]] = {}

    @property
    def capabilities(self) -> TickCapabilities:
        """An archive: that it lacks a session says nothing of the market."""
        return TickCapabilities(SOURCE, archive=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """Files that were passed over, each with the reason."""
        return tuple(message for _, message in self._refused.values())

    def reach(self, codes: Sequence[str]) -> Mapping[str, tuple[date, date]]:
        """Return first and last session with ticks, per code; new and changed files are looked for.

        Raises `SchemaMismatch` when nothing there can be read as ticks, `SourceUnavailable` when the archive cannot
        be read at all.
        """
        with self._lock:
            self._refresh()
            listings = list(self._listings.values())
        wanted, found = set(codes), dict[str, tuple[date, date]]()
        for code, session in (key for listing in listings for key in listing.pieces):
            if code in wanted:
                first, last = found.get(code, (session, session))
                found[code] = (min(first, session), max(last, session))
        return found

    def codes(self) -> Mapping[str, date]:
        """Return every code with ticks and its first session; raises as `reach` does."""
        with self._lock:
            self._refresh()
            keys = [key for listing in self._listings.values() for key in listing.pieces]
        return dict(sorted(keys, reverse=True))  # the first session of a code comes last

    def ticks(self, code: str, session: date, version: int) -> Answer[TickBatch]:
        """Return the list of `code` on `session`; a file that is gone or changes under the reader is an `Unknown`."""
        with self._lock:
            holders = [listing for listing in self._listings.values() if (code, session) in listing.pieces]
        if len(holders) > 1:
            names = ", ".join(holder.layout.origin for holder in holders)
            return Unknown(UnknownReason.REFUSED, f"ticks of {code} on {session} are in several files: {names}")
        if not holders:
            told = f"{self._config.path.name} has no ticks of that session"
            return ProvenEmpty(Absences.of([(code, session, AbsenceReason.NO_ROW, told)], SOURCE, version))
        try:
            sheets = self._sheets(holders[0], code, session)
        except SourceUnavailable as error:
            return Unknown(UnknownReason.UNREACHABLE, str(error))
        except SchemaMismatch as error:
            return Unknown(UnknownReason.MALFORMED_REPLY, str(error))
        return _answer(sheets, holders[0].layout, code, session, version)

    def _sheets(self, listing: _Listing, code: str, session: date) -> list[TickSheet]:
        path, layout = listing.path, listing.layout
        with reading(layout.origin):
            before = stamp_of(path)
            blocks = read_blocks(path, layout.dialect, listing.pieces[(code, session)])
            sheets = [read_ticks(block, layout, code, np.datetime64(session, "D")) for block in blocks]
            if before != listing.stamp or stamp_of(path) != listing.stamp:
                raise SourceUnavailable(f"{layout.origin} has changed; it is looked at anew by the next job")
        return sheets

    def _refresh(self) -> None:
        """Look at files that are new or have changed. One that is gone stays known: asking for it is an outage."""
        for path in self._paths():
            stamp: Stamp = (-1, -1)
            try:
                with reading(path.name):
                    stamp = stamp_of(path)
                    known = self._listings.get(path)
                    if (known and known.stamp == stamp) or self._refused.get(path, ((-1, -1), ""))[0] == stamp:
                        continue
                    self._listings[path] = _listing(path, stamp, self._config)
                    self._refused.pop(path, None)
            except GinkgoDataError as error:
                # What cannot be opened now may be another time; what was read and holds no ticks stays refused.
                self._listings.pop(path, None)
                self._refused[path] = (stamp if isinstance(error, SchemaMismatch) else (-1, -1), str(error))
                _LOG.debug("passed over: %s", error)
        if not self._listings:
            why = next(iter(self.notes), "it has no CSV or Parquet file")
            raise SchemaMismatch(f"{self._config.path.name} holds no ticks: {why}")

    def _paths(self) -> list[Path]:
        root = self._config.path
        if not root.is_dir():
            if not root.exists() and not self._listings:
                raise SourceUnavailable(f"{root.name} has disappeared")
            return [root] if root.exists() else []
        files = (path for path in root.rglob("*") if path.name.endswith(TABLE_SUFFIXES) and path.is_file())
        shown = [path for path in files if not any(part.startswith(".") for part in path.relative_to(root).parts)]
        return sorted(shown)


def _listing(path: Path, stamp: Stamp, config: FilesConfig) -> _Listing:
    layout = tick_layout_of(path, config)
    pieces: dict[tuple[str, date], list[Piece]] = {}
    for block in read_blocks(path, layout.dialect):
        keys = read_tick_keys(block, layout)
        codes = keys.code.dictionary.to_pylist()
        known = keys.code.is_valid().to_numpy(zero_copy_only=False) & ~np.isnat(keys.moment)
        position = keys.code.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)[known]
        cells = np.unique((position << _DAY) + keys.session[known].astype(np.int64))
        for cell in cells.tolist():
            day: date = np.datetime64(cell & ((1 << _DAY) - 1), "D").item()
            held = pieces.setdefault((codes[cell >> _DAY], day), [])
            if block.piece is not None and block.piece not in held:
                held.append(block.piece)
    return _Listing(path, stamp, layout, {key: tuple(found) for key, found in pieces.items()})


def _answer(
    sheets: Sequence[TickSheet], layout: TickLayout, code: str, session: date, version: int
) -> Answer[TickBatch]:
    rows = pa.concat_tables([sheet.ticks for sheet in sheets])
    faults = [fault for sheet in sheets for fault in sheet.faults]
    rejects = rejects_of_ticks(faults, layout.origin, code, SOURCE, version)
    count = rows.num_rows
    if count > 1 and rows["timestamp"][0].as_py() > rows["timestamp"][count - 1].as_py():
        rows = rows.take(pa.array(np.arange(count)[::-1]))
    batch = TickBatch.of(
        pa.table(
            {
                "code": pa.repeat(code, count),
                "session": pa.repeat(pa.scalar(session, pa.date32()), count),
                "seq": pa.array(np.arange(count, dtype=np.uint32)),
                **{name: rows[name] for name in ("timestamp", "price", "volume", "side")},
                "source": pa.repeat(SOURCE, count),
                "version": pa.repeat(pa.scalar(version, pa.uint64()), count),
            }
        )
    )
    places = pa.table({"origin": pa.repeat(layout.origin, count), "line": rows["line"]})
    return Rows(batch, rejects=rejects, places=Places(places.cast(PLACE_SCHEMA)))
