# Upstream: adapters.clickhouse.ginkgo_session_sources, adapters.{files, memory, observing, resilience}, domain.services
# Downstream: domain.model.{fetch, ticks}
# Role: Port: a vendor of ticks, asked for one code's session at a time
"""Where ticks come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from ginkgo_data.domain.model.fetch import Answer
from ginkgo_data.domain.model.ticks import TickBatch


@dataclass(frozen=True, slots=True)
class TickCapabilities:
    """What a source of ticks is."""

    name: str
    """Short vendor name, stored with every row."""
    archive: bool = False
    """Whether this is a collection that may have been cut: that it lacks a session says nothing of the market."""


class TickSource(Protocol):
    """A vendor of ticks. Safe to call from several threads."""

    @property
    def capabilities(self) -> TickCapabilities:
        """What this source is. Raises `SchemaMismatch` or `SourceUnavailable` when it cannot be read at all."""

    def reach(self, codes: Sequence[str]) -> Mapping[str, tuple[date, date]]:
        """Return first and last session that may be asked for, per code; a code that is left out has none.

        For a vendor that keeps everything: the first session of the exchanges, and `date.max`.
        """

    def ticks(self, code: str, session: date, version: int) -> Answer[TickBatch]:
        """Return the whole list of `code` on `session`, in its order; vendor trouble is an `Unknown`.

        `ProvenEmpty` has the evidence for that session among its absences. Rows are not validated.
        """
