# Upstream: none
# Downstream: adapters.memory.latest, domain.model.factor_revisions, pyarrow
# Role: What adjustment factors were before the vendor corrected them, in memory
"""Revisions of factors as an Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.memory.latest import LatestRows, in_sessions, of_codes
from ginkgo_data.domain.model.factor_revisions import FACTOR_REVISION_KEY, FACTOR_REVISION_SCHEMA, FactorRevisions


class InMemoryFactorRevisionRepository:
    """Revisions, one per factor, old version and new value. Safe for several threads."""

    def __init__(self) -> None:
        self._rows = LatestRows("revisions of factors", FACTOR_REVISION_SCHEMA, FACTOR_REVISION_KEY)

    def write_revisions(self, revisions: FactorRevisions) -> None:
        """Store; a null is a `SchemaMismatch` that names the column."""
        self._rows.add(revisions.table)

    def revisions(self, codes: Sequence[str] | None, first: date, last: date) -> FactorRevisions:
        """Return the revisions by code, session and version."""
        found = of_codes(in_sessions(self._rows.table(), first, last), codes)
        order = ["session", "version", "old_version", "new_factor"]
        keys = found.select(order).append_column("code", found["code"].cast(pa.string()))
        sort = [(name, "ascending") for name in ("code", *order)]
        return FactorRevisions(found.take(pc.sort_indices(keys, sort_keys=sort)))
