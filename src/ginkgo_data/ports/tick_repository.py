# Upstream: domain.services.ticks
# Downstream: domain.model.{coverage, ticks}, ports.bar_repository
# Role: Port: stored ticks, replaced and held by whole sessions
"""Where ticks are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.ticks import TickBatch, TickDay
from ginkgo_data.ports.bar_repository import WriteReceipt


class TickRepository(Protocol):
    """Stored ticks, one list per (code, session); the list of the greatest version is the one that counts.

    A reader never sees rows of two lists, nor a part of one. A failed replacement leaves the old list or the new
    one; doing it again heals whatever is left beside it.
    """

    def replace(self, days: Sequence[TickDay]) -> WriteReceipt:
        """Store each list in the place of what is there of its session; the `whole` ones are held then, others not.

        No session may be in `days` twice. Raises `StoreUnavailable`, or `SchemaMismatch` for a value that cannot be
        stored as it is; nothing is stored then.
        """

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> TickBatch:
        """Return the ticks (of all codes if None) of sessions in [first, last], by code, session and place."""

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions marked as held, per code, whether they have ticks or not.

        With `since`, only marks of that version or a later one count.
        """

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session marked as held, per code that has any."""
