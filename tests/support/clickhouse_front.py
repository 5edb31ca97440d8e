"""ClickHouse's HTTP interface over the embedded engine, for machines without a ClickHouse server.

``CLICKHOUSE_FRONT_PASSWORD=... python clickhouse_front.py --path DIR --port N`` serves the data of DIR on loopback
to any number of client processes, until SIGTERM. The engine is the real one; only the HTTP layer is written here:
queries, inserts in any format, parameters, settings, sessions, compression, passwords, error codes. An insert is
handed over only when all of it has come. Compression is lz4, gzip and deflate. Not here, and refused by name:
external data, the native compression of the `compress` parameters, roles. Replies are sent whole, never streamed.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import re
import signal
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import lz4.frame

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.clickhouse_engine import Engine, Refusal

# Request parameters that are no settings of the engine; every other one is, and the engine refuses what it is not.
IGNORED = {"client_protocol_version", "enable_http_compression", "quota_key", "send_progress_in_http_headers"}
IGNORED |= {"wait_end_of_query", "buffer_size", "http_headers_progress_interval_ms"}
IGNORED |= {"cancel_http_readonly_queries_on_client_close"}
READ_HERE = {"query", "database", "default_format", "query_id", "user", "password"}
READ_HERE |= {"session_id", "session_timeout", "session_check"}
REFUSED = {"compress", "decompress", "role"}

HTTP_STATUS = {516: 401, 60: 404, 81: 404, 46: 404, 62: 400, 47: 400, 27: 400, 6: 400, 36: 400, 115: 400}
"""Of ClickHouse's error codes, where it is not 500."""


class Front(ThreadingHTTPServer):
    """The server: one thread per connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, engine: Engine, password: str) -> None:
        super().__init__(("127.0.0.1", port), Request)
        self.engine = engine
        self.password = password


class Request(BaseHTTPRequestHandler):
    """One connection; its requests one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Front

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests that went well."""

    def handle_one(self) -> None:
        """Answer one request; one that was cut short is dropped, and has changed nothing."""
        query_id = str(uuid.uuid4())
        try:
            body = self._body()
            url = urlsplit(self.path)
            asked = dict(parse_qsl(url.query, keep_blank_values=True))
            query_id = asked.get("query_id") or query_id
            if url.path == "/ping" or not (asked.get("query") or body):
                self._reply(200, b"Ok.\n", {})
            else:
                self._answer(asked, body, query_id)
        except ConnectionError:
            self.close_connection = True
        except Exception as error:  # whatever the engine raises is an answer
            self._refuse(str(error), query_id)

    do_GET = do_POST = handle_one  # noqa: N815

    def _answer(self, asked: dict[str, str], body: bytes, query_id: str) -> None:
        self._authenticate(asked)
        if refused := REFUSED & {name for name, value in asked.items() if value not in {"", "0"}}:
            raise Refusal(48, f"{min(refused)} is not implemented by this front. (NOT_IMPLEMENTED)")
        if self.headers.get("Content-Type", "").startswith("multipart/"):
            raise Refusal(48, "External data is not implemented by this front. (NOT_IMPLEMENTED)")
        sql = b"\n".join(part for part in (asked.get("query", "").encode(), body) if part)
        parameters = {name[6:]: value for name, value in asked.items() if name.startswith("param_")}
        unread = asked.keys() - READ_HERE - IGNORED - REFUSED
        settings = {name: asked[name] for name in sorted(unread) if not name.startswith("param_")}
        output = asked.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        engine = self.server.engine
        began = time.perf_counter_ns()
        with engine.session(asked.get("session_id"), float(asked.get("session_timeout", 60))) as session:
            if database := asked.get("database"):
                session.connection.query(f"USE `{database.replace('`', '``')}`")
            with session.settings(settings):
                result = engine.run(session, sql, output, parameters)
                data = result.bytes()
        summary = {
            "read_rows": result.rows_read(),
            "read_bytes": result.bytes_read(),
            "written_rows": result.rows_written(),
            "written_bytes": result.bytes_written(),
            "elapsed_ns": time.perf_counter_ns() - began,
        }
        headers = {"Query-Id": query_id, "Summary": json.dumps({name: str(n) for name, n in summary.items()})}
        accepted = self.headers.get("Accept-Encoding", "") if asked.get("enable_http_compression") == "1" else ""
        self._reply(200, data, headers, accepted)

    def _authenticate(self, asked: Mapping[str, str]) -> None:
        user = self.headers.get("X-ClickHouse-User", asked.get("user", "default"))
        password = self.headers.get("X-ClickHouse-Key", asked.get("password", ""))
        scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, password = base64.b64decode(credentials).decode().partition(":")
        if (user, password) != ("default", self.server.password):
            reason = "Authentication failed: password is incorrect, or there is no user with such name."
            raise Refusal(516, f"{user}: {reason} (AUTHENTICATION_FAILED)")

    def _body(self) -> bytes:
        """Return the whole body. Raises `ConnectionError` when the connection ends before it."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            data = b"".join(self._chunks())
        else:
            data = self._exactly(int(self.headers.get("Content-Length") or 0))
        return decompressed(data, self.headers.get("Content-Encoding", "").lower())

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().split(b";")[0], 16):
            yield self._exactly(size)
            self._line()
        while self._line().strip():
            pass

    def _line(self) -> bytes:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise ConnectionAbortedError
        return line

    def _exactly(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionAbortedError
        return data

    def _refuse(self, message: str, query_id: str) -> None:
        message = message[max(message.find("Code: "), 0) :].strip()
        found = re.match(r"Code: (\d+)", message)
        code = int(found[1]) if found else 1002
        reply = f"{message} (version {self.server.engine.version} (embedded))\n".encode()
        self._reply(HTTP_STATUS.get(code, 500), reply, {"Exception-Code": str(code), "Query-Id": query_id})

    def _reply(self, status: int, data: bytes, headers: Mapping[str, str], accepted: str = "") -> None:
        encoding, data = compressed(data, accepted)
        self.send_response(status)
        for name, value in {**headers, "Timezone": self.server.engine.timezone}.items():
            self.send_header(f"X-ClickHouse-{name}", value)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def decompressed(data: bytes, encoding: str) -> bytes:
    """Undo the Content-Encoding of a request."""
    if encoding in {"", "identity"} or not data:
        return data
    if encoding == "lz4":
        return bytes(lz4.frame.decompress(data))
    if encoding in {"gzip", "deflate"}:
        return gzip.decompress(data) if encoding == "gzip" else zlib.decompress(data)
    raise Refusal(89, f"Unknown compression method: {encoding}")


def compressed(data: bytes, accepted: str) -> tuple[str, bytes]:
    """Return the encoding used, and `data` in it: the first one the client names that is known here."""
    for name in (entry.split(";")[0].strip() for entry in accepted.split(",")):
        if name == "lz4":
            return name, lz4.frame.compress(data)
        if name == "gzip":
            return name, gzip.compress(data, 1)
    return "", data


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    arguments.path.mkdir(parents=True, exist_ok=True)
    front = Front(arguments.port, Engine(arguments.path), os.environ.get("CLICKHOUSE_FRONT_PASSWORD", ""))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=front.shutdown).start())
    front.serve_forever(0.1)
    # Threads inside the engine would keep an ordinary exit waiting; everything acknowledged is in its files.
    os._exit(0)


if __name__ == "__main__":
    main()
