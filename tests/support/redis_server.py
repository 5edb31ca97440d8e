"""A Redis of the tests: the redis-server of this machine, on its own port and directory."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from support.processes import HOST, ServerProcess, free_port

BINARY = "redis-server"


def redis_missing() -> str | None:
    """Say what keeps Redis from being started here, if anything does."""
    return None if shutil.which(BINARY) else f"{BINARY} is not on PATH (Debian: apt-get install redis-server)"


class RedisAddress:
    """Where a Redis is, and whether it answers there."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        """``redis://[:password@]host:port/database``."""
        self.port = parts.port or 6379
        self.address = f"{parts.hostname}:{self.port}"
        """``host:port``."""

    def answers(self) -> bool:
        """Whether a Redis answers, be it with the wish for a password. Raises `OSError` where nobody listens."""
        host, _, _ = self.address.rpartition(":")
        with socket.create_connection((host, self.port), 1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))


class RedisServer(RedisAddress, ServerProcess):
    """Redis that keeps what it acknowledged when it is killed (append-only file)."""

    def __init__(self, directory: Path, password: str = "") -> None:
        port = free_port()
        RedisAddress.__init__(self, f"redis://{f':{password}@' if password else ''}{HOST}:{port}/0")
        settings = {"bind": HOST, "port": port, "dir": directory, "save": "", "appendonly": "yes"}
        if password:
            settings["requirepass"] = password
        options = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
        ServerProcess.__init__(self, "Redis", [BINARY, *options], directory / "redis.log", self.answers, 15.0)

    @property
    def origin(self) -> str:
        """What it is, for the report of a run."""
        said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        version = next((word.removeprefix("v=") for word in said.split() if word.startswith("v=")), "")
        return f"process, {BINARY} {version}".rstrip()
