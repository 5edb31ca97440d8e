# Upstream: none
# Downstream: adapters.memory.latest, domain.model.{revisions, series}, pyarrow
# Role: What stored bars were before they changed, in memory
"""Revisions as Arrow tables, one per series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.memory.latest import LatestRows, in_sessions, of_codes
from ginkgo_data.domain.model.revisions import OPTIONAL, REVISION_KEY, REVISION_SCHEMA, Revisions
from ginkgo_data.domain.model.series import Adjust, Frequency, Series


class InMemoryRevisionRepository:
    """Revisions, one per bar, old version and new content. Safe for several threads."""

    def __init__(self) -> None:
        every = [Series(frequency, adjust) for frequency in Frequency for adjust in Adjust]
        self._rows = {s: LatestRows(f"revisions {s}", REVISION_SCHEMA, REVISION_KEY, OPTIONAL) for s in every}

    def write_revisions(self, revisions: Revisions) -> None:
        """Store; a null in a column that must have a value is a `SchemaMismatch` that names it."""
        self._rows[revisions.series].add(revisions.table)

    def revisions(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Revisions:
        """Return the revisions by code, timestamp and version."""
        found = of_codes(in_sessions(self._rows[series].table(), first, last), codes)
        order = ["timestamp", "version", "old_version", "content_hash"]
        keys = found.select(order).append_column("code", found["code"].cast(pa.string()))
        sort = [(name, "ascending") for name in ("code", *order)]
        return Revisions(found.take(pc.sort_indices(keys, sort_keys=sort)), series)
