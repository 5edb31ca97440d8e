# Upstream: entrypoints.{trials, worker_cli}
# Downstream: domain.model.{errors, health}, entrypoints.health_page
# Role: One small HTTP server: /healthz, /readyz, /metrics of a worker
"""Three pages over HTTP, from what the worker knows by itself.

`/healthz` is 503 when only a new start can help, `/readyz` when the worker does not take part with all its servers;
both are the same JSON object. Nobody is asked for a name and a password, so it listens on loopback unless it is told
otherwise.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.health import WorkerHealth
from ginkgo_data.entrypoints.health_page import as_object

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8
"""Requests that are answered at once; more are closed unanswered."""
PATIENCE = 5.0
"""Seconds that a client has for its request."""


class MetricsPage(Protocol):
    """What `/metrics` shows."""

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page in the form that `accept` (an HTTP header) asks for, and its content type."""


class HealthServer:
    """Serves one worker. Nothing listens before `open`, which may be called again: a new place replaces the old."""

    def __init__(self, health: Callable[[], WorkerHealth], metrics: MetricsPage) -> None:
        self._health = health
        self._metrics = metrics
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port that it listens on, None while it does not."""
        return self._http.place if self._http is not None else None

    def open(self, host: str, port: int) -> None:
        """Listen there from now on; port 0 is off. Where it listens already, nothing happens.

        Raises `ConfigurationError` when that cannot be; what was there before goes on then.
        """
        if self.address == (host, port):
            return
        if not port:
            self.close()
            return
        before = self.address
        if before is not None and before[1] == port:
            self.close()  # one port of two addresses cannot always be had twice
        try:
            opened = _Http(host, port, self._answer)
        except ConfigurationError:
            if before is not None and self.address is None:
                self._serve(_Http(*before, self._answer))
            raise
        self.close()
        self._serve(opened)
        log.info("health and metrics are at http://%s:%d", *opened.place)

    def _serve(self, http: _Http) -> None:
        # In steps of a moment: a stop waits for one.
        self._thread = threading.Thread(target=http.serve_forever, args=(0.2,), name="ginkgo-data-health", daemon=True)
        self._http = http
        self._thread.start()

    def close(self) -> None:
        """Stop listening; idempotent."""
        http, thread, self._http, self._thread = self._http, self._thread, None, None
        if http is not None and thread is not None:
            http.shutdown()
            http.server_close()
            thread.join(2.0)

    def _answer(self, path: str, accept: str) -> tuple[HTTPStatus, bytes, str]:
        if path == "/metrics":
            body, content_type = self._metrics.page(accept)
            return HTTPStatus.OK, body, content_type
        if path not in ("/healthz", "/readyz"):
            return HTTPStatus.NOT_FOUND, b"pages: /healthz /readyz /metrics\n", "text/plain; charset=utf-8"
        health = self._health()
        good = health.alive if path == "/healthz" else health.ready
        body = json.dumps(as_object(health), ensure_ascii=False).encode("utf-8") + b"\n"
        return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, body, "application/json"


def check_place(host: str, port: int) -> None:
    """Raise `ConfigurationError` when nobody can listen there just now."""
    if port:
        _Http(host, port, lambda *_: (HTTPStatus.NOT_FOUND, b"", "")).server_close()


class _Http(ThreadingHTTPServer):
    """The listening socket; a short thread per request."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, host: str, port: int, answer: Callable[[str, str], tuple[HTTPStatus, bytes, str]]) -> None:
        self.place = (host, port)
        self.answer = answer
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        try:
            self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(
                f"health.port: nobody can listen on {host}:{port}: {reason}; give each worker of a host a port of its "
                "own (health.port), 0 for none"
            ) from error

    def server_bind(self) -> None:
        """Bind without asking a name server what this host is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.place

    def process_request(self, request: object, client_address: object) -> None:
        """Answer in a thread of its own, where there is room for one."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)  # type: ignore[arg-type]
            return
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer, then make room."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say that an answer failed; the server goes on."""
        log.debug("a health request of %s was not answered", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One request, one answer, and the connection is closed."""

    server: _Http
    timeout = PATIENCE
    server_version = "ginkgo-data"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        try:
            status, body, content_type = self.server.answer(self.path.partition("?")[0], self.headers.get("Accept", ""))
        except Exception as error:  # a page that breaks must say so, and not look like a dead worker
            log.exception("the page %s cannot be made", self.path)
            status, content_type = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8"
            body = f"{type(error).__name__}: {error}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests: there is one every few seconds."""
