# Upstream: adapters.observing.reference_source, adapters.resilience.reference_source, domain.services.reference
# Downstream: domain.model.{fetch, reference}
# Role: Port: a vendor of securities and trading days
"""Where reference data comes from."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.fetch import Answer
from ginkgo_data.domain.model.reference import Securities, SessionDays


class ReferenceSource(Protocol):
    """A vendor of reference data: listed, delisted and paused securities alike."""

    def securities(self, market: str | None, version: int) -> Answer[Securities]:
        """Return all securities (of `market`, the vendor's word, where given); an empty list is an `Unknown`."""

    def session_days(self, first: date, last: date, version: int) -> Answer[SessionDays]:
        """Return the exchange's days `first` … `last`, open and closed; vendor trouble is an `Unknown`.

        An archive that knows no calendar answers `ProvenEmpty`.
        """
