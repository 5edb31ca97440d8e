# Upstream: adapters.clickhouse
# Downstream: adapters.clickhouse.{ginkgo_rows, uuid7}, domain.model.bars, numpy, pyarrow
# Role: What one write into Ginkgo's table has to do, given what is stored: rows to insert, to mark, to delete
"""The decisions of the write protocol, without any SQL.

Several rows may have one key (code and time, of bars the frequency too); the one with the greatest id is the truth,
ours before any other's. A row is deleted only while a greater one of its key is stored, or when it was withdrawn, so
that workers that know nothing of each other can never delete a key between them, and the last one to insert sees all
rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.ginkgo_rows import ROW_SCHEMA, UNITS
from ginkgo_data.adapters.clickhouse.uuid7 import LARGEST_COUNTER, Flags, Longs, are_ours, new_ids, read_ids
from ginkgo_data.domain.model.bars import code_positions

_BITS = 32
"""A key is one integer: the code's position above these bits, the second (or day) in them."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a row of a table is: columns (code, second, the units, uuid, source), and when two rows are equal."""

    schema: pa.Schema
    units: tuple[str, ...]
    """Integer columns; rows are equal when these are."""
    slack: str | None = None
    """The unit that another program may have cut where we round: of its rows it may differ by one."""


BARS = Form(ROW_SCHEMA, UNITS, "amount")


@dataclass(frozen=True, slots=True)
class Todo:
    """What is left to do: rows to insert (they have ids), which wanted rows to mark, rows to delete."""

    insert: pa.Table
    unchanged: Flags
    """Which of the wanted rows (in their order) are stored as they are, from an older fetch."""
    losers: pa.Table

    @property
    def settled(self) -> bool:
        """Whether nothing has to be stored; there may be losers."""
        return not self.insert.num_rows and not self.unchanged.any()


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows in order of their keys, and which of them count."""

    keys: Longs
    """Distinct keys, ascending."""
    winner: Longs
    """For each key the position of its truth."""
    losers: Longs
    """Positions of all other rows."""
    twins: Longs
    """Places (in `keys`) where the truth is stored twice under one id, so that it cannot be told apart."""


def rank(keys: Longs, ids: pa.ChunkedArray) -> Ranked:
    """Find the truth of each key."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    last = np.append(ordered[1:] != ordered[:-1], True) if len(keys) else np.zeros(0, np.bool_)
    distinct = ordered[last]
    if last.all():
        none = np.zeros(0, np.int64)
        return Ranked(distinct, order, none, none)
    table = pa.table({"key": keys, "ours": pa.array(are_ours(ids)), "id": ids})
    by = [("key", "ascending"), ("ours", "ascending"), ("id", "ascending")]
    order = pc.sort_indices(table, sort_keys=by).to_numpy().astype(np.int64)
    places = np.flatnonzero(last)
    texts = ids.take(pa.array(order))
    same = pc.equal(texts.slice(1), texts.slice(0, len(order) - 1)).to_numpy(zero_copy_only=False)
    repeated = np.insert(same & ~last[:-1], 0, False)
    return Ranked(distinct, order[places], order[~last], np.flatnonzero(repeated[places]))


def copies(rows: pa.Table, positions: Longs) -> pa.Table:
    """Return `rows` at `positions` with ids that are greater than their own: what frees a row of its twin."""
    chosen = rows.take(pa.array(positions))
    versions, counters = read_ids(chosen["uuid"])
    return _with_ids(chosen, versions, np.minimum(counters + 1, LARGEST_COUNTER), rows.schema)


def latest(rows: pa.Table, codes: list[str]) -> tuple[pa.Table, Longs]:
    """Return one row per key (of the greatest version the last), by code and second, and where each was."""
    keys = _keys(rows["code"], rows["second"], codes)
    order = np.lexsort((rows["version"].to_numpy(), keys))
    last = np.append(keys[order][1:] != keys[order][:-1], True)
    origin: Longs = order[last]
    return rows.take(pa.array(origin)), origin


