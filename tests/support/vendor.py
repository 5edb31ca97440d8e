"""A Tushare of the tests as a process of its own, for several workers at once.

Its answers depend on the request alone: the market is made from its `MarketSpec`, in the vendor's process and in
the test alike. It counts calls by api, parameters, time and asking process, refuses those beyond a hard limit in
the vendor's own words and counts them as violations, and may kill the process that asks for one certain code.

>>> vendor = Vendor(directory, MarketSpec(300, "2020-06-01", 20), latency=0.2, limit=200)
>>> vendor.start(); vendor.url; vendor.calls("daily"); vendor.violations()

By hand: ``python tests/support/vendor.py --codes 300 --first 2020-06-01 --sessions 20 --port 8099 --latency 0.2``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pyarrow as pa

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.bars import business_days, code_name
from support.processes import HOST, ServerProcess, free_port
from support.tushare_market import TushareMarket, made_up_market
from support.tushare_server import Fault, TushareServer, _Handler

FORGET = "/forget"
CALLS = "/calls"
_RATE_LIMITED = 40203
_CALENDAR_DAYS = (60, 1500)
"""Days before the first and after the last session that the vendor's calendar speaks of."""


@dataclass(frozen=True)
class MarketSpec:
    """A market that two processes make alike: `sessions` weekdays from `first`, `codes` securities with all of them."""

    codes: int
    first: str
    sessions: int
    seed: int = 0

    @property
    def names(self) -> list[str]:
        """The codes, in order of their number."""
        return [code_name(number) for number in range(self.codes)]

    @property
    def days(self) -> list[str]:
        """The sessions as ISO texts."""
        return [str(day) for day in business_days(self.first, self.sessions)]

    def market(self) -> TushareMarket:
        """Return the vendor's tables; its calendar is every weekday, far before and after the sessions."""
        return _market(self)


@cache
def _market(spec: MarketSpec) -> TushareMarket:
    made = made_up_market(spec.names, business_days(spec.first, spec.sessions), seed=spec.seed)
    before, after = (timedelta(days=days) for days in _CALENDAR_DAYS)
    first, last = date.fromisoformat(spec.days[0]) - before, date.fromisoformat(spec.days[-1]) + after
    days = np.arange(first, max(last, date.today() + after), dtype="datetime64[D]")
    calendar = {
        "exchange": pa.array(["SSE"] * len(days)),
        "cal_date": pa.array([text.replace("-", "") for text in days.astype(str)]),
        "is_open": pa.array(np.is_busday(days).astype(np.int64)),
        "pretrade_date": pa.nulls(len(days), pa.string()),
    }
    return replace(made, trade_cal=pa.table(calendar))


@dataclass(frozen=True)
class Call:
    """One call as the vendor met it."""

    api: str
    params: Mapping[str, str]
    at: float
    """Seconds since 1970."""
    pid: int
    """Process that asked; 0 where that cannot be found out."""
    over: bool
    """Whether it was refused as one too many."""

    @property
    def codes(self) -> list[str]:
        """The codes asked for; none for a whole market."""
        return [code for code in self.params.get("ts_code", "").split(",") if code]


class Vendor(ServerProcess):
    """The vendor's process, seen from the test: its address and what it was asked.

    `latency` is the seconds every reply takes, `limit` the calls of one api in any minute, `deadly` a code whose
    asker is killed (Linux only), `token` the only one that is accepted. Calls are kept until `forget`, and until the
    process ends.
    """

    def __init__(
        self,
        directory: Path,
        spec: MarketSpec,
        *,
        latency: float = 0.0,
        limit: int | None = None,
        deadly: str | None = None,
        token: str | None = None,
    ) -> None:
        self.spec = spec
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        words = ["--codes", spec.codes, "--first", spec.first, "--sessions", spec.sessions, "--seed", spec.seed]
        words += ["--port", self.port, "--latency", latency]
        words += [] if limit is None else ["--limit", limit]
        words += [] if deadly is None else ["--deadly", deadly]
        words += [] if token is None else ["--token", token]
        command = [sys.executable, __file__, *words]
        super().__init__("the vendor", command, directory / "vendor.log", self._answers)

    def calls(self, api: str | None = None) -> list[Call]:
        """Return the calls so far, of one api or of all, in order of arrival."""
        with urlopen(self.url + CALLS, timeout=20) as reply:
            found = [Call(**call) for call in json.load(reply)]
        return [call for call in found if api is None or call.api == api]

    def violations(self) -> list[Call]:
        """Return the calls that were beyond the limit."""
        return [call for call in self.calls() if call.over]

    def askers(self, api: str) -> Counter[int]:
        """Return how many calls of `api` each process made."""
        return Counter(call.pid for call in self.calls(api))

    def forget(self) -> None:
        """Forget the calls so far; the limit remembers them."""
        with urlopen(self.url + FORGET, timeout=20) as reply:
            reply.read()

    def __enter__(self) -> Vendor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _answers(self) -> bool:
        with urlopen(self.url + CALLS, timeout=5) as reply:
            return bool(reply.status == 200)


