"""A collection of many bars in a process of its own, which says how much memory that took.

``python measured_collector.py clickhouse://... --bars 1000000`` collects made-up bars, which exist only while a call
brings them, through a worker's own collector, and prints one line of JSON (`Measured`). What a worker has loaded, and
how it comes by its memory, is so here too. Linux only: the figures are the kernel's own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import confluent_kafka  # noqa: F401  (a worker has it loaded)
import numpy as np
import redis  # noqa: F401

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, Rows, SourceCapabilities
from ginkgo_data.domain.model.series import Frequency, Series
from ginkgo_data.entrypoints.process_memory import keep_little
from support.bars import business_days, code_name, market
from support.collecting import collecting
from support.stack import listed

SESSIONS = {Frequency.DAY: 4000}
"""Sessions per code, where it is not a year of them."""
ROW_LIMIT = 8000
"""Rows of one reply, as the vendor of minute bars limits them."""


@dataclass(frozen=True)
class Measured:
    """What a collection took; sizes in MiB of resident memory."""

    bars: int
    seconds: float
    inserts: int
    before: float
    """When everything was loaded and nothing collected."""
    peak: float
    course: tuple[float, ...]
    """At twenty moments, evenly spread."""

    @property
    def rate(self) -> float:
        """Bars per second."""
        return self.bars / self.seconds


class GeneratedBarSource:
    """A vendor that makes up what it is asked for; it keeps nothing."""

    def __init__(self, series: Series, sessions: Sessions) -> None:
        self.capabilities = SourceCapabilities("made-up", frozenset({series}), row_limit=ROW_LIMIT)
        self._sessions = sessions

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer with all bars of the codes and days asked for."""
        first, last = (np.datetime64(day, "D") for day in (request.first, request.last))
        days = self._sessions[(self._sessions >= first) & (self._sessions <= last)]
        return Rows(market(request.codes or (), days, version=request.version, series=request.series))


def memory(name: str) -> float:
    """Return a figure of this process (`VmRSS`, `VmHWM`) in MiB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


class Course:
    """Looks at the resident memory four times a second, in a thread."""

    def __init__(self) -> None:
        self._seen: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self, points: int = 20) -> tuple[float, ...]:
        """Return `points` of what was seen."""
        self._done.set()
        self._thread.join()
        seen = [*self._seen, memory("VmRSS")]
        return tuple(round(seen[place * (len(seen) - 1) // (points - 1)], 1) for place in range(points))

    def _watch(self) -> None:
        while not self._done.wait(0.25):
            self._seen.append(memory("VmRSS"))


def collect(url: str, bars: int, frequency: Frequency, flush_rows: int | None) -> Measured:
    """Collect `bars` bars, or some more to make whole years, in this process; fails when one is missing."""
    keep_little()
    series = Series(frequency)
    per_session = frequency.bars_per_session
    sessions = business_days("2008-01-01", SESSIONS.get(frequency, 250))
    codes = [code_name(number) for number in range(-(-bars // (per_session * len(sessions))))]
    source = GeneratedBarSource(series, sessions)
    with collecting(url, source, listed(codes, sessions[0].item()), sessions, flush_rows=flush_rows) as collector:
        before, course, began = memory("VmRSS"), Course(), time.monotonic()
        command = CollectBars(tuple(codes), series, sessions[0].item(), sessions[-1].item())
        result = collector.collect(command)
        seconds = time.monotonic() - began
    assert result.complete, result
    assert result.written == len(codes) * len(sessions) * per_session, result
    return Measured(result.written, seconds, result.inserts, before, memory("VmHWM"), course.end())


def measured(url: str, bars: int, frequency: str = "1m", flush_rows: int | None = None) -> Measured:
    """Collect in another process. Fails when that fails."""
    words = [sys.executable, __file__, url, "--bars", str(bars), "--frequency", frequency]
    words += ["--flush-rows", str(flush_rows)] if flush_rows else []
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = Measured(**json.loads(said))
    return replace(found, course=tuple(found.course))


def main() -> None:
    """Collect, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--bars", type=int, required=True)
    parser.add_argument("--frequency", type=Frequency, default=Frequency.MIN1)
    parser.add_argument("--flush-rows", type=int)
    wanted = parser.parse_args()
    print(json.dumps(asdict(collect(wanted.url, wanted.bars, wanted.frequency, wanted.flush_rows))))


if __name__ == "__main__":
    main()
