"""TLS in front of a server that has none: a proxy of this process with a certificate made for it.

>>> with TlsProxy(server.port, tmp_path) as proxy:      # clients connect to proxy.port, and trust proxy.authority
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

import trustme

from support.processes import HOST, free_port

_PIECE = 1 << 16


class TlsProxy:
    """Ends TLS and forwards to `target_port`; the certificate of its authority lies in `directory`."""

    def __init__(self, target_port: int, directory: Path) -> None:
        self.port = free_port()
        self.authority = directory / "authority.pem"
        self._target_port = target_port
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(HOST).configure_cert(self._context)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> TlsProxy:
        self._thread.start()
        opening = asyncio.start_server(self._serve, HOST, self.port, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            server, questions = await asyncio.open_connection(HOST, self._target_port)
            try:
                await asyncio.gather(_forward(client, questions), _forward(server, answers))
            finally:
                questions.close()
        except (OSError, asyncio.CancelledError):  # nobody is there, or the proxy ends
            pass
        finally:
            answers.close()


async def _forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on what comes from `source` until it ends, then end the other side."""
    try:
        while piece := await source.read(_PIECE):
            sink.write(piece)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()
