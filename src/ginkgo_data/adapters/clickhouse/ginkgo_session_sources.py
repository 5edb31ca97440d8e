# Upstream: entrypoints.container
# Downstream: adapters.clickhouse, domain.model, ports.{adjustment_source, tick_source}
# Role: Sources of factors and ticks for Ginkgo's tables: what these cannot hold becomes a reject by name
"""Any `AdjustmentSource` and any `TickSource`, for a store of millionths, cents and whole lots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ginkgo_data.adapters.clickhouse import ginkgo_factor_rows, ginkgo_tick_rows
from ginkgo_data.adapters.clickhouse.ginkgo_rejects import without
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.fetch import Answer, Rows, SourceCapabilities
from ginkgo_data.domain.model.ticks import TickBatch
from ginkgo_data.ports.adjustment_source import AdjustmentSource
from ginkgo_data.ports.tick_source import TickCapabilities, TickSource


class GinkgoAdjustmentSource:
    """Wraps `inner`: a factor that has more than six decimals is among the rejects."""

    def __init__(self, inner: AdjustmentSource) -> None:
        self._inner = inner

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for: as `inner`."""
        return self._inner.capabilities

    def factors(self, codes: Sequence[str] | None, first: date, last: date, version: int) -> Answer[AdjustmentBatch]:
        """Answer as `inner` does; rows that do not fit are among the rejects."""
        answer = self._inner.factors(codes, first, last, version)
        if not isinstance(answer, Rows):
            return answer
        unfit = ginkgo_factor_rows.misfits(answer.batch)
        return without(answer, answer.batch.table, [("finer_than_millionths", "factor", unfit)], AdjustmentBatch)


class GinkgoTickSource:
    """Wraps `inner`: a tick that is finer than cents is among the rejects, and its day is not whole."""

    def __init__(self, inner: TickSource) -> None:
        self._inner = inner

    @property
    def capabilities(self) -> TickCapabilities:
        """What this source is: as `inner`."""
        return self._inner.capabilities

    def reach(self, codes: Sequence[str]) -> Mapping[str, tuple[date, date]]:
        """Return first and last session that may be asked for: as `inner`."""
        return self._inner.reach(codes)

    def ticks(self, code: str, session: date, version: int) -> Answer[TickBatch]:
        """Answer as `inner` does; rows that do not fit are among the rejects."""
        answer = self._inner.ticks(code, session, version)
        if not isinstance(answer, Rows):
            return answer
        return without(answer, answer.batch.table, ginkgo_tick_rows.misfits(answer.batch), TickBatch)