class Merge:
    """One write of rows of one table. `wanted` has at most one row per key, in order of code and second."""

    def __init__(self, wanted: pa.Table, codes: list[str], form: Form = BARS) -> None:
        self._codes = codes
        self._form = form
        self._wanted = wanted
        self._keys = _keys(wanted["code"], wanted["second"], codes)
        self._cells = _keys(wanted["code"], wanted["day"], codes)
        self._values = self._numbers(wanted)
        self._versions = wanted["version"].to_numpy()
        self._sent = np.zeros(len(self._keys), np.bool_)

    def todo(self, held: pa.Table, marks: pa.Table, withdrawn: pa.Table) -> Todo:
        """Return what is left to do.

        `held` are the stored rows (others than those wanted are ignored), `marks` (code, day, version) the sessions
        found unchanged and when, `withdrawn` (code, second, version) the keys that were withdrawn and when. A key that
        was sent before and is stored with the same fetch time is left alone: of two equal ones that race either wins.
        """
        keys = _keys(held["code"], held["second"], self._codes)
        wanted = self._keys[np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)] == keys
        held, keys = held.filter(pa.array(wanted)), keys[wanted]
        versions, counters = read_ids(held["uuid"])
        away = _looked_up(keys, _keys(withdrawn["code"], withdrawn["second"], self._codes), withdrawn["version"])
        hidden = np.flatnonzero(are_ours(held["uuid"]) & (versions < away))
        shown = np.flatnonzero(~np.isin(np.arange(len(keys)), hidden))
        found = rank(keys[shown], held["uuid"].take(pa.array(shown)))
        winner, losers = shown[found.winner], np.append(shown[found.losers], hidden)

        place = np.minimum(np.searchsorted(found.keys, self._keys), max(len(found.keys) - 1, 0))
        stored = found.keys[place] == self._keys if len(found.keys) else np.zeros(len(self._keys), np.bool_)
        row = winner[place] if len(winner) else place
        own = _at(versions, row, stored)
        same = stored & self._equal(held, row, stored, own)
        known = np.where(stored, np.maximum(own, self._seen(marks)), -1)
        known = np.maximum(known, self._gone(withdrawn))
        current = self._versions >= known
        insert = np.flatnonzero(~same & current & ~(self._sent & stored & (own >= self._versions)))
        next_one = np.where(stored & (own == self._versions), _at(counters, row, stored) + 1, 0)[insert]
        rows = self._wanted.take(pa.array(insert)).select(["code", "second", *self._form.units, "source"])
        counters = np.minimum(next_one, LARGEST_COUNTER)
        fresh = _with_ids(rows, self._versions[insert], counters, self._form.schema)
        self._sent[insert] = True
        twins = copies(held, winner[found.twins])
        return Todo(
            pa.concat_tables([fresh, twins]),
            same & (self._versions > known),
            held.take(pa.array(losers)).select(["code", "second", "uuid"]),
        )

    def _equal(self, held: pa.Table, row: Longs, stored: Flags, own: Longs) -> Flags:
        """Return which wanted rows are stored as they are, in units of the table."""
        equal = np.zeros(len(row), np.bool_)
        there = self._numbers(held.take(pa.array(row[stored]))) - self._values[stored]
        if self._form.slack is not None:
            off = there[:, self._form.units.index(self._form.slack)]
            off[(own[stored] == 0) & (np.abs(off) <= 1)] = 0
        equal[stored] = ~there.any(axis=1)
        return equal

    def _numbers(self, rows: pa.Table) -> Longs:
        return np.stack([rows[name].to_numpy() for name in self._form.units], axis=1)

    def _seen(self, marks: pa.Table) -> Longs:
        return _looked_up(self._cells, _keys(marks["code"], marks["day"], self._codes), marks["version"])

    def _gone(self, withdrawn: pa.Table) -> Longs:
        keys = _keys(withdrawn["code"], withdrawn["second"], self._codes)
        return _looked_up(self._keys, keys, withdrawn["version"])


def _with_ids(rows: pa.Table, versions: Longs, counters: Longs, schema: pa.Schema) -> pa.Table:
    place = rows.schema.get_field_index("uuid")
    kept = rows if place < 0 else rows.remove_column(place)
    return kept.append_column("uuid", new_ids(versions, counters)).select(schema.names).cast(schema)


def _keys(codes: pa.ChunkedArray, numbers: pa.ChunkedArray, known: list[str]) -> Longs:
    keys: Longs = (code_positions(codes, known) << _BITS) | numbers.to_numpy()
    return keys


def _at(values: Longs, row: Longs, stored: Flags) -> Longs:
    found = np.full(len(row), -1, np.int64)
    found[stored] = values[row[stored]]
    return found


def _looked_up(asked: Longs, keys: Longs, versions: pa.ChunkedArray) -> Longs:
    """Return the version of each key asked for, -1 where there is none; `keys` are distinct."""
    if not len(keys):
        return np.full(len(asked), -1, np.int64)
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], asked), len(keys) - 1)
    there = order[place]
    return np.where(keys[there] == asked, versions.to_numpy().astype(np.int64)[there], -1)
