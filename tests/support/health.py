"""A worker's signs when all is well."""

from __future__ import annotations

from datetime import UTC, datetime

from ginkgo_data.domain.model.delivery import Partition
from ginkgo_data.domain.model.health import VitalSigns
from ginkgo_data.domain.model.stream import StreamState
from ginkgo_data.domain.model.worker import WorkerStats, WorkerStatus

NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
PARTITIONS = Partition("t", 0, 4), Partition("t", 1, 4)
WELL = VitalSigns(
    node_id="n1",
    group_id="g",
    at=NOW,
    status=WorkerStatus.RUNNING,
    began=True,
    lives=True,
    still_for=0.5,
    client_still_for=0.25,
    client_patience=8.0,
    loop_patience=50.0,
    stats=WorkerStats(rounds=7, bars_written=12, bars_rejected=3),
    stream=StreamState(assigned=PARTITIONS, lag=dict(zip(PARTITIONS, (2, 9), strict=True))),
    last_commit=NOW,
    budget_left={"tushare:daily": 11},
)
