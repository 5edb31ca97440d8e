"""What clients of ClickHouse have under way at a moment: a listener for `TcpProxy`.

>>> statements = Statements()
>>> with TcpProxy(port, heard=statements) as proxy:
...     statements.under_way()              # e.g. ["INSERT INTO bars"]
"""

from __future__ import annotations

import re
import threading
from urllib.parse import unquote_plus

_KIND = re.compile(r"\b(INSERT INTO|DELETE FROM|SELECT)\b(?:\s+((?:`?\w+`?\.)?`?\w+`?))?", re.IGNORECASE)
_BEGINNING = 8192
_PATIENCE = 10.0


class Statements:
    """Keeps the request that each connection waits for; requests on one connection follow each other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked: dict[int, bytes | None] = {}
        """What each open connection has sent of a request that is not answered; None: it waits for nothing."""

    def __call__(self, connection: int, of_client: bool, piece: bytes) -> None:
        """Hear one piece of one connection."""
        with self._changed:
            if of_client and piece:
                self._asked[connection] = ((self._asked.get(connection) or b"") + piece)[:_BEGINNING]
                self._changed.notify_all()
            elif of_client:
                self._asked.pop(connection, None)
                self._changed.notify_all()
            elif connection in self._asked:
                self._asked[connection] = None

    def under_way(self) -> list[str]:
        """Return the statements that were sent, in full or in part, and are not answered at this moment."""
        with self._changed:
            return [_statement(asked) for asked in self._asked.values() if asked is not None]

    def await_one(self, kinds: tuple[str, ...], seconds: float) -> None:
        """Return when a statement that begins with one of `kinds` is under way, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: any(text.startswith(kinds) for text in self.under_way()), seconds)

    def all_gone(self) -> None:
        """Wait until no client is connected any more; fails after a while."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._asked, _PATIENCE), "a client is still connected"


def _statement(request: bytes) -> str:
    """Return the kind of statement of an HTTP request, and of an insert or a deletion the table."""
    found = _KIND.search(unquote_plus(request.decode("latin-1")))
    if found is None:
        return "another request"
    kind = found[1].upper()
    return "SELECT" if kind == "SELECT" else f"{kind} {(found[2] or '').replace('`', '').split('.')[-1]}"
