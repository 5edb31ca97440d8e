# Upstream: domain.services.{adjustments, factor_revising}, entrypoints.freshness_parts
# Downstream: domain.model.{adjustments, coverage}, ports.bar_repository
# Role: Port: stored adjustment factors, and what of them is held
"""Where adjustment factors are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.adjustments import AdjustmentBatch, FactorHistory
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.ports.bar_repository import WriteReceipt


class AdjustmentRepository(Protocol):
    """Stored factors, one per (code, session). Writing is idempotent: the greater version wins."""

    def write(self, factors: AdjustmentBatch) -> WriteReceipt:
        """Store; readable in full on return.

        Raises `StoreUnavailable`, or `SchemaMismatch` for a null or a factor that is no finite number above 0;
        nothing is stored then.
        """

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> FactorHistory:
        """Return the factors (of all codes if None) of sessions in [first, last], by code and session."""

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions with a factor, per code. With `since`, of that version or a later one."""

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session with a factor, per code that has any."""
