"""Collecting against bare inserting: how much of the engine's own rate is left after proving the data.

`collect`: source in memory -> planned, fetched, validated, stored, read back, through the real collector.
`bare`: `insert_arrow` of the same columns, converted beforehand, into the same kind of table, as one call for the
whole table (`bare, one call`) and in the pieces of 200,000 rows that a collection makes (`bare, pieces`).
All run in this process on the embedded engine, in turn, a fresh database each time; ratios are taken round by
round. Usage: python benchmarks/collect.py [--rows 2000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.calendars.xshg import ExchangeCalendarsTradingCalendar
from ginkgo_data.adapters.clickhouse.absence_repository import ClickHouseAbsenceRepository
from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.columns import bar_rows
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.quality_repository import ClickHouseQualityRepository
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.adapters.clickhouse.revision_repository import ClickHouseRevisionRepository
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from ginkgo_data.adapters.clickhouse.version_clock import ClickHouseVersionClock
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.fetch import SourceCapabilities
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.collector import BarCollector
from ginkgo_data.domain.services.reference import SecuritiesSync
from ginkgo_data.entrypoints.sample import make_sample

BATCH = 200_000
FIRST = date(2018, 1, 2)


def generated(rows: int, calendar: ExchangeCalendarsTradingCalendar):
    """Return a clean sample of about `rows` daily bars: codes x 400 sessions."""
    sessions = calendar.sessions(FIRST, date(2019, 8, 30))[:400]
    codes = tuple(f"{600000 + n}.SH" for n in range(max(1, rows // len(sessions))))
    return make_sample(sessions, codes, suspensions=0.0), sessions


def collect(sample, sessions, client: ClickHouseClient, calendar, pool: ThreadPoolExecutor) -> float:
    """Return the seconds of one full collection; it fails when a row is missing at the end."""
    clock = SystemClock()
    reference = ClickHouseReferenceRepository(client)
    versions = ClickHouseVersionClock(client, clock)
    reference.write_securities(sample.securities)
    capabilities = SourceCapabilities("synthetic", frozenset({DAILY}), row_limit=BATCH + 1, codes_per_call=100_000)
    collector = BarCollector(
        source=InMemoryBarSource(sample.bars, capabilities=capabilities),
        bars=ClickHouseBarRepository(client),
        absences=ClickHouseAbsenceRepository(client),
        quality=ClickHouseQualityRepository(client),
        revisions=ClickHouseRevisionRepository(client),
        reference=reference,
        universe=SecuritiesSync(InMemoryReferenceSource(sample.securities), reference, versions, clock),
        calendar=calendar,
        versions=versions,
        clock=clock,
        pool=pool,
    )
    begin = time.perf_counter()
    result = collector.collect(CollectBars(None, start=sessions[0].item(), end=sessions[-1].item(), full=True))
    seconds = time.perf_counter() - begin
    assert result.written == len(sample.bars), result
    assert result.counts.unexplained == 0, result.counts
    return seconds


def bare(table: pa.Table, client: ClickHouseClient, piece: int) -> float:
    """Return the seconds that plain inserts of the converted table take, `piece` rows each."""
    begin = time.perf_counter()
    for offset in range(0, table.num_rows, piece):
        client.insert("bars", table.slice(offset, piece))
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    calendar = ExchangeCalendarsTradingCalendar()
    sample, sessions = generated(wanted.rows, calendar)
    rows = len(sample.bars)
    place = sample.bars.table.column_names.index("version")
    stamped = sample.bars.table.set_column(place, "version", pa.array(np.full(rows, 1, np.uint64)))
    converted = bar_rows(BarBatch(stamped))
    pool = ThreadPoolExecutor(2)
    seconds: dict[str, list[float]] = {"collect": [], "bare, pieces": [], "bare, one call": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(wanted.rounds):
            kinds = list(seconds)
            for kind in kinds[number % 3 :] + kinds[: number % 3]:
                database = f"run{number}_{kinds.index(kind)}"
                client = open_client(ClickHouseConfig(url=f"chdb://{Path(folder) / 'db'}?database={database}"))
                apply_schema(client)
                if kind == "collect":
                    seconds[kind].append(collect(sample, sessions, client, calendar, pool))
                else:
                    seconds[kind].append(bare(converted, client, BATCH if kind == "bare, pieces" else rows))
                client.command(f"DROP DATABASE {database}")
                client.close()
    print(f"rows                     {rows:,}")
    for kind, values in seconds.items():
        rates = [rows / value for value in values]
        print(f"{kind:15} rows/s   {spread(rates, ',.0f')}")
    for kind in ("bare, one call", "bare, pieces"):
        ratios = [plain / whole for plain, whole in zip(seconds[kind], seconds["collect"], strict=True)]
        print(f"collect / {kind:14} {spread(ratios, '.2f')}   aim 0.80")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory              {peak:,.0f} MiB (the sample, its converted copy and the engine included)")


def spread(values: list[float], form: str) -> str:
    """Return median, minimum and maximum."""
    return f"{statistics.median(values):{form}}  ({min(values):{form}} … {max(values):{form}})"


if __name__ == "__main__":
    main()
