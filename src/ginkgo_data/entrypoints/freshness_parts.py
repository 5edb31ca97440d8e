# Upstream: entrypoints.container
# Downstream: domain.model.series, domain.services, entrypoints.settings, ports.{adjustment_repository, bar_repository}
# Role: Which datasets a worker watches the freshness of, and whether it does
"""Wiring of the freshness watch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ginkgo_data.domain.model.series import DAILY, Dataset
from ginkgo_data.domain.services.freshness import FreshnessWatch, WatchedDataset
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.ports.adjustment_repository import AdjustmentRepository
from ginkgo_data.ports.bar_repository import AbsenceRepository, BarRepository


def freshness_watch(
    settings: Settings,
    bars: BarRepository,
    absences: AbsenceRepository,
    factors: AdjustmentRepository,
    **parts: Any,  # noqa: ANN401  (the other fields of the watch, by name)
) -> FreshnessWatch:
    """Return the watch over daily bars as traded, and over factors where they have a source."""
    daily = WatchedDataset(
        str(DAILY),
        lambda codes, first, last: bars.held(codes, DAILY, first, last),
        lambda codes, first, last: absences.absences(codes, DAILY, first, last),
    )
    datasets = [daily]
    if settings.sources.adjustment_source != "none":
        datasets.append(WatchedDataset(str(Dataset.ADJUSTMENT_FACTORS), factors.held, daily.absences))
    quality = settings.quality
    grace = timedelta(minutes=quality.freshness_grace)
    return FreshnessWatch(
        datasets, thresholds=quality.thresholds, grace=grace, interval=quality.freshness_interval, **parts
    )


def look_of(settings: Settings, watch: FreshnessWatch) -> Callable[[], object]:
    """Return what the worker calls between rounds: nothing where quality is turned off."""
    return watch.look_when_due if settings.quality.enabled else lambda: None
