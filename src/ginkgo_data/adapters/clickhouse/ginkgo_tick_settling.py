# Upstream: adapters.clickhouse.{ginkgo_sweep, ginkgo_tick_repository}
# Downstream: adapters.clickhouse.{client, ginkgo_tick_tables, sql, uuid7}
# Role: Which list of a day's ticks counts, and the lists that lost
"""The truth of a day is the greatest list that is stored, unless the day was emptied by a newer fetch.

Ticks have no key, so a list wins or loses as a whole. That a day has no ticks cannot be said in Ginkgo's tables: our
own marks say it, and with which version. A list is deleted only while a greater one is stored, or when its day was
emptied, so that workers that know nothing of each other can never delete a day between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_tick_tables import GinkgoTickTables
from ginkgo_data.adapters.clickhouse.sql import FIRST_DAY, LAST_DAY, of_codes, of_sessions
from ginkgo_data.adapters.clickhouse.uuid7 import read_list_id


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest statement about a day, taken back or not."""

    version: int = -1
    rows: int = -1


Marks = dict[tuple[str, date], Mark]


@dataclass(frozen=True, slots=True)
class Standing:
    """How one day stands: its lists with their rows, and the newest mark."""

    lists: Mapping[str, int]
    mark: Mark = Mark()

    @property
    def best(self) -> str | None:
        """The greatest list that is stored; the empty text are the rows of other programs."""
        return max(self.lists, default=None)

    @property
    def version(self) -> int:
        """The version of the newest fetch that is known; -1 where none is."""
        best = self.best
        return max(self.mark.version, read_list_id(best)[0] if best else -1)

    @property
    def losers(self) -> list[str]:
        """The lists to delete."""
        best = self.best
        emptied = self.mark.rows == 0 and best is not None and self.mark.version > read_list_id(best)[0]
        return sorted(name for name in self.lists if emptied or name != best)


def read_marks(client: ClickHouseClient, codes: list[str] | None, first: date, last: date) -> Marks:
    """Return the newest marks of days in [first, last], those included that were taken back."""
    marks: Marks = {}
    for some in of_codes(codes):
        found = client.query(
            "SELECT toString(code) AS name, session AS day, max(version) AS newest, argMax(rows, version) AS rows "
            f"FROM held_ticks WHERE {some} AND {of_sessions(first, last)} GROUP BY code, session"
        )
        columns = (found[column].to_pylist() for column in ("name", "day", "newest", "rows"))
        marks |= {(code, day): Mark(version, rows) for code, day, version, rows in zip(*columns, strict=True)}
    return marks


def sweep_ticks(client: ClickHouseClient, tables: GinkgoTickTables, codes: list[str]) -> int:
    """Leave of each day of `codes`, which have tables, the list that counts; return how many lists were deleted."""
    zone, deleted = tables.zone(), 0
    lists = tables.lists(codes, FIRST_DAY, LAST_DAY, zone)
    # After the lists: whoever empties a day marks it before it deletes.
    marks = read_marks(client, codes, FIRST_DAY, LAST_DAY)
    for code, days in lists.items():
        losers = {day: Standing(names, marks.get((code, day), Mark())).losers for day, names in days.items()}
        tables.delete(code, losers, zone)
        deleted += sum(map(len, losers.values()))
    return deleted
