# Upstream: none
# Downstream: adapters.memory.latest, domain.model.{coverage, series}
# Role: Sessions known to have no bar, in memory
"""Absences as Arrow tables, one per series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ginkgo_data.adapters.memory.latest import LatestRows, in_sessions, of_codes
from ginkgo_data.domain.model.coverage import ABSENCE_SCHEMA, Absences, Cells
from ginkgo_data.domain.model.series import Adjust, Frequency, Series


class InMemoryAbsenceRepository:
    """One statement per (code, session) of a series. Safe for several threads."""

    def __init__(self) -> None:
        every = [Series(frequency, adjust) for frequency in Frequency for adjust in Adjust]
        self._absences = {s: LatestRows(f"absences {s}", ABSENCE_SCHEMA, ("code", "session")) for s in every}

    def write_absences(self, absences: Absences, series: Series) -> None:
        """Store; a null in any column is a `SchemaMismatch` that names it."""
        self._absences[series].add(absences.table)

    def withdraw_absences(self, cells: Cells, series: Series, version: int) -> None:
        """Delete the statements about `cells`; one of a greater version than `version` stays."""
        if len(cells):
            self._absences[series].add(Absences.arrived(cells, version).table, deleted=True)

    def absences(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Absences:
        """Return the statements that count, by code and session."""
        return Absences(of_codes(in_sessions(self._absences[series].table(), first, last), codes))
