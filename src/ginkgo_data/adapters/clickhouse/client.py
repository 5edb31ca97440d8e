# Upstream: adapters.clickhouse, entrypoints.{doctor, opening, show_schema, worker_wiring}
# Downstream: adapters.clickhouse.{config, errors}, domain.model.{errors, steps}, clickhouse_connect, pyarrow
# Role: One connection to the store, server or embedded engine, with the pinned settings of every insert
"""The client: SQL in, Arrow out, and inserts that are stored when they return.

The client library is imported when a client is opened, not with this module.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.errors import store_errors
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.steps import step

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

INSERT_SETTINGS = {"async_insert": 0, "input_format_null_as_default": 0}
"""Sent with every insert: acknowledged means stored (the engine's default since 26.x is asynchronous), and a
null never becomes 0, '' or 1970 (the default of every version)."""


class NoDatabaseError(ConfigurationError):
    """The server answers, and has no such database."""


class ClickHouseClient:
    """One database of a store. Safe for several threads.

    Connects with the first call (or `connect`), creates the database where it is missing (unless told not to `create`
    it), and runs `prepare` (the schema, say) before anything else is sent; while that fails, every call tries it again.
    Over HTTP
    every call has its own connection and no session; the embedded engine takes one call at a time per client
    (clickhouse-connect holds a lock), so a host that wants more opens more clients.
    """

    def __init__(
        self,
        config: ClickHouseConfig,
        prepare: Callable[[ClickHouseClient], object] | None = None,
        *,
        create: bool = True,
    ) -> None:
        self._config = config
        self._create = create
        self._prepare = prepare
        self._client: Client | None = None
        self._ready = False
        self._opening = threading.RLock()

    def connect(self) -> None:
        """Connect and prepare now, if that was not done.

        Raises `StoreUnavailable` when the store cannot be reached, `ConfigurationError` when a package is not
        installed, the directory of the embedded engine cannot be used, or there is no database and none may be
        created, and what `prepare` raises.
        """
        self._connected()

    def command(self, sql: str) -> None:
        """Run a statement without a result. Raises `StoreUnavailable` or `SchemaMismatch`."""
        client = self._connected()
        with store_errors(_shown(sql)), step("store_command"):
            client.command(sql)

    def query(self, sql: str) -> pa.Table:
        """Return the rows of a SELECT that may end with SETTINGS, not with FORMAT. Raises as `command`."""
        client = self._connected()
        with store_errors(_shown(sql)), step("query"):
            return client.query_arrow(sql)

    def insert(self, table: str, rows: pa.Table) -> None:
        """Store `rows` with one INSERT of one record batch; on return they are readable.

        Column names must be the table's. The deduplication token names this call, not its content: a repeat
        of the request that the client library makes by itself is dropped, while equal rows that are written
        again after others of the same version are stored (of equal versions, the later write wins).
        Raises `StoreUnavailable` (nothing may be taken as stored) or `SchemaMismatch`.
        """
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": uuid.uuid4().hex}
        client = self._connected()
        with (
            store_errors(f"insert of {rows.num_rows} rows into {table}"),
            step("insert", table=table, rows=rows.num_rows),
        ):
            client.insert_arrow(table, rows.unify_dictionaries().combine_chunks(), settings=settings)

    def close(self) -> None:
        """Give the connection back; idempotent."""
        with self._opening:
            client, self._client, self._ready = self._client, None, False
        if client is not None:
            with store_errors("close"):
                client.close()

    def _connected(self) -> Client:
        if self._ready and (client := self._client) is not None:
            return client
        with self._opening:
            if self._client is None:
                self._client = _open(self._config, self._create)
                try:
                    # Its own calls come back here, by this thread: the client is there, so they are sent.
                    if self._prepare is not None:
                        self._prepare(self)
                    self._ready = True
                except BaseException:
                    failed, self._client = self._client, None
                    if failed is not None:
                        failed.close()
                    raise
            return self._client


def open_client(config: ClickHouseConfig, *, create: bool = True) -> ClickHouseClient:
    """Return a client that is connected; raises as `ClickHouseClient.connect`."""
    client = ClickHouseClient(config, create=create)
    client.connect()
    return client


def _open(config: ClickHouseConfig, create: bool) -> Client:
    alone = " (one process at a time, and one directory per process)" if config.embedded else ""
    with store_errors(f"open {config.url}{alone}"):
        client = _embedded(config) if config.embedded else _server(config)
        try:
            _use_database(client, config, create)
        except Exception:
            client.close()
            raise
    return client


def _server(config: ClickHouseConfig) -> Client:
    try:
        import clickhouse_connect
    except ImportError as error:
        raise _not_installed(config, error, "worker") from error
    return clickhouse_connect.get_client(
        interface="https" if config.secure else "http",
        host=config.host,
        port=config.port,
        username=config.user,
        password=config.password.get_secret_value(),
        connect_timeout=config.connect_timeout,
        send_receive_timeout=config.timeout,
        compress=config.compression if config.compression != "none" else False,
        ca_cert=str(config.ca_cert.expanduser()) if config.ca_cert else None,
        verify=config.verify,
        autogenerate_session_id=False,
        client_name="ginkgo_data",
    )


def _embedded(config: ClickHouseConfig) -> Client:
    try:
        config.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{config.url}: the directory {config.directory} cannot be used: {error}") from error
    try:
        import clickhouse_connect

        return clickhouse_connect.get_client(interface="chdb", path=str(config.directory))
    except ImportError as error:
        raise _not_installed(config, error, "embedded") from error


def _use_database(client: Client, config: ClickHouseConfig, create: bool) -> None:
    """Make the configured database the client's. Nothing is created where it exists: the user may not be allowed to."""
    name = config.database
    if client.command(f"EXISTS DATABASE `{name}`") != 1:
        if not create:
            raise NoDatabaseError(
                f"there is no database {name} at {config.url}; `ginkgo-data schema apply` makes it, as a worker does "
                "when it starts"
            )
        client.command(f"CREATE DATABASE IF NOT EXISTS `{name}`")
    client.database = name


def _not_installed(config: ClickHouseConfig, error: ImportError, extra: str) -> ConfigurationError:
    return ConfigurationError(
        f"{config.url} needs a package that is not installed ({error}); install ginkgo-data[{extra}]"
    )


def _shown(sql: str) -> str:
    """Return the beginning of a statement, on one line, for messages."""
    line = " ".join(sql.split())
    return line if len(line) <= 120 else f"{line[:117]}..."
