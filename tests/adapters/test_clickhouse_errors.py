"""What failures of the store become, without an engine."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError

from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.errors import store_errors
from ginkgo_data.domain.model.errors import ConfigurationError, SchemaMismatch, StoreUnavailable


@pytest.mark.parametrize("code", [16, 47, 53, 349, 407, 469, 691])
def test_a_code_about_columns_types_or_values_is_a_schema_mismatch(code: int) -> None:
    cause = DatabaseError(f"Code: {code}. DB::Exception: column `close`", code=code)
    with (
        pytest.raises(SchemaMismatch, match=rf"insert into bars: Code: {code}\..*close") as caught,
        store_errors("insert into bars"),
    ):
        raise cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    "code", [3, 107, 159, 164, 202, 203, 209, 210, 241, 242, 252, 285, 319, 425, 999, 60, 81, 243, 516]
)
def test_any_other_code_makes_the_store_unavailable(code: int) -> None:
    with pytest.raises(StoreUnavailable, match=f"Code: {code}"), store_errors("insert into bars"):
        raise DatabaseError(f"Code: {code}. DB::Exception: no", code=code)


def test_a_code_that_stands_only_in_the_message_counts_too() -> None:
    with pytest.raises(SchemaMismatch), store_errors("read"):
        raise DatabaseError("Code: 349. DB::Exception: null")


@pytest.mark.parametrize(
    "cause",
    [
        OperationalError("Error ReadTimeoutError executing HTTP request"),
        ProgrammingError("The client has been closed"),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
        OSError(28, "No space left on device"),
        pa.ArrowInvalid("not an Arrow file"),
    ],
    ids=lambda cause: type(cause).__name__,
)
def test_sockets_timeouts_disks_and_broken_replies_make_the_store_unavailable(cause: Exception) -> None:
    with pytest.raises(StoreUnavailable) as caught, store_errors("read"):
        raise cause
    assert caught.value.__cause__ is cause


def test_errors_of_others_pass_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), store_errors("read"):
        raise ZeroDivisionError
    with pytest.raises(ConfigurationError), store_errors("read"):
        raise ConfigurationError("x")


def test_a_server_that_is_not_there_is_an_unavailable_store_named_without_its_password() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with pytest.raises(StoreUnavailable) as caught:
            open_client(ClickHouseConfig(url=f"clickhouse://u:hunter2@127.0.0.1:{port}/db"))
    place = f"127.0.0.1:{port}"
    assert str(caught.value) == f"open clickhouse://u@{place}/db: the store at {place} refuses connections"


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[socket.socket] = []
        listener = threading.Thread(target=lambda: accepted.append(silent.accept()[0]), daemon=True)
        listener.start()
        port = silent.getsockname()[1]
        with pytest.raises(StoreUnavailable, match=f"db: the store at 127.0.0.1:{port} does not answer in time$"):
            open_client(ClickHouseConfig(url=f"clickhouse://127.0.0.1:{port}/db", timeout=1))
        listener.join()
        accepted[0].close()


def test_a_host_without_an_address_is_named() -> None:
    with pytest.raises(StoreUnavailable, match=r"the store at no\.such\.invalid:8123 has no address"):
        open_client(ClickHouseConfig(url="clickhouse://no.such.invalid/db"))


def test_a_server_that_breaks_off_is_named() -> None:
    with answering("") as port, pytest.raises(StoreUnavailable, match=f":{port} broke the connection off$"):
        open_client(ClickHouseConfig(url=f"clickhouse://127.0.0.1:{port}/db"))


def test_a_refused_password_names_server_and_user_on_one_line() -> None:
    # It waits rather than gives up: a password that is changed again costs no command.
    reply = (
        "Code: 516. DB::Exception: writer: Authentication failed: password is incorrect, or there is no user with such "
        "name.\n\nIf you have installed ClickHouse and forgot password you can reset it. (AUTHENTICATION_FAILED)"
    )
    with answering(reply) as port, pytest.raises(StoreUnavailable) as caught:
        open_client(ClickHouseConfig(url=f"clickhouse://writer:hunter2@127.0.0.1:{port}/db"))
    said = f": the store at 127.0.0.1:{port} refuses the user writer or its password (Code: 516)"
    assert str(caught.value) == f"open clickhouse://writer@127.0.0.1:{port}/db{said}"


def test_a_long_message_of_the_engine_is_one_line() -> None:
    with (
        pytest.raises(StoreUnavailable, match=r"^read: Code: 241\. DB::Exception: memory limit$"),
        store_errors("read"),
    ):
        raise DatabaseError("Code: 241.\nDB::Exception:\n\n  memory limit\n", code=241)


@contextmanager
def answering(reply: str) -> Iterator[int]:
    """Give the port of a server that refuses whatever it is asked with `reply`; with none it breaks off."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if reply:
                self.send_response(403)
                self.send_header("X-ClickHouse-Exception-Code", "516")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply.encode())
            self.close_connection = True

        do_GET = do_POST  # noqa: N815 - the server calls it so

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file/store"):
        open_client(ClickHouseConfig(url=f"chdb://{tmp_path}/file/store"))


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("ginkgo_data.adapters.clickhouse", ("clickhouse_connect", "pydantic", "pandas", "chdb")),
        ("ginkgo_data.adapters.clickhouse.client", ("clickhouse_connect", "pandas", "chdb")),
        ("ginkgo_data.adapters.clickhouse.bar_repository", ("clickhouse_connect", "pandas", "chdb")),
        ("ginkgo_data.adapters.clickhouse.quality_repository", ("clickhouse_connect", "pandas", "chdb")),
        ("ginkgo_data.adapters.memory.bar_repository", ("clickhouse_connect", "pydantic", "pandas", "chdb")),
    ],
)
def test_importing_the_family_loads_no_client_library(module: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
