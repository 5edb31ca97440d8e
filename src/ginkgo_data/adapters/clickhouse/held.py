# Upstream: adapters.clickhouse.{adjustment_repository, tick_repository}
# Downstream: adapters.clickhouse.{client, sql}, domain.model.{bars, coverage}, pyarrow
# Role: Which sessions a table with one row per code and session holds
"""Sessions held, read as lists per code: without a Python object per session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import FINAL_SETTINGS, of_codes, of_sessions
from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.coverage import Held

_BY_CODE = "toString(code) AS name, arraySort(groupArray(session)) AS sessions"


def held_sessions(
    client: ClickHouseClient, table: str, codes: Sequence[str] | None, first: date, last: date, since: int | None
) -> Held:
    """Return the sessions in [first, last] with a row in `table`, per code; with `since`, one of that version on."""
    held: dict[str, Sessions] = {}
    # Versions are compared after FINAL.
    fresh = "" if since is None else f" AND version >= {since}"
    for some in of_codes(codes):
        found = client.query(
            f"SELECT {_BY_CODE} FROM (SELECT code, session FROM {table} FINAL WHERE {some} "
            f"AND {of_sessions(first, last)}{fresh}) GROUP BY code ORDER BY code {FINAL_SETTINGS}"
        )
        held.update(_sessions_by_code(found))
    return held


def first_sessions(client: ClickHouseClient, table: str, codes: Sequence[str]) -> Mapping[str, date]:
    """Return the earliest session that has a row in `table`, per code that has any."""
    earliest: dict[str, date] = {}
    for some in of_codes(codes):
        found = client.query(
            "SELECT toString(code) AS name, min(session) AS earliest "
            f"FROM {table} FINAL WHERE {some} GROUP BY code {FINAL_SETTINGS}"
        )
        earliest.update(zip(found["name"].to_pylist(), found["earliest"].to_pylist(), strict=True))
    return earliest


def _sessions_by_code(found: pa.Table) -> Iterator[tuple[str, Sessions]]:
    for batch in found.to_batches():
        lists = batch["sessions"]
        ends = lists.offsets.to_numpy()
        days = lists.values.to_numpy(zero_copy_only=False).astype("datetime64[D]")
        for row, code in enumerate(batch["name"].to_pylist()):
            yield code, days[ends[row] : ends[row + 1]]
