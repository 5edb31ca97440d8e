"""A loopback server that speaks Tushare's JSON: a market's tables, a log of requests, faults on demand.

>>> with TushareServer(real_market()) as server:
...     server.script("daily", http_status(502), None, rate_limited(200))   # first, second, third call of daily
...     server.url, server.calls["daily"], server.requests[-1].params

By hand: ``python tests/support/tushare_server.py [--data CSV] [--port 0] [--delay 0.2] [--token T]`` prints its URL.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.tushare_market import REAL_DAILY, TushareMarket, made_up_market, market_of, read_daily, real_market

ROW_LIMITS = {"daily": 6000, "adj_factor": 6000, "suspend_d": 5000, "stock_basic": 5000, "trade_cal": 2000}
MORE = "具体频次详情请看文档"


@dataclass(frozen=True)
class Fault:
    """How one call goes wrong. What is not set goes as it should."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    code: int = 0
    message: str = ""
    drop: bool = False
    delay: float = 0.0
    drip: float = 0.0
    empty: bool = False
    width: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


def http_status(status: int, body: bytes = b"gateway", **headers: str) -> Fault:
    """An HTTP error; headers with underscores for hyphens."""
    return Fault(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def rate_limited(count: int = 200, unit: str = "分钟") -> Fault:
    """The vendor's sentence on its quota, per 分钟, 小时 or 天."""
    return Fault(code=40203, message=f"抱歉，您每{unit}最多访问该接口{count}次，权限的{MORE}。")


def rate_limited_as_frequency(count: int = 200, unit: str = "分钟") -> Fault:
    """The vendor's other sentence on its quota."""
    return Fault(code=40203, message=f"抱歉，您访问接口(daily)频率超限({count}次/{unit})，{MORE}。")


def bad_token() -> Fault:
    """The vendor's sentence on a token it does not know."""
    return Fault(code=40101, message="您的token不对，请确认。")


def no_permission() -> Fault:
    """The vendor's sentence on an api that the account may not use; the code is that of the quota."""
    return Fault(code=40203, message="抱歉，您没有接口访问权限，权限的具体详情请看文档。")


def refused(message: str = "参数校验失败", code: int = -2001) -> Fault:
    """Any other refusal."""
    return Fault(code=code, message=message)


def not_json() -> Fault:
    """A page where a reply should be."""
    return Fault(body=b"<html>busy</html>")


def dropped() -> Fault:
    """The connection ends without a reply."""
    return Fault(drop=True)


def slow(seconds: float) -> Fault:
    """The reply comes late."""
    return Fault(delay=seconds)


def dripping(seconds: float) -> Fault:
    """The reply comes one byte every `seconds`."""
    return Fault(drip=seconds)


def empty() -> Fault:
    """A reply without items although there are some."""
    return Fault(empty=True)


def narrow_items(width: int) -> Fault:
    """Items with fewer values than there are fields."""
    return Fault(width=width)


@dataclass(frozen=True)
class Request:
    """One call as it came in."""

    api: str
    params: Mapping[str, str]
    fields: tuple[str, ...]


class TushareServer:
    """Serves `market` on a free port of 127.0.0.1 until it is closed."""

    def __init__(
        self,
        market: TushareMarket,
        *,
        token: str | None = None,
        row_limits: Mapping[str, int] | None = None,
        calls_per_minute: int | None = None,
        says_more: bool = True,
        honours_offset: bool = True,
        delay: float = 0.0,
        port: int = 0,
    ) -> None:
        self.token = token
        self.row_limits = {**ROW_LIMITS, **(row_limits or {})}
        self.calls_per_minute = calls_per_minute
        self.says_more = says_more
        self.honours_offset = honours_offset
        self.delay = delay
        self.requests: list[Request] = []
        self.errors: list[BaseException] = []
        self._tables = {api: _Shelf(getattr(market, api)) for api in ROW_LIMITS}
        self._faults: dict[str, deque[Fault | None]] = defaultdict(deque)
        self._granted: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._http = _HTTPServer(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to post to."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def calls(self) -> Counter[str]:
        """How many calls came in, per api, faulty ones included."""
        with self._lock:
            return Counter(request.api for request in self.requests)

    def script(self, api: str, *faults: Fault | None) -> None:
        """Let the next calls of `api` go wrong, one fault each; None: that call goes well."""
        with self._lock:
            self._faults[api].extend(faults)

    def close(self) -> None:
        """End the server and every open connection; idempotent."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._http.shutdown()
            self._http.close_connections()
            self._http.server_close()
            self._thread.join()

    def __enter__(self) -> TushareServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of the server."""
        self._stopped.wait(seconds)

    def answer(self, question: Mapping[str, object]) -> tuple[Fault, bytes]:
        """Return how the call goes wrong (or not), and the body of the reply."""
        api = str(question.get("api_name"))
        params = {str(name): str(value) for name, value in dict(question.get("params") or {}).items() if value != ""}
        fields = tuple(name for name in str(question.get("fields") or "").split(",") if name)
        with self._lock:
            self.requests.append(Request(api, params, fields))
            waiting = self._faults[api]
            fault = (waiting.popleft() if waiting else None) or Fault()
            over = self._over_quota(api)
        if fault.body is not None:
            return fault, fault.body
        if over:
            fault = rate_limited(self.calls_per_minute or 0)
        elif self.token is not None and question.get("token") != self.token:
            fault = bad_token()
        if api not in self._tables:
            fault = refused("请指定正确的接口名", -2001)
        if fault.code:
            return fault, _json({"request_id": "r", "code": fault.code, "msg": fault.message, "data": None})
        return fault, _json({"request_id": "r", "code": 0, "msg": "", "data": self._data(api, params, fields, fault)})

    def _over_quota(self, api: str) -> bool:
        if self.calls_per_minute is None:
            return False
        now, granted = time.monotonic(), self._granted[api]
        while granted and granted[0] <= now - 60:
            granted.popleft()
        if len(granted) >= self.calls_per_minute:
            return True
        granted.append(now)
        return False

    def _data(self, api: str, params: Mapping[str, str], fields: tuple[str, ...], fault: Fault) -> dict[str, object]:
        found = self._tables[api].matching(params)
        if api == "stock_basic" and "list_status" not in params:
            found = found.filter(pc.equal(found["list_status"], "L"))
        offset = int(params.get("offset", 0)) if self.honours_offset else 0
        limit = min(int(params.get("limit", self.row_limits[api])), self.row_limits[api])
        page = found.slice(offset, limit)
        names = list(fields or page.column_names)
        items = list(zip(*(page[name].to_pylist() for name in names), strict=True))
        if fault.empty:
            items = []
        if fault.width is not None:
            items = [item[: fault.width] for item in items]
        data: dict[str, object] = {"fields": names, "items": items, **fault.extra}
        if self.says_more and "has_more" not in data:
            data["has_more"] = offset + limit < found.num_rows
        return data


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: TushareServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request, client_address):
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End kept-alive connections: their threads leave when they see it."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        deadline = time.monotonic() + 5.0
        while self._open and time.monotonic() < deadline:
            time.sleep(0.005)

    def handle_error(self, request, client_address):
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.owner.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _HTTPServer

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        question = json.loads(self.rfile.read(length))
        owner = self.server.owner
        fault, body = owner.answer(question)
        if fault.delay or owner.delay:
            owner.wait(fault.delay or owner.delay)
        if fault.drop:
            self.close_connection = True
            return
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if fault.drip:
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                owner.wait(fault.drip)
                if owner._stopped.is_set():
                    return
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: requests carry tokens."""


class _Shelf:
    """A table ordered as the vendor orders it (newest day first, then code), so that a range of days is a slice."""

    def __init__(self, table: pa.Table) -> None:
        self._day = next((name for name in ("trade_date", "cal_date") if name in table.column_names), None)
        second = "ts_code" if "ts_code" in table.column_names else "exchange"
        keys = [(self._day, "descending")] if self._day else []
        self._table = table.sort_by([*keys, (second, "ascending")]).combine_chunks()
        days = pc.value_counts(self._table[self._day]) if self._day else pa.array([], pa.struct([]))
        self._days = [entry["values"] for entry in days.to_pylist()]
        self._ends = list(accumulate(entry["counts"] for entry in days.to_pylist()))

    def matching(self, params: Mapping[str, str]) -> pa.Table:
        """Return the rows that fit all of `params`; a comma separates alternatives."""
        table = self._between(params)
        for name, value in params.items():
            if name in table.column_names and name != self._day:
                wanted = pa.array(value.split(",")).cast(table[name].type)
                table = table.filter(pc.is_in(table[name], wanted))
        return table

    def _between(self, params: Mapping[str, str]) -> pa.Table:
        if self._day is None:
            return self._table
        first = params.get(self._day) or params.get("start_date", "")
        last = params.get(self._day) or params.get("end_date", "99999999")
        newest = bisect_left(self._days, -int(last), key=lambda day: -int(day))
        oldest = bisect_right(self._days, -int(first or 0), key=lambda day: -int(day))
        start = self._ends[newest - 1] if newest else 0
        end = self._ends[oldest - 1] if oldest else 0
        return self._table.slice(start, max(0, end - start))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def main() -> None:
    """Serve by hand until interrupted."""
    parser = argparse.ArgumentParser(description="A loopback server that speaks Tushare's JSON.")
    parser.add_argument("--data", type=Path, help="CSV of daily; default: the shared real data, else made-up bars")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", help="the only token that is accepted; default: any")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that every reply takes")
    parser.add_argument("--calls-per-minute", type=int, help="quota per api; default: none")
    options = parser.parse_args()
    if options.data:
        market = market_of(read_daily(options.data))
    elif REAL_DAILY.is_file():
        market = real_market()
    else:
        market = made_up_market(
            [f"{600000 + i:06d}.SH" for i in range(100)], [f"2024-01-{d:02d}" for d in range(2, 27)]
        )
    with TushareServer(
        market,
        port=options.port,
        token=options.token,
        delay=options.delay,
        calls_per_minute=options.calls_per_minute,
    ) as server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