class CountingServer(TushareServer):
    """The server inside the vendor's process."""

    def __init__(self, market: TushareMarket, deadly: str | None, **more: object) -> None:
        self._deadly = deadly
        self._seen: list[dict[str, object]] = []
        self._asking = threading.local()
        self._pids: dict[int, int] = {}
        super().__init__(market, **more)
        self._http.RequestHandlerClass = _CountingHandler

    def asked_from(self, port: int) -> None:
        """Say from which port of this machine the calls of the present thread come."""
        self._asking.pid = _process_with_connection(port, self._http.server_address[1])

    def answer(self, question: Mapping[str, object]) -> tuple[Fault, bytes]:
        """Answer as the vendor does, and keep the call."""
        arrived = time.time()
        params = {str(name): str(value) for name, value in dict(question.get("params") or {}).items()}
        if self._deadly is not None and self._deadly in params.get("ts_code", "").split(","):
            self._note(str(question.get("api_name")), params, arrived, False)
            if self._asking.pid:
                os.kill(self._asking.pid, signal.SIGKILL)
            return Fault(drop=True), b""
        fault, body = super().answer(question)
        self._note(str(question.get("api_name")), params, arrived, fault.code == _RATE_LIMITED)
        return fault, body

    def seen(self) -> bytes:
        """Return the calls so far as JSON."""
        with self._lock:
            return json.dumps(self._seen).encode()

    def forget(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._seen.clear()

    def _note(self, api: str, params: Mapping[str, str], at: float, over: bool) -> None:
        call = {"api": api, "params": params, "at": at, "pid": self._asking.pid, "over": over}
        with self._lock:
            self._seen.append(call)


class _CountingHandler(_Handler):
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.owner.asked_from(self.client_address[1])

    def do_GET(self):  # noqa: N802  (the library's name)
        owner = self.server.owner
        if self.path == FORGET:
            owner.forget()
        body = owner.seen()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _process_with_connection(port: int, server_port: int) -> int:
    """Return the pid at the other end of a loopback connection from `port`; 0 where it cannot be found."""
    for inode in _sockets(port, server_port):
        for process in Path("/proc").glob("[0-9]*"):
            if any(link == f"socket:[{inode}]" for link in _links(process / "fd")):
                return int(process.name)
    return 0


def _sockets(port: int, server_port: int) -> Iterator[str]:
    try:
        lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    except OSError:
        return
    for words in map(str.split, lines):
        if words[1].endswith(f":{port:04X}") and words[2].endswith(f":{server_port:04X}"):
            yield words[9]


def _links(folder: Path) -> Iterator[str]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            yield str(entry.readlink())
        except OSError:
            continue


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--codes", type=int, required=True)
    parser.add_argument("--first", required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every reply takes")
    parser.add_argument("--limit", type=int, help="calls of one api in any minute; default: none")
    parser.add_argument("--deadly", help="a code whose asker is killed")
    parser.add_argument("--token", help="the only token that is accepted; default: any")
    wanted = parser.parse_args()
    spec = MarketSpec(wanted.codes, wanted.first, wanted.sessions, wanted.seed)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    served = {"port": wanted.port, "delay": wanted.latency, "calls_per_minute": wanted.limit, "token": wanted.token}
    with CountingServer(spec.market(), wanted.deadly, **served):
        threading.Event().wait()


if __name__ == "__main__":
    main()
