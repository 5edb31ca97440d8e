# Upstream: none
# Downstream: adapters.memory.latest, domain.model.{bars, coverage, series}, ports.bar_repository, numpy, pyarrow
# Role: Bars in memory: write, read, and what is held
"""Bars as Arrow tables, one per series: for tests, dry runs and hosts without ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.memory.latest import LatestRows, in_sessions, of_codes
from ginkgo_data.domain.model.bars import BAR_KEY, BAR_SCHEMA, BarBatch, Sessions, cast_table, code_positions, distinct
from ginkgo_data.domain.model.coverage import HELD_SESSION_SCHEMA, Held
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.ports.bar_repository import WriteReceipt

_HIGH = 32
"""A pair is one integer: the code's position above these bits, the session (days since 1970) in them."""


class InMemoryBarRepository:
    """Bars and marks of whole minute sessions. Safe for several threads."""

    def __init__(self) -> None:
        every = [Series(frequency, adjust) for frequency in Frequency for adjust in Adjust]
        self._bars = {s: LatestRows(f"bars {s}", BAR_SCHEMA, BAR_KEY, ("pre_close", "amount")) for s in every}
        self._marks = {s: LatestRows(f"marks {s}", HELD_SESSION_SCHEMA, ("code", "session")) for s in every}

    def write(self, bars: BarBatch) -> WriteReceipt:
        """Store `bars`; a null in a column other than pre_close and amount is a `SchemaMismatch`."""
        if not len(bars):
            return WriteReceipt()
        self._bars[bars.series].add(bars.table)
        return WriteReceipt(len(bars), 1)

    def read(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> BarBatch:
        """Return the bars, by code and timestamp."""
        return BarBatch(of_codes(in_sessions(self._bars[series].table(), first, last), codes), series)

    def held(
        self, codes: Sequence[str] | None, series: Series, first: date, last: date, since: int | None = None
    ) -> Held:
        """Return the sessions held whole: by row, by count of rows, or by mark."""
        bars = _fresh(self.read(codes, series, first, last).table, since)
        held = dict(_sessions_by_code(bars, series.frequency.bars_per_session))
        daily = series.frequency is Frequency.DAY
        if daily and since is None:
            return held
        marks = _fresh(of_codes(in_sessions(self._marks[series].table(), first, last), codes), since)
        rows = dict(_sessions_by_code(self.read(codes, series, first, last).table, 1)) if daily else {}
        for code, marked in _sessions_by_code(marks, 1):
            sessions = np.intersect1d(marked, rows.get(code, marked[:0])) if daily else marked
            held[code] = np.union1d(held[code], sessions) if code in held else sessions
        return held

    def begun(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Held:
        """Return the sessions with a row."""
        return dict(_sessions_by_code(self.read(codes, series, first, last).table, 1))

    def mark_held(self, bars: BarBatch) -> None:
        """Mark the (code, session) pairs of `bars` as whole, each with its rows and greatest version."""
        self._marks[bars.series].add(_pairs(bars))

    def withdraw(self, bars: BarBatch) -> WriteReceipt:
        """Hide the bars and the marks of their sessions."""
        if not len(bars):
            return WriteReceipt()
        self._bars[bars.series].add(bars.table, deleted=True)
        self._marks[bars.series].add(_pairs(bars), deleted=True)
        return WriteReceipt(len(bars), 1)

    def kept(self, bars: BarBatch, stored: BarBatch | None = None) -> BarBatch:
        """Return `bars`: every value reads as it was written."""
        return bars

    def first_held(self, codes: Sequence[str], series: Series) -> Mapping[str, date]:
        """Return the earliest session with a row, per code that has any."""
        table = of_codes(self._bars[series].table(), codes)
        return {code: sessions[0].item() for code, sessions in _sessions_by_code(table, 1)}


def _pairs(bars: BarBatch) -> pa.Table:
    """Return the (code, session) pairs of `bars`, each with its rows and greatest version."""
    rows = bars.table.select(["session", "version"]).append_column("code", bars.table["code"].cast(pa.string()))
    pairs = rows.group_by(["code", "session"]).aggregate([([], "count_all"), ("version", "max")])
    marks = pairs.rename_columns({"count_all": "rows", "version_max": "version"})
    return cast_table("marks", marks, HELD_SESSION_SCHEMA)


def _fresh(table: pa.Table, since: int | None) -> pa.Table:
    return table if since is None else table.filter(pc.greater_equal(table["version"], pa.scalar(since, pa.uint64())))


def _sessions_by_code(table: pa.Table, rows: int) -> Iterator[tuple[str, Sessions]]:
    """Yield each code with the sessions of which `table` has at least `rows` rows, ascending."""
    codes = sorted(distinct(table["code"]))
    days = table["session"].cast(pa.int32()).to_numpy().astype(np.int64)
    pairs, counts = np.unique((code_positions(table["code"], codes) << _HIGH) + days, return_counts=True)
    pairs = pairs[counts >= rows]
    position = (pairs + (1 << (_HIGH - 1))) >> _HIGH
    sessions = (pairs - (position << _HIGH)).astype("datetime64[D]")
    starts = np.searchsorted(position, np.arange(len(codes) + 1))
    for place, code in enumerate(codes):
        if starts[place] < starts[place + 1]:
            yield code, sessions[starts[place] : starts[place + 1]]
