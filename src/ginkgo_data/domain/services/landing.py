# Upstream: domain.services.{collector, completion}
# Downstream: domain.{model, services}, ports, numpy, pyarrow
# Role: The landing stage of a job: rows gather until an insert is worth it, then are stored in a safe order
"""Storing what a job fetched: quarantine, revisions, bars, then the marks and absences that rest on them.

The order makes a crash harmless: whatever is repeated is repeated into the same keys, no old value is replaced
before it is kept as a revision, and nothing is marked held or absent before the bars beside it are acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import BarBatch, code_positions
from ginkgo_data.domain.model.coverage import Absences, Cells, Held
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.revisions import Revisions
from ginkgo_data.domain.model.series import Series
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.services.revising import ASKED_SCHEMA, Comparison, Revising
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository, WriteReceipt
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.quality_repository import QualityRepository
from ginkgo_data.ports.revision_repository import RevisionRepository

_HARMLESS = "duplicate_key"
"""A repeated row takes nothing from its session: the first of them is stored."""


@dataclass(slots=True)
class Landing:
    """Gathers accepted bars, rejects and absences of one series, and stores them in inserts worth making.

    An insert is made when `flush_rows` are waiting or the oldest waits for `flush_seconds`, and at `finish`.
    """

    series: Series
    bars: BarRepository
    absences: AbsenceRepository
    quality: QualityRepository
    revisions: RevisionRepository
    revising: Revising
    clock: Clock
    flush_rows: int = 200_000
    flush_seconds: float = 10.0
    marks: bool = True
    """Whether a minute session with fewer bars than a full one may be marked as all the vendor has."""
    receipt: WriteReceipt = field(default_factory=WriteReceipt)
    rejected: int = 0
    unchanged: int = 0
    """Rows fetched that were stored already, as they are or newer."""
    revised: int = 0
    withdrawn: int = 0
    _bars: list[BarBatch] = field(default_factory=list)
    _again: list[BarBatch] = field(default_factory=list)
    _begun: list[BarBatch] = field(default_factory=list)
    _asked: list[pa.Table] = field(default_factory=list)
    _broken: list[pa.Table] = field(default_factory=list)
    _absences: list[Absences] = field(default_factory=list)
    _rejects: list[Rejects] = field(default_factory=list)
    _waiting: int = 0
    _oldest: float | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be stored."""
        return self._oldest is None

    def add(
        self,
        bars: BarBatch,
        rejects: Rejects,
        absences: Absences,
        again: BarBatch | None = None,
        asked: pa.Table | None = None,
        begun: BarBatch | None = None,
    ) -> None:
        """Take the outcome of one answer; may store what is waiting. Raises `StoreUnavailable`.

        `bars` are of cells of which nothing is stored, `again` are to be compared with what is; `begun` too, of
        sessions that are not held: these are fetched whole, so rows of any source are replaced. Of the cells
        `asked` (`ASKED_SCHEMA`), what is stored and not among `again` is withdrawn.
        """
        for batch, waiting in ((bars, self._bars), (again, self._again), (begun, self._begun)):
            if batch is not None and len(batch):
                waiting.append(batch)
        if asked is not None and asked.num_rows:
            self._asked.append(asked)
        compared = max(len(again or ()), asked.num_rows if asked is not None else 0)
        self._waiting += len(bars) + len(begun or ()) + compared
        if len(rejects):
            self._rejects.append(rejects)
            self.rejected += len(rejects)
        if len(absences):
            self._absences.append(absences)
        if self._oldest is None:
            self._oldest = self.clock.monotonic()
        if self._waiting >= self.flush_rows or self.clock.monotonic() - self._oldest >= self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Store everything that waits. Raises `StoreUnavailable`; what was not stored then still waits."""
        with step("write", rows=self._waiting):
            self._flush()

    def _flush(self) -> None:
        if self._rejects:
            together = Rejects.concat(self._rejects)
            self.quality.quarantine(together)
            broken = pc.not_equal(together.table["rule"].cast(pa.string()), _HARMLESS)
            self._broken.append(together.table.filter(broken).select(["code", "timestamp"]))
            self._rejects.clear()
        if self._bars or self._again or self._begun or self._asked:
            self._store(self._compared())
            for waiting in (self._bars, self._again, self._begun, self._asked):
                waiting.clear()
        if self._absences:
            self.absences.write_absences(Absences.concat(self._absences), self.series)
            self._absences.clear()
        self._waiting = 0
        self._oldest = None

    def _compared(self) -> Comparison:
        """Return what waits, with what the store says of it."""
        series, nothing = self.series, ASKED_SCHEMA.empty_table()
        asked = pa.concat_tables([nothing, *self._asked]).unify_dictionaries()
        again = self.revising.compare(BarBatch.concat(self._again, series), asked)
        begun = replace(self.revising, forced=True).compare(BarBatch.concat(self._begun, series), nothing)
        return Comparison(
            to_write=BarBatch.concat([*self._bars, again.to_write, begun.to_write], series),
            unchanged=BarBatch.concat([again.unchanged, begun.unchanged], series),
            withdrawn=again.withdrawn,
            revisions=Revisions.concat([again.revisions, begun.revisions], series),
        )

    def _store(self, found: Comparison) -> None:
        if len(found.revisions):
            self.revisions.write_revisions(found.revisions)
        if len(found.to_write):
            self.receipt += self.bars.write(found.to_write)
        if len(found.withdrawn):
            self.receipt += WriteReceipt(0, self.bars.withdraw(found.withdrawn).inserts)
        if len(marked := self._to_mark(found)):
            self.bars.mark_held(marked)
        self.unchanged += len(found.unchanged)
        self.revised += len(found.revisions) - len(found.withdrawn)
        self.withdrawn += len(found.withdrawn)

    def _to_mark(self, found: Comparison) -> BarBatch:
        """Return the bars whose sessions are to be marked: as whole, and as fetched again by a forced command.

        Sessions that were begun are marked even where nothing of them was to be written: their store may have to
        settle two rows of one bar before they are held.
        """
        forced = self.revising.forced
        begun = BarBatch.concat(self._begun, self.series)
        if self.series.frequency.minutes is None:
            return found.unchanged if forced else begun
        if forced:
            fetched = BarBatch.concat([found.to_write, found.unchanged], self.series)
        else:
            fetched = BarBatch.concat([*self._bars, begun], self.series) if self.marks else begun
        return self._whole(fetched) if self.marks else _full(fetched)

    def _whole(self, batch: BarBatch) -> BarBatch:
        """Return the bars of sessions without a rejected row: only these are all the vendor has.

        A rejected row that does not say whose it was may be of any session, so that none is known to be whole.
        """
        broken = pa.concat_tables(self._broken) if self._broken else None
        if broken is None or not broken.num_rows:
            return batch
        if broken.drop_null().num_rows < broken.num_rows:
            return BarBatch.empty(self.series)
        codes = batch.codes()
        marks = _cells(broken["code"], pc.cast(broken["timestamp"], pa.date32(), safe=False), codes)
        own = _cells(batch.table["code"], batch.table["session"], codes)
        return batch.filter(~np.isin(own, marks[marks >= 0]))


def split_by_held(bars: BarBatch, held: Held) -> tuple[BarBatch, BarBatch]:
    """Return the bars whose (code, session) is not in `held`, and those whose is."""
    codes = sorted(code for code, sessions in held.items() if len(sessions))
    if not len(bars) or not codes:
        return bars, BarBatch.empty(bars.series)
    own = _cells(bars.table["code"], bars.table["session"], codes)
    known = np.concatenate([held[code].astype("datetime64[D]").astype(np.int64) * len(codes) for code in codes])
    offset = np.repeat(np.arange(len(codes)), [len(held[code]) for code in codes])
    inside = np.isin(own, known + offset)
    return (bars.filter(~inside), bars.filter(inside)) if inside.any() else (bars, BarBatch.empty(bars.series))


def asked_again(wanted: Cells, rejects: Rejects, version: int) -> pa.Table:
    """Return as `ASKED_SCHEMA` the cells of which a complete answer lacks everything that it does not contain.

    That is not known of a cell with a rejected row, nor of any cell when a rejected row does not say whose it was.
    """
    code = pa.DictionaryArray.from_arrays(pa.array(wanted.index.astype(np.int32)), pa.array(wanted.codes, pa.string()))
    versions = pa.array(np.full(len(wanted), version, np.uint64))
    asked = pa.table([code, pa.array(wanted.session, pa.date32()), versions], schema=ASKED_SCHEMA)
    places = rejects.table.select(["code", "timestamp"])
    if places.drop_null().num_rows < places.num_rows:
        return asked.slice(0, 0)
    codes = list(wanted.codes)
    broken = _cells(places["code"], pc.cast(places["timestamp"], pa.date32(), safe=False), codes)
    return asked.filter(pa.array(~np.isin(_cells(asked["code"], asked["session"], codes), broken[broken >= 0])))


def _full(bars: BarBatch) -> BarBatch:
    """Return the bars of sessions with as many of them as a full one has."""
    cells = _cells(bars.table["code"], bars.table["session"], bars.codes())
    _, place, count = np.unique(cells, return_inverse=True, return_counts=True)
    return bars.filter(count[place] >= bars.series.frequency.bars_per_session)


def _cells(column: pa.ChunkedArray, session: pa.ChunkedArray, codes: list[str]) -> npt.NDArray[np.int64]:
    """Return one number per (code, session), -1 where the code is not among `codes`."""
    position = code_positions(column, codes)
    days = session.to_numpy().astype("datetime64[D]").astype(np.int64)
    return np.where(position < 0, np.int64(-1), days * len(codes) + position)
