# Upstream: none
# Downstream: adapters.gtm.{host, host_rows, host_table, row_ids}, domain.model, ports.bar_repository, numpy
# Role: Port bar_repository through a host's BarCRUD: daily bars as traded, settled by id
"""Daily bars in a host's own store, reached through its BarCRUD.

Its table merges nothing and knows no versions, so a row's id says when it was asked for. A write compares with what
is there, adds what is missing or older, reads back, and removes by id every row that is not the greatest of its key:
never before the greater one is seen to be stored, so that readers may see two rows of a key but never none.

What a BarCRUD has no place for is refused or done otherwise, and named here:

- Minute bars: no mark could say that a short session is whole. Adjusted bars: no column tells them apart. Both are
  `NotAvailable`.
- A withdrawal leaves no trace: an older row that another worker writes later is there again.
- A bar found unchanged cannot be marked as fetched: it is stored again under a new id (`mark_held`).
- Whoever writes beside us (the host itself) is not waited for: two writers of one key are settled by the next write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from ginkgo_data.adapters.gtm import host_rows
from ginkgo_data.adapters.gtm.host import HostBarCRUD, HostBarMaker
from ginkgo_data.adapters.gtm.host_rows import Key, Stored, Wanted, bars_of, keys_in, wanted_in
from ginkgo_data.adapters.gtm.host_table import HostBarTable
from ginkgo_data.adapters.gtm.row_ids import LARGEST_COUNTER
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import NotAvailable, StoreUnavailable
from ginkgo_data.domain.model.series import DAILY, Series
from ginkgo_data.ports.bar_repository import WriteReceipt

Rows = Mapping[Key, list[Stored]]


class GtmBarRepository:
    """Bars through `bar_crud`. Safe for several threads: one of them changes the store at a time.

    `row` makes a row of the host from keywords (``MBar``); `ping` raises or returns a false value when the host's
    database does not answer. Raises `ConfigurationError` where `bar_crud` lacks find, add_batch or remove.
    """

    def __init__(self, bar_crud: HostBarCRUD, row: HostBarMaker, ping: Callable[[], object]) -> None:
        self._table = HostBarTable(bar_crud, row, ping)
        self._changing = threading.Lock()

    def write(self, bars: BarBatch) -> WriteReceipt:
        """Store what is missing or has an older version; the receipt counts only that.

        All rows are checked before any is sent: `SchemaMismatch` names a value that the host's table cannot hold.
        Raises `StoreUnavailable` also where rows were acknowledged and do not read back.
        """
        _require_daily(bars.series)
        if not len(bars):
            return WriteReceipt()
        wanted = wanted_in(bars)
        with self._changing:
            return self._settle(wanted)

    def read(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> BarBatch:
        """Return the bars, by code and session: of several rows of a key the greatest."""
        _require_daily(series)
        rows = self._rows(codes, first, last)
        return bars_of(_greatest(rows[key]) for key in sorted(rows))

    def held(
        self, codes: Sequence[str] | None, series: Series, first: date, last: date, since: int | None = None
    ) -> Held:
        """Return the sessions with exactly one row: a key with two is not settled."""
        _require_daily(series)
        rows = self._rows(codes, first, last)
        return _sessions(k for k, found in rows.items() if len(found) == 1 and found[0].rank.version >= (since or 0))

    def begun(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Held:
        """Return the sessions with a row, settled or not."""
        _require_daily(series)
        return _sessions(self._rows(codes, first, last))

    def mark_held(self, bars: BarBatch) -> None:
        """Store the rows of these keys that are older again, with their content and the version of `bars`."""
        _require_daily(bars.series)
        keys = keys_in(bars)
        if not keys:
            return
        with self._changing:
            rows = self._rows_of(keys)
            found = {key: _greatest(rows[key]) for key in keys if key in rows}
            self._settle({key: Wanted(key, row.units, row.source, keys[key]) for key, row in found.items()})

    def withdraw(self, bars: BarBatch) -> WriteReceipt:
        """Delete every row of these keys that is not newer; the receipt counts the keys that had one.

        Nothing remembers it: an older row that is written later is not hidden.
        """
        _require_daily(bars.series)
        keys = keys_in(bars)
        if not keys:
            return WriteReceipt()
        with self._changing:
            rows = self._rows_of(keys)
            gone = [row for key, asked in keys.items() for row in rows.get(key, ()) if row.rank.version <= asked]
            named = {id(row) for row in gone}
            staying = [row.rank.uuid for found in rows.values() for row in found if id(row) not in named]
            self._table.remove(gone, staying)
        return WriteReceipt(len({row.key for row in gone}), 0)

    def kept(self, bars: BarBatch, stored: BarBatch | None = None) -> BarBatch:
        """Return `bars` (such as can be stored) as they will read: whole lots, amounts of ten CNY, no pre_close."""
        _require_daily(bars.series)
        return host_rows.kept(bars)

    def first_held(self, codes: Sequence[str], series: Series) -> Mapping[str, date]:
        """Return the earliest session with a row, per code that has any; one question a code."""
        _require_daily(series)
        return self._table.earliest(codes)

    def _settle(self, wanted: Mapping[Key, Wanted]) -> WriteReceipt:
        """Make each key hold one row: the wanted one, or a greater one that is there."""
        rows = self._rows_of(wanted)
        lacking = (_lacking(want, rows.get(key, ())) for key, want in wanted.items())
        added = [row for row in lacking if row is not None]
        if added:
            self._table.add(added)
            rows = self._rows_of(wanted)
            unseen = [new.key for new, _ in added if not _is_there(new, rows.get(new.key, ()))]
            if unseen:
                code, day = min(unseen)
                raise StoreUnavailable(
                    f"the host acknowledged {len(added)} bars and {len(unseen)} of them do not read back, "
                    f"first {code} {day}"
                )
        losers: list[Stored] = []
        staying: list[Stored] = []
        for key, found in rows.items():
            greatest = _greatest(found)
            for row in found:
                lost = key in wanted and row.rank != greatest.rank
                (losers if lost else staying).append(row)
        self._table.remove(losers, {row.rank.uuid for row in staying})
        return WriteReceipt(len(added), 1 if added else 0)

    def _rows_of(self, keys: Iterable[Key]) -> Rows:
        """Return the rows that span `keys`: of their codes, from the first of their days to the last."""
        listed = list(keys)
        if not listed:
            return {}
        days = [day for _, day in listed]
        return self._rows(sorted({code for code, _ in listed}), min(days), max(days))

    def _rows(self, codes: Sequence[str] | None, first: date, last: date) -> Rows:
        found: dict[Key, list[Stored]] = {}
        for row in self._table.rows(codes, first, last):
            found.setdefault(row.key, []).append(row)
        return found


def _require_daily(series: Series) -> None:
    if series != DAILY:
        raise NotAvailable(
            f"bars of {series} through a host's BarCRUD: only {DAILY} can be kept there exactly; "
            "clickhouse.layout: ginkgo keeps minute bars in the same table, native adjusted ones too"
        )


def _greatest(rows: Sequence[Stored]) -> Stored:
    return max(rows, key=lambda row: row.rank)


def _lacking(want: Wanted, rows: Sequence[Stored]) -> tuple[Wanted, int] | None:
    """Return the row to add for `want`, with its counter; None where what is there is right.

    A row that is stored twice under one id cannot be told from its double: a copy with a greater id takes its place.
    """
    if not rows:
        return want, 0
    greatest = _greatest(rows)
    rank = greatest.rank
    if want.version > rank.version:
        return want, 0
    if want.version == rank.version and want.units != greatest.units:
        return want, min(rank.counter + 1, LARGEST_COUNTER)
    if sum(row.rank == rank for row in rows) > 1:
        return Wanted(want.key, greatest.units, greatest.source, rank.version), min(rank.counter + 1, LARGEST_COUNTER)
    return None


def _is_there(row: Wanted, rows: Sequence[Stored]) -> bool:
    """Whether the row, or a greater one of another writer, is stored."""
    return any(
        found.rank.version > row.version or (found.rank.version == row.version and found.units == row.units)
        for found in rows
    )


def _sessions(keys: Iterable[Key]) -> Held:
    days: dict[str, list[date]] = {}
    for code, day in keys:
        days.setdefault(code, []).append(day)
    return {code: np.array(sorted(found), "datetime64[D]") for code, found in days.items()}
