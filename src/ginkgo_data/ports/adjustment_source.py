# Upstream: adapters.clickhouse.ginkgo_session_sources, adapters.{observing, resilience}, domain.services
# Downstream: domain.model.{adjustments, fetch}
# Role: Port: a vendor of adjustment factors
"""Where adjustment factors come from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.fetch import Answer, SourceCapabilities


class AdjustmentSource(Protocol):
    """A vendor of adjustment factors. Safe to call from several threads."""

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for; `series` is empty."""

    def factors(self, codes: Sequence[str] | None, first: date, last: date, version: int) -> Answer[AdjustmentBatch]:
        """Return the factors of `codes` on the sessions `first` … `last`; vendor trouble is an `Unknown`.

        Without `codes` those of the whole market on one session, where the capabilities offer that.
        """
