# Upstream: domain.services
# Downstream: domain.model.{bars, revisions}, domain.services.contents, ports.bar_repository, numpy, pyarrow
# Role: What was fetched again against what is stored: changed, unchanged, and gone from the vendor
"""Corrections and withdrawals are found before anything is written, on columns.

Only rows of sessions of which something is stored, or that a forced command has asked for again, come here: fresh
ranges go straight into the store. A row that equals the stored one is not written again: a second copy of a table makes
every read of it many times dearer until the engine has merged it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import CODE, BarBatch, code_positions, distinct
from ginkgo_data.domain.model.revisions import VALUES, Revisions
from ginkgo_data.domain.services.contents import content_hashes, contents
from ginkgo_data.ports.bar_repository import BarRepository

RequestOf: TypeAlias = Callable[[str], str]
"""Names the commands that asked for a code."""

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ASKED_SCHEMA = pa.schema([pa.field("code", CODE), pa.field("session", pa.date32()), pa.field("version", pa.uint64())])
"""Cells of complete answers to a forced command, with the version of the answer: what is stored there and not in
the answer is gone from the vendor."""

CELLS_PER_READ = 500_000
"""Bars (codes x sessions x bars of a session) that one read of the store may bring into memory."""
LONGEST_GAP = 31
"""Days between sessions over which one read goes on."""

_EPOCH = date(1970, 1, 1)
_MILLISECONDS = 43
"""A key is one integer: the code's position above these bits, the bar's time (shifted to be positive) in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What came of comparing."""

    to_write: BarBatch
    """Rows that are not stored, and rows that differ from the stored ones."""
    unchanged: BarBatch
    """Rows fetched again that say what is stored, or are older than that."""
    withdrawn: BarBatch
    """Stored rows that the vendor has no more, each with the version of the answer that says so."""
    revisions: Revisions
    """The stored rows of `to_write` and `withdrawn`, with what comes in their place."""


def no_request(code: str) -> str:
    """Name nobody."""
    return ""


@dataclass(frozen=True, slots=True)
class Revising:
    """Compares with the store on behalf of one vendor."""

    bars: BarRepository
    source: str
    """Name of the vendor that answers. It withdraws its own rows only."""
    forced: bool
    """Whether it may correct rows of other vendors too: else it replaces its own only."""
    request_of: RequestOf = no_request

    def compare(self, fetched: BarBatch, asked: pa.Table) -> Comparison:
        """Compare `fetched` and `asked` (`ASKED_SCHEMA`) with what is stored. Raises `StoreUnavailable`."""
        series = fetched.series
        codes = sorted({*fetched.codes(), *distinct(asked["code"])})
        if not codes:
            return Comparison(fetched, fetched, fetched, Revisions.empty(series))
        stored = self._stored(fetched, asked, codes)
        as_kept = self.bars.kept(fetched, stored)
        new, old = _Keyed(as_kept, codes), _Keyed(stored, codes)
        place, found = old.places_of(new.keys)
        differs = found.copy()
        differs[found] = (new.contents()[found] != old.contents()[place[found]]).any(axis=1)
        versions = fetched.table["version"].to_numpy(), old.batch.table["version"].to_numpy()
        differs[found] &= versions[0][found] > versions[1][place[found]]
        if not self.forced:
            differs[found] &= _sources(as_kept)[found] == _sources(old.batch)[place[found]]
        gone, answered = self._gone(old, new, asked)
        withdrawn = old.batch.filter(gone)
        revisions = [
            self._revisions(old.batch.take(place[differs]), as_kept.filter(differs)),
            self._withdrawals(withdrawn, answered),
        ]
        return Comparison(
            to_write=fetched.filter(~found | differs),
            unchanged=fetched.filter(found & ~differs),
            withdrawn=_with(withdrawn, version=pa.array(answered)),
            revisions=Revisions.concat(revisions, series),
        )

    def _stored(self, fetched: BarBatch, asked: pa.Table, codes: list[str]) -> BarBatch:
        """Read what is stored of the cells of both, in reads that stay small."""
        code = np.concatenate([code_positions(part["code"], codes) for part in (fetched.table, asked)])
        day = np.concatenate([_days(part) for part in (fetched.table, asked)])
        reads = _reads(code, day, fetched.series.frequency.bars_per_session)
        parts = [
            self.bars.read([codes[position] for position in wanted], fetched.series, first, last)
            for wanted, first, last in reads
        ]
        return BarBatch.concat(parts, fetched.series)

    def _gone(self, old: _Keyed, new: _Keyed, asked: pa.Table) -> tuple[Flags, npt.NDArray[np.uint64]]:
        """Return which stored rows their own vendor has no more, and the version that says so of each of them."""
        cells = _cells(asked, old.codes)
        order = np.argsort(cells)
        own = _cells(old.batch.table, old.codes)
        place = np.searchsorted(cells[order], own)
        inside = place < len(cells)
        inside[inside] = cells[order][place[inside]] == own[inside]
        inside &= ~np.isin(old.keys, new.keys) & (_sources(old.batch) == self.source)
        answered = asked["version"].to_numpy()[order][place[inside]]
        newer = answered > old.batch.table["version"].to_numpy()[inside]
        inside[inside] = newer
        return inside, answered[newer]

    def _revisions(self, old: BarBatch, new: BarBatch) -> Revisions:
        after = {f"new_{name}": new.table[name] for name in VALUES}
        after |= {name: new.table[name] for name in ("source", "version")}
        after["withdrawn"] = pa.array(np.zeros(len(new), np.bool_))
        after["content_hash"] = pa.array(content_hashes(contents(new.table)))
        return self._revised(old, after)

    def _withdrawals(self, old: BarBatch, answered: npt.NDArray[np.uint64]) -> Revisions:
        count = len(old)
        after: dict[str, pa.Array] = {f"new_{name}": pa.nulls(count, pa.float64()) for name in VALUES}
        after["source"] = old.table["source"]
        after["version"] = pa.array(answered)
        after["withdrawn"] = pa.array(np.ones(count, np.bool_))
        after["content_hash"] = pa.array(np.zeros(count, np.uint64))
        return self._revised(old, after)

    def _revised(self, old: BarBatch, after: dict[str, pa.Array]) -> Revisions:
        codes = old.codes()
        request = pa.array([self.request_of(code) for code in codes], pa.string())
        columns = {name: old.table[name] for name in ("code", "session", "timestamp")}
        columns |= {f"old_{name}": old.table[name] for name in (*VALUES, "source", "version")}
        columns["request"] = request.take(pa.array(code_positions(old.table["code"], codes)))
        return Revisions.of(pa.table(columns | after), old.series)


class _Keyed:
    """A batch with one integer per row that stands for its (code, timestamp)."""

    def __init__(self, batch: BarBatch, codes: list[str]) -> None:
        self.batch, self.codes = batch, codes
        moment = batch.table["timestamp"].cast(pa.int64()).to_numpy() + (1 << (_MILLISECONDS - 1))
        self.keys: Integers = (code_positions(batch.table["code"], codes) << _MILLISECONDS) + moment

    def places_of(self, keys: Integers) -> tuple[Integers, Flags]:
        """Return for each key its row here, and whether there is one."""
        order = np.argsort(self.keys)
        place = np.searchsorted(self.keys[order], keys)
        found: Flags = place < len(order)
        row = np.zeros(len(keys), np.int64)
        row[found] = order[place[found]]
        found[found] = self.keys[row[found]] == keys[found]
        return row, found

    def contents(self) -> Integers:
        """Return the values of the rows as integers that can be compared."""
        return contents(self.batch.table)


def _reads(code: Integers, day: Integers, bars: int) -> Iterator[tuple[list[int], date, date]]:
    """Yield (positions of codes, first day, last day) that together cover all pairs of `code` and `day`."""
    sessions = np.unique(day)
    for cluster in np.split(sessions, np.flatnonzero(np.diff(sessions) > LONGEST_GAP) + 1):
        inside = (day >= cluster[0]) & (day <= cluster[-1])
        present = np.unique(code[inside])
        at_once = max(1, CELLS_PER_READ // (len(cluster) * bars))
        for start in range(0, len(present), at_once):
            wanted = present[start : start + at_once]
            mine = day[inside & (code >= wanted[0]) & (code <= wanted[-1])]
            yield wanted.tolist(), _EPOCH + timedelta(int(mine.min())), _EPOCH + timedelta(int(mine.max()))


def _cells(table: pa.Table, codes: list[str]) -> Integers:
    return _days(table) * len(codes) + code_positions(table["code"], codes)


def _days(table: pa.Table) -> Integers:
    days: Integers = table["session"].cast(pa.int32()).to_numpy().astype(np.int64)
    return days


def _sources(batch: BarBatch) -> npt.NDArray[np.object_]:
    texts: npt.NDArray[np.object_] = batch.table["source"].cast(pa.string()).to_numpy()
    return texts


def _with(batch: BarBatch, version: pa.Array) -> BarBatch:
    place = batch.table.schema.get_field_index("version")
    return BarBatch(batch.table.set_column(place, batch.table.schema.field(place), version), batch.series)
