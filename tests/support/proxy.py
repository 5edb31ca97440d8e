"""A TCP connection that can be cut: a proxy of this process, between a client and a server on loopback.

>>> with TcpProxy(server.port) as proxy:          # clients connect to proxy.address
...     proxy.cut()                               # every connection ends, new ones are refused
...     proxy.mend()                              # at the same address again
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from support.processes import HOST, free_port

_PIECE = 1 << 16


class TcpProxy:
    """Forwards connections to `target_port` until it is cut or closed."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        self._target_port = target_port
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
            self._listener = socket.create_server((HOST, self.port), backlog=64)
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
            server = socket.create_connection((HOST, self._target_port), 5.0)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            cut = self._listener is None
            if not cut:
                self._open |= {client, server}
        if not cut:
            back = threading.Thread(target=_forward, args=(server, client), daemon=True)
            back.start()
            _forward(client, server)
            back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes from `source` until either side ends, then end both."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    _end(source)
    _end(sink)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
