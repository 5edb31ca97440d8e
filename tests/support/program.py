"""The program as a person starts it: `ginkgo-data` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.planted import assert_silent

DUMP = Path(__file__).with_name("dump.py")


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """The one object printed on standard output."""
        return json.loads(self.out)


def start(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: int | None = None
) -> subprocess.Popen:
    """Start ``ginkgo-data ARGUMENTS`` and return the process."""
    command = [sys.executable, "-m", "ginkgo_data.entrypoints.cli", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdin=stdin,
        # A run of the tests in the background is deaf to Ctrl-C, and so would be what it starts.
        preexec_fn=_hear_ctrl_c,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**_quiet_environment(), **(env or {})},
    )


def run(*arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ended:
    """Run ``ginkgo-data ARGUMENTS`` to its end."""
    process = start(*arguments, env=env, cwd=cwd)
    out, err = process.communicate(timeout=120)
    assert_silent(out + err, f"ginkgo-data {' '.join(map(str, arguments))}")
    return Ended(process.returncode, out, err)


def dump(directory: Path, frequency: str = "1d", adjust: str = "none") -> str:
    """Return all stored bars of a series as CSV, by key."""
    command = [sys.executable, str(DUMP), str(directory), frequency, adjust]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)
    return done.stdout


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _quiet_environment() -> dict[str, str]:
    """Return the environment without anything that configures the program, at a width that cuts no line."""
    ours = ("GINKGO_", "TUSHARE_", "KAFKA_", "REDIS_", "CLICKHOUSE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "GINKGO_DIR": os.devnull, "COLUMNS": "200", "PYTHONUTF8": "1"}
