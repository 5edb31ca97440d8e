"""Storage: bytes per bar, collecting against bare inserting, the latest session per code, coverage, adjusted prices.

`bytes`: real files of the shared data go through `ginkgo-data quickstart` into an embedded database; the stored bars
are then copied into the table as it is shipped, and into a plain MergeTree of the same columns and key, without codecs
(LZ4, the engine's default). Both are merged to one part per partition, in wide parts, so that the codecs are compared.
`collect`: as benchmarks/collect.py.
`latest`, `coverage`, `adjusted`: 5,000 codes x 10 years of generated daily bars. The latest session of each code is one
query; coverage of 5 years is computed by the domain in numpy from the sessions that the store hands over, the grid
included; adjusted bars are one code, and everything, through the view bars_qfq.
All on the embedded engine, in this process. Usage: python benchmarks/storage.py [--quick] [--only reading] [--data DIR]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from collect import BATCH, bare, collect, generated, spread
from ginkgo_data.adapters.calendars.xshg import ExchangeCalendarsTradingCalendar
from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.columns import bar_rows
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from ginkgo_data.adapters.clickhouse.tables import BARS, Table
from ginkgo_data.domain.model.bars import BarBatch, Sessions
from ginkgo_data.domain.model.coverage import Absences
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.coverage import build_coverage
from ginkgo_data.entrypoints.sample import make_sample

REAL = {
    "1d": ("daily/tushare_daily_raw_2019_2020.csv",),
    "5m": ("minute/em_5min_600519.csv",),
    "15m": tuple(f"minute/sina_15min_{code}.csv" for code in ("000001", "600000", "600063", "600519")),
}
"""Files per frequency whose stored bars are measured."""

FACTOR_CHANGES = 12
"""Change points per code over the ten years of the generated factors."""


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    codes: int
    sessions: int
    """Of ten years."""
    collected: int
    rounds: int


FULL = Sizes(codes=5000, sessions=2430, collected=2_000_000, rounds=3)
QUICK = Sizes(codes=300, sessions=2430, collected=200_000, rounds=1)


@contextmanager
def database(folder: Path, name: str) -> Iterator[ClickHouseClient]:
    """Give a database with the whole schema, and drop it. A process has one engine, so all are in one folder."""
    client = open_client(ClickHouseConfig(url=f"chdb://{folder}?database={name}"))
    apply_schema(client)
    try:
        yield client
    finally:
        client.command(f"DROP DATABASE `{name}`")
        client.close()


# -- bytes per bar ------------------------------------------------------------------------------


def plain_ddl(table: Table) -> str:
    """Return the table without codecs, as a plain MergeTree."""
    columns = ", ".join(f"{column.name} {column.type}" for column in table.all_columns)
    return (
        f"CREATE TABLE plain ({columns}) ENGINE = MergeTree PARTITION BY {table.partition} ORDER BY ({table.key}) "
        "SETTINGS min_bytes_for_wide_part = 0"
    )


def bytes_per_bar(stored: ClickHouseClient) -> dict[str, tuple[int, float, float]]:
    """Return (rows, bytes a bar as shipped, bytes a bar plain) per frequency."""
    stored.command("CREATE TABLE shipped AS bars")
    stored.command("ALTER TABLE shipped MODIFY SETTING min_bytes_for_wide_part = 0")
    stored.command(plain_ddl(BARS))
    names = ", ".join(column.name for column in BARS.all_columns)
    for table in ("shipped", "plain"):
        stored.command(f"INSERT INTO {table} ({names}) SELECT {names} FROM bars FINAL")
        stored.command(f"OPTIMIZE TABLE {table} FINAL")
    found = stored.query(
        "SELECT extract(partition, '[0-9]+[dm]') AS frequency, table, sum(rows) AS rows, "
        "sum(data_compressed_bytes) AS bytes "
        "FROM system.parts WHERE active AND database = currentDatabase() AND table IN ('shipped', 'plain') "
        "GROUP BY frequency, table"
    ).to_pylist()
    sizes = {(row["frequency"], row["table"]): (row["rows"], row["bytes"] / row["rows"]) for row in found}
    return {
        frequency: (*sizes[frequency, "shipped"], sizes[frequency, "plain"][1])
        for frequency in REAL
        if (frequency, "shipped") in sizes
    }


def measure_bytes(data: Path, scratch: Path, quick: bool) -> None:
    """Print bytes per bar of the real files."""
    files = [name for names in REAL.values() for name in (names[:1] if quick else names)]
    if missing := [name for name in files if not (data / name).is_file()]:
        print(f"bytes per bar            left out: {data} has no {missing[0]}")
        return
    folder = scratch / "real"
    for name in files:
        command = [sys.executable, "-m", "ginkgo_data.entrypoints.cli", "quickstart", "--json"]
        # An exit code of 1 says that a session is incomplete, which is the file's business here.
        subprocess.run([*command, "--from", data / name, "--dir", folder], check=False, capture_output=True)
    subprocess.run([sys.executable, __file__, "--stored", folder], check=True)


def print_bytes(folder: Path) -> None:
    """Print the figures of one folder: in a process of its own, since a process can have one engine only."""
    client = open_client(ClickHouseConfig(url=f"chdb://{folder}"))
    for frequency, (rows, shipped, plain) in bytes_per_bar(client).items():
        aim = "   aim 0.60" if frequency == "1d" else ""
        share = f"{shipped:.2f} of {plain:.2f} plain: {shipped / plain:.2f}"
        print(f"bytes per bar, {frequency:9} {share}  ({rows:,} bars){aim}")
    client.close()


# -- collecting ---------------------------------------------------------------------------------


def measure_collecting(engine: Path, sizes: Sizes, calendar: ExchangeCalendarsTradingCalendar) -> None:
    """Print the rate of a whole collection against that of `insert_arrow`."""
    sample, sessions = generated(sizes.collected, calendar)
    rows = len(sample.bars)
    place = sample.bars.table.column_names.index("version")
    stamped = sample.bars.table.set_column(place, "version", pa.array(np.full(rows, 1, np.uint64)))
    converted = bar_rows(BarBatch(stamped))
    ratios: dict[str, list[float]] = {"one call": [], "pieces": []}
    with ThreadPoolExecutor(2) as pool:
        for number in range(sizes.rounds):
            with database(engine, f"collect{number}") as client:
                whole = collect(sample, sessions, client, calendar, pool)
            for kind, piece in (("one call", rows), ("pieces", BATCH)):
                with database(engine, f"bare{number}") as client:
                    ratios[kind].append(bare(converted, client, piece) / whole)
    for kind, values in ratios.items():
        print(f"collect / bare, {kind:8} {spread(values, '.2f')}   aim 0.80  ({rows:,} bars)")


# -- reading ------------------------------------------------------------------------------------


def fill(client: ClickHouseClient, codes: tuple[str, ...], sessions: Sessions) -> None:
    """Store generated daily bars and factors of `codes`."""
    repository = ClickHouseBarRepository(client)
    at_once = max(1, 1_000_000 // len(sessions))
    for start in range(0, len(codes), at_once):
        repository.write(make_sample(sessions, codes[start : start + at_once], suspensions=0.0).bars)
    steps = 1 + 0.01 * (np.arange(len(sessions)) * FACTOR_CHANGES // len(sessions))
    for start in range(0, len(codes), at_once):
        some = codes[start : start + at_once]
        rows = len(some) * len(sessions)
        index = np.repeat(np.arange(len(some), dtype=np.int32), len(sessions))
        factors = {
            "code": pa.DictionaryArray.from_arrays(pa.array(index), pa.array(some)),
            "session": pa.array(np.tile(sessions, len(some))),
            "factor": pa.array(np.tile(steps, len(some))),
            "source": pa.array(["synthetic"] * rows),
            "version": pa.array(np.ones(rows, np.uint64)),
        }
        client.insert("adjustment_factors", pa.table(factors))


def seconds(what: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Return how long each of some runs took, by the wall clock and by the processors' (all threads together)."""
    wall, busy = [], []
    for _ in range(rounds):
        begin, worked = time.perf_counter(), time.process_time()
        what()
        wall.append(time.perf_counter() - begin)
        busy.append(time.process_time() - worked)
    return wall, busy


