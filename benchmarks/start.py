"""What a start costs: a worker's process until its first RUNNING heartbeat, beside a bare import of the same libraries.

One run on real servers (Kafka, Redis; ClickHouse's engine behind an HTTP front of the tests), all on this machine.
Which libraries that are is found first: every module from outside this package and the standard library that a worker
has imported when it beats as RUNNING. Then, in turn, a worker is started, and a process that imports these modules and
nothing else; the heartbeat is looked for in Redis every few milliseconds. Bytecode is kept, as it is in the image and
wherever a package was installed. The resident set is that of the worker seconds later, with nothing to do.
Usage: python benchmarks/start.py [--runs 7] [--idle 5]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.processes import ServerProcess
from support.servers import clickhouse_running, kafka_running, redis_running
from support.vendor import MarketSpec, Vendor
from support.worker_fleet import Fleet, Servers

AIM_SECONDS, AIM_MIB = 0.5, 150
_IMPORT = """
import importlib, sys
for name in sys.argv[1].split():
    try:
        importlib.import_module(name)
    except ImportError:  # some cannot stand alone
        pass
"""
_LISTED = """
import os, sys, threading, time
def list_modules(place):
    while True:
        with open(place + ".new", "w") as file:
            file.write(" ".join(list(sys.modules)))
        os.replace(place + ".new", place)
        time.sleep(0.05)
threading.Thread(target=list_modules, args=(sys.argv.pop(1),), daemon=True).start()
from ginkgo_data.entrypoints.program import main
main()
"""
_PROGRAM = ("-m", "ginkgo_data.entrypoints.program")
_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
_PATIENCE = 60.0


class Started(ServerProcess):
    """One worker, from its start to its heartbeat."""

    def __init__(self, fleet: Fleet, log: Path, program: Sequence[str] = _PROGRAM) -> None:
        self.node_id = f"start{time.monotonic_ns()}"
        self._redis = redis.Redis.from_url(fleet.settings["redis"]["url"])
        self._key = f"heartbeat:data_worker:{self.node_id}"
        words = [sys.executable, *program, "worker", "start", "--config", str(fleet.config), "--node-id", self.node_id]
        super().__init__("worker", words, log, self._runs, _PATIENCE, env={"NO_PROXY": "*", **_COMPILED})

    def _runs(self) -> bool:
        beat = self._redis.get(self._key)
        return beat is not None and json.loads(beat)["status"] == "running"

    def timed(self) -> float:
        """Start it, and return the seconds until it beat as RUNNING."""
        began = time.perf_counter()
        self.start()
        return time.perf_counter() - began

    def resident(self) -> float:
        """MiB of memory that it has."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0]) / 1024


def libraries(fleet: Fleet, folder: Path) -> list[str]:
    """Return the modules of others that a worker has imported when it runs, in order."""
    place = folder / "modules"
    worker = Started(fleet, folder / "listed.log", ("-c", _LISTED, str(place)))
    worker.start()
    time.sleep(0.5)
    found = place.read_text("utf-8").split()
    worker.stop()
    ours = {"ginkgo_data", "__main__", *sys.stdlib_module_names}
    return [name for name in found if name.partition(".")[0] not in ours and not name.startswith("_")]


def bare(names: str) -> float:
    """Return the seconds of a process that imports `names`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", _IMPORT, names], check=True, env={**os.environ, **_COMPILED})
    return time.perf_counter() - began


def shown(what: str, values: list[float], unit: str, digits: int) -> str:
    """Return one line: median and range."""
    middle, low, high = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{what:44} {middle} {unit}  ({low} … {high})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle", type=float, default=5.0, help="seconds after which the resident set is read")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = [folder / name for name in ("kafka", "redis", "clickhouse")]
        for place in places:
            place.mkdir()
        kafka = stack.enter_context(kafka_running(places[0]))
        its_redis = stack.enter_context(redis_running(places[1]))
        store = stack.enter_context(clickhouse_running(places[2]))
        vendor = stack.enter_context(Vendor(folder, MarketSpec(10, "2020-06-01", 5)))
        found = Servers(kafka, its_redis.url, store)
        fleet = stack.enter_context(Fleet(folder, found, vendor, partitions=12))
        fleet.start()[0].stop()  # writes the configuration, makes the topics, and warms the machine's caches
        modules = libraries(fleet, folder)
        names = " ".join(modules)
        tops = sorted({name.partition(".")[0] for name in modules})
        print(f"libraries: {', '.join(tops)} ({len(modules)} modules)")
        imports, starts, resident = [], [], []
        for _ in range(asked.runs):
            imports.append(bare(names))
            worker = Started(fleet, folder / "worker.log")
            starts.append(worker.timed())
            time.sleep(asked.idle)
            resident.append(worker.resident())
            worker.stop()
        more = statistics.median(starts) - statistics.median(imports)
        print(shown("bare import of these", imports, "s", 2))
        print(shown("worker, to its first RUNNING heartbeat", starts, "s", 2))
        print(f"{'more than the bare import':44} {more:.2f} s  (aim: at most {AIM_SECONDS:g} s)")
        print(shown(f"resident set, idle (aim: under {AIM_MIB} MiB)", resident, "MiB", 0))


if __name__ == "__main__":
    main()
