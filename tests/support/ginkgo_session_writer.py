"""A worker that writes factors and ticks into Ginkgo's tables, over and over, until it is killed.

``python ginkgo_session_writer.py clickhouse://... SEED`` prints the version of each round that was acknowledged. The
vendor is a pure function of time: ten times a second the newest factor rises, and with it what all older rows are
multiplied by, and the lists of ticks change their prices and their lengths. Between fetch and write a worker may stand
still: others overtake it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import numpy as np

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_adjustment_repository import GinkgoAdjustmentRepository
from ginkgo_data.adapters.clickhouse.ginkgo_tick_repository import GinkgoTickRepository
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.ticks import TickDay
from support.bars import business_days
from support.factors import factors
from support.ticks import tick_day

CODES = ("000001.SZ",)
DAYS = [str(day) for day in business_days("2024-01-02", 10)]
TICK_DAYS = DAYS[:2]
PERIOD = 100_000
"""Microseconds between two changes of the vendor."""

PATIENCE = 30.0
"""Seconds without a write after which a writer gives up, so that its test fails instead of waiting."""


def now() -> int:
    """Return the present as a version."""
    return time.time_ns() // 1000


def millionths(version: int) -> np.ndarray:
    """Return the factors of one code at `version`: they never fall, the last one rises with every period."""
    days = np.arange(len(DAYS))
    return 1_000_000 + 1000 * (version // PERIOD % 100_000) * (days == len(DAYS) - 1) + version // (7 * PERIOD) % 1000


def factors_at(version: int) -> AdjustmentBatch:
    """Return what the vendor says of factors at `version`."""
    values = (millionths(version) / 1e6).tolist()
    return AdjustmentBatch.concat([factors(code, DAYS, values, version) for code in CODES])


def cents(version: int, day: int) -> list[int]:
    """Return the prices of the ticks of a day at `version`."""
    state = version // PERIOD
    return [100 + state % 50_000] * (1 + (state * 7 + day) % 40)


def ticks_at(version: int) -> list[TickDay]:
    """Return what the vendor says of ticks at `version`."""
    return [
        tick_day(code, session, [price / 100 for price in cents(version, day)], version)
        for code in CODES
        for day, session in enumerate(TICK_DAYS)
    ]


def main(url: str, seed: int) -> None:
    """Write until the parent is gone."""
    chance, parent = random.Random(seed), os.getppid()
    client = ClickHouseClient(ClickHouseConfig(url=url))
    adjustments, ticks = GinkgoAdjustmentRepository(client), GinkgoTickRepository(client)
    written_at = time.monotonic()
    while os.getppid() == parent:
        version = now()
        factor_batch, days = factors_at(version), ticks_at(version)
        time.sleep(chance.choice((0.0, 0.0, 0.02, 0.3)) * chance.random())
        try:
            adjustments.write(factor_batch)
            ticks.replace(days)
        except StoreUnavailable:
            if time.monotonic() - written_at > PATIENCE:
                raise
            time.sleep(0.05)
            continue
        written_at = time.monotonic()
        print(version, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
