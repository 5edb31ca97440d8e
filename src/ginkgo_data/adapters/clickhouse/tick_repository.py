# Upstream: adapters.clickhouse.ginkgo_tick_repository, entrypoints.container
# Downstream: adapters.clickhouse, domain.model.{coverage, errors, ticks}, ports.bar_repository, numpy, pyarrow
# Role: Ticks in the native layout: a day's list is replaced in one insert, read back and healed
"""Stored ticks in ClickHouse.

A new list and the tombstones for what the old one had beyond it are one insert into one partition, so that a reader
sees the old list or the new one. Versions decide between two workers: whoever is late finds, reading back, rows of
its own beside a newer list, and hides them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.held import first_sessions, held_sessions
from ginkgo_data.adapters.clickhouse.sql import FINAL_SETTINGS, SORTED_SETTINGS, of_codes, of_sessions, quoted
from ginkgo_data.adapters.clickhouse.tick_rows import TICK_COLUMNS, marks, parts_of, tick_rows, tombstones
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import SchemaMismatch, StoreUnavailable
from ginkgo_data.domain.model.ticks import TickBatch, TickDay
from ginkgo_data.ports.bar_repository import WriteReceipt

_Key = tuple[str, date]


class ClickHouseTickRepository:
    """Lists in table `ticks`, marks in `held_ticks`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def replace(self, days: Sequence[TickDay]) -> WriteReceipt:
        """Store each list in the place of what is there of its session; the `whole` ones are held then.

        Raises `StoreUnavailable` also when a list does not read back in full.
        """
        if len({day.key for day in days}) < len(days):
            raise SchemaMismatch("ticks: a session of a code is there twice; nothing was stored")
        parts = [(part, tick_rows(part)) for part in parts_of(days)]
        if broken := [day for day in days if not day.whole]:
            # First: a mark must never stand beside a list that lost something.
            self._client.insert("held_ticks", marks(broken, taken_back=True))
        receipt = WriteReceipt()
        for part, rows in parts:
            receipt += self._replace(part, rows)
        if whole := [day for day in days if day.whole]:
            self._client.insert("held_ticks", marks(whole))
        return receipt

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> TickBatch:
        """Return the ticks of the lists that count, by code, session and place."""
        parts = []
        for some in of_codes(codes):
            where = f"{some} AND {of_sessions(first, last)}"
            # Of a list that somebody has not finished hiding, the rows beyond the newer one have an older version.
            newest = f"SELECT code, session, max(version) FROM ticks WHERE {where} GROUP BY code, session"
            parts.append(
                self._client.query(
                    f"SELECT {TICK_COLUMNS} FROM ticks FINAL WHERE {where} AND (code, session, version) IN ({newest}) "
                    f"ORDER BY ticks.code, ticks.session, seq {SORTED_SETTINGS}"
                )
            )
        return TickBatch.of(pa.concat_tables(parts)) if parts else TickBatch.empty()

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions marked as held, per code."""
        return held_sessions(self._client, "held_ticks", codes, first, last, since)

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session marked as held, per code that has any."""
        return first_sessions(self._client, "held_ticks", codes)

    def _replace(self, days: Sequence[TickDay], rows: pa.Table) -> WriteReceipt:
        """Replace the lists of one partition."""
        where = _of_days([day.key for day in days])
        ends = self._by_key(f"SELECT {_KEY}, max(seq) AS found FROM ticks FINAL WHERE {where} {_GROUPED}")
        gone = [
            tombstones(day.code, day.session, places, day.version)
            for day in days
            if day.key in ends and len(places := _places_beside(day, ends[day.key]))
        ]
        sent = pa.concat_tables([rows, *gone])
        if sent.num_rows:
            self._client.insert("ticks", sent)
        self._read_back(days, where)
        return WriteReceipt(rows.num_rows, 1 if sent.num_rows else 0)

    def _read_back(self, days: Sequence[TickDay], where: str) -> None:
        """Compare what is there with what was sent; hide rows of older lists that stand beside a newer one."""
        live = self._client.query(
            f"SELECT {_KEY}, version, count() AS rows FROM ticks FINAL WHERE {where} "
            f"GROUP BY code, session, version {FINAL_SETTINGS}"
        )
        # After the rows: a newer list that comes between the two is then known to be there.
        newest = self._by_key(f"SELECT {_KEY}, max(version) AS found FROM ticks WHERE {where} {_GROUPED}")
        columns = (live[column].to_pylist() for column in ("name", "day", "version", "rows"))
        rows = {((name, day), version): count for name, day, version, count in zip(*columns, strict=True)}
        for day in days:
            found = rows.get((day.key, day.version), 0)
            if newest.get(day.key, 0) <= day.version and found != len(day):
                raise StoreUnavailable(
                    f"{len(day)} ticks of {day.code} {day.session} were acknowledged by the store, {found} read back"
                )
        if stale := {key for key, version in rows if version < newest[key]}:
            self._hide(stale, newest)

    def _hide(self, keys: set[_Key], newest: Mapping[_Key, int]) -> None:
        found = self._client.query(
            f"SELECT {_KEY}, seq, version FROM ticks FINAL WHERE {_of_days(sorted(keys))} {FINAL_SETTINGS}"
        )
        places: dict[_Key, list[int]] = {}
        columns = (found[column].to_pylist() for column in ("name", "day", "seq", "version"))
        for name, day, seq, version in zip(*columns, strict=True):
            if version < newest[(name, day)]:
                places.setdefault((name, day), []).append(seq)
        if places:
            hidden = [tombstones(*key, seqs, newest[key]) for key, seqs in places.items()]
            self._client.insert("ticks", pa.concat_tables(hidden))

    def _by_key(self, sql: str) -> dict[_Key, int]:
        found = self._client.query(f"{sql} {FINAL_SETTINGS}")
        keys = zip(found["name"].to_pylist(), found["day"].to_pylist(), strict=True)
        return dict(zip(keys, found["found"].to_pylist(), strict=True))


_KEY = "toString(code) AS name, session AS day"
_GROUPED = "GROUP BY code, session"


def _of_days(keys: Sequence[_Key]) -> str:
    """Return the condition that a row is of one of `keys` (code, session), at least one."""
    days = [day for _, day in keys]
    pairs = ", ".join(f"({quoted(code)}, toDate32('{day}'))" for code, day in keys)
    return f"{of_sessions(min(days), max(days))} AND (code, session) IN ({pairs})"


def _places_beside(day: TickDay, last: int) -> np.ndarray:
    """Return the places up to `last` that the list of `day` does not have."""
    return np.setdiff1d(np.arange(last + 1), day.ticks.table["seq"].to_numpy())
