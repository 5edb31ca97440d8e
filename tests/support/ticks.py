"""Ticks for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from ginkgo_data.domain.model.ticks import TickBatch, TickDay

CODE_A, CODE_B = "000001.SZ", "600519.SH"
DAY = "2024-01-08"


def ticks(
    code: str = CODE_A,
    session: str = DAY,
    prices: Sequence[float | None] = (10.0, 10.01, 10.02),
    version: int = 1,
    /,
    **columns: Sequence[object],
) -> TickBatch:
    """Return a list of ticks, one a second from 09:30 on, buys of 100 shares; `columns` replace others."""
    count = len(prices)
    start = datetime.fromisoformat(f"{session}T09:30:00").replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    made: dict[str, object] = {
        "code": [code] * count,
        "session": pa.array([date.fromisoformat(session)] * count, pa.date32()),
        "seq": pa.array(range(count), pa.uint32()),
        "timestamp": pa.array(
            [start + timedelta(seconds=i) for i in range(count)], pa.timestamp("ms", "Asia/Shanghai")
        ),
        "price": pa.array(list(prices), pa.float64()),
        "volume": pa.array([100.0] * count, pa.float64()),
        "side": pa.array(["buy"] * count, pa.string()),
        "source": pa.array(["test"] * count, pa.string()),
        "version": pa.array([version] * count, pa.uint64()),
    }
    return TickBatch.of(pa.table(made | columns))


def tick_day(
    code: str = CODE_A,
    session: str = DAY,
    prices: Sequence[float | None] = (10.0, 10.01, 10.02),
    version: int = 1,
    whole: bool = True,
    **columns: Sequence[object],
) -> TickDay:
    """Return the list of a day."""
    batch = ticks(code, session, prices, version, **columns)
    return TickDay(code, date.fromisoformat(session), version, batch, whole)


def prices_of(batch: TickBatch) -> list[float]:
    """Return the prices, row by row."""
    return batch.table["price"].to_pylist()
