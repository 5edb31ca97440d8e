"""The HTTP front over the embedded engine is honest: an error is an error, and half an insert is none."""

from __future__ import annotations

import gzip
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.domain.model.errors import StoreUnavailable
from support.clickhouse_server import ClickHouseServer
from support.servers import clickhouse_running

STORED = {"async_insert": 0}


@pytest.fixture
def address(clickhouse_server) -> tuple[str, int]:
    if not isinstance(clickhouse_server, ClickHouseServer):
        pytest.skip("a real server needs no such proof")
    parts = urlsplit(clickhouse_server.url)
    return parts.hostname, parts.port


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[Client]:
    """A client without a session, in a database of its own that holds an empty table t."""
    name = f"front_{uuid.uuid4().hex}"
    opened = connect(address)
    opened.command(f"CREATE DATABASE {name}")
    opened.database = name
    opened.command(
        "CREATE TABLE t (n Int32, word String, CONSTRAINT small CHECK n < 1000) ENGINE = MergeTree "
        "PARTITION BY n ORDER BY n"
    )
    yield opened
    opened.command(f"DROP DATABASE {name}")
    opened.close()


def connect(address: tuple[str, int], **options: object) -> Client:
    host, port = address
    return clickhouse_connect.get_client(host=host, port=port, **{"autogenerate_session_id": False, **options})


def rows_of(client: Client) -> list[tuple[int, str]]:
    return [tuple(row) for row in client.query("SELECT n, word FROM t ORDER BY n, word").result_rows]


def post(address: tuple[str, int], body: bytes, query: str, **headers: str) -> bytes:
    host, port = address
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with urlopen(Request(f"http://{host}:{port}/?{query}", body, named), timeout=30) as reply:
        return reply.read()


def test_a_violated_constraint_raises_and_stores_nothing(client: Client) -> None:
    with pytest.raises(DatabaseError, match=r"(?s)code: 469.*small"):
        client.insert("t", [[1, "a"], [1000, "b"]], ["n", "word"], settings=STORED)
    with pytest.raises(DatabaseError, match="small"):
        client.insert_arrow("t", pa.table({"n": pa.array([1000], pa.int32()), "word": ["b"]}), settings=STORED)
    assert rows_of(client) == []


def test_more_than_a_hundred_partitions_raise_and_store_nothing(client: Client) -> None:
    rows = [[n, "x"] for n in range(101)]
    with pytest.raises(DatabaseError, match="code: 252"):
        client.insert("t", rows, ["n", "word"], settings=STORED)
    assert rows_of(client) == []
    client.insert("t", rows[:100], ["n", "word"], settings=STORED)
    assert len(rows_of(client)) == 100


@pytest.mark.parametrize(
    ("header", "body", "stored"),
    [
        (b"Content-Length: 8", b"1\ta\n2\tb\n", 2),
        (b"Content-Length: 8", b"1\ta\n", 0),
        (b"Transfer-Encoding: chunked", b"4\r\n1\ta\n\r\n4\r\n2\tb\n\r\n0\r\n\r\n", 2),
        (b"Transfer-Encoding: chunked", b"4\r\n1\ta\n\r\n4\r\n2\t", 0),
        (b"Transfer-Encoding: chunked", b"4\r\n1\ta\n\r\n", 0),
    ],
    ids=["whole", "cut", "whole in chunks", "cut in a chunk", "cut between chunks"],
)
def test_an_insert_counts_when_all_of_it_has_come(
    client: Client, address: tuple[str, int], header: bytes, body: bytes, stored: int
) -> None:
    query = quote(f"INSERT INTO {client.database}.t FORMAT TSV").encode()
    with socket.create_connection(address, 30) as connection:
        connection.sendall(b"POST /?async_insert=0&query=%b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (query, header) + body)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 ") if stored else answer == b""
    assert rows_of(client) == [(1, "a"), (2, "b")][:stored]


def test_an_insert_of_rows_that_cannot_be_read_stores_nothing(client: Client, address: tuple[str, int]) -> None:
    with pytest.raises(HTTPError) as refused:
        post(address, b"1\ta\nnot a number\tb\n", "query=" + quote(f"INSERT INTO {client.database}.t FORMAT TSV"))
    with refused.value as reply:
        assert (reply.code, reply.headers["X-ClickHouse-Exception-Code"]) == (400, "27")
    assert rows_of(client) == []


