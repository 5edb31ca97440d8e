"""The memory of a worker that collects many bars into a server: resident at its peak, and on the way.

ClickHouse's engine runs in another process, behind an HTTP front of the tests. The worker is a process that has loaded
what a worker loads, with a vendor that makes up the bars a call asks for, 8,000 rows a reply; coverage, plan,
validation, inserts and reading back are its own. Linux only. `--bars` scales everything down.
Usage: python benchmarks/memory.py [--bars 20000000] [--frequency 1m] [--directory DIR]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from support.measured_collector import Measured, measured
from support.servers import clickhouse_running

AIM = 400
"""MiB."""
BYTES_A_BAR = 150
"""Free disk that is asked for: parts before and after merging, and an insert as a file."""


def parts(url: str) -> tuple[int, int, int]:
    """Return partitions and active parts of the stored bars, and their bytes."""
    client = open_client(ClickHouseConfig(url=url))
    found = client.query(
        "SELECT uniqExact(partition) AS partitions, count() AS parts, sum(bytes_on_disk) AS bytes FROM system.parts "
        "WHERE active AND database = currentDatabase() AND table = 'bars'"
    ).to_pylist()[0]
    client.close()
    return found["partitions"], found["parts"], found["bytes"]


def tell(found: Measured, stored: tuple[int, int, int], frequency: str) -> None:
    partitions, count, size = stored
    course = " ".join(f"{value:.0f}" for value in found.course)
    print(
        f"collected                {found.bars:,} bars of {frequency} in {found.seconds:.0f} s: {found.rate:,.0f} a s"
    )
    print(
        f"inserts                  {found.inserts}, {count} parts in {partitions} partitions, {size / 2**20:,.0f} MiB"
    )
    print(f"resident, at the peak    {found.peak:.0f} MiB   aim < {AIM}")
    print(f"  before the first call  {found.before:.0f} MiB")
    print(f"  on the way             {course}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=20_000_000)
    parser.add_argument("--frequency", default="1m", help="1d, 1m, 5m, 15m, 30m or 60m")
    parser.add_argument("--quick", action="store_true", help="a tenth of the bars")
    parser.add_argument("--directory", type=Path, help="where the engine keeps its files for the time; default: /tmp")
    wanted = parser.parse_args()
    bars = wanted.bars // 10 if wanted.quick else wanted.bars
    with tempfile.TemporaryDirectory(dir=wanted.directory) as folder:
        free = shutil.disk_usage(folder).free
        if free < bars * BYTES_A_BAR:
            parser.error(f"{folder} has {free:,} bytes free; {bars:,} bars may need {bars * BYTES_A_BAR:,}")
        with clickhouse_running(Path(folder)) as server:
            url = server.database("memory")
            tell(measured(url, bars, wanted.frequency), parts(url), wanted.frequency)


if __name__ == "__main__":
    main()
