"""Options of a connection do what they say: TLS with its authority, a password from a file, compression, timeouts."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.domain.model.errors import StoreUnavailable
from support.processes import HOST
from support.servers import clickhouse_running
from support.tls_proxy import TlsProxy

BARS = pa.table({"code": [f"{number:06d}.SZ" for number in range(2000)], "price": [10.57] * 2000})


# The client library switches this warning off when it is imported; pytest begins every test with all of them on.
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_over_tls_a_server_is_believed_that_its_authority_vouches_for(clickhouse_server, tmp_path):
    with TlsProxy(urlsplit(clickhouse_server.url).port, tmp_path) as proxy:
        url = f"clickhouses://{HOST}:{proxy.port}/ginkgo"
        client = open_client(ClickHouseConfig(url=url, ca_cert=proxy.authority))
        assert client.query("SELECT 1 AS one")["one"].to_pylist() == [1]
        client.close()
        unchecked = open_client(ClickHouseConfig(url=url, verify=False))
        assert unchecked.query("SELECT 1 AS one")["one"].to_pylist() == [1]
        unchecked.close()
        with pytest.raises(StoreUnavailable, match=r"(?i)certificate"):
            open_client(ClickHouseConfig(url=url))


def test_tls_against_a_server_without_it_is_no_connection(clickhouse_server):
    port = urlsplit(clickhouse_server.url).port
    with pytest.raises(StoreUnavailable, match=f"{HOST}:{port}"):
        open_client(ClickHouseConfig(url=f"clickhouses://{HOST}:{port}/ginkgo", verify=False))


def test_a_password_from_a_file_opens_the_server(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("planted-hunter2\n")
    with clickhouse_running(tmp_path, password="planted-hunter2") as server:
        url = f"clickhouse://{HOST}:{urlsplit(server.url).port}/ginkgo"
        client = open_client(ClickHouseConfig(url=url, password_file=secret))
        assert client.query("SELECT 1 AS one")["one"].to_pylist() == [1]
        client.close()
        secret.write_text("planted-hunter3\n")
        with pytest.raises(StoreUnavailable, match="refuses") as refusal:
            open_client(ClickHouseConfig(url=url, password_file=secret))
    assert "hunter" not in str(refusal.value)


@pytest.mark.parametrize("compression", ["lz4", "zstd", "none"])
def test_what_is_compressed_arrives_as_it_was_sent(engine_url, compression):
    client = open_client(ClickHouseConfig(url=engine_url, compression=compression))
    try:
        client.command("CREATE TABLE prices (code String, price Float64) ENGINE = MergeTree ORDER BY code")
        client.insert("prices", BARS)
        assert client.query("SELECT code, price FROM prices ORDER BY code").to_pydict() == BARS.to_pydict()
    finally:
        client.command("DROP DATABASE " + urlsplit(engine_url).path.strip("/"))
        client.close()


@pytest.fixture
def engine_url(clickhouse_server):
    return clickhouse_server.database("options")


def test_a_server_that_never_answers_is_given_up_after_the_timeout():
    with socket.create_server((HOST, 0)) as silent:
        url = f"clickhouse://{HOST}:{silent.getsockname()[1]}/ginkgo"
        with pytest.raises(StoreUnavailable, match="does not answer in time"):
            open_client(ClickHouseConfig(url=url, timeout=1))
