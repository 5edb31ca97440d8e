# Upstream: adapters.files.{archive, bar_source, tick_source}
# Downstream: adapters.files.{config, keys, layout, lengths, strays, tables, tdx}, domain.model.series, numpy, pyarrow
# Role: One pass over a file: which codes and sessions of which series it holds
"""What an archive's index knows of a file. Only the keys of rows are read, block by block."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.keys import ALL_SERIES, Keys, Wanted, read_keys
from ginkgo_data.adapters.files.layout import Layout, layout_of
from ginkgo_data.adapters.files.lengths import MINUTES, frequency_of
from ginkgo_data.adapters.files.strays import stray, today
from ginkgo_data.adapters.files.tables import Block, Piece, read_blocks
from ginkgo_data.adapters.files.tdx import read_tdx
from ginkgo_data.domain.model.series import Frequency, Series

Stamp = tuple[int, int]
"""Time of change (ns) and size of a file: another stamp, another content."""


@dataclass
class Zone:
    """The bounds of codes and sessions in one piece of a file: pieces outside a request are not read for it."""

    piece: Piece
    loose: bool = False
    codes: tuple[str, str] | None = None
    sessions: tuple[date, date] | None = None
    strays: set[str] = field(default_factory=set)
    """Codes with rows here on days that can be no session: they go with every request that names the code."""

    def widen(self, codes: Sequence[str], first: date, last: date) -> None:
        """Take in more codes (not none) and sessions."""
        before, since = self.codes or (codes[0], codes[0]), self.sessions or (first, last)
        self.codes = (min(before[0], *codes), max(before[1], *codes))
        self.sessions = (min(since[0], first), max(since[1], last))

    def meets(self, wanted: Wanted) -> bool:
        """Whether the piece may have something for `wanted`, whose codes are ascending."""
        if self.loose or (self.strays and (wanted.codes is None or not self.strays.isdisjoint(wanted.codes))):
            return True
        if self.codes is None or self.sessions is None:
            return False
        if self.sessions[0] > wanted.last or self.sessions[1] < wanted.first:
            return False
        if wanted.codes is None:
            return True
        nearest = bisect_left(wanted.codes, self.codes[0])
        return nearest < len(wanted.codes) and wanted.codes[nearest] <= self.codes[1]


@dataclass(frozen=True, eq=False)
class FileEntry:
    """What is known of one file."""

    path: Path
    stamp: Stamp
    layout: Layout
    spans: dict[Series, dict[str, tuple[date, date]]]
    """Series -> code -> first and last session with a row; stray rows do not count."""
    loose: bool = False
    """Whether some rows concern every request: they have no readable key, or a code with stray rows alone."""
    zones: tuple[Zone, ...] = ()
    """Bounds of its pieces; a TDX binary has none."""
    strays: dict[Series, frozenset[str]] = field(default_factory=dict)
    """Series -> codes with stray rows."""
    ripens: date | None = None
    """The first of its days that were still to come."""

    @property
    def orphans(self) -> dict[Series, tuple[str, ...]]:
        """Series -> codes with stray rows alone, ascending."""
        return {series: tuple(sorted(codes - self.spans[series].keys())) for series, codes in self.strays.items()}

    @property
    def ripe(self) -> bool:
        """Whether a day to come has come, so that its rows are stray no longer."""
        return self.ripens is not None and self.ripens <= today()

    def blocks(self, wanted: Wanted | None = None) -> Iterator[Block]:
        """Yield the raw rows of the file, leaving out pieces that have nothing for `wanted`."""
        if self.layout.dialect is None:
            return read_tdx(self.path, self.layout.code or "")
        pieces = None if wanted is None else [zone.piece for zone in self.zones if zone.meets(wanted)]
        return read_blocks(self.path, self.layout.dialect, pieces)


def stamp_of(path: Path) -> Stamp:
    """Return the present stamp of a file."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def scan(path: Path, config: FilesConfig) -> FileEntry:
    """Read the keys of all rows of `path`.

    Raises `SchemaMismatch` where the file is of no known format, or the length of its bars cannot be told.
    """
    stamp = stamp_of(path)
    layout = layout_of(path, config)
    untold = layout.frequency is None and "frequency" not in layout.columns
    times = np.zeros(MINUTES, np.int64)
    index = _Index()
    for block in FileEntry(path, stamp, layout, {}).blocks():
        keys = read_keys(block.cells, layout)
        whole = keys.whole
        index.add(keys.take(np.flatnonzero(whole)), block.piece, bool(block.broken) or not whole.all())
        if untold:
            clock = keys.moment[whole] - keys.session[whole]
            times += np.bincount(clock.astype("timedelta64[m]").astype(np.int64), minlength=MINUTES)
    frequency = frequency_of(times, layout) if untold else None
    return index.entry(path, stamp, replace(layout, frequency=frequency) if frequency else layout, frequency)


