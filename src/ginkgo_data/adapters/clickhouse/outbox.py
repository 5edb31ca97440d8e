# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.{alerts, client, reports, tables}, domain.model.quality, pyarrow
# Role: Port outbox in the native layout: alerts, and what of reports and alerts has been told
"""The outbox in ClickHouse: stored reports and alerts less the ids in table `told`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.alerts import alert_of, alert_row
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.reports import report_of
from ginkgo_data.adapters.clickhouse.tables import ALERTS, QUALITY_REPORTS, TOLD, Table
from ginkgo_data.domain.model.quality import Alert, DataQualityReport

AT_ONCE = 1000
"""Reports or alerts that one call returns at the most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClickHouseOutbox:
    """Alerts in table `alerts`, ids told in `told`; reports are those of `ClickHouseQualityRepository`.

    A reading returns the oldest `AT_ONCE` of what is asked for; the rest comes when these have been told.
    """

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def write_alert(self, alert: Alert) -> None:
        """Store `alert`; a second time changes nothing. Raises `SchemaMismatch` when it was raised in no zone."""
        self._client.insert(ALERTS.name, alert_row(alert))

    def untold_reports(self, after: datetime, before: datetime) -> Sequence[DataQualityReport]:
        """Return the untold reports created in [after, before), oldest first."""
        return [report_of(payload) for payload in self._untold(QUALITY_REPORTS, after, before)]

    def untold_alerts(self, after: datetime, before: datetime) -> Sequence[Alert]:
        """Return the untold alerts raised in [after, before), oldest first."""
        return [alert_of(payload) for payload in self._untold(ALERTS, after, before)]

    def mark_told(self, ids: Sequence[str]) -> None:
        """Note `ids` as told, with one insert."""
        names = sorted(set(ids))
        if names:
            present = pa.array([time.time_ns() // 1000] * len(names), pa.uint64())
            self._client.insert(TOLD.name, pa.table({"id": pa.array(names, pa.string()), "version": present}))

    def _untold(self, table: Table, after: datetime, before: datetime) -> list[str]:
        """Return the payloads of the rows of `table` whose version, which is their time, lies in [after, before).

        Both tables grow for years, their keys are random, and nearly always nothing is untold. So the ids are
        found without FINAL (of one id the greatest version is the row that counts) and only theirs are read in full.
        """
        key, first, end = table.key, _microseconds(after), _microseconds(before)
        recent = f"SELECT {key} FROM {table.name} WHERE version >= {first}"
        untold = (
            f"{recent} AND {key} NOT IN (SELECT id FROM {TOLD.name} WHERE id IN ({recent})) GROUP BY {key} "
            f"HAVING max(version) < {end} ORDER BY max(version), {key} LIMIT {AT_ONCE}"
        )
        found = self._client.query(
            f"SELECT payload FROM {table.name} FINAL WHERE {key} IN ({untold}) ORDER BY version, {key}"
        )
        payloads: list[str] = found["payload"].to_pylist()
        return payloads


def _microseconds(moment: datetime) -> int:
    return max(0, (moment - _EPOCH) // timedelta(microseconds=1))
