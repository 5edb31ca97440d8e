# Upstream: adapters, domain.services, entrypoints.freshness_parts, ports.{adjustment_repository, tick_repository}
# Downstream: domain.model.{bars, coverage, series}
# Role: Port: stored bars, and what of them is held
"""Where bars are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.coverage import Absences, Cells, Held
from ginkgo_data.domain.model.series import Series


@dataclass(frozen=True, slots=True)
class WriteReceipt:
    """What a write did: rows sent and inserts it took."""

    rows: int = 0
    inserts: int = 0

    def __add__(self, other: WriteReceipt) -> WriteReceipt:
        return WriteReceipt(self.rows + other.rows, self.inserts + other.inserts)


class BarRepository(Protocol):
    """Stored bars, one per (code, frequency, adjustment, timestamp).

    Commands are redelivered, so writing is idempotent: a batch written twice reads as once, and for one
    key the greater version wins (of equal versions, the later write). A failed write may leave part of
    its batch; writing the batch again heals it.
    """

    def write(self, bars: BarBatch) -> WriteReceipt:
        """Store validated bars; they are readable in full on return. Raises `StoreUnavailable` or `SchemaMismatch`."""

    def read(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> BarBatch:
        """Return the bars (of all codes if None) whose session lies in [first, last], by code and timestamp."""

    def held(
        self, codes: Sequence[str] | None, series: Series, first: date, last: date, since: int | None = None
    ) -> Held:
        """Return the sessions held whole per code (of all codes if None).

        A daily session is held by its row; one of minute bars by as many rows as a full session has or by
        a mark (`mark_held`). With `since`, only what was stored or marked with that version or a later one counts.
        """

    def begun(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Held:
        """Return the sessions of which any bar is stored, whole or not, per code (of all codes if None)."""

    def mark_held(self, bars: BarBatch) -> None:
        """Record that each (code, session) of `bars`, already stored, is all the vendor has of that session.

        The mark has the greatest version among the session's rows: so bars that were fetched again and found
        unchanged count as fetched since, without being written again.
        """

    def withdraw(self, bars: BarBatch) -> WriteReceipt:
        """Delete the bars with these keys, and the marks of their sessions, as of the version of each row.

        Nothing that is stored with a greater version is touched, and a row of a lower version that is written
        later stays hidden. Idempotent. Raises `StoreUnavailable` or `SchemaMismatch`.
        """

    def kept(self, bars: BarBatch, stored: BarBatch | None = None) -> BarBatch:
        """Return `bars` (such as can be stored) as they read once they are: a layout may keep fewer digits.

        What was fetched again is unchanged when it would read as what is stored. Of keys that are among `stored`
        (as `read` gives them) a write may leave a row of another program as it is, whose digits may be cut otherwise:
        then the bar reads as that row does.
        """

    def first_held(self, codes: Sequence[str], series: Series) -> Mapping[str, date]:
        """Return the earliest session with a row, per code that has any."""


class AbsenceRepository(Protocol):
    """Sessions known to have no bar, one statement per (code, frequency, session); the greater version wins."""

    def write_absences(self, absences: Absences, series: Series) -> None:
        """Store; idempotent. Raises `StoreUnavailable`."""

    def withdraw_absences(self, cells: Cells, series: Series, version: int) -> None:
        """Delete the statements about `cells`, whose bars have arrived; one of a greater version than `version` stays.

        Idempotent. Raises `StoreUnavailable`.
        """

    def absences(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Absences:
        """Return the statements about sessions in [first, last], by code and session."""
