# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.{client, columns, sql}, domain.model.{bars, coverage, series}, pyarrow
# Role: Absences in the native layout
"""Stored absences in ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.columns import constant
from ginkgo_data.adapters.clickhouse.sql import FINAL_SETTINGS, of_codes, of_series, of_sessions
from ginkgo_data.domain.model.bars import cast_table
from ginkgo_data.domain.model.coverage import ABSENCE_SCHEMA, Absences, Cells
from ginkgo_data.domain.model.series import Series


class ClickHouseAbsenceRepository:
    """Absences in table `absences`, one per (code, frequency, adjustment, session)."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def write_absences(self, absences: Absences, series: Series) -> None:
        """Store; a null in any column is a `SchemaMismatch` that names it."""
        if len(absences):
            self._client.insert("absences", _rows(absences, series))

    def withdraw_absences(self, cells: Cells, series: Series, version: int) -> None:
        """Delete the statements about `cells`; one of a greater version than `version` stays."""
        if len(cells):
            gone = _rows(Absences.arrived(cells, version), series)
            self._client.insert(
                "absences", gone.append_column("is_deleted", pa.repeat(pa.scalar(1, pa.uint8()), len(cells)))
            )

    def absences(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Absences:
        """Return the statements that count, by code and session."""
        parts = [
            self._client.query(
                "SELECT code, session, reason, evidence, source, version FROM absences FINAL "
                f"WHERE {of_series(series)} AND {of_sessions(first, last)} AND {some} "
                f"ORDER BY code, session {FINAL_SETTINGS}"
            )
            for some in of_codes(codes)
        ]
        return Absences(cast_table("absences", pa.concat_tables(parts), ABSENCE_SCHEMA)) if parts else Absences.empty()


def _rows(absences: Absences, series: Series) -> pa.Table:
    rows = absences.table.append_column("frequency", constant(series.frequency.value, len(absences)))
    return rows.append_column("adjust", constant(series.adjust.value, len(absences)))
