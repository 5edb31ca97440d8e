# Upstream: adapters.clickhouse.{adjustment_repository, tick_repository}
# Downstream: domain.model.bars, pyarrow
# Role: Sessions held, from a query that has a list of them per code
"""Reading lists of sessions without a Python object per session."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ginkgo_data.domain.model.bars import Sessions

BY_CODE = "toString(code) AS name, arraySort(groupArray(session)) AS sessions"
"""What a SELECT that is grouped by code asks for."""


def sessions_by_code(found: pa.Table) -> Iterator[tuple[str, Sessions]]:
    """Yield each code with its sessions, ascending; `found` has the columns of `BY_CODE`."""
    for batch in found.to_batches():
        lists = batch["sessions"]
        ends = lists.offsets.to_numpy()
        days = lists.values.to_numpy(zero_copy_only=False).astype("datetime64[D]")
        for row, code in enumerate(batch["name"].to_pylist()):
            yield code, days[ends[row] : ends[row + 1]]
