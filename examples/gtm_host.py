"""A host program in the place of Ginkgo: its own BarCRUD, data source and logger, and a worker that uses them.

Runs without any server: commands come from a broker inside this process, everything but the bars goes into an embedded
database in the folder that is named (a temporary one if none is)::

    $ python examples/gtm_host.py
    [GLOG INFO] ...
    BarCRUD holds 18 bars: 000001.SZ 9, 600519.SH 9

In Ginkgo, `HostBarCRUD` is ``service_hub.data.cruds.bar()``, `HostRow` is ``MBar``, `HostSource` is
``GinkgoTushare()`` and `HostLogger` is ``GLOG``; commands come from Kafka, and nothing but `settings` and `parts`
remains (docs/gtm.md).
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pandas as pd

from ginkgo_data import Settings, run_data_worker
from ginkgo_data.adapters.gtm.bar_repository import GtmBarRepository
from ginkgo_data.adapters.gtm.bar_source import GtmBarSource
from ginkgo_data.adapters.gtm.reference_source import GtmReferenceSource
from ginkgo_data.adapters.memory.broker import InMemoryBroker
from ginkgo_data.adapters.system.clock import SystemClock

CODES = {"000001.SZ": 9.39, "600519.SH": 1685.01}
"""Code -> close of the first session."""
FIRST, LAST = "20240102", "20240112"
COMMANDS = (
    b'{"command": "trade_day"}',
    b'{"command": "stockinfo"}',
    b'{"command": "bar_snapshot", "params": {"codes": ["*"], "start_date": "20240102", "end_date": "20240112"}}',
)


@dataclass
class HostRow:
    """A row of the host's table `bar`: Ginkgo's ``MBar``."""

    code: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    amount: Decimal
    frequency: int
    timestamp: datetime
    source: int
    uuid: str = field(default_factory=lambda: uuid4().hex)


class HostBarCRUD:
    """The host's access to that table: Ginkgo's ``BarCRUD``, over a list."""

    def __init__(self) -> None:
        self.rows: list[HostRow] = []

    def find(
        self,
        filters: dict[str, Any] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        order_by: str | None = None,
        desc_order: bool = False,
    ) -> list[HostRow]:
        """Return the rows under `filters`."""
        found = [row for row in self.rows if self._fits(row, filters or {})]
        found.sort(key=lambda row: getattr(row, order_by or "timestamp"), reverse=desc_order)
        return found if page_size is None else found[(page or 0) * page_size :][:page_size]

    def add_batch(self, items: list[Any]) -> list[Any]:
        """Store rows."""
        self.rows += items
        return items

    def remove(self, filters: dict[str, Any]) -> None:
        """Delete the rows under `filters`."""
        self.rows = [row for row in self.rows if not self._fits(row, filters)]

    def ping(self) -> bool:
        """Say whether the database answers: in Ginkgo ``get_db_connection(MBar).health_check()``."""
        return True

    @staticmethod
    def _fits(row: HostRow, filters: dict[str, Any]) -> bool:
        tests = {"gte": lambda a, b: a >= b, "lte": lambda a, b: a <= b, "in": lambda a, b: a in b}
        for key, wanted in filters.items():
            name, _, operator = key.partition("__")
            found = getattr(row, name)
            if not (tests[operator](found, wanted) if operator else found == wanted):
                return False
        return True


class HostSource:
    """The host's data source: Ginkgo's ``GinkgoTushare``, over made-up prices."""

    def fetch_cn_stock_daybar(self, code: str, start_date: datetime, end_date: datetime) -> pd.DataFrame:
        """Return daily bars, volume in lots and amount in thousand CNY."""
        days = [day for day in pd.bdate_range(FIRST, LAST) if start_date <= day <= end_date]
        if code not in CODES or not days:
            return pd.DataFrame()
        close = pd.Series([round(CODES[code] * (1 + 0.01 * (day.day % 3)), 2) for day in days])
        before = close.shift(1, fill_value=close[0])
        frame = pd.DataFrame({"ts_code": code, "trade_date": [day.strftime("%Y%m%d") for day in days]})
        frame["open"], frame["close"], frame["pre_close"] = before, close, before
        frame["high"], frame["low"] = close.combine(before, max), close.combine(before, min)
        frame["vol"] = 12_345.0
        frame["amount"] = (frame["vol"] * (close + before) / 2 / 10).round(3)
        return frame

    def fetch_cn_stockinfo(self) -> pd.DataFrame:
        """Return the listed securities."""
        columns = {"ts_code": list(CODES), "name": ["平安银行", "贵州茅台"], "industry": ["银行", "白酒"]}
        return pd.DataFrame(columns | {"list_date": ["19910403", "20010827"], "delist_date": [None, None]})

    def fetch_cn_stock_trade_day(self) -> pd.DataFrame:
        """Return the exchange's days around the prices."""
        days = pd.date_range("2024-01-02", "2024-01-14")
        opened = [int(day.weekday() < 5) for day in days]
        return pd.DataFrame({"exchange": "SSE", "cal_date": days.strftime("%Y%m%d"), "is_open": opened})


class HostLogger:
    """The host's logger: Ginkgo's ``GLOG``."""

    def DEBUG(self, msg: str) -> None:  # noqa: N802
        """Log a line."""

    def INFO(self, msg: str) -> None:  # noqa: N802
        """Log a line."""
        print(f"[GLOG INFO] {msg}")

    def WARN(self, msg: str) -> None:  # noqa: N802
        """Log a line."""
        print(f"[GLOG WARN] {msg}")

    def ERROR(self, msg: str) -> None:  # noqa: N802
        """Log a line."""
        print(f"[GLOG ERROR] {msg}")

    def CRITICAL(self, msg: str) -> None:  # noqa: N802
        """Log a line."""
        print(f"[GLOG CRITICAL] {msg}")


def main(folder: str) -> int:
    """Run a worker until the commands are done; return how many bars the host's BarCRUD holds."""
    bar_crud, source = HostBarCRUD(), HostSource()
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "memory://"},
            "redis": {"url": "memory://"},
            # Where everything but the bars is kept: absences, quarantine, reports. In Ginkgo its own ClickHouse.
            "clickhouse": {"url": f"chdb://{folder}", "layout": "ginkgo"},
        }
    )
    broker = InMemoryBroker(SystemClock(), work_topic=settings.kafka.work_topic)
    parts = {
        "bar_repository": GtmBarRepository(bar_crud, HostRow, bar_crud.ping),
        "plain_bar_source": GtmBarSource(source),
        "plain_reference_source": GtmReferenceSource(source),
        "broker": broker,  # only because the commands come from this process
    }
    stop = threading.Event()

    def send_and_wait() -> None:
        for command in COMMANDS:
            broker.put("ginkgo.data.commands", command)
        deadline = time.monotonic() + timedelta(seconds=30).total_seconds()
        while broker.pending() and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.set()

    threading.Thread(target=send_and_wait, daemon=True).start()
    run_data_worker(node_id="data_1", bar_crud=bar_crud, settings=settings, parts=parts, glog=HostLogger(), stop=stop)
    counts = Counter(row.code for row in bar_crud.rows)
    print(f"BarCRUD holds {counts.total()} bars: {', '.join(f'{code} {n}' for code, n in sorted(counts.items()))}")
    return counts.total()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(0 if main(sys.argv[1] if len(sys.argv) > 1 else temporary) == 18 else 1)
