# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.{ginkgo_rejects, ginkgo_rows}, domain.model.{bars, fetch, series}, ports.bar_source
# Role: A source of bars for Ginkgo's table: bars that it cannot hold become rejects by name, before anything is stored
"""Any `BarSource`, for a store of cents and whole lots.

A fund that trades in thousandths loses its last digit in Ginkgo's table, upstream without a word. Here such a bar is
a reject: it is in quarantine with column and value, its session is reported as missing, and the others are stored.
"""

from __future__ import annotations

from dataclasses import replace

from ginkgo_data.adapters.clickhouse.ginkgo_rejects import without
from ginkgo_data.adapters.clickhouse.ginkgo_rows import misfits
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, Rows, SourceCapabilities
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
        bars, series = answer.batch, answer.batch.series
        labels = (series.frequency.value, series.adjust.value)
        return without(answer, bars.table, misfits(bars), lambda table: BarBatch(table, series), labels)
