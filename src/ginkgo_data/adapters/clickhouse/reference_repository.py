# Upstream: entrypoints.{container, doctor}
# Downstream: adapters.clickhouse.{client, sql}, domain.model.{bars, reference}
# Role: Securities and trading days in the native layout
"""Stored reference data in ClickHouse."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import FINAL_SETTINGS
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.reference import SECURITY_SCHEMA, SESSION_DAY_SCHEMA, Securities, SessionDays


class ClickHouseReferenceRepository:
    """Securities in table `securities`, days in `trading_sessions`."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def write_securities(self, securities: Securities) -> None:
        """Store; code, source and version may not be null."""
        if len(securities):
            self._client.insert("securities", securities.table)

    def securities(self) -> Securities:
        """Return all securities, by code."""
        columns = ", ".join(SECURITY_SCHEMA.names)
        return Securities.of(
            self._client.query(f"SELECT {columns} FROM securities FINAL ORDER BY code {FINAL_SETTINGS}")
        )

    def securities_refreshed_at(self) -> datetime | None:
        """Return when securities were last stored, by the store's clock."""
        found = self._client.query("SELECT count() AS rows, max(stored_at) AS stored_at FROM securities")
        if not found["rows"][0].as_py():
            return None
        moment: datetime = found["stored_at"][0].as_py()
        return moment.astimezone(ZoneInfo(EXCHANGE_ZONE))

    def write_session_days(self, days: SessionDays) -> None:
        """Store; no column may be null."""
        if len(days):
            self._client.insert("trading_sessions", days.table)

    def session_days(self) -> SessionDays:
        """Return all days, ascending, and by exchange within a day."""
        columns = ", ".join(SESSION_DAY_SCHEMA.names)
        return SessionDays.of(
            self._client.query(f"SELECT {columns} FROM trading_sessions FINAL ORDER BY day, exchange {FINAL_SETTINGS}")
        )
