# Upstream: entrypoints.container
# Downstream: adapters.clickhouse, domain.model.{bars, coverage, errors, series}, ports.bar_repository, numpy, pyarrow
# Role: Bars in Ginkgo's own table: the port of bars served by insert, read back, delete what lost
"""Stored bars in the ginkgo layout: what GTM's own readers see at once.

The table merges nothing, so a write compares with what is stored, inserts what is missing or has changed under an id
made of the fetch time, reads the keys back, and deletes by name every row that is not the greatest of its key. It
never deletes first: readers may see both rows of a corrected key for a moment, but never none. Any doubt is resolved
by doing it again. What the table has no place for (marks, withdrawals) lies in our own tables beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse import ginkgo_rows
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_beside import GinkgoBeside
from ginkgo_data.adapters.clickhouse.ginkgo_held import begun_days, cells_of, held_days, held_sessions
from ginkgo_data.adapters.clickhouse.ginkgo_merge import Merge, latest, rank
from ginkgo_data.adapters.clickhouse.ginkgo_rows import FREQUENCIES, bars_of, rows_of
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import settle
from ginkgo_data.adapters.clickhouse.ginkgo_table import GinkgoBarTable, codes_in, day_in, of_window, spans_of
from ginkgo_data.adapters.clickhouse.sql import of_codes
from ginkgo_data.adapters.clickhouse.uuid7 import Flags, Longs, read_ids
from ginkgo_data.domain.model.bars import BarBatch, Sessions
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import NotAvailable, StoreUnavailable
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.ports.bar_repository import WriteReceipt

ROWS_PER_INSERT = 1_000_000
"""Rows that the engine takes as one block: of a block nothing or all is stored."""

TURNS = 6
"""Rounds of compare and insert after which a key that will not settle is the store's fault. Two do, and one more for
each fetch of others that comes between."""


class GinkgoBarRepository:
    """Bars in Ginkgo's table `bar`, marks and withdrawals in `held_sessions` and `bars`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._table = GinkgoBarTable(client)
        self._beside = GinkgoBeside(client)

    def write(self, bars: BarBatch) -> WriteReceipt:
        """Store what is missing or has changed; the receipt counts only that.

        All rows are checked before any is sent: `SchemaMismatch` names a value that Ginkgo's table cannot hold, and
        adjusted bars are `NotAvailable`. Of rows found unchanged, whole sessions are marked as fetched anew.
        """
        if not len(bars):
            return WriteReceipt()
        frequency = _frequency(bars.series)
        zone = self._table.zone()
        wanted, origin = _latest(bars, zone)
        receipt = WriteReceipt()
        for start in range(0, wanted.num_rows, ROWS_PER_INSERT):
            place = slice(start, start + ROWS_PER_INSERT)
            receipt += self._merge(wanted.slice(start, ROWS_PER_INSERT), bars.take(origin[place]), frequency, zone)
        return receipt

    def kept(self, bars: BarBatch, stored: BarBatch | None = None) -> BarBatch:
        """Return `bars` (such as can be stored) as they will read: whole lots, amounts of ten yuan, no pre_close.

        An amount that another program may have cut where ours is rounded is left as that has stored it.
        """
        as_kept = ginkgo_rows.kept(bars)
        return as_kept if stored is None else _cut_alike(as_kept, stored)

    def read(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> BarBatch:
        """Return the bars, by code and timestamp: of several rows of a key the greatest.

        The version of a bar that another program has written is 0.
        """
        frequency, zone = _frequency(series), self._table.zone()
        window = of_window(first, last, zone)
        conditions = [f"{some} AND {window}" for some in of_codes(codes)]
        if not conditions:
            return BarBatch.empty(series)
        rows = self._table.rows(frequency, iter(conditions))
        found = rank(cells_of(rows["code"], rows["second"].to_numpy(), codes_in(rows)), rows["uuid"])
        rows = rows.take(pa.array(found.winner))
        return bars_of(rows, read_ids(rows["uuid"])[0], series, zone)

    def held(
        self, codes: Sequence[str] | None, series: Series, first: date, last: date, since: int | None = None
    ) -> Held:
        """Return the sessions held whole: by row, by count of rows, or by mark.

        A session with two rows of one key is not settled, and so not held. A mark counts while the table still has
        as many rows as it speaks of.
        """
        frequency, zone = _frequency(series), self._table.zone()
        held: dict[str, Sessions] = {}
        for some in of_codes(codes):
            where = f"frequency = {frequency} AND {some} AND {of_window(first, last, zone)}"
            marks = self._beside.marks(series, some, first, last, since)
            if series.frequency is Frequency.DAY:
                held.update(held_days(self._table, where, zone, since, marks))
            else:
                full = series.frequency.bars_per_session
                held.update(held_sessions(self._table, where, zone, since, marks, full))
        return held

    def begun(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Held:
        """Return the sessions with a row, settled or not."""
        frequency, zone = _frequency(series), self._table.zone()
        begun: dict[str, Sessions] = {}
        for some in of_codes(codes):
            where = f"frequency = {frequency} AND {some} AND {of_window(first, last, zone)}"
            begun.update(begun_days(self._table, where, zone))
        return begun

    def mark_held(self, bars: BarBatch) -> None:
        """Mark the (code, session) pairs of `bars` as whole, each with its rows and greatest version.

        Keys of `bars` with several rows are settled first: bars found unchanged are marked, and not written.
        """
        frequency = _frequency(bars.series)
        if not len(bars):
            return
        wanted, _ = _latest(bars, self._table.zone())
        for condition in spans_of(wanted):
            settle(self._table, frequency, condition)
        self._beside.mark(bars)

    def withdraw(self, bars: BarBatch) -> WriteReceipt:
        """Note the withdrawal beside the table, then delete every row of these keys that is not newer than it."""
        frequency = _frequency(bars.series)
        receipt = self._beside.withdraw(bars)
        if not len(bars):
            return receipt
        wanted, _ = _latest(bars, self._table.zone())
        held = self._table.rows(frequency, spans_of(wanted))
        names = codes_in(wanted)
        keys = cells_of(wanted["code"], wanted["second"].to_numpy(), names)
        own = cells_of(held["code"], held["second"].to_numpy(), names)
        place = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
        gone = (keys[place] == own) & (read_ids(held["uuid"])[0] <= wanted["version"].to_numpy()[place])
        self._table.delete(held.filter(pa.array(gone)), frequency)
        return receipt

    def first_held(self, codes: Sequence[str], series: Series) -> Mapping[str, date]:
        """Return the earliest session with a row, per code that has any."""
        frequency, zone = _frequency(series), self._table.zone()
        earliest: dict[str, date] = {}
        for some in of_codes(codes):
            found = self._table.query(
                f"SELECT code, min({day_in(zone)}) AS day FROM bar WHERE frequency = {frequency} AND {some} "
                "GROUP BY code"
            )
            days = found["day"].cast(pa.int32()).cast(pa.date32()).to_pylist()
            earliest.update(zip(found["code"].to_pylist(), days, strict=True))
        return earliest

    def _merge(self, wanted: pa.Table, bars: BarBatch, frequency: int, zone: str) -> WriteReceipt:
        """Do the steps for rows of one insert; `bars` are the same, row by row."""
        merge = Merge(wanted, codes_in(wanted))
        receipt = WriteReceipt()
        for _ in range(TURNS):
            held = self._table.rows(frequency, spans_of(wanted))
            todo = merge.todo(held, self._beside.marks_of(bars), self._beside.withdrawn_in(bars, zone))
            if todo.insert.num_rows:
                self._table.insert(todo.insert, frequency)
                receipt += WriteReceipt(todo.insert.num_rows, 1)
            unchanged = _whole_sessions(bars, todo.unchanged)
            if len(unchanged):
                self._beside.mark(unchanged)
            if not todo.insert.num_rows and not len(unchanged):
                self._table.delete(todo.losers, frequency)
                return receipt
        raise StoreUnavailable(f"bars {bars.series}: rows were acknowledged {TURNS} times and do not read back")


def _frequency(series: Series) -> int:
    """Return Ginkgo's number; raise `NotAvailable` for adjusted bars, which its table cannot tell from others."""
    if series.adjust is not Adjust.NONE:
        raise NotAvailable(
            f"bars of {series}: Ginkgo's table has no column for an adjustment and keeps bars as traded; "
            "clickhouse.layout: native keeps adjusted ones apart"
        )
    return FREQUENCIES[series.frequency]


def _latest(bars: BarBatch, zone: str) -> tuple[pa.Table, Longs]:
    rows = rows_of(bars, zone)
    return latest(rows, codes_in(rows))


def _cut_alike(bars: BarBatch, stored: BarBatch) -> BarBatch:
    """Return `bars` (as kept) with the amounts of other programs' bars from which they are one unit off at most.

    It is what `Merge` takes for no change.
    """
    others = stored.filter(stored.table["version"].to_numpy() == 0)
    if not len(others) or not len(bars):
        return bars
    names = sorted({*bars.codes(), *others.codes()})
    keys, own = (
        cells_of(part.table["code"], part.table["timestamp"].cast(pa.int64()).to_numpy() // 1000, names)
        for part in (others, bars)
    )
    order = np.argsort(keys)
    row = order[np.minimum(np.searchsorted(keys[order], own), len(keys) - 1)]
    theirs, ours = others.table["amount"].take(pa.array(row)), bars.table["amount"]
    off = np.abs(pc.fill_null(theirs, 0.0).to_numpy() - pc.fill_null(ours, 0.0).to_numpy())
    amount = pc.if_else(pa.array((keys[row] == own) & (off <= ginkgo_rows.YUAN_PER_UNIT)), theirs, ours)
    place = bars.table.schema.get_field_index("amount")
    return BarBatch(bars.table.set_column(place, bars.table.schema.field(place), amount), bars.series)


def _whole_sessions(bars: BarBatch, unchanged: Flags) -> BarBatch:
    """Return the bars of full sessions of one fetch that have rows under `unchanged`."""
    if not unchanged.any():
        return BarBatch.empty(bars.series)
    days = bars.table["session"].cast(pa.int32()).to_numpy().astype(np.int64)
    cells = cells_of(bars.table["code"], days, bars.codes())
    _, session = np.unique(cells, return_inverse=True)
    versions = bars.table["version"].to_numpy().astype(np.int64)
    newest = np.zeros(session.max() + 1, np.int64)
    np.maximum.at(newest, session, versions)
    of_newest = np.bincount(session, versions == newest[session])
    whole = (np.bincount(session) >= bars.series.frequency.bars_per_session) & (of_newest == np.bincount(session))
    touched = np.bincount(session, unchanged) > 0
    return bars.filter((whole & touched)[session])
