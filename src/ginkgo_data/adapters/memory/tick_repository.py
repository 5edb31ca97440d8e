# Upstream: none
# Downstream: domain.model.{coverage, errors, ticks}, ports.bar_repository, numpy, pyarrow
# Role: Ticks in memory: the newest list of each session
"""Lists of ticks by (code, session)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow.compute as pc

from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.ticks import TICK_SCHEMA, TickBatch, TickDay
from ginkgo_data.ports.bar_repository import WriteReceipt


class InMemoryTickRepository:
    """The list of the greatest version of each session, and whether it is held. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days: dict[tuple[str, date], TickDay] = {}

    def replace(self, days: Sequence[TickDay]) -> WriteReceipt:
        """Store each list unless a newer one is there; a null or a fraction of a share is a `SchemaMismatch`."""
        if len({day.key for day in days}) < len(days):
            raise SchemaMismatch("ticks: a session of a code is there twice; nothing was stored")
        for day in days:
            _check(day)
        with self._lock:
            for day in days:
                held = self._days.get(day.key)
                if held is None or held.version <= day.version:
                    self._days[day.key] = day
        return WriteReceipt(sum(map(len, days)), 1 if days else 0)

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> TickBatch:
        """Return the ticks, by code, session and place."""
        days = [day for _, day in self._chosen(codes, first, last)]
        return TickBatch.concat(TickBatch(day.ticks.table.sort_by("seq")) for day in days)

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions that are held, per code."""
        found: dict[str, list[date]] = {}
        for (code, session), day in self._chosen(codes, first, last):
            if day.whole and (since is None or day.version >= since):
                found.setdefault(code, []).append(session)
        return {code: np.array(sessions, "datetime64[D]") for code, sessions in found.items()}

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session that is held, per code that has any."""
        return {code: days[0].item() for code, days in self.held(codes, date.min, date.max).items()}

    def _chosen(self, codes: Sequence[str] | None, first: date, last: date) -> list[tuple[tuple[str, date], TickDay]]:
        wanted = None if codes is None else set(codes)
        with self._lock:
            return sorted(
                (
                    (key, day)
                    for key, day in self._days.items()
                    if (wanted is None or key[0] in wanted) and first <= key[1] <= last
                ),
                key=lambda entry: entry[0],
            )


def _check(day: TickDay) -> None:
    table = day.ticks.table
    for name in TICK_SCHEMA.names:
        if table[name].null_count:
            raise SchemaMismatch(f"ticks of {day.code} {day.session}: column {name!r} has a null")
    if not pc.all(pc.equal(pc.floor(table["volume"]), table["volume"]), min_count=0).as_py():
        raise SchemaMismatch(f"ticks of {day.code} {day.session}: column 'volume' is no whole number of shares")
    if not pc.all(pc.is_finite(table["price"]), min_count=0).as_py():
        raise SchemaMismatch(f"ticks of {day.code} {day.session}: column 'price' is not finite")
