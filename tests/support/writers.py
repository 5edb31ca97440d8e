"""Worker processes that write into Ginkgo's tables until they are killed; one that is killed is followed by another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


class Writers:
    """`count` processes of ``python SCRIPT URL SEED``, a script that prints the version of each acknowledged write."""

    def __init__(self, script: str, url: str, count: int) -> None:
        self._script, self._url, self._seed = Path(__file__).with_name(script), url, 0
        self.acknowledged: list[int] = []
        self._running = [self._start() for _ in range(count)]

    def _start(self) -> subprocess.Popen:
        self._seed += 1
        command = [sys.executable, str(self._script), self._url, str(self._seed)]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def heard(self) -> None:
        """Wait until every one of them has written."""
        for process in self._running:
            self.acknowledged.append(int(process.stdout.readline()))

    def kill(self, number: int, *, replace: bool = True) -> None:
        """Kill one of them, and note what it had acknowledged."""
        process = self._running[number]
        process.kill()
        lines = process.communicate()[0].split(b"\n")[:-1]
        self.acknowledged += [int(line) for line in lines if line]
        if replace:
            self._running[number] = self._start()

    def end(self) -> None:
        """Kill them all."""
        for number in range(len(self._running)):
            self.kill(number, replace=False)
