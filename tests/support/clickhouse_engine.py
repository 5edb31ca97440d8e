"""The embedded engine as a ClickHouse server keeps it: sessions, settings of one request, inserts that bring rows.

An insert is handed over as a file, because the engine's own streaming insert swallows the errors of the table it
writes to.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import chdb

# What tells the words of a statement from what only looks like them.
TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|(?P<quoted>`(?:\\.|[^`\\])*`|'(?:\\.|''|[^'\\])*'|"(?:\\.|[^"\\])*")"""
    rb"""|(?P<word>\w+)|(?P<sign>.)""",
    re.DOTALL,
)
FORMAT_AND_BREAK = re.compile(rb"\s+(\w+)[ \t]*\r?\n?")


class Refusal(Exception):
    """An error that is found here, as the engine would word it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")


class Insert(NamedTuple):
    """An INSERT that brings its rows: SQL before and after the place of FROM INFILE, and the rows."""

    head: str
    tail: str
    rows: bytes


def insert_of(sql: bytes) -> Insert | None:
    """Return the parts of ``INSERT INTO t ... FORMAT F <rows>``; None for every other statement."""
    words = 0
    place = 0
    for token in TOKEN.finditer(sql):
        if token["word"] is None:
            continue
        word = token["word"].upper()
        words += 1
        if (words == 1 and word != b"INSERT") or word in {b"SELECT", b"VALUES", b"WITH", b"INFILE"}:
            return None
        if word == b"SETTINGS":
            place = token.start()
        if word == b"FORMAT" and (named := FORMAT_AND_BREAK.match(sql, token.end())):
            place = place or token.start()
            return Insert(sql[:place].decode(), sql[place : named.end()].decode(), sql[named.end() :])
    return None


def text(value: str) -> str:
    """Return `value` as a string of SQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class Session:
    """One connection to the engine: its current database, its SETs and its temporary tables."""

    def __init__(self, path: Path) -> None:
        self.connection = chdb.connect(str(path))
        self.in_use = threading.Lock()
        self.expires = 0.0

    @contextmanager
    def settings(self, asked: Mapping[str, str]) -> Iterator[None]:
        """Apply settings to what runs inside, and to nothing after it."""
        if not asked:
            yield
            return
        names = ", ".join(map(text, asked))
        known = self.connection.query(f"SELECT name, value FROM system.settings WHERE name IN ({names})", "JSONCompact")
        before = dict(json.loads(known.bytes())["data"])
        try:
            self._set(asked)
            yield
        finally:
            self._set(before)

    def _set(self, values: Mapping[str, str]) -> None:
        if values:
            self.connection.query("SET " + ", ".join(f"{name} = {text(value)}" for name, value in values.items()))


class Engine:
    """The data of a directory, and its open sessions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keeper = Session(path)
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._scratch = Path(tempfile.mkdtemp(prefix="inserts-", dir=path.parent))
        about = self._keeper.connection.query("SELECT version(), timezone()", "TSV").bytes()
        self.version, self.timezone = about.decode().strip().split("\t")

    @contextmanager
    def session(self, name: str | None, seconds: float) -> Iterator[Session]:
        """Lend a session: a kept one by name, or one for this request alone."""
        if name is None:
            alone = Session(self._path)
            with closing(alone.connection):
                yield alone
            return
        session = self._kept(name)
        if not session.in_use.acquire(blocking=False):
            raise Refusal(373, f"Session {name} is locked by a concurrent client. (SESSION_IS_LOCKED)")
        try:
            yield session
        finally:
            session.expires = time.monotonic() + seconds
            session.in_use.release()

    def _kept(self, name: str) -> Session:
        with self._lock:
            now = time.monotonic()
            for old in [key for key, session in self._sessions.items() if session.expires < now]:
                if not self._sessions[old].in_use.locked():
                    self._sessions.pop(old).connection.close()
            if name not in self._sessions:
                self._sessions[name] = Session(self._path)
            self._sessions[name].expires = now + 60
            return self._sessions[name]

    def run(self, session: Session, sql: bytes, output: str, parameters: Mapping[str, str]) -> Any:
        """Run one statement and return the engine's result. Raises what the engine raises."""
        insert = insert_of(sql)
        if insert is None:
            return session.connection.query(sql.decode(), output, params=dict(parameters))
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".rows") as rows:
            rows.write(insert.rows)
            rows.flush()
            statement = f"{insert.head} FROM INFILE {text(rows.name)} {insert.tail}"
            return session.connection.query(statement, "Null", params=dict(parameters))
