# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.{client, reports, sql}, domain.model.quality, pyarrow
# Role: Quarantine and quality reports in the native layout
"""Stored rejects and reports in ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.reports import report_of, report_row
from ginkgo_data.adapters.clickhouse.sql import FINAL_SETTINGS, of_codes
from ginkgo_data.domain.model.quality import DataQualityReport, Rejects, Release

_REJECT_COLUMNS = (
    "if(code_known, toString(code), NULL) AS code, frequency, adjust, "
    "if(timestamp_known, q.timestamp, NULL) AS timestamp, rule, field, value, place, row, content_hash, source, version"
)


class ClickHouseQualityRepository:
    """Rejected rows in table `quarantine`, releases in `quarantine_releases`, reports in `quality_reports`.

    A key of the engine holds no null, so a row without code or timestamp is kept under '' or 1970, and two
    flags say that it had none.
    """

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def quarantine(self, rejects: Rejects) -> None:
        """Store; frequency, adjust, rule, content_hash and version may not be null."""
        if not len(rejects):
            return
        table = rejects.table
        code, timestamp = table["code"], table["timestamp"]
        epoch = pa.scalar(0, pa.int64()).cast(pa.timestamp("ms")).cast(timestamp.type)
        rows = table.set_column(table.schema.get_field_index("code"), "code", pc.fill_null(code, ""))
        rows = rows.set_column(table.schema.get_field_index("timestamp"), "timestamp", pc.fill_null(timestamp, epoch))
        rows = rows.append_column("code_known", pc.is_valid(code)).append_column(
            "timestamp_known", pc.is_valid(timestamp)
        )
        self._client.insert("quarantine", rows)

    def quarantined(self, codes: Sequence[str] | None = None) -> Rejects:
        """Return the rejected rows (of `codes` where given), by code, timestamp and rule, those without one last."""
        known = "" if codes is None else " AND code_known"
        parts = [
            self._client.query(
                f"SELECT {_REJECT_COLUMNS} FROM quarantine AS q FINAL WHERE {some}{known} ORDER BY NOT code_known, "
                f"q.code, NOT timestamp_known, q.timestamp, rule, content_hash, frequency, adjust {FINAL_SETTINGS}"
            )
            for some in of_codes(codes, "q.code")
        ]
        return Rejects.of(pa.concat_tables(parts)) if parts else Rejects.empty()

    def write_releases(self, releases: Sequence[Release]) -> None:
        """Store; of one content and rule the release of the greatest version counts."""
        if not releases:
            return
        columns = {
            "content_hash": pa.array([release.content_hash for release in releases], pa.uint64()),
            "rule": pa.array([release.rule for release in releases], pa.string()),
            "released_by": pa.array([release.by for release in releases], pa.string()),
            "note": pa.array([release.note for release in releases], pa.string()),
            "version": pa.array([release.version for release in releases], pa.uint64()),
        }
        self._client.insert("quarantine_releases", pa.table(columns))

    def releases(self) -> Sequence[Release]:
        """Return the releases, by version."""
        found = self._client.query(
            "SELECT content_hash, toString(rule) AS rule, version, toString(released_by) AS who, note "
            "FROM quarantine_releases FINAL ORDER BY version, content_hash, rule"
        )
        columns = (found[name].to_pylist() for name in ("content_hash", "rule", "version", "who", "note"))
        return [Release(*row) for row in zip(*columns, strict=True)]

    def write_report(self, report: DataQualityReport) -> None:
        """Store `report`; one with the same id is replaced unless it is of a later time."""
        self._client.insert("quality_reports", report_row(report))

    def reports(self, last: int, since: datetime | None = None) -> Sequence[DataQualityReport]:
        """Return the `last` newest reports, newest first; with `since` (zoned) none that was made before."""
        made = "1" if since is None else f"toUnixTimestamp64Micro(created_at) >= {round(since.timestamp() * 1_000_000)}"
        newest = (
            f"SELECT report_id FROM quality_reports FINAL WHERE {made} "
            f"ORDER BY created_at DESC, report_id DESC LIMIT {max(last, 0)}"
        )
        found = self._client.query(
            f"SELECT payload FROM quality_reports FINAL WHERE report_id IN ({newest}) "
            "ORDER BY created_at DESC, report_id DESC"
        )
        return [report_of(payload) for payload in found["payload"].to_pylist()]
