# Upstream: domain.services.{collector, completion, tally}
# Downstream: domain.model, ports.{bar_repository, clock, quality_repository}, numpy, pyarrow
# Role: The landing stage of a job: rows gather until an insert is worth it, then are stored in a safe order
"""Storing what a job fetched: quarantine first, then bars, then the marks and absences that rest on them.

The order makes a crash harmless: whatever is repeated is repeated into the same keys, and nothing is
marked held or absent before the bars beside it are acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import BarBatch, code_positions
from ginkgo_data.domain.model.coverage import Absences, Held
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import Series
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository, WriteReceipt
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.quality_repository import QualityRepository

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
    clock: Clock
    flush_rows: int = 200_000
    flush_seconds: float = 10.0
    marks: bool = True
    """Whether a minute session with fewer bars than a full one may be marked as all the vendor has."""
    receipt: WriteReceipt = field(default_factory=WriteReceipt)
    rejected: int = 0
    _bars: list[BarBatch] = field(default_factory=list)
    _broken: list[pa.Table] = field(default_factory=list)
    _absences: list[Absences] = field(default_factory=list)
    _rejects: list[Rejects] = field(default_factory=list)
    _waiting: int = 0
    _oldest: float | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be stored."""
        return self._oldest is None

    def add(self, bars: BarBatch, rejects: Rejects, absences: Absences) -> None:
        """Take the outcome of one answer; may store what is waiting. Raises `StoreUnavailable`."""
        if len(bars):
            self._bars.append(bars)
            self._waiting += len(bars)
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
        if self._rejects:
            together = Rejects.concat(self._rejects)
            self.quality.quarantine(together)
            broken = pc.not_equal(together.table["rule"].cast(pa.string()), _HARMLESS)
            self._broken.append(together.table.filter(broken).select(["code", "timestamp"]))
            self._rejects.clear()
        if self._bars:
            batch = BarBatch.concat(self._bars, self.series)
            self.receipt += self.bars.write(batch)
            if self.marks and self.series.frequency.minutes is not None:
                self.bars.mark_held(self._whole(batch))
            self._bars.clear()
        if self._absences:
            self.absences.write_absences(Absences.concat(self._absences), self.series)
            self._absences.clear()
        self._waiting = 0
        self._oldest = None

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


def not_held(bars: BarBatch, held: Held) -> BarBatch:
    """Return the bars whose (code, session) is not in `held`."""
    codes = sorted(code for code, sessions in held.items() if len(sessions))
    if not len(bars) or not codes:
        return bars
    own = _cells(bars.table["code"], bars.table["session"], codes)
    known = np.concatenate([held[code].astype("datetime64[D]").astype(np.int64) * len(codes) for code in codes])
    offset = np.repeat(np.arange(len(codes)), [len(held[code]) for code in codes])
    inside = np.isin(own, known + offset)
    return bars.filter(~inside) if inside.any() else bars


def _cells(column: pa.ChunkedArray, session: pa.ChunkedArray, codes: list[str]) -> npt.NDArray[np.int64]:
    """Return one number per (code, session), -1 where the code is not among `codes`."""
    position = code_positions(column, codes)
    days = session.to_numpy().astype("datetime64[D]").astype(np.int64)
    return np.where(position < 0, np.int64(-1), days * len(codes) + position)
