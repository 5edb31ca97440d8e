# Upstream: entrypoints.container
# Downstream: adapters.clickhouse, domain.model.{bars, coverage, errors, ticks}, ports.bar_repository, numpy, pyarrow
# Role: Ticks in Ginkgo's own tables: a day's list is inserted, read back, and the lists that lost are deleted
"""Stored ticks in the ginkgo layout: what GTM's own readers see at once.

Each code has a table, made when it first has ticks. It keeps every row, so that a day is replaced by inserting its new
list under ids made of the fetch time and of the places in it, reading back, and deleting by name every other list of
the day. Readers may see two lists of a day for a moment, but never none. Marks lie in our own table `held_ticks`, where
the native layout has them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_held import cells_of
from ginkgo_data.adapters.clickhouse.ginkgo_tick_rows import ROW_SCHEMA, list_rows, rows_of, ticks_of
from ginkgo_data.adapters.clickhouse.ginkgo_tick_settling import Mark, Standing, read_marks
from ginkgo_data.adapters.clickhouse.ginkgo_tick_tables import GinkgoTickTables
from ginkgo_data.adapters.clickhouse.sql import of_codes, of_sessions
from ginkgo_data.adapters.clickhouse.tick_repository import ClickHouseTickRepository
from ginkgo_data.adapters.clickhouse.tick_rows import ROWS_PER_INSERT, marks
from ginkgo_data.adapters.clickhouse.uuid7 import LARGEST_COUNTER, new_list_id, place_ids, read_list_id
from ginkgo_data.domain.model.bars import Sessions, distinct
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import SchemaMismatch, StoreUnavailable
from ginkgo_data.domain.model.ticks import TickBatch, TickDay
from ginkgo_data.ports.bar_repository import WriteReceipt

TURNS = 6
"""Rounds of compare and insert after which a day that will not settle is the store's fault. Two do."""

LONGEST_LIST = 1_000_000
"""Ticks that the engine takes as one block: of a block nothing or all is stored."""

Part = list[tuple[TickDay, pa.Table]]
"""Lists of one code with their rows, which have no ids."""


