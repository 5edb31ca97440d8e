"""Adjustment factors for tests, and the real ones of the shared data."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from support.shared_data import SHARED

CODE_A, CODE_B = "000001.SZ", "600519.SH"
THREE = ("2024-01-08", "2024-01-09", "2024-01-10")


def factors(
    code: str = CODE_A,
    sessions: Sequence[str] = THREE,
    values: Sequence[float | None] | None = None,
    version: int = 1,
    source: str = "test",
) -> AdjustmentBatch:
    """Return factors of one code, 1.0 where none are given."""
    count = len(sessions)
    columns = {
        "code": [code] * count,
        "session": pa.array([date.fromisoformat(day) for day in sessions], pa.date32()),
        "factor": pa.array(list(values) if values else [1.0] * count, pa.float64()),
        "source": [source] * count,
        "version": pa.array([version] * count, pa.uint64()),
    }
    return AdjustmentBatch.of(pa.table(columns))


def listed_factors(batch: AdjustmentBatch) -> list[tuple[str, str, float]]:
    """Return (code, session, factor) of each row."""
    rows = batch.table.select(["code", "session", "factor"]).to_pylist()
    return [(row["code"], row["session"].isoformat(), row["factor"]) for row in rows]


def real_factors(name: str, column: str) -> dict[tuple[str, str], float]:
    """Return (code, YYYYMMDD) -> factor of a file of the shared data."""
    with (SHARED / "adj" / name).open(newline="") as file:
        return {(row["ts_code"], row["trade_date"]): float(row[column]) for row in csv.DictReader(file)}
