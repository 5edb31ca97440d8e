# Upstream: adapters.gtm.bar_repository
# Downstream: adapters.gtm.{host, host_rows}, domain.model.{errors, steps}
# Role: Daily bars of a host's BarCRUD: found, added and removed, without believing what it cannot know
"""The three calls that a BarCRUD is asked, and what makes them safe.

Ginkgo's `find` answers every error with an empty list, so an empty answer alone means nothing: the host's `ping` is
asked whether the database is there, and the question is put again. `add_batch` acknowledges what was not stored:
whoever adds reads back. `remove` drops a filter that it does not know without a word, so filters name fields that
every bar has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, TypeVar

from ginkgo_data.adapters.gtm.host import HostBarCRUD, HostBarMaker, require_methods
from ginkgo_data.adapters.gtm.host_rows import (
    DAY_FREQUENCY,
    FIRST_DAY,
    LAST_DAY,
    Stored,
    Wanted,
    host_row,
    stored_in,
)
from ginkgo_data.domain.model.errors import GinkgoDataError, StoreUnavailable
from ginkgo_data.domain.model.steps import step

CODES_AT_ONCE = 1000
IDS_AT_ONCE = 4000
"""Values in one ``IN (…)``. ClickHouse takes a statement of 256 KiB, and each delete costs it the same whatever it
names: 4000 ids and as many codes are 200 KiB."""

Answer = TypeVar("Answer")
Filters = dict[str, Any]


class HostBarTable:
    """The host's daily bars. Raises `StoreUnavailable` for whatever the host raises, and for a database that is away.

    Raises `ConfigurationError` where `crud` lacks one of its three methods.
    """

    def __init__(self, crud: HostBarCRUD, make: HostBarMaker, ping: Callable[[], object]) -> None:
        """Take the host's BarCRUD, what makes its rows, and a `ping` that raises or is false when nothing answers."""
        require_methods("bar_crud", crud, "find", "add_batch", "remove")
        self._crud = crud
        self._make = make
        self._ping = ping

    def rows(self, codes: Sequence[str] | None, first: date, last: date) -> Iterator[Stored]:
        """Yield the rows (of all codes if None) of the days `first` … `last`, duplicates included, in no order."""
        first, last = max(first, FIRST_DAY), min(last, LAST_DAY)
        if first > last:
            return
        window = {"frequency": DAY_FREQUENCY, "timestamp__gte": _start(first), "timestamp__lte": _start(last)}
        if codes is None:
            yield from stored_in(self._find(window))
            return
        for some in _parts(list(dict.fromkeys(codes)), CODES_AT_ONCE):
            yield from stored_in(self._find({**window, "code__in": some}))

    def earliest(self, codes: Sequence[str]) -> dict[str, date]:
        """Return the first day with a row, per code that has any: one question a code."""
        found: dict[str, date] = {}
        for code in dict.fromkeys(codes):
            rows = self._find({"code": code, "frequency": DAY_FREQUENCY}, page_size=1)
            days = [row.key[1] for row in stored_in(rows)]
            if len(rows) and not days:  # the first one is no daily bar
                days = [row.key[1] for row in self.rows([code], FIRST_DAY, LAST_DAY)]
            if days:
                found[code] = min(days)
        return found

    def add(self, rows: Sequence[tuple[Wanted, int]]) -> None:
        """Hand rows, each with its counter, to the host in one call; what it says of them proves nothing."""
        items = [host_row(self._make, row, counter) for row, counter in rows]
        with step("insert", table="BarCRUD", rows=len(items)):
            self._ask("BarCRUD.add_batch", lambda: self._crud.add_batch(items))

    def remove(self, losers: Collection[Stored], staying: Collection[str]) -> None:
        """Delete exactly these rows; `staying` are the ids of all rows of these codes and days that are to stay.

        Ids are named many at a time; one that another row has too (a backup restored twice, an importer without ids)
        is named with its code and day.
        """
        ids = set(staying)
        alone = [row for row in losers if row.rank.uuid not in ids]
        for some in _parts(alone, IDS_AT_ONCE):
            self._remove(
                {
                    "code__in": sorted({row.key[0] for row in some}),
                    "frequency": DAY_FREQUENCY,
                    "timestamp__gte": _start(min(row.key[1] for row in some)),
                    "timestamp__lte": _start(max(row.key[1] for row in some)),
                    "uuid__in": sorted({row.rank.uuid for row in some}),
                }
            )
        for row in losers:
            if row.rank.uuid in ids:
                code, day = row.key
                self._remove(
                    {"code": code, "frequency": DAY_FREQUENCY, "timestamp": _start(day), "uuid": row.rank.uuid}
                )

    def _remove(self, filters: Filters) -> None:
        with step("delete", table="BarCRUD"):
            self._ask("BarCRUD.remove", lambda: self._crud.remove(filters))

    def _find(self, filters: Filters, page_size: int | None = None) -> Sequence[Any]:
        """Return the host's rows, oldest first; an empty answer is asked for again once the database is there."""

        def find() -> Sequence[Any]:
            found = self._crud.find(filters=filters, page_size=page_size, order_by="timestamp")
            return found or []

        with step("query", table="BarCRUD"):
            rows = self._ask("BarCRUD.find", find)
            if len(rows):
                return rows
            alive = self._ask("ping", self._ping)
            if alive is not None and not alive:
                raise StoreUnavailable("the host's database does not answer its ping; what its find says is not known")
            return self._ask("BarCRUD.find", find)

    @staticmethod
    def _ask(what: str, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except GinkgoDataError:
            raise
        except Exception as error:  # the host's own errors are not known here
            raise StoreUnavailable(f"the host's {what} failed: {type(error).__name__}: {error}") from error


def _start(day: date) -> datetime:
    return datetime.combine(day, time())


def _parts(items: list[Any], most: int) -> Iterator[list[Any]]:
    for begin in range(0, len(items), most):
        yield items[begin : begin + most]