class GinkgoTickRepository:
    """Lists in Ginkgo's tables, marks in `held_ticks`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client
        self._tables = GinkgoTickTables(client)
        self._native = ClickHouseTickRepository(client)

    def replace(self, days: Sequence[TickDay]) -> WriteReceipt:
        """Store each list in the place of what is there of its session; the `whole` ones are held then.

        All rows are checked before any is sent: `SchemaMismatch` names a value that Ginkgo's tables cannot hold, or
        the column of a table that does not fit. `StoreUnavailable` also when a list does not read back in full.
        """
        if len({day.key for day in days}) < len(days):
            raise SchemaMismatch("ticks: a session of a code is there twice; nothing was stored")
        zone = self._tables.zone()
        parts = list(_parts(days, rows_of(days, zone)))
        for code in sorted({day.code for day in days if len(day)}):
            self._tables.ensure(code)
        if broken := [day for day in days if not day.whole]:
            # First: a mark must never stand beside a list that lost something.
            self._client.insert("held_ticks", marks(broken, taken_back=True))
        if emptied := [day for day in days if day.whole and not len(day)]:
            # First: it is what tells everyone that the lists of these days have lost.
            self._client.insert("held_ticks", marks(emptied))
        receipt = WriteReceipt()
        for part in parts:
            receipt += self._replace(part, zone)
        if whole := [day for day in days if day.whole and len(day)]:
            self._client.insert("held_ticks", marks(whole))
        return receipt

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> TickBatch:
        """Return the ticks of the lists that count, by code, session and place.

        Times are whole seconds, volumes whole lots; the ticks of another program have version 0.
        """
        zone = self._tables.zone()
        there = self._tables.existing(codes)
        ticks = ticks_of(self._tables.rows(there, first, last, zone), zone)
        # After the rows: whoever empties a day marks it before it deletes.
        newest = read_marks(self._client, there, first, last)
        emptied = [(key, mark.version) for key, mark in newest.items() if mark.rows == 0]
        if not emptied or not len(ticks):
            return ticks
        days = ticks.table["session"].cast(pa.int32()).to_numpy().astype(np.int64)
        cells = cells_of(ticks.table["code"], days, there)
        hidden = np.zeros(len(ticks), np.bool_)
        for (code, day), version in emptied:
            cell = (there.index(code) << 32) | (day - date(1970, 1, 1)).days
            begin, end = np.searchsorted(cells, [cell, cell + 1])
            hidden[begin:end] = ticks.table["version"].slice(begin, end - begin).to_numpy() < version
        return TickBatch(ticks.table.filter(pa.array(~hidden)))

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions marked as held whose table has as many rows as the mark speaks of, per code.

        So rows of two lists, or rows that another program has added or removed, leave a session to be done again.
        """
        fresh = "" if since is None else f" AND version >= {since}"
        found = pa.concat_tables(
            [
                self._client.query(
                    "SELECT toString(code) AS code, toInt64(toInt32(session)) AS day, toInt64(rows) AS rows "
                    f"FROM held_ticks FINAL WHERE {some} AND {of_sessions(first, last)}{fresh}"
                )
                for some in of_codes(codes)
            ]
            or [_NO_MARKS]
        )
        names = sorted(distinct(found["code"]))
        counts = self._tables.counts(self._tables.existing(names), first, last, self._tables.zone())
        days = counts["day"].cast(pa.int32()).to_numpy().astype(np.int64)
        cells, rows = cells_of(counts["code"], days, names), counts["rows"].to_numpy()
        order = np.argsort(cells)
        marked = cells_of(found["code"], found["day"].to_numpy(), names)
        place = np.minimum(np.searchsorted(cells[order], marked), max(len(cells) - 1, 0))
        stored = np.zeros(len(marked), np.int64)
        if len(cells):
            stored = np.where(cells[order][place] == marked, rows[order][place], 0)
        marked = np.sort(marked[stored == found["rows"].to_numpy()])
        held: dict[str, Sessions] = {}
        for position in np.unique(marked >> 32).tolist():
            held[names[position]] = (marked[marked >> 32 == position] & 0xFFFFFFFF).astype("datetime64[D]")
        return held

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session marked as held, per code that has any."""
        return self._native.first_held(codes)

    def _replace(self, part: Part, zone: str) -> WriteReceipt:
        """Replace lists of one code, by one insert if nobody interferes."""
        code = part[0][0].code
        first, last = min(day.session for day, _ in part), max(day.session for day, _ in part)
        there = [code] if any(len(day) for day, _ in part) else self._tables.existing([code])
        own = {day.session for day, _ in part}
        sent: dict[date, str] = {}
        receipt = WriteReceipt()
        for _ in range(TURNS):
            lists = self._tables.lists(there, first, last, zone).get(code, {})
            # After the lists: a newer one that comes between the two is then known to be there.
            newest = read_marks(self._client, [code], first, last)
            standing = {day: Standing(lists.get(day, {}), newest.get((code, day), Mark())) for day in own}
            rows = []
            for day, ticks in part:
                if name := self._name(day, ticks, standing[day.session], sent, zone):
                    sent[day.session] = name
                    rows.append(_named(day, ticks, name))
            if not rows:
                self._tables.delete(code, {day: standing[day].losers for day in own}, zone)
                return receipt
            table = pa.concat_tables(rows)
            self._tables.insert(code, table)
            receipt += WriteReceipt(table.num_rows, 1)
        raise StoreUnavailable(f"ticks of {code}: lists were acknowledged {TURNS} times and do not read back")

    def _name(
        self, day: TickDay, ticks: pa.Table, standing: Standing, sent: Mapping[date, str], zone: str
    ) -> str | None:
        """Return the name under which the list of `day` has to be stored, None where nothing has to be."""
        if not len(day) or standing.version > day.version:
            return None
        best = standing.best or ""
        version, counter = read_list_id(best)
        if name := sent.get(day.session):
            found = standing.lists.get(name, 0)
            if found != len(day) and best <= name:
                raise StoreUnavailable(
                    f"{len(day)} ticks of {day.code} {day.session} were acknowledged by the store, {found} read back"
                )
            return None
        if best and version == day.version:
            if self._is_stored(day, ticks, zone):
                return None
            return new_list_id(day.version, min(counter + 1, LARGEST_COUNTER))
        return new_list_id(day.version, 0)

    def _is_stored(self, day: TickDay, ticks: pa.Table, zone: str) -> bool:
        """Return whether the list that counts of the day is this one."""
        stored, _, places = list_rows(self._tables.rows([day.code], day.session, day.session, zone), zone)
        order = np.argsort(day.ticks.table["seq"].to_numpy())
        names = [name for name in ROW_SCHEMA.names if name not in ("uuid", "source")]
        same_places = np.array_equal(places, day.ticks.table["seq"].to_numpy()[order])
        return same_places and bool(stored.select(names).equals(ticks.take(pa.array(order)).select(names)))


_NO_MARKS = pa.table(
    {"code": pa.array([], pa.string()), "day": pa.array([], pa.int64()), "rows": pa.array([], pa.int64())}
)


def _named(day: TickDay, ticks: pa.Table, name: str) -> pa.Table:
    ids = place_ids(name, day.ticks.table["seq"].to_numpy())
    return ticks.append_column("uuid", ids).select(ROW_SCHEMA.names).cast(ROW_SCHEMA)


def _parts(days: Sequence[TickDay], rows: pa.Table) -> Iterator[Part]:
    """Yield `days`, whose ticks are `rows` in order, by code and cut to what one insert may hold.

    Raises `SchemaMismatch` for a list that is too long for one.
    """
    by_code: dict[str, list[Part]] = {}
    start = 0
    for day in days:
        if len(day) > LONGEST_LIST:
            raise SchemaMismatch(
                f"ticks of {day.code} {day.session}: {len(day)} are more than the {LONGEST_LIST} that are stored as a "
                "whole; nothing was stored"
            )
        parts = by_code.setdefault(day.code, [[]])
        if parts[-1] and sum(len(other) for other, _ in parts[-1]) + len(day) > ROWS_PER_INSERT:
            parts.append([])
        parts[-1].append((day, rows.slice(start, len(day))))
        start += len(day)
    for parts in by_code.values():
        yield from parts
