"""A ClickHouse of the tests: the embedded engine in a process of its own, behind ClickHouse's HTTP interface."""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from support.processes import HOST, ServerProcess, free_port

FRONT = Path(__file__).with_name("clickhouse_front.py")


def clickhouse_missing() -> str | None:
    """Say what keeps the engine from being started here, if anything does."""
    return None if find_spec("chdb") else "the package chdb is not installed (ginkgo-data[embedded])"


class ClickHouseAddress:
    """A server's address, and those of its databases."""

    def __init__(self, url: str) -> None:
        self.url = self.address = url
        """``clickhouse://user[:password]@host:port/database``."""

    def database(self, name: str) -> str:
        """The address of another database of the server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def answers(self) -> bool:
        """Whether a server answers. Raises `OSError` where nobody listens."""
        place = urlsplit(self.url)
        with urlopen(f"http://{place.hostname}:{place.port}/ping", timeout=2) as reply:
            return bool(reply.read() == b"Ok.\n")


class ClickHouseServer(ClickHouseAddress, ServerProcess):
    """The engine over HTTP. What it acknowledged is still there when it was killed and is started again."""

    def __init__(self, directory: Path, password: str = "") -> None:
        self.port = free_port()
        user = f"default:{password}" if password else "default"
        ClickHouseAddress.__init__(self, f"clickhouse://{user}@{HOST}:{self.port}/ginkgo")
        command = [sys.executable, str(FRONT), "--path", str(directory / "data"), "--port", str(self.port)]
        env = {"CLICKHOUSE_FRONT_PASSWORD": password}
        ServerProcess.__init__(self, "ClickHouse", command, directory / "front.log", self.answers, 30.0, env)

    @property
    def origin(self) -> str:
        """What it is, for the report of a run: not a server, and not a mere imitation."""
        return f"process, HTTP front over the embedded engine (chdb {version('chdb')})"
