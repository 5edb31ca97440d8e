# Upstream: adapters.clickhouse.client
# Downstream: domain.model.errors, pyarrow
# Role: What a failed call of the store means: the client library's exceptions and the engine's codes
"""The exception map of the family.

A fault of names or types becomes `SchemaMismatch`: the same rows can never fit. Everything else becomes
`StoreUnavailable`, since holding work is safe where giving it up is not: sockets, timeouts, a full disk, a
refused password, and the codes that ClickHouse's own sink calls retriable (3, 107, 159, 164, 202, 203, 209,
210, 241, 242, 252, 285, 319, 425, 999). A missing table or database (60, 81) waits too: somebody is
restoring it; `check_schema` names it at the start.

The messages are short and on one line: they stand in heartbeats, and somebody reads them on a terminal.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from ginkgo_data.domain.model.errors import GinkgoDataError, SchemaMismatch, StoreUnavailable

SCHEMA_CODES = {
    6: "CANNOT_PARSE_TEXT",
    8: "THERE_IS_NO_COLUMN",
    10: "NOT_FOUND_COLUMN_IN_BLOCK",
    16: "NO_SUCH_COLUMN_IN_TABLE",
    20: "NUMBER_OF_COLUMNS_DOESNT_MATCH",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    41: "CANNOT_PARSE_DATETIME",
    43: "ILLEGAL_TYPE_OF_ARGUMENT",
    44: "ILLEGAL_COLUMN",
    47: "UNKNOWN_IDENTIFIER",
    50: "UNKNOWN_TYPE",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}
"""Codes of the engine that speak of columns, types and values."""

_LIBRARIES = {"clickhouse_connect", "chdb", "urllib3"}
_CODE = re.compile(r"\bCode: (\d+)")
_REFUSED_LOGIN = 516
_LOGIN = re.compile(r"Exception: (\S+): Authentication failed")
_PLACE = re.compile(r"\((?:for url )?https?://([^/)\s]+)\)$")
"""With whom the client library spoke: its messages end with it."""
_SILENCES: tuple[tuple[type[OSError], str], ...] = (
    (ConnectionRefusedError, "refuses connections"),
    (TimeoutError, "does not answer in time"),
    (socket.gaierror, "has no address: its name is not known"),
    (ConnectionError, "broke the connection off"),
)
"""What the last cause of a call that failed on its way says of the server."""
_LONGEST = 800
"""Characters of the engine's message that are kept: the column comes early, stack and query after it."""
_LONGEST_CHAIN = 10


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Translate what the client library raises inside; `what` says in words what was tried.

    Raises `SchemaMismatch` or `StoreUnavailable` with the engine's code and message; an error that is not
    the store's passes as it is.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StoreUnavailable(f"{what}: {type(error).__name__}: {error}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _LIBRARIES:
            raise
        raise _translated(what, error) from error


def _translated(what: str, error: Exception) -> GinkgoDataError:
    text = " ".join(str(error).split())
    place = _PLACE.search(text)
    store = f"the store at {place.group(1)}" if place else "the store"
    if place and (silence := _silence(error)):
        return StoreUnavailable(f"{what}: {store} {silence}")
    code = getattr(error, "code", None)
    if code is None and (found := _CODE.search(text)):
        code = int(found.group(1))
    if code == _REFUSED_LOGIN:
        login = _LOGIN.search(text)
        user = f"the user {login.group(1)}" if login else "the user"
        return StoreUnavailable(f"{what}: {store} refuses {user} or its password (Code: {code})")
    kind = SchemaMismatch if code in SCHEMA_CODES else StoreUnavailable
    return kind(f"{what}: {text[:_LONGEST]}")


def _silence(error: BaseException) -> str | None:
    """Say why a server was not reached, None where that is not what happened."""
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return None
        for kind, words in _SILENCES:
            if isinstance(link, kind):
                return words
        link = link.__cause__ or link.__context__
    return None
