# Upstream: domain.services.{collector, landing, releasing}
# Downstream: domain.model.{revisions, series}
# Role: Port: what stored bars were before they changed
"""Where revisions are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.revisions import Revisions
from ginkgo_data.domain.model.series import Series


class RevisionRepository(Protocol):
    """Revisions, one per (code, frequency, adjustment, timestamp, old version, content hash).

    They are written before the bars they are about, so that a crash between the two loses no old value; the
    repetition finds the same change and writes the same row.
    """

    def write_revisions(self, revisions: Revisions) -> None:
        """Store; idempotent. Raises `StoreUnavailable` or `SchemaMismatch`."""

    def revisions(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> Revisions:
        """Return the revisions (of all codes if None) of bars whose session lies in [first, last].

        They come by code, timestamp and version: the history of a bar reads from the oldest change to the newest.
        """
