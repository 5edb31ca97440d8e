# Upstream: adapters.clickhouse.{ginkgo_bar_source, ginkgo_session_sources}
# Downstream: domain.model.{bars, fetch, quality}, numpy, pyarrow
# Role: Rows of an answer that Ginkgo's tables cannot hold, as rejects: taken out by name, the others left
"""Sifting an answer before anything is stored.

A value that would lose digits in Ginkgo's tables, upstream without a word, makes its row a reject: it is in quarantine
with column and value, and the others are stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.fetch import Places, Rows
from ginkgo_data.domain.model.quality import Rejects

Batch = TypeVar("Batch")
Misfits = Iterable[tuple[str, str, npt.NDArray[np.bool_]]]
"""Rule, column, rows."""

NOT_SAID = (None, None)


def without(
    answer: Rows[Batch],
    table: pa.Table,
    misfits: Misfits,
    batch_of: Callable[[pa.Table], Batch],
    series: tuple[str | None, str | None] = NOT_SAID,
) -> Rows[Batch]:
    """Return `answer`, whose rows are `table`, with those that `misfits` name among its rejects.

    A row is rejected by the first rule that names it. `series` are frequency and adjustment of the rejects; those of
    other datasets are said by who collects them.
    """
    hit = np.zeros(table.num_rows, np.bool_)
    rejected = []
    for rule, column, unfit in misfits:
        fresh = unfit & ~hit
        if fresh.any():
            rejected.append(_rejects(table, np.flatnonzero(fresh), rule, column, answer.places, series))
            hit |= fresh
    if not rejected:
        return answer
    fits = pa.array(~hit)
    places = Places(answer.places.table.filter(fits)) if answer.places else None
    rejects = Rejects.concat([answer.rejects, *rejected])
    return replace(answer, batch=batch_of(table.filter(fits)), rejects=rejects, places=places)


def _rejects(
    table: pa.Table,
    rows: npt.NDArray[np.int64],
    rule: str,
    column: str,
    places: Places | None,
    series: tuple[str | None, str | None],
) -> Rejects:
    """Return `rows` (positions) of `table` as rejects."""
    found = table.take(pa.array(rows)).combine_chunks()
    count = len(rows)
    texts = [json.dumps(row, default=str) for row in found.drop_columns(["source", "version"]).to_pylist()]
    hashes = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in texts]
    where = [places.text(row) for row in rows.tolist()] if places else [None] * count
    columns: dict[str, Any] = {
        "code": found["code"].cast(pa.string()),
        "frequency": pa.repeat(pa.scalar(series[0], pa.string()), count),
        "adjust": pa.repeat(pa.scalar(series[1], pa.string()), count),
        "timestamp": found["timestamp"] if "timestamp" in found.column_names else _midnight(found["session"]),
        "rule": pa.repeat(rule, count),
        "field": pa.repeat(column, count),
        "value": found[column].cast(pa.string()),
        "place": pa.array(where, pa.string()),
        "row": pa.array(texts, pa.string()),
        "content_hash": pa.array(hashes, pa.uint64()),
        "source": found["source"],
        "version": pc.fill_null(found["version"], 0),
    }
    return Rejects.of(pa.table(columns))


def _midnight(session: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.assume_timezone(
        session.cast(pa.timestamp("ms")), EXCHANGE_ZONE, ambiguous="earliest", nonexistent="latest"
    )
