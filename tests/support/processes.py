"""A server as a process of this machine: started, stopped, killed, frozen; on loopback, on a port of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"
_WATCHED = Path(__file__).with_name("watched.py")
_LOG_SHOWN = 60
_STOP_SECONDS = 20.0


class StartFailed(Exception):
    """A server did not come up; the message ends with the last lines of its log."""


class ServerProcess:
    """One server process at a time, always with the same command, so that it starts again on its data.

    `ready` is asked until it says true; it may raise `OSError` while the server is not there yet. The process
    ends with the one who started it, however that ends (`watched.py`). Output is appended to `log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        start_seconds: float = 30.0,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(word) for word in command]
        self._ready = ready
        self._start_seconds = start_seconds
        self._env = {**os.environ, **(env or {})}
        self._watcher: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._frozen = False

    @property
    def pid(self) -> int | None:
        """The process id of the running server (of itself, not of its watcher)."""
        return self._pid if self.running else None

    @property
    def running(self) -> bool:
        """Whether the process exists; a frozen one does."""
        return self._watcher is not None and self._watcher.poll() is None

    def start(self) -> None:
        """Start, and return when the server answers. Nothing happens where it runs. Raises `StartFailed`."""
        if self.running:
            return
        self._wait(0)
        with self.log.open("ab") as log:
            self._watcher = subprocess.Popen(
                [sys.executable, "-IS", str(_WATCHED), *self._command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        assert self._watcher.stdout is not None
        line = self._watcher.stdout.readline()
        if not line.strip():
            self._wait(_STOP_SECONDS)
            raise StartFailed(f"{self.name} could not be started: {self._log_end()}")
        self._pid = int(line)
        self._frozen = False
        self._await_ready()

    def stop(self) -> None:
        """End it as its operator would (SIGTERM); killed when it takes too long. Idempotent."""
        self.thaw()
        self._signal(signal.SIGTERM)
        try:
            self._wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), frozen or not. Idempotent."""
        self._signal(signal.SIGKILL)
        self._wait(_STOP_SECONDS)
        self._frozen = False

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)
        self._frozen = self.running

    def thaw(self) -> None:
        """Let a frozen one go on."""
        if self._frozen:
            self._signal(signal.SIGCONT)
            self._frozen = False

    def heal(self) -> None:
        """Make it run again, whatever a test did to it."""
        self.thaw()
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        # The watcher reaps the server and ends after it: while the watcher is there, the pid is not someone else's.
        if self.running and self._pid is not None:
            os.kill(self._pid, number)

    def _wait(self, seconds: float) -> int:
        """Return the exit code of what was started, if anything was."""
        if self._watcher is None:
            return 0
        code = self._watcher.wait(seconds)
        for pipe in (self._watcher.stdin, self._watcher.stdout):
            assert pipe is not None
            pipe.close()
        return code

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            if not self.running:
                raise StartFailed(f"{self.name} ended with {self._wait(1.0)}: {self._log_end()}")
            try:
                if self._ready():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        self.kill()
        raise StartFailed(f"{self.name} did not answer within {self._start_seconds:g} s: {self._log_end()}")

    def _log_end(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()[-_LOG_SHOWN:]
        return f"{subprocess.list2cmdline(self._command)}\nlog {self.log}:\n" + "\n".join(lines)


def free_port() -> int:
    """Return a loopback port nobody listens on, below those the kernel gives to outgoing connections.

    From the kernel's own range, a client that keeps asking for a server that is away ends up connected to
    itself, and the server cannot come back to its port.
    """
    while True:
        port = random.SystemRandom().randint(15_000, _first_outgoing_port() - 1)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def _first_outgoing_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except OSError:
        first = 32_768
    return max(first, 20_000)
