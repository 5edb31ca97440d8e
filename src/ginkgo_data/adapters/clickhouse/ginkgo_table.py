# Upstream: adapters.clickhouse
# Downstream: adapters.clickhouse.{client, ginkgo_rows, sql, uuid7}, domain.model.bars, numpy, pyarrow
# Role: Statements on Ginkgo's tables of keyed rows: rows of keys, inserts, deletes that name key and id
"""Ginkgo's tables as SQL sees them. Times in conditions are seconds since 1970: they mean the same in every zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_rows import ROW_COLUMNS, ROW_SCHEMA, table_rows
from ginkgo_data.adapters.clickhouse.sql import of_codes, quoted
from ginkgo_data.adapters.clickhouse.uuid7 import Longs
from ginkgo_data.domain.model.bars import distinct

LONGEST = 230_000
"""Characters of one statement's list; `max_query_size` allows 256 KiB for all of it."""

LOSERS_PER_DELETE = 5000
DAY = 86_400
MOST_SPLITS = 6
"""The codes of a write are read in at most 2^6 statements, however different their times are."""

FIRST_DAY = date(1970, 1, 2)
LAST_DAY = date(2106, 2, 5)
"""Whole days that the column `timestamp` can name in every zone."""


class GinkgoTable:
    """One of Ginkgo's tables in one database. Safe for several threads."""

    def __init__(self, client: ClickHouseClient, name: str, columns: str, schema: pa.Schema) -> None:
        """Take what a SELECT asks for (`columns`) to get rows of `schema`."""
        self.name = name
        self._client = client
        self._columns = columns
        self._schema = schema

    def zone(self) -> str:
        """Return the zone in which the server shows a DateTime without one; it may change when it is restarted."""
        return server_zone(self._client)

    def query(self, sql: str) -> pa.Table:
        """Return the rows of a SELECT."""
        return self._client.query(sql)

    def _select(self, conditions: Iterable[str]) -> pa.Table:
        """Return the stored rows under any of `conditions`, duplicates included."""
        parts = [self._client.query(f"SELECT {self._columns} FROM {self.name} WHERE {some}") for some in conditions]
        return pa.concat_tables([self._schema.empty_table(), *(part.cast(self._schema) for part in parts)])

    def _delete(self, rows: pa.Table, scope: str) -> int:
        """Delete exactly the rows of `scope` with these keys and ids; return how many. There are few statements.

        Naming ids alone is less than half the work for the engine, but another program may have given one id to many
        rows: then the keys are named with them.
        """
        ordered = rows.sort_by([("code", "ascending"), ("second", "ascending")])
        codes, ids = (_literals(ordered[name]).to_pylist() for name in ("code", "uuid"))
        seconds = ordered["second"].to_pylist()
        texts = [f"({code},{second},{text})" for code, second, text in zip(codes, seconds, ids, strict=True)]
        for place in _chunks(texts, LOSERS_PER_DELETE):
            some = f"{scope} AND code IN ({','.join(dict.fromkeys(codes[place]))})"
            condition = f"{some} AND uuid IN ({','.join(ids[place])})"
            found = self._client.query(f"SELECT count() AS n FROM {self.name} WHERE {condition}")
            if found["n"][0].as_py() != len(ids[place]):
                condition = f"{scope} AND (code, timestamp, uuid) IN ({','.join(texts[place])})"
            self._client.command(f"DELETE FROM {self.name} WHERE {condition} SETTINGS lightweight_deletes_sync = 2")
        return len(texts)


class GinkgoBarTable(GinkgoTable):
    """Ginkgo's bars."""

    def __init__(self, client: ClickHouseClient) -> None:
        super().__init__(client, "bar", ROW_COLUMNS, ROW_SCHEMA)

    def rows(self, frequency: int, conditions: Iterator[str]) -> pa.Table:
        """Return the stored rows (`ROW_SCHEMA`) under any of `conditions`, duplicates included."""
        return self._select(f"frequency = {frequency} AND ({condition})" for condition in conditions)

    def insert(self, rows: pa.Table, frequency: int) -> None:
        """Store rows that have ids, as one block."""
        self._client.insert("bar", table_rows(rows, frequency))

    def delete(self, rows: pa.Table, frequency: int) -> int:
        """Delete exactly the rows with these keys and ids; return how many."""
        return self._delete(rows, f"frequency = {frequency}")


