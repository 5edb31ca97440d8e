"""A worker that writes what a vendor says into Ginkgo's table, over and over, until it is killed.

``python ginkgo_writer.py clickhouse://... SEED`` prints the version of each write that was acknowledged. The vendor
corrects a fifth of all prices five times a second, and is a pure function of time, so that a test can say what any
fetch must have brought. Between fetch and write a worker may stand still: others overtake it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import StoreUnavailable
from support.bars import business_days, zoned

CODES = ("000001.SZ", "000002.SZ", "600000.SH", "600519.SH")
DAYS = business_days("2023-01-02", 250)
PERIOD = 200_000
"""Microseconds between two corrections."""

PATIENCE = 30.0
"""Seconds without a write after which a writer gives up, so that its test fails instead of waiting."""


def cents(version: int) -> np.ndarray:
    """Return the prices of a fetch, by code and day: they only ever rise."""
    code, day = np.meshgrid(np.arange(len(CODES)), np.arange(len(DAYS)), indexing="ij")
    return 1000 + (version // PERIOD % 1_000_000 + 3 * code + day) // 5


def fetched(version: int) -> BarBatch:
    """Return what the vendor says at `version` (microseconds since 1970)."""
    prices = cents(version).ravel() / 100
    session = np.tile(DAYS, len(CODES))
    rows = len(prices)
    columns = dict.fromkeys(("open", "high", "low", "close"), pa.array(prices))
    columns |= {"code": pa.array(np.repeat(CODES, len(DAYS))), "session": pa.array(session)}
    columns |= {"timestamp": zoned(session.astype("datetime64[ms]")), "pre_close": pa.nulls(rows, pa.float64())}
    columns |= {"volume": pa.array(np.full(rows, 1e6)), "amount": pa.array(np.round(prices * 1e5) * 10)}
    columns |= {"source": pa.repeat("tushare", rows), "version": pa.array(np.full(rows, version, np.uint64))}
    return BarBatch.of(pa.table(columns))


def now() -> int:
    """Return the present as a version."""
    return time.time_ns() // 1000


def main(url: str, seed: int) -> None:
    """Write until the parent is gone."""
    chance, parent = random.Random(seed), os.getppid()
    repository = GinkgoBarRepository(ClickHouseClient(ClickHouseConfig(url=url)))
    written_at = time.monotonic()
    while os.getppid() == parent:
        version = now()
        batch = fetched(version)
        time.sleep(chance.choice((0.0, 0.0, 0.02, 0.3)) * chance.random())
        try:
            repository.write(batch)
        except StoreUnavailable:
            if time.monotonic() - written_at > PATIENCE:
                raise
            time.sleep(0.05)
            continue
        written_at = time.monotonic()
        print(version, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
