# Upstream: domain.services, entrypoints.{dispatch, round}
# Downstream: domain.model.{coverage, fetch, quality, series}
# Role: What became of a job: the facts that reports and outcomes rest on
"""A job is some compatible commands worked as one; its result is facts, not judgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.fetch import Unknown
from ginkgo_data.domain.model.quality import Agreement, Finding
from ginkgo_data.domain.model.series import Dataset, Series

WHOLE_UNIVERSE = ""
"""Stands for the codes of a universe that could not be read."""


@dataclass(frozen=True, slots=True)
class CollectionResult:
    """Facts of one job, read from the store where they are about the store."""

    series: Series | Dataset
    window: tuple[date, date] | None
    """First and last session that was due for any code; None when none was."""
    counts: CoverageCounts
    """Coverage after the job, read back."""
    bars_expected: int
    bars_held: int
    fetched: int
    """Rows that the vendor sent."""
    written: int
    skipped: int
    """Rows fetched that were held already."""
    rejected: int
    calls: int
    inserts: int
    duration: float
    """Seconds."""
    findings: tuple[Finding, ...] = ()
    unknown: Mapping[str, Unknown] = field(default_factory=dict)
    """Codes of which something was asked and not answered."""
    unknown_codes: tuple[str, ...] = ()
    """Well-formed codes that the securities do not contain."""
    unfinished: tuple[str, ...] = ()
    """Codes not worked to the end because the time of the round was over, or others were asking for them still."""
    shed: tuple[str, ...] = ()
    """Codes left to others before anything was asked: more than this worker's share of the work. Nothing else here
    is about them."""
    excused: bool = False
    """Whether it is no fault that `unfinished` codes gained nothing: the worker was stopping, or all that is left of
    them was in the hands of other workers, who gain for it."""
    newest_missing: date | None = None
    """Newest session that is due and neither held nor explained."""
    worst: tuple[tuple[str, int], ...] = ()
    """Codes with most unexplained sessions, most first (at most ten)."""
    notes: tuple[str, ...] = ()
    second_opinion: Agreement | None = None
    """What another source says of a few of the rows; None where it was not asked."""

    @property
    def complete(self) -> bool:
        """Whether every code asked for was answered."""
        return not (self.unknown or self.unknown_codes or self.unfinished or self.shed)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """Facts of one refresh of reference data."""

    rows: int = 0
    """Rows stored."""
    calls: int = 0
    fresh: bool = False
    """Nothing was asked, since the last refresh is young enough."""
    unknown: Unknown | None = None
    """Why the vendor gave no answer; nothing was stored then."""
    notes: tuple[str, ...] = ()
