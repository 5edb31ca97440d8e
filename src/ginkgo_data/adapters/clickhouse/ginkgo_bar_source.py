# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.ginkgo_rows, domain.model, ports.bar_source, numpy, pyarrow
# Role: A source of bars for Ginkgo's table: bars that it cannot hold become rejects by name, before anything is stored
"""Any `BarSource`, for a store of cents and whole lots.

A fund that trades in thousandths loses its last digit in Ginkgo's table, upstream without a word. Here such a bar is
a reject: it is in quarantine with column and value, its session is reported as missing, and the others are stored.
"""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.ginkgo_rows import misfits
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, Places, Rows, SourceCapabilities
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import Adjust
from ginkgo_data.ports.bar_source import BarSource


class GinkgoBarSource:
    """Wraps `inner`: bars as traded only, and of those such as Ginkgo's table can hold."""

    def __init__(self, inner: BarSource) -> None:
        self._inner = inner

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for: as `inner`, less adjusted bars."""
        has = self._inner.capabilities
        return replace(has, series=frozenset(series for series in has.series if series.adjust is Adjust.NONE))

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request` as `inner` does; rows that do not fit are among the rejects."""
        answer = self._inner.fetch(request)
        if not isinstance(answer, Rows):
            return answer
        hit = np.zeros(len(answer.batch), np.bool_)
        rejected = []
        for rule, column, unfit in misfits(answer.batch):
            fresh = unfit & ~hit
            if fresh.any():
                rejected.append(_rejects(answer.batch, np.flatnonzero(fresh), rule, column, answer.places))
                hit |= fresh
        if not rejected:
            return answer
        fits = pa.array(~hit)
        places = Places(answer.places.table.filter(fits)) if answer.places else None
        rejects = Rejects.concat([answer.rejects, *rejected])
        return replace(answer, batch=answer.batch.filter(fits), rejects=rejects, places=places)


def _rejects(bars: BarBatch, rows: np.ndarray, rule: str, column: str, places: Places | None) -> Rejects:
    """Return `rows` (positions) of `bars` as rejects."""
    table = bars.table.take(pa.array(rows)).combine_chunks()
    count = len(rows)
    texts = [json.dumps(row, default=str) for row in table.drop_columns(["source", "version"]).to_pylist()]
    hashes = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in texts]
    where = [places.text(row) for row in rows.tolist()] if places else [None] * count
    return Rejects.of(
        pa.table(
            {
                "code": table["code"].cast(pa.string()),
                "frequency": pa.repeat(bars.series.frequency.value, count),
                "adjust": pa.repeat(bars.series.adjust.value, count),
                "timestamp": table["timestamp"],
                "rule": pa.repeat(rule, count),
                "field": pa.repeat(column, count),
                "value": table[column].cast(pa.string()),
                "place": pa.array(where, pa.string()),
                "row": pa.array(texts, pa.string()),
                "content_hash": pa.array(hashes, pa.uint64()),
                "source": table["source"],
                "version": pc.fill_null(table["version"], 0),
            }
        )
    )
