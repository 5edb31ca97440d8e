"""Runs a server that must not outlive the one who started it: ``python watched.py COMMAND...``.

Prints the pid of the server. The server is killed when standard input closes, which it does however the starter
ends, and when this process is killed; this process ends when the server has, with its exit code (128 + signal).
A death signal set by the starter itself would not do: it comes when the starting *thread* ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_at_end_of_input(server: subprocess.Popen) -> None:
    while os.read(0, 1024):
        pass
    server.kill()


def main(command: list[str]) -> None:
    """Run `command` to its end."""
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr, preexec_fn=_die_with_parent
    )
    print(server.pid, flush=True)
    threading.Thread(target=_kill_at_end_of_input, args=(server,), daemon=True).start()
    code = server.wait()
    os._exit(128 - code if code < 0 else code)


if __name__ == "__main__":
    main(sys.argv[1:])
