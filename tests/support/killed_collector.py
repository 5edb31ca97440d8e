"""Collections in processes of their own, to be killed at any moment: one program that has imported all forks each.

``python killed_collector.py`` reads a line of JSON per collection (`Run`); its process answers ``began`` and its
number, and ends by itself if it is not killed. ``wait`` is answered with its exit code, -9 after SIGKILL: until then
nobody else can have its number. The vendor is made up, and knows two stages: what it had first, and what it has after
corrections and withdrawals.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import clickhouse_connect  # noqa: F401  (loaded before the first fork, for all of them)

from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.fetch import SourceCapabilities
from ginkgo_data.domain.model.series import DAILY, Frequency, Series
from support.bars import business_days, code_name, market
from support.collecting import collecting
from support.stack import listed

CODES = tuple(sorted(code_name(number) for number in range(3)))
DAYS = business_days("2023-01-02", 60)
MINUTES = Series(Frequency.MIN30)
MINUTE_DAYS = DAYS[:10]
SPANS = {DAILY: (DAYS[0].item(), DAYS[-1].item()), MINUTES: (MINUTE_DAYS[0].item(), MINUTE_DAYS[-1].item())}
SECURITIES = listed(CODES, DAYS[0].item())

EVERY = 7
"""Every seventh bar is corrected, and one that follows every fortieth is withdrawn."""


@dataclass(frozen=True)
class Run:
    """One collection of all codes, daily bars and then minutes."""

    url: str
    layout: str
    corrected: bool
    """Whether the vendor has made its corrections, and everything is asked for again (`force`)."""
    since: str
    """When the command was first delivered (ISO, zoned)."""
    flush_rows: int
    """Rows of an insert; there are 400 bars, and the revisions, marks and withdrawals that go with them."""
    look_again: bool = False
    """Whether to make sure that nothing is left to ask for."""


def vendor_bars(series: Series, corrected: bool) -> BarBatch:
    """Return what the vendor has of `series`, before or after its corrections."""
    batch = market(CODES, DAYS if series == DAILY else MINUTE_DAYS, series=series)
    # Every thirteenth daily bar does not exist: its code was suspended.
    batch = batch.filter(np.arange(len(batch)) % 13 != 5) if series == DAILY else batch
    if not corrected:
        return batch
    row = np.arange(len(batch))
    close = np.where(row % EVERY == 3, np.round(batch.table["close"].to_numpy() + 0.01, 2), batch.table["close"])
    table = batch.table
    for name, values in (("close", close), ("high", np.maximum(close, table["high"].to_numpy()))):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(values))
    return BarBatch(table, series).filter(row % 40 != 11)


def vendor(corrected: bool) -> InMemoryBarSource:
    """Return the vendor: one code a call, and the evidence for what it has no bar of."""
    bars = [vendor_bars(series, corrected) for series in SPANS]
    known = set(zip(bars[0].table["code"].to_pylist(), bars[0].table["session"].to_pylist(), strict=True))
    away = [(code, day) for code in CODES for day in DAYS.tolist() if (code, day) not in known]
    gaps = ((code, day, AbsenceReason.SUSPENDED, "suspended") for code, day in away)
    has = SourceCapabilities("test", frozenset(SPANS), row_limit=6000, codes_per_call=1)
    return InMemoryBarSource(bars, has, Absences.of(gaps, "test", 1))


def collect(run: Run) -> None:
    """Do one run, in this process."""
    since = datetime.fromisoformat(run.since)
    commands = [CollectBars(CODES, series, *span, force=run.corrected) for series, span in SPANS.items()]
    source = vendor(run.corrected)
    stand = {"layout": run.layout, "flush_rows": run.flush_rows, "concurrency": 2}
    with collecting(run.url, source, SECURITIES, DAYS, **stand) as collector:
        for command in commands:
            result = collector.collect(command, since)
            assert not result.unknown, result
        if run.look_again:
            for command in commands:
                assert collector.collect(command, since).calls == 0, command


class Collections:
    """The program, as a test uses it: one collection at a time."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._heard()

    def run(self, run: Run) -> float:
        """Let a collection end by itself; return the seconds it took. Fails when it failed."""
        self._begin(run)
        began = time.monotonic()
        status = int(self._asked("wait"))
        assert status == 0, f"the collection ended with {status}"
        return time.monotonic() - began

    def kill(self, run: Run, wait: Callable[[], None], watch: Callable[[], None]) -> bool:
        """Kill a collection once `wait` returns, and call `watch` then; return whether it was still running."""
        pid = self._begin(run)
        wait()
        os.kill(pid, signal.SIGKILL)
        watch()
        status = int(self._asked("wait"))
        assert status in (0, -signal.SIGKILL), f"the collection ended with {status}"
        return status != 0

    def close(self) -> None:
        """End the program, and with it what it runs."""
        self._program.kill()
        self._program.communicate()

    def _begin(self, run: Run) -> int:
        return int(self._asked(json.dumps(asdict(run))).removeprefix("began "))

    def _asked(self, line: str) -> str:
        assert self._program.stdin is not None
        self._program.stdin.write(line + "\n")
        self._program.stdin.flush()
        return self._heard()

    def _heard(self) -> str:
        assert self._program.stdout is not None
        line = self._program.stdout.readline()
        assert line, "the program that collects has ended"
        return line.strip()


def _serve(lines: Iterator[str]) -> None:
    _say("ready")
    for line in lines:
        given: dict[str, Any] = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be_killed(Run(**given))
        assert next(lines).strip() == "wait"
        _say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _be_killed(run: Run) -> None:
    status = 1
    try:
        _say(f"began {os.getpid()}")
        collect(run)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _say(text: object) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    _serve(iter(sys.stdin.readline, ""))