@pytest.mark.parametrize("compression", [False, "lz4", "gzip"])
def test_what_is_sent_is_what_is_read_in_every_compression(address, client: Client, compression: str | bool) -> None:
    other = connect(address, compress=compression, database=client.database)
    other.insert("t", [[1, "FORMAT Native\n\x00'\""], [2, "中文"]], ["n", "word"], settings=STORED)
    other.insert_arrow("t", pa.table({"n": pa.array([3], pa.int32()), "word": ["z"]}), settings=STORED)
    assert rows_of(other) == [(1, "FORMAT Native\n\x00'\""), (2, "中文"), (3, "z")]
    assert other.query_arrow("SELECT n FROM t ORDER BY n")["n"].to_pylist() == [1, 2, 3]
    other.close()


def test_replies_are_compressed_as_asked(address: tuple[str, int]) -> None:
    asked = "enable_http_compression=1&query=" + quote("SELECT 7")
    assert gzip.decompress(post(address, b"", asked, Accept_Encoding="gzip")) == b"7\n"
    assert lz4.frame.decompress(post(address, b"", asked, Accept_Encoding="br, lz4")) == b"7\n"
    assert post(address, b"", asked, Accept_Encoding="br") == b"7\n"


def test_the_statement_may_come_with_its_rows_comments_and_settings(client: Client, address: tuple[str, int]) -> None:
    table = f"{client.database}.`t`"
    for sql in (
        f"INSERT INTO {table} (n, word) FORMAT TSV\n1\ta\n",
        f"/* FORMAT */ insert into {table} -- FORMAT x\n (n, word) SETTINGS async_insert = 0 FORMAT CSV\n2,b\n",
        f"INSERT INTO {table} SETTINGS async_insert = 0 VALUES (3, ' FORMAT TSV ')",
        f"INSERT INTO {table} SELECT 4, 'd' SETTINGS async_insert = 0",
    ):
        post(address, sql.encode(), "async_insert=0")
    assert rows_of(client) == [(1, "a"), (2, "b"), (3, " FORMAT TSV "), (4, "d")]


def test_parameters_are_the_engines_own(client: Client) -> None:
    word = "it's\t1\n\\ 中文"
    found = client.query("SELECT {word:String}, {n:UInt8}", parameters={"word": word, "n": 7}).result_rows
    assert [tuple(row) for row in found] == [(word, 7)]


def test_a_setting_holds_for_its_request_alone_and_an_unknown_one_is_refused(client: Client, address) -> None:
    asked = "SELECT getSetting('max_result_rows')"
    assert client.command(asked, settings={"max_result_rows": 77}) == 77
    assert client.command(asked) == 0
    with pytest.raises(HTTPError) as refused:
        post(address, b"SELECT 1", "no_such_setting=1")
    with refused.value as reply:
        assert b"Code: 115." in reply.read()


def test_a_session_keeps_what_was_set_and_no_other_request_has_it(address: tuple[str, int]) -> None:
    session = f"session_id={uuid.uuid4().hex}"
    post(address, b"SET max_result_rows = 55", session)
    post(address, b"CREATE TEMPORARY TABLE mine (n UInt8)", session)
    asked = b"SELECT getSetting('max_result_rows')"
    assert post(address, asked, session + "&max_result_rows=66") == b"66\n"
    assert post(address, asked, session) == b"55\n"
    assert post(address, b"SELECT count() FROM mine", session) == b"0\n"
    assert post(address, asked, "") == b"0\n"
    with pytest.raises(HTTPError) as refused:
        post(address, b"SELECT count() FROM mine", "")
    with refused.value as reply:
        assert reply.code == 404


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [("SELECT", 400, 62), ("SELECT nope", 400, 47), ("SELECT * FROM nope", 404, 60), ("USE nope", 404, 81)],
)
def test_errors_have_the_codes_of_the_server(address: tuple[str, int], sql: str, status: int, code: int) -> None:
    with pytest.raises(HTTPError) as refused:
        post(address, sql.encode(), "")
    with refused.value as reply:
        assert (reply.code, reply.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))


@pytest.mark.parametrize("asked", ["compress=1", "role=x"])
def test_what_is_not_here_is_refused_by_name(address: tuple[str, int], asked: str) -> None:
    with pytest.raises(HTTPError) as refused:
        post(address, b"SELECT 1", asked)
    with refused.value as reply:
        assert b"NOT_IMPLEMENTED" in reply.read()


def test_writers_at_once_all_store_all_their_rows(client: Client, address: tuple[str, int]) -> None:
    def write(writer: int) -> None:
        own = connect(address, database=client.database)
        for turn in range(10):
            own.insert("t", [[writer, f"{turn}"]] * 3, ["n", "word"], settings=STORED)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert client.command("SELECT count() FROM t") == 120


def test_a_wrong_password_is_refused(tmp_path) -> None:
    with clickhouse_running(tmp_path, password="planted-secret") as server:
        open_client(ClickHouseConfig(url=server.url)).close()
        with pytest.raises(StoreUnavailable, match="516"):
            open_client(ClickHouseConfig(url=server.url.replace("secret", "guess")))
