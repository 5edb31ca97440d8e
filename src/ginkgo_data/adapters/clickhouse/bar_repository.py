# Upstream: adapters.clickhouse.ginkgo_beside, entrypoints.container
# Downstream: adapters.clickhouse.{client, columns, sql}, domain.model, ports.bar_repository, numpy, pyarrow
# Role: Bars in the native layout: write, read, and what is held
"""Stored bars in ClickHouse, and the marks of whole minute sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.columns import BAR_COLUMNS, bar_rows, check_bars, constant
from ginkgo_data.adapters.clickhouse.sql import (
    FINAL_SETTINGS,
    SORTED_SETTINGS,
    of_bars,
    of_codes,
    of_series,
    of_sessions,
)
from ginkgo_data.domain.model.bars import BarBatch, Sessions
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.series import Frequency, Series
from ginkgo_data.ports.bar_repository import WriteReceipt

ROWS_PER_INSERT = 1_000_000
"""Rows that the engine takes as one block (its limit is 1,048,449): of a block nothing or all is stored."""

YEARS_PER_INSERT = 90
"""Yearly partitions of one insert; the engine refuses more than 100 (code 252), and a year begins 8 hours
earlier in Shanghai than in UTC."""


class ClickHouseBarRepository:
    """Bars in table `bars`, marks in `held_sessions`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def write(self, bars: BarBatch) -> WriteReceipt:
        """Store `bars` in inserts of at most 1 M rows and 90 years.

        All rows are checked before any is sent. When an insert fails, earlier ones of this call are stored.
        """
        check_bars(bars)
        receipt = WriteReceipt()
        for part in _parts(bars):
            self._client.insert("bars", bar_rows(part))
            receipt += WriteReceipt(len(part), 1)
        return receipt

    def read(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> BarBatch:
        """Return the bars, by code and timestamp; of all versions of a bar only the one that counts."""
        parts = [
            self._client.query(
                f"SELECT {BAR_COLUMNS} FROM bars FINAL WHERE {of_series(series)} AND {of_bars(first, last)} AND {some} "
                f"ORDER BY bars.code, bars.timestamp {SORTED_SETTINGS}"
            )
            for some in of_codes(codes)
        ]
        return BarBatch.of(pa.concat_tables(parts), series) if parts else BarBatch.empty(series)

    def held(
        self, codes: Sequence[str] | None, series: Series, first: date, last: date, since: int | None = None
    ) -> Held:
        """Return the sessions held whole: by row, by count of rows, or by mark."""
        held: dict[str, Sessions] = {}
        for some in of_codes(codes):
            keys = _held_keys(series, f"{of_series(series)} AND {some}", first, last, since)
            found = self._client.query(
                "SELECT toString(code) AS name, arrayCompact(arraySort(groupArray(session))) AS sessions "
                f"FROM ({keys}) GROUP BY code ORDER BY code {FINAL_SETTINGS}"
            )
            held.update(_by_code(found))
        return held

    def begun(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Held:
        """Return the sessions with a row that is not withdrawn."""
        begun: dict[str, Sessions] = {}
        for some in of_codes(codes):
            found = self._client.query(
                "SELECT toString(code) AS name, arraySort(groupUniqArray(session)) AS sessions FROM bars FINAL "
                f"WHERE {of_series(series)} AND {some} AND {of_bars(first, last)} "
                f"GROUP BY code ORDER BY code {FINAL_SETTINGS}"
            )
            begun.update(_by_code(found))
        return begun

    def mark_held(self, bars: BarBatch) -> None:
        """Mark the (code, session) pairs of `bars` as whole, each with its rows and greatest version."""
        if len(bars):
            self._client.insert("held_sessions", _marks(bars))

    def withdraw(self, bars: BarBatch) -> WriteReceipt:
        """Store a tombstone per bar; of minute bars also one per mark of their sessions."""
        check_bars(bars)
        receipt = WriteReceipt()
        for part in _parts(bars):
            self._client.insert("bars", bar_rows(part).append_column(*_tombstones(len(part))))
            receipt += WriteReceipt(len(part), 1)
        if len(bars) and bars.series.frequency is not Frequency.DAY:
            marks = _marks(bars)
            self._client.insert("held_sessions", marks.append_column(*_tombstones(marks.num_rows)))
        return receipt

    def kept(self, bars: BarBatch, stored: BarBatch | None = None) -> BarBatch:
        """Return `bars`: every value reads as it was written."""
        return bars

    def first_held(self, codes: Sequence[str], series: Series) -> Mapping[str, date]:
        """Return the earliest session with a row, per code that has any."""
        earliest: dict[str, date] = {}
        for some in of_codes(codes):
            found = self._client.query(
                "SELECT toString(code) AS name, min(session) AS earliest FROM bars FINAL "
                f"WHERE {of_series(series)} AND {some} GROUP BY code {FINAL_SETTINGS}"
            )
            earliest.update(zip(found["name"].to_pylist(), found["earliest"].to_pylist(), strict=True))
        return earliest


def _held_keys(series: Series, where: str, first: date, last: date, since: int | None) -> str:
    """Return a SELECT of the (code, session) pairs held whole. Versions are compared after FINAL."""
    fresh = "" if since is None else f" AND version >= {since}"
    marks = f"SELECT code, session FROM held_sessions FINAL WHERE {where} AND {of_sessions(first, last)}{fresh}"
    bars = f"SELECT code, session FROM bars FINAL WHERE {where} AND {of_bars(first, last)}"
    if series.frequency is not Frequency.DAY:
        full = series.frequency.bars_per_session
        return f"{bars}{fresh} GROUP BY code, session HAVING count() >= {full} UNION ALL {marks}"
    return bars if since is None else f"{bars} AND (version >= {since} OR (code, session) IN ({marks}))"


def _marks(bars: BarBatch) -> pa.Table:
    """Return the rows of `held_sessions` for the sessions of `bars`."""
    rows = pa.table(
        {
            "code": bars.table["code"].cast(pa.string()),
            "session": bars.table["session"],
            "version": bars.table["version"],
        }
    )
    pairs = rows.group_by(["code", "session"]).aggregate([([], "count_all"), ("version", "max")])
    return pa.table(
        {
            "code": pairs["code"],
            "frequency": constant(bars.series.frequency.value, pairs.num_rows),
            "adjust": constant(bars.series.adjust.value, pairs.num_rows),
            "session": pairs["session"],
            "rows": pairs["count_all"].cast(pa.uint32()),
            "version": pairs["version_max"],
        }
    )


def _tombstones(rows: int) -> tuple[str, pa.Array]:
    return "is_deleted", pa.array(np.ones(rows, np.uint8))


def _by_code(found: pa.Table) -> Iterator[tuple[str, Sessions]]:
    """Yield each code with its sessions; `found` has a name and a list of sessions per row."""
    for batch in found.to_batches():
        lists = batch["sessions"]
        ends = lists.offsets.to_numpy()
        days = lists.values.to_numpy(zero_copy_only=False).astype("datetime64[D]")
        for row, code in enumerate(batch["name"].to_pylist()):
            yield code, days[ends[row] : ends[row + 1]]


def _parts(bars: BarBatch) -> Iterator[BarBatch]:
    """Yield `bars` cut to what one insert may hold."""
    for start in range(0, len(bars), ROWS_PER_INSERT):
        part = BarBatch(bars.table.slice(start, ROWS_PER_INSERT), bars.series)
        ends = pc.min_max(part.table["timestamp"].cast(pa.timestamp("ms"))).as_py()
        if ends["max"].year - ends["min"].year < YEARS_PER_INSERT:
            yield part
            continue
        years = part.table["timestamp"].cast(pa.timestamp("ms")).to_numpy().astype("datetime64[Y]").astype(np.int64)
        band = years // YEARS_PER_INSERT
        for number in np.unique(band):
            yield part.filter(band == number)
