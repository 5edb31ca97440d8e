"""A Redis of the tests: the redis-server of this machine, on its own port and directory."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from support.processes import HOST, ServerProcess, free_port

BINARY = "redis-server"


def redis_missing() -> str | None:
    """Say what keeps Redis from being started here, if anything does."""
    return None if shutil.which(BINARY) else f"{BINARY} is not on PATH (Debian: apt-get install redis-server)"


class RedisServer(ServerProcess):
    """Redis that keeps what it acknowledged when it is killed (append-only file)."""

    def __init__(self, directory: Path, password: str = "") -> None:
        self.port = free_port()
        self._password = password
        settings = {"bind": HOST, "port": self.port, "dir": directory, "save": "", "appendonly": "yes"}
        if password:
            settings["requirepass"] = password
        options = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
        super().__init__("Redis", [BINARY, *options], directory / "redis.log", self._answers, 15.0)

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT/0``, with the password where there is one."""
        return f"redis://{f':{self._password}@' if self._password else ''}{self.address}/0"

    def _answers(self) -> bool:
        with socket.create_connection((HOST, self.port), 1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
