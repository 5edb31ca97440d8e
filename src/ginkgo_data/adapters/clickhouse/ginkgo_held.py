# Upstream: adapters.clickhouse.{ginkgo_adjustment_repository, ginkgo_bar_repository, ginkgo_tick_repository}
# Downstream: adapters.clickhouse.{ginkgo_table, uuid7}, domain.model.{bars, coverage}, numpy, pyarrow
# Role: Which sessions Ginkgo's table holds: a key with two rows is not settled, and holds nothing
"""Coverage of Ginkgo's table, counted by the engine and put together per code in numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.ginkgo_table import GinkgoBarTable, GinkgoTable, at_midnight, day_in
from ginkgo_data.adapters.clickhouse.uuid7 import Longs, least_id
from ginkgo_data.domain.model.bars import code_positions, distinct
from ginkgo_data.domain.model.coverage import Held


def held_days(table: GinkgoTable, where: str, zone: str, since: int | None, marks: pa.Table) -> Held:
    """Return the daily sessions held by one row, and, with `since`, by a fresh one or one with a mark."""
    day = day_in(zone)
    found = table.query(
        "SELECT code AS name, arraySort(groupArray(day)) AS days, arraySort(groupArrayIf(day, fresh)) AS fresh FROM "
        f"(SELECT code, {day} AS day, {_fresh(since)} AS fresh FROM {table.name} WHERE {where} "
        f"AND {at_midnight(zone)}) GROUP BY code ORDER BY code"
    )
    names = found["name"].to_pylist()
    cells, rows = np.unique(_flat(found["days"]), return_counts=True)
    fresh = _flat(found["fresh"])
    if since is not None:
        fresh = np.append(fresh, cells_of(marks["code"], marks["day"].to_numpy(), names))
    return _by_code(cells[(rows == 1) & np.isin(cells, fresh)], names)


def held_sessions(table: GinkgoBarTable, where: str, zone: str, since: int | None, marks: pa.Table, full: int) -> Held:
    """Return the minute sessions held by `full` fresh rows or by a mark that the rows still bear out."""
    found = table.query(
        f"SELECT code AS name, {day_in(zone)} AS day, count() AS rows, uniqExact(timestamp) AS keys, "
        f"countIf({_fresh(since)}) AS fresh FROM bar WHERE {where} GROUP BY code, day ORDER BY code, day"
    )
    names = sorted(distinct(found["name"]))
    cells = cells_of(found["name"], found["day"].to_numpy().astype(np.int64), names)
    rows, keys, fresh = (found[name].to_numpy().astype(np.int64) for name in ("rows", "keys", "fresh"))
    marked = np.full(len(cells), np.iinfo(np.int64).max)
    own = cells_of(marks["code"], marks["day"].to_numpy(), names)
    place = np.searchsorted(cells, own)
    inside = (place < len(cells)) & (own >= 0)
    inside[inside] = cells[place[inside]] == own[inside]
    marked[place[inside]] = marks["rows"].to_numpy()[inside]
    return _by_code(cells[(rows == keys) & ((fresh >= full) | (keys >= marked))], names)


def begun_days(table: GinkgoBarTable, where: str, zone: str) -> Held:
    """Return the sessions with any row."""
    found = table.query(
        f"SELECT code AS name, arraySort(groupUniqArray({day_in(zone)})) AS days FROM bar WHERE {where} "
        "GROUP BY code ORDER BY code"
    )
    return _by_code(_flat(found["days"]), found["name"].to_pylist())


def _fresh(since: int | None) -> str:
    """Return the condition that a row was fetched at `since` or later."""
    if since is None or since <= 0:
        return "1"
    return f"(length(uuid) = 32 AND substring(uuid, 13, 1) = '7' AND uuid >= '{least_id(since)}')"


def cells_of(codes: pa.ChunkedArray, numbers: Longs, names: Sequence[str]) -> Longs:
    """Return one number per (code, day or second), negative where the code is not among `names`."""
    cells: Longs = (code_positions(codes, names) << 32) | numbers
    return cells


def _flat(lists: pa.ChunkedArray) -> Longs:
    """Return the cells of a column of lists of days, its rows being the codes."""
    column = lists.combine_chunks()
    rows = np.repeat(np.arange(len(column), dtype=np.int64), pc.list_value_length(column).to_numpy())
    cells: Longs = (rows << 32) | pc.list_flatten(column).to_numpy().astype(np.int64)
    return cells


def _by_code(cells: Longs, names: Sequence[str]) -> Held:
    """Return the days of `cells` (ascending) per code that has any."""
    starts = np.searchsorted(cells, np.arange(len(names) + 1, dtype=np.int64) << 32)
    days = (cells & 0xFFFFFFFF).astype("datetime64[D]")
    return {name: days[starts[i] : starts[i + 1]] for i, name in enumerate(names) if starts[i] < starts[i + 1]}
