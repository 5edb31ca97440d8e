# Upstream: adapters.memory
# Downstream: domain.model.{bars, errors}, numpy, pyarrow
# Role: Rows of which the latest per key counts: what ReplacingMergeTree with FINAL does, in memory
"""Keyed rows in memory, as Arrow tables."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import code_positions, distinct
from ginkgo_data.domain.model.errors import SchemaMismatch

_AFTER_ALL = np.iinfo(np.int64).max
_DELETED = "is_deleted"


class LatestRows:
    """Rows of one schema with a `version`, one per key. Safe for several threads.

    What is added is only appended; which rows count is settled when somebody reads.
    """

    def __init__(self, what: str, schema: pa.Schema, key: Sequence[str], optional: Sequence[str] = ()) -> None:
        self._what = what
        self._schema = schema
        self._key = tuple(key)
        self._required = [name for name in schema.names if name not in optional]
        self._lock = threading.Lock()
        self._shown = schema.empty_table()
        self._settled = _flagged(self._shown, deleted=False)
        self._added: list[pa.Table] = []

    def add(self, table: pa.Table, *, deleted: bool = False) -> None:
        """Add rows, or, with `deleted`, tombstones: their keys are hidden unless a greater version is stored.

        A null in a column that is not optional is a `SchemaMismatch`, and nothing is added then.
        """
        for name in self._required:
            if nulls := table[name].null_count:
                raise SchemaMismatch(f"{self._what}: column {name!r} is null in {nulls} of {table.num_rows} rows")
        with self._lock:
            self._added.append(_flagged(table, deleted))

    def table(self) -> pa.Table:
        """Return the rows that count, ordered by key (nulls last)."""
        with self._lock:
            if self._added:
                rows = pa.concat_tables([self._settled, *self._added]).unify_dictionaries()
                self._settled, self._added = _latest(rows, self._key), []
                kept = self._settled.drop_columns([_DELETED])
                gone = self._settled[_DELETED]
                self._shown = kept.filter(pc.invert(gone)) if pc.any(gone).as_py() else kept
            return self._shown


def of_codes(table: pa.Table, codes: Sequence[str] | None) -> pa.Table:
    """Return the rows of `codes`, all if None."""
    return table if codes is None else table.filter(pa.array(code_positions(table["code"], codes) >= 0))


def in_sessions(table: pa.Table, first: object, last: object) -> pa.Table:
    """Return the rows whose session lies in [first, last]."""
    session = table["session"]
    reached = pc.greater_equal(session, pa.scalar(first, pa.date32()))
    return table.filter(pc.and_(reached, pc.less_equal(session, pa.scalar(last, pa.date32()))))


def _flagged(table: pa.Table, deleted: bool) -> pa.Table:
    return table.append_column(_DELETED, pa.array(np.full(table.num_rows, deleted)))


def _latest(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the row of the greatest version per key, of equal versions the last one."""
    ranks = [_rank(rows[name]) for name in key]
    order = np.lexsort((rows["version"].to_numpy(), *reversed(ranks)))
    counts = np.ones(len(order), np.bool_)
    counts[:-1] = np.logical_or.reduce([rank[order[1:]] != rank[order[:-1]] for rank in ranks])
    return rows.take(order[counts])


def _rank(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return integers in the order of the column's values, nulls last."""
    if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
        names = sorted(distinct(column))
        position = code_positions(column, names)
        return np.where(position < 0, len(names), position)
    if pa.types.is_unsigned_integer(column.type) or pa.types.is_floating(column.type):
        return np.unique(column.to_numpy(), return_inverse=True)[1].astype(np.int64)
    whole = column.cast(pa.int32()) if pa.types.is_date32(column.type) else column
    ranks: npt.NDArray[np.int64] = pc.fill_null(whole.cast(pa.int64()), _AFTER_ALL).to_numpy()
    return ranks