def server_zone(client: ClickHouseClient) -> str:
    """Return the zone in which the server shows a DateTime without one."""
    name: str = client.query("SELECT timezone() AS zone")["zone"][0].as_py()
    return name


def spans_of(rows: pa.Table) -> Iterator[str]:
    """Yield conditions that together cover the codes and seconds of `rows`, and not much else.

    Codes are put together whose times are alike: one with a single session among some with decades does not cost
    decades. There are few conditions, since each is a statement.
    """
    if not rows.num_rows:
        return
    ends = rows.group_by("code", use_threads=False).aggregate([("second", "min"), ("second", "max")])
    codes = ends["code"].to_pylist()
    spans = np.stack([ends[name].to_numpy() for name in ("second_min", "second_max")], axis=1)
    for group in _alike(spans, np.arange(len(codes)), MOST_SPLITS):
        first, last = spans[group, 0].min(), spans[group, 1].max()
        for some in of_codes([codes[place] for place in group.tolist()]):
            yield f"{some} AND timestamp >= toDateTime({first}) AND timestamp <= toDateTime({last})"


def _alike(spans: Longs, group: Longs, splits: int) -> Iterator[Longs]:
    """Cut `group` (rows of `spans`) until no part spans more than twice what its codes do, in at most 2^`splits`."""
    first, last = spans[group].T
    together = (int(last.max() - first.min()) + DAY) * len(group)
    apart = int((last - first + DAY).sum())
    if not splits or together <= 2 * apart:
        yield group
        return
    side = int(np.ptp(last) > np.ptp(first))
    order = group[np.argsort(spans[group, side], kind="stable")]
    yield from _alike(spans, order[: len(order) // 2], splits - 1)
    yield from _alike(spans, order[len(order) // 2 :], splits - 1)


def of_window(first: date, last: date, zone: str) -> str:
    """Return the condition that the wall clock of a row, in the server's `zone`, lies on a day in [first, last]."""
    if first > last or first > LAST_DAY or last < FIRST_DAY:
        return "0"
    conditions = []
    if first >= FIRST_DAY:
        conditions.append(f"timestamp >= toDateTime({_midnight(first, zone)})")
    if last < LAST_DAY:
        conditions.append(f"timestamp < toDateTime({_midnight(last + timedelta(days=1), zone)})")
    return " AND ".join(conditions) or "1"


def day_in(zone: str) -> str:
    """Return the SQL for the day (since 1970) of a row's wall clock."""
    return f"toInt32(toDate(timestamp, {quoted(zone)}))"


def at_midnight(zone: str) -> str:
    """Return the condition that a row's wall clock is midnight: that it is of a whole session."""
    return f"timestamp = toDateTime(toDate(timestamp, {quoted(zone)}), {quoted(zone)})"


def codes_in(rows: pa.Table) -> list[str]:
    """Return the codes of `rows`, ascending."""
    return sorted(distinct(rows["code"]))


def _midnight(day: date, zone: str) -> int:
    return int(datetime.combine(day, time(), ZoneInfo(zone)).timestamp())


def _literals(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), "'", "\\'")
    return pc.binary_join_element_wise("'", escaped, "'", "")


def _chunks(texts: Sequence[str], most: int) -> Iterator[slice]:
    """Cut `texts` into runs of at most `most` and `LONGEST` bytes; a longer one stands alone."""
    ends = np.cumsum([len(text.encode()) + 1 for text in texts])
    start = 0
    while start < len(texts):
        before = int(ends[start - 1]) if start else 0
        end = min(int(np.searchsorted(ends, before + LONGEST, "right")), start + most)
        yield slice(start, max(end, start + 1))
        start = max(end, start + 1)
