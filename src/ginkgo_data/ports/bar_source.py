# Upstream: adapters.clickhouse.ginkgo_bar_source, adapters.observing.bar_source, adapters.resilience, domain.services
# Downstream: domain.model.fetch
# Role: Port: a vendor of bars
"""Where bars come from."""

from __future__ import annotations

from typing import Protocol

from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, SourceCapabilities


class BarSource(Protocol):
    """A vendor of bars, asked as its capabilities allow. Safe to call from several threads."""

    @property
    def capabilities(self) -> SourceCapabilities:
        """What one call may ask for."""

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request`; vendor trouble is an `Unknown`, never an exception.

        `Rows` holds all the vendor has of what was asked, in our units, with the request's version; rows
        are as the vendor gave them, not validated. Absences are the vendor's evidence for wanted cells
        without a row. `ProvenEmpty` names a reason for every wanted cell.
        """
