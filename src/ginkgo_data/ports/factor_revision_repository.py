# Upstream: domain.services.adjustments
# Downstream: domain.model.factor_revisions
# Role: Port: what adjustment factors were before they changed
"""Where revisions of factors are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.factor_revisions import FactorRevisions


class FactorRevisionRepository(Protocol):
    """Revisions of factors, one per (code, session, old version, new factor).

    They are written before the factors they are about, so that a crash between the two loses no old value; the
    repetition finds the same change and writes the same row.
    """

    def write_revisions(self, revisions: FactorRevisions) -> None:
        """Store; idempotent. Raises `StoreUnavailable`, or `SchemaMismatch` for a null, naming the column."""

    def revisions(self, codes: Sequence[str] | None, first: date, last: date) -> FactorRevisions:
        """Return the revisions (of all codes if None) of factors whose session lies in [first, last].

        They come by code, session and version: the history of a factor reads from the oldest change to the newest.
        """