def coverage(client: ClickHouseClient, codes: tuple[str, ...], sessions: Sessions) -> int:
    """Return the cells that are missing of `codes` x `sessions`: none."""
    held = ClickHouseBarRepository(client).held(None, DAILY, sessions[0].item(), sessions[-1].item())
    edges = (np.full(len(codes), sessions[0]), np.full(len(codes), sessions[-1]))
    grid = build_coverage(codes, sessions, *edges, held, Absences.empty())
    return int(grid.missing.sum())


def measure_reading(engine: Path, sizes: Sizes, calendar: ExchangeCalendarsTradingCalendar) -> None:
    """Print the times of the questions that are asked of a full store."""
    sessions = calendar.sessions(date(2010, 1, 4), date(2020, 12, 31))[: sizes.sessions]
    codes = tuple(f"{600000 + number}.SH" for number in range(sizes.codes))
    years = sessions[-len(sessions) // 2 :]
    settings = "SETTINGS do_not_merge_across_partitions_select_final = 1"
    latest = (
        "SELECT code, max(session) AS newest FROM bars FINAL WHERE frequency = '1d' AND adjust = 'none' "
        f"GROUP BY code {settings}"
    )
    one = f"SELECT * FROM bars_qfq WHERE code = '{codes[len(codes) // 2]}' AND frequency = '1d'"
    with database(engine, "reading") as client:
        begin = time.perf_counter()
        fill(client, codes, sessions)
        filled = time.perf_counter() - begin
        assert client.query(latest).num_rows == len(codes)
        assert coverage(client, codes, years) == 0
        assert client.query(one).num_rows == len(sessions)
        times = {
            "latest session per code": seconds(lambda: client.query(latest), sizes.rounds),
            f"coverage, {len(years)} sessions": seconds(lambda: coverage(client, codes, years), sizes.rounds),
            "bars_qfq, one code": seconds(lambda: client.query(one), sizes.rounds),
            "bars_qfq, everything": seconds(lambda: client.query("SELECT sum(close) FROM bars_qfq"), sizes.rounds),
        }
    rows = len(codes) * len(sessions)
    print(f"stored for reading       {rows:,} bars of {len(codes):,} codes and their factors in {filled:.0f} s")
    for what, (wall, busy) in times.items():
        aim = "   aim < 1 s" if what.startswith("coverage") else ""
        print(f"{what:24} {spread(wall, '.3f')} s, of processors {spread(busy, '.3f')} s{aim}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: shows that everything runs")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside, help="folder of the shared real data")
    parser.add_argument("--only", choices=("bytes", "collecting", "reading"), help="one of the three parts")
    parser.add_argument("--stored", type=Path, help="only print the bytes per bar of this embedded database")
    wanted = parser.parse_args()
    if wanted.stored:
        print_bytes(wanted.stored)
        return
    sizes = QUICK if wanted.quick else FULL
    calendar = ExchangeCalendarsTradingCalendar()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if wanted.only in (None, "bytes"):
            measure_bytes(wanted.data, scratch, wanted.quick)
        if wanted.only in (None, "collecting"):
            measure_collecting(scratch / "engine", sizes, calendar)
        if wanted.only in (None, "reading"):
            measure_reading(scratch / "engine", sizes, calendar)


if __name__ == "__main__":
    main()
