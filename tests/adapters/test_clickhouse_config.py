"""Addresses of the store: what each part means, what is refused, and that the password never shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig


def test_an_address_names_user_host_port_and_database() -> None:
    config = ClickHouseConfig(url="clickhouse://writer:s%40cret@store.example:9123/market")
    assert (config.user, config.host, config.port, config.database) == ("writer", "store.example", 9123, "market")
    assert (config.embedded, config.secure) == (False, False)
    assert config.password.get_secret_value() == "s@cret"


@pytest.mark.parametrize(
    ("url", "secure", "port"),
    [
        ("clickhouse://h", False, 8123),
        ("clickhouse://h?secure=0", False, 8123),
        ("clickhouses://h", True, 8443),
        ("clickhouse://h/db?secure=1", True, 8443),
        ("clickhouse://h/db?secure=True", True, 8443),
        ("clickhouses://h:9440/db", True, 9440),
    ],
)
def test_tls_is_asked_for_by_scheme_or_option_and_moves_the_default_port(url: str, secure: bool, port: int) -> None:
    config = ClickHouseConfig(url=url)
    assert (config.secure, config.port) == (secure, port)


def test_what_an_address_leaves_out_has_a_default() -> None:
    config = ClickHouseConfig(url="clickhouse://h")
    assert (config.user, config.database, config.password.get_secret_value()) == ("default", "ginkgo", "")
    assert ClickHouseConfig().url == "clickhouse://default@localhost:8123/ginkgo"


@pytest.mark.parametrize(
    ("url", "directory", "database"),
    [
        ("chdb:///some/dir", "/some/dir", "ginkgo"),
        ("chdb:///some/dir/", "/some/dir", "ginkgo"),
        ("chdb://relative/dir", "relative/dir", "ginkgo"),
        ("chdb://data", "data", "ginkgo"),
        ("chdb:///with%20blank?database=other", "/with blank", "other"),
    ],
)
def test_an_embedded_store_is_a_directory(url: str, directory: str, database: str) -> None:
    config = ClickHouseConfig(url=url)
    assert config.embedded
    assert (config.directory, config.database) == (Path(directory), database)


def test_the_password_never_shows() -> None:
    config = ClickHouseConfig(url="clickhouse://writer:hunter2@h:8123/db")
    assert config.url == "clickhouse://writer@h:8123/db"
    for shown in (repr(config), str(config), config.model_dump_json(), str(config.model_dump())):
        assert "hunter2" not in shown


def test_a_password_given_apart_is_used_instead_of_the_one_in_the_address() -> None:
    config = ClickHouseConfig(url="clickhouse://writer:old@h", password=SecretStr("new"))
    assert config.password.get_secret_value() == "new"
    assert (
        ClickHouseConfig(url="clickhouse://writer:old@h", password=SecretStr("")).password.get_secret_value() == "old"
    )


def test_a_configuration_built_from_its_own_values_is_the_same() -> None:
    config = ClickHouseConfig(url="clickhouse://wri%3Ater:p%2Fw@h/db")
    assert config.user == "wri:ter"
    assert ClickHouseConfig(**config.model_dump()) == config


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgres://u:hunter2@h/db", "'postgres'"),
        ("localhost:8123", "'localhost'"),
        ("", "''"),
        ("clickhouse://u:hunter2@h:99999/db", "port cannot be read"),
        ("clickhouse://u:hunter2@h:abc/db", "port cannot be read"),
        ("clickhouse:///db", "no host"),
        ("clickhouse://h/db?secure=maybe", "maybe"),
        ("clickhouse://h/db?secrue=1", "secrue"),
        ("clickhouse://h/my db`", "my db`"),
        ("chdb://", "no directory"),
        ("chdb:///dir?secure=1", "secure"),
        ("chdb:///dir?database=", "database"),
        ("chdb:///dir?database=a;b", "a;b"),
    ],
)
def test_an_address_that_cannot_be_used_is_named_with_what_is_allowed(url: str, named: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        ClickHouseConfig(url=url)
    text = str(refusal.value)
    assert named in text
    assert "chdb:///some/dir" in text
    assert "hunter2" not in text


def test_an_unknown_layout_or_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="native"):
        ClickHouseConfig.model_validate({"layout": "other"})
    with pytest.raises(ValidationError, match="pasword"):
        ClickHouseConfig.model_validate({"pasword": "x"})


def test_a_password_is_read_from_its_file_without_the_end_of_the_line(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2 \r\n")
    for url in ({}, {"url": "clickhouse://writer:old@h"}):
        config = ClickHouseConfig(**url, password_file=secret)
        assert config.password.get_secret_value() == "hunter2 "
        assert "hunter2" not in repr(config)
        assert ClickHouseConfig(**config.model_dump()) == config


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"password_file": "missing"}, "'missing' cannot be read: No such file"),
        ({"password_file": "empty"}, "'empty' is empty"),
        ({"password_file": "binary"}, "'binary' cannot be read: it is not text"),
        (
            {"password_file": "good", "password": SecretStr("other")},
            "('good') are both given",
        ),
        ({"ca_cert": "good"}, "ca_cert is 'good', and clickhouse://h is spoken to without TLS"),
        ({"url": "clickhouses://h", "ca_cert": "missing"}, "ca_cert is 'missing', where no file is"),
        ({"verify": False}, "verify is false, and clickhouse://h is spoken to without TLS"),
        ({"compression": "gzip"}, "'lz4', 'zstd' or 'none'"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch, given: dict, named: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good").write_text("hunter2")
    Path("empty").write_text("\n")
    Path("binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError) as refusal:
        ClickHouseConfig.model_validate({"url": "clickhouse://h", **given})
    assert named in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