class _Index:
    """Gathers what the blocks of a file hold."""

    def __init__(self) -> None:
        self._spans: dict[Series, dict[str, tuple[date, date]]] = {}
        self._strays: dict[Series, set[str]] = {}
        self._zones: dict[Piece, Zone] = {}
        self._loose = False
        self._ripens: date | None = None

    def add(self, keys: Keys, piece: Piece | None, faulty: bool) -> None:
        """Take in the whole `keys` of a block, and whether it has rows without one."""
        self._loose |= faulty
        zone = self._zones.setdefault(piece, Zone(piece)) if piece else Zone(Piece(0, 0, 0))
        zone.loose |= faulty
        lost = stray(keys.session)
        self._widen(zone, keys if not lost.any() else keys.take(np.flatnonzero(~lost)))
        if lost.any():
            self._set_aside(zone, keys.take(np.flatnonzero(lost)))

    def entry(self, path: Path, stamp: Stamp, layout: Layout, told: Frequency | None) -> FileEntry:
        """Return what was gathered, its series of frequency `told` where only the times could tell it."""
        spans = {_told(series, told): codes for series, codes in self._spans.items()}
        strays = {_told(series, told): frozenset(codes) for series, codes in self._strays.items()}
        for series in strays:
            spans.setdefault(series, {})
        if self._loose and not spans:
            # So that somebody can ask for it, and the faults reach quarantine.
            spans[Series(layout.frequency or Frequency.DAY, layout.adjust)] = {}
        found = FileEntry(path, stamp, layout, spans, self._loose, tuple(self._zones.values()), strays, self._ripens)
        orphans = {code for codes in found.orphans.values() for code in codes}
        for zone in found.zones:
            zone.loose |= not zone.strays.isdisjoint(orphans)
        return replace(found, loose=self._loose or bool(orphans))

    def _widen(self, zone: Zone, keys: Keys) -> None:
        table = pa.table({"code": keys.code.cast(pa.string()), "series": keys.series, "session": keys.session})
        grouped = table.group_by(["series", "code"], use_threads=False)
        ends = grouped.aggregate([("session", "min"), ("session", "max")])
        if len(ends):
            days = keys.session
            zone.widen(ends["code"].to_pylist(), days.min().item(), days.max().item())
        for number, code, first, last in zip(*(ends[name].to_pylist() for name in _ENDS), strict=True):
            codes = self._spans.setdefault(ALL_SERIES[number], {})
            before = codes.get(code, (first, last))
            codes[code] = (min(before[0], first), max(before[1], last))

    def _set_aside(self, zone: Zone, keys: Keys) -> None:
        table = pa.table({"code": keys.code.cast(pa.string()), "series": keys.series})
        groups = table.group_by(["series", "code"], use_threads=False).aggregate([])
        for number, code in zip(groups["series"].to_pylist(), groups["code"].to_pylist(), strict=True):
            self._strays.setdefault(ALL_SERIES[number], set()).add(code)
            zone.strays.add(code)
        ahead = keys.session[keys.session > np.datetime64(today())]
        if len(ahead):
            first: date = ahead.min().item()
            self._ripens = min(first, self._ripens or first)


def _told(series: Series, told: Frequency | None) -> Series:
    return series if told is None else Series(told, series.adjust)


_ENDS = ("series", "code", "session_min", "session_max")
