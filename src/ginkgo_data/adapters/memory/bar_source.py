# Upstream: entrypoints.quickstart
# Downstream: domain.model.{bars, coverage, fetch, series}, numpy, pyarrow
# Role: Port bar_source in memory: a vendor whose bars are given
"""A vendor that answers from what it was given, within its capabilities; it keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch, code_positions
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells
from ginkgo_data.domain.model.fetch import (
    BarAnswer,
    FetchRequest,
    ProvenEmpty,
    Rows,
    SourceCapabilities,
    Unknown,
    UnknownReason,
)
from ginkgo_data.domain.model.series import Series


class InMemoryBarSource:
    """Bars by series, and suspensions. Safe for several threads; `requests` and `calls` can be read.

    As a real vendor: what it was not offered to be asked is refused, a reply that would reach the row limit
    is cut and therefore unknown, and a wanted session without a row is a suspension where it was told of
    one, else a session of which it simply has no row.
    """

    def __init__(
        self,
        bars: BarBatch | Sequence[BarBatch],
        capabilities: SourceCapabilities,
        suspended: Absences | None = None,
    ) -> None:
        batches = [bars] if isinstance(bars, BarBatch) else list(bars)
        self._shelves: Mapping[Series, _Shelf] = {batch.series: _Shelf(batch) for batch in batches}
        self._capabilities = replace(capabilities, series=capabilities.series | frozenset(self._shelves))
        self._suspended = (suspended or Absences.empty()).table
        self._lock = threading.Lock()
        self._requests: list[FetchRequest] = []

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for."""
        return self._capabilities

    @property
    def requests(self) -> Sequence[FetchRequest]:
        """All requests so far."""
        with self._lock:
            return tuple(self._requests)

    @property
    def calls(self) -> int:
        """How many requests there were."""
        return len(self.requests)

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request` from what was given."""
        with self._lock:
            self._requests.append(request)
        if refusal := self._refusal(request):
            return Unknown(UnknownReason.REFUSED, refusal)
        shelf = self._shelves.get(request.series)
        table = shelf.find(request) if shelf else BarBatch.empty(request.series).table
        if table.num_rows >= self._capabilities.row_limit:
            return Unknown(UnknownReason.TRUNCATED, f"{table.num_rows} rows reach the limit of one reply")
        versions = pa.array(np.full(table.num_rows, request.version, np.uint64))
        batch = BarBatch(table.set_column(table.schema.get_field_index("version"), "version", versions), request.series)
        absences = self._absences(request.unanswered(batch), request.version)
        return Rows(batch, absences) if len(batch) else ProvenEmpty(absences)

    def _refusal(self, request: FetchRequest) -> str | None:
        offered = self._capabilities
        if request.series not in offered.series:
            return f"there are no bars of {request.series}"
        if request.codes is None:
            return None if offered.by_session else "cannot be asked for a whole session"
        if len(request.codes) > offered.codes_per_call:
            return f"{len(request.codes)} codes in one call; allowed: {offered.codes_per_call}"
        return None

    def _absences(self, cells: Cells, version: int) -> Absences:
        """Return a reason for each of `cells`."""
        if not len(cells):
            return Absences.empty()
        told = self._suspended
        known = code_positions(told["code"], cells.codes)
        stride = max(1, len(cells.codes))
        days = told["session"].to_numpy().astype("datetime64[D]").astype(np.int64)
        suspended = np.isin(cells.session.astype(np.int64) * stride + cells.index, (days * stride + known)[known >= 0])
        rows = [
            (code, day, AbsenceReason.SUSPENDED, "the vendor was told so")
            if is_suspended
            else (code, day, AbsenceReason.NO_ROW, "the vendor has no row")
            for (code, day), is_suspended in zip(cells.pairs(), suspended.tolist(), strict=True)
        ]
        return Absences.of(rows, self._capabilities.name, version)


class _Shelf:
    """Bars of one series, ordered by code and time, so that a code's sessions are one slice."""

    def __init__(self, batch: BarBatch) -> None:
        ordered = batch.sorted()
        self._table = ordered.table.unify_dictionaries().combine_chunks()
        self._codes = ordered.codes()
        position = code_positions(self._table["code"], self._codes)
        self._bounds = np.searchsorted(position, np.arange(len(self._codes) + 1))
        self._session = self._table["session"].to_numpy().astype("datetime64[D]")

    def find(self, request: FetchRequest) -> pa.Table:
        """Return the rows of the request's codes and sessions; neighbouring codes are one slice, without a copy."""
        first, last = np.datetime64(request.first, "D"), np.datetime64(request.last, "D")
        wanted = np.arange(len(self._codes))
        if request.codes is not None:
            wanted = np.flatnonzero(np.isin(self._codes, request.codes))
        slices: list[tuple[int, int]] = []
        for code in wanted.tolist():
            low, high = self._bounds[code : code + 2].tolist()
            sessions = self._session[low:high]
            begin, end = (low + np.searchsorted(sessions, [first, last + 1])).tolist()
            if slices and slices[-1][1] == begin:
                slices[-1] = (slices[-1][0], end)
            elif begin < end:
                slices.append((begin, end))
        parts = [self._table.slice(begin, end - begin) for begin, end in slices]
        return pa.concat_tables(parts) if parts else self._table.slice(0, 0)
