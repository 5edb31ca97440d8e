"""A TCP connection that can be cut: a proxy of this process, between a client on loopback and a server.

>>> with TcpProxy(server.port) as proxy:          # clients connect to proxy.address
...     proxy.cut()                               # every connection ends, new ones are refused
...     proxy.mend()                              # at the same address again
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from support.processes import HOST, free_port

Heard: TypeAlias = Callable[[int, bool, bytes], None]
"""Told of every piece that comes, before it is passed on: the number of its connection, whether it is the client's,
and its bytes; none: that side has ended. Called by many threads."""

_PIECE = 1 << 16


def _nothing(connection: int, of_client: bool, piece: bytes) -> None:
    return None


class TcpProxy:
    """Forwards connections that come to `host` to `target_port` (of `target_host`) until it is cut or closed."""

    def __init__(self, target_port: int, target_host: str = HOST, heard: Heard = _nothing, host: str = HOST) -> None:
        self.port = free_port()
        self.address = f"{host}:{self.port}"
        self._host = host
        self._target = (target_host, target_port)
        self._heard = heard
        self._numbers = itertools.count()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.mend()

    def cut(self) -> None:
        """End every connection at once, both ends, and refuse new ones. Idempotent."""
        with self._lock:
            listener, self._listener = self._listener, None
            connections = list(self._open)
        if listener is not None:
            with suppress(OSError):  # wakes the thread that accepts
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in connections:
            _end(connection)

    def mend(self) -> None:
        """Accept connections again, at the same address. Idempotent."""
        with self._lock:
            if self._listener is not None:
                return
            self._listener = socket.create_server((self._host, self.port), backlog=64)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """End the proxy; idempotent."""
        self.cut()

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, 5.0)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for connection in (client, server):  # else small pieces wait for one another, 40 ms each
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            cut = self._listener is None
            if not cut:
                self._open |= {client, server}
        if not cut:
            number = next(self._numbers)
            back = threading.Thread(target=self._forward, args=(server, client, number, False), daemon=True)
            back.start()
            self._forward(client, server, number, True)
            back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _forward(self, source: socket.socket, sink: socket.socket, number: int, of_client: bool) -> None:
        """Pass on what comes from `source` until either side ends, then end both."""
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                self._heard(number, of_client, piece)
                sink.sendall(piece)
        self._heard(number, of_client, b"")
        _end(source)
        _end(sink)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
