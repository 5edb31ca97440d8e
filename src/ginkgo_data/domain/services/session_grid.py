# Upstream: domain.services.{adjustments, session_job, ticks}
# Downstream: domain.model.{bars, coverage, errors, fetch}, domain.services, numpy, pyarrow
# Role: Codes over the sessions due for them, of a dataset that is held by whole sessions and is no bar
"""What the store has of factors or ticks, and what is left to ask: the grid of `grid` without a series of bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.domain.model.coverage import Absences, Coverage, Flags, Held
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.services.coverage import build_coverage
from ginkgo_data.domain.services.grid import Standing
from ginkgo_data.domain.services.readback import positions
from ginkgo_data.domain.services.sessions import DueWindows

ReadHeld: TypeAlias = Callable[[Sequence[str], date, date, int | None], Held]
ReadAbsences: TypeAlias = Callable[[Sequence[str], date, date], Absences]


@dataclass(frozen=True, slots=True, eq=False)
class SessionGrid:
    """Codes over the sessions due for them (`span`: the first and the last for any of them)."""

    codes: Sequence[str]
    windows: DueWindows
    span: tuple[date, date]
    since: int | None
    """Of a forced command, the version from which on what is held was stored for it; else None."""
    held: ReadHeld
    absences: ReadAbsences

    def read(self) -> Standing:
        """Read how the grid stands. Raises `StoreUnavailable`."""
        return self._standing(self.codes, self.windows, self.span)

    def read_wanted(self, requests: Sequence[FetchRequest]) -> Standing:
        """Read how the part of the grid stands that `requests` (at least one) want. Raises `StoreUnavailable`."""
        wanted = {code for request in requests for code in request.wanted.codes}
        rows = np.array([row for row, code in enumerate(self.codes) if code in wanted], np.int64)
        first = min(request.wanted.session.min() for request in requests)
        last = max(request.wanted.session.max() for request in requests)
        inside = (self.windows.sessions >= first) & (self.windows.sessions <= last)
        part = DueWindows(self.windows.sessions[inside], self.windows.first[rows], self.windows.last[rows])
        return self._standing([self.codes[row] for row in rows.tolist()], part, (first.item(), last.item()))

    def _standing(self, codes: Sequence[str], windows: DueWindows, span: tuple[date, date]) -> Standing:
        held = self.held(codes, *span, self.since)
        absences = self.absences(codes, *span)
        coverage = build_coverage(codes, windows.sessions, windows.first, windows.last, held, absences)
        return Standing(coverage, coverage.missing)


def among(cells: pa.Table, held: Held) -> Flags:
    """Return which of the (code, session) rows of `cells` are in `held`."""
    codes = [code for code, sessions in held.items() if len(sessions)]
    position = code_positions(cells["code"], codes)
    day = cells["session"].to_numpy().astype("datetime64[D]").astype(np.int64)
    keys = np.where(position < 0, np.int64(-1), day * max(1, len(codes)) + position)
    known: list[npt.NDArray[np.int64]] = [
        held[code].astype("datetime64[D]").astype(np.int64) * len(codes) + row for row, code in enumerate(codes)
    ]
    found: Flags = np.isin(keys, np.concatenate(known)) if known else np.zeros(len(keys), np.bool_)
    return found & (position >= 0)


def must_show(cells: pa.Table, after: Coverage, what: str) -> None:
    """Raise `StoreUnavailable` when one of the (code, session) rows of `cells` does not read as held."""
    row, column, inside = positions(cells, after)
    lost = int((~after.held[row[inside], column[inside]]).sum())
    if lost:
        raise StoreUnavailable(f"{lost} {what} were acknowledged by the store but do not read back")
