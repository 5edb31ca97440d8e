# Upstream: adapters.clickhouse.{ginkgo_sweep, ginkgo_tick_repository, ginkgo_tick_settling}
# Downstream: adapters.clickhouse, domain.model.errors, pyarrow
# Role: Statements on Ginkgo's tables of ticks, one per code: which there are, their lists, rows, inserts, deletes
"""Tables ``{code with _ for .}_Tick`` as SQL sees them. Several are read by one statement.

The rows of one day that one fetch brought are a list; their ids begin alike (`uuid7.new_list_id`). Rows of other
programs are one list that is named by the empty text.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_schema import TICK_COLUMNS, check_tables, ensure_tick_table
from ginkgo_data.adapters.clickhouse.ginkgo_table import LONGEST, day_in, of_window, server_zone
from ginkgo_data.adapters.clickhouse.ginkgo_tick_rows import ROW_COLUMNS, ROW_SCHEMA, table_columns
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.adapters.clickhouse.uuid7 import OURS
from ginkgo_data.domain.model.errors import SchemaMismatch

log = logging.getLogger(__name__)

Lists = dict[date, dict[str, int]]
"""Of each day the lists that are stored, and their rows."""

TABLES_PER_QUERY = 100
_CODE = re.compile(r"[0-9A-Za-z]+\.[A-Z]+")
_TABLE = "^[0-9A-Za-z]+_[A-Z]+_Tick$"
_LIST = f"if({OURS}, substring(uuid, 1, 24), '')"
_LISTS = pa.schema([("code", pa.string()), ("day", pa.date32()), ("list", pa.string()), ("rows", pa.int64())])


class GinkgoTickTables:
    """Ginkgo's ticks in one database. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client
        self._checked: set[str] = set()
        self._lock = threading.Lock()

    def zone(self) -> str:
        """Return the zone in which the server shows a DateTime without one."""
        return server_zone(self._client)

    def ensure(self, code: str) -> None:
        """Create the table of `code` where it is missing, and check it once.

        Raises `SchemaMismatch` naming the column that does not fit, or the code if it names no table.
        """
        if not _CODE.fullmatch(code):
            raise SchemaMismatch(f"ticks: column 'code' is {code!r}, which names no table; allowed: such as 000001.SZ")
        if code not in self._known():
            ensure_tick_table(self._client, _table(code))
            self._note([code])

    def existing(self, codes: Sequence[str] | None) -> list[str]:
        """Return those of `codes` (of all if None) that have a table, ascending; each is checked once.

        Raises `SchemaMismatch` naming the first column of one that does not fit.
        """
        found = self._named("system.tables", "name", "1", codes)
        fresh = sorted(set(found) - self._known())
        for start in range(0, len(fresh), TABLES_PER_QUERY):
            part = fresh[start : start + TABLES_PER_QUERY]
            check_tables(self._client, [_table(code) for code in part], TICK_COLUMNS)
            self._note(part)
        return found

    def fitting(self, codes: Sequence[str]) -> list[str]:
        """Return as `existing`, less those whose tables do not fit, which are told in the log."""
        try:
            return self.existing(codes)
        except SchemaMismatch as error:
            if len(codes) == 1:
                log.warning("%s; it is left as it is", error)
                return []
        return [code for one in codes for code in self.fitting([one])]

    def changed(self, seconds: float) -> list[str]:
        """Return the codes whose tables got or lost rows in the last `seconds`, ascending."""
        recent = f"active AND modification_time >= now() - {int(seconds) + 1}"
        return self._named("system.parts", "table", recent, None)

    def lists(self, codes: Sequence[str], first: date, last: date, zone: str) -> dict[str, Lists]:
        """Return the lists of days in [first, last], of codes that have a table."""
        window = of_window(first, last, zone)
        found = self._read(
            codes,
            lambda code, table: (
                f"SELECT {quoted(code)} AS code, {day_in(zone)} AS day, {_LIST} AS list, "
                f"toInt64(count()) AS rows FROM {table} WHERE {window} GROUP BY day, list"
            ),
            _LISTS,
        )
        lists: dict[str, Lists] = {}
        for code, day, name, rows in zip(*(column.to_pylist() for column in found.columns), strict=True):
            lists.setdefault(code, {}).setdefault(day, {})[name] = rows
        return lists

    def counts(self, codes: Sequence[str], first: date, last: date, zone: str) -> pa.Table:
        """Return (code, day, rows) of days in [first, last] that have any row, of codes that have a table."""
        window = of_window(first, last, zone)
        return self._read(
            codes,
            lambda code, table: (
                f"SELECT {quoted(code)} AS code, {day_in(zone)} AS day, toInt64(count()) AS rows "
                f"FROM {table} WHERE {window} GROUP BY day"
            ),
            pa.schema([field for field in _LISTS if field.name != "list"]),
        )

    def rows(self, codes: Sequence[str], first: date, last: date, zone: str) -> pa.Table:
        """Return the rows (`ROW_SCHEMA`) of days in [first, last], all lists, of codes that have a table."""
        window = of_window(first, last, zone)
        return self._read(
            codes,
            lambda code, table: f"SELECT {quoted(code)} AS code, {ROW_COLUMNS} FROM {table} WHERE {window}",
            ROW_SCHEMA,
        )

    def insert(self, code: str, rows: pa.Table) -> None:
        """Store rows (`ROW_SCHEMA`) of `code`, which has a table, as one block."""
        self._client.insert(_table(code), table_columns(rows))

    def delete(self, code: str, losers: Mapping[date, Iterable[str]], zone: str) -> None:
        """Delete these lists of the days of `code`: by their names, and rows that are not ours by that alone."""
        pairs = [(day, name) for day, names in losers.items() for name in names]
        day_of = day_in(zone)
        for part in _parts(pairs):
            days = [day for day, _ in part]
            texts = ",".join(f"({_number(day)},'{name}')" for day, name in part)
            self._client.command(
                f"DELETE FROM `{_table(code)}` WHERE {of_window(min(days), max(days), zone)} "
                f"AND ({day_of}, {_LIST}) IN ({texts}) SETTINGS lightweight_deletes_sync = 2"
            )

    def _named(self, system: str, column: str, condition: str, codes: Sequence[str] | None) -> list[str]:
        found = self._client.query(
            f"SELECT DISTINCT {column} AS name FROM {system} WHERE database = currentDatabase() "
            f"AND match({column}, '{_TABLE}') AND {condition}"
        )
        there = {_code(name) for name in found["name"].to_pylist()}
        return sorted(there if codes is None else there.intersection(codes))

    def _read(self, codes: Sequence[str], select: Callable[[str, str], str], schema: pa.Schema) -> pa.Table:
        """Return the rows of one SELECT per code, which is given code and table."""
        parts = [schema.empty_table()]
        for start in range(0, len(codes), TABLES_PER_QUERY):
            some = [select(code, f"`{_table(code)}`") for code in codes[start : start + TABLES_PER_QUERY]]
            found = self._client.query(" UNION ALL ".join(some))
            parts.append(pa.table([found[name].cast(schema.field(name).type) for name in schema.names], schema))
        return pa.concat_tables(parts)

    def _known(self) -> set[str]:
        with self._lock:
            return set(self._checked)

    def _note(self, codes: Iterable[str]) -> None:
        with self._lock:
            self._checked.update(codes)


def _table(code: str) -> str:
    return f"{code.replace('.', '_')}_Tick"


def _code(table: str) -> str:
    return ".".join(table.rsplit("_", 2)[:2])


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _parts(pairs: Sequence[tuple[date, str]]) -> Iterator[Sequence[tuple[date, str]]]:
    """Cut `pairs` to what one statement may name."""
    size = LONGEST // 40
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]
