"""What importing costs: `import ginkgo_data`, and a bare `import pyarrow` beside it, in processes of their own.

Usage: python benchmarks/imports.py [--runs 9]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

SCRIPT = """
import sys, time
begin = time.perf_counter()
import {module}
seconds = time.perf_counter() - begin
heavy = {{"pandas", "pyarrow", "numpy", "confluent_kafka", "redis", "clickhouse_connect", "chdb", "httpx"}}
print(seconds, *sorted(heavy & set(sys.modules)))
"""


def measured(module: str, runs: int) -> tuple[list[float], set[str]]:
    """Return the seconds of each import of `module` and the heavy packages it loaded."""
    seconds, loaded = [], set()
    for _ in range(runs):
        command = [sys.executable, "-c", SCRIPT.format(module=module)]
        time_taken, *modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        seconds.append(float(time_taken))
        loaded |= set(modules)
    return seconds, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    for module in ("ginkgo_data", "ginkgo_data.domain.services.collector", "pyarrow"):
        seconds, loaded = measured(module, runs)
        middle = statistics.median(seconds)
        print(f"import {module:38} {middle:.3f} s  ({min(seconds):.3f} … {max(seconds):.3f})  loads {sorted(loaded)}")


if __name__ == "__main__":
    main()
