# Upstream: adapters.clickhouse.client, entrypoints.{settings, show_schema}
# Downstream: pydantic
# Role: Settings of the ClickHouse family: which store, as whom, with the password kept secret
"""How to reach the store: a ClickHouse server, or the engine inside this process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

ALLOWED = (
    "clickhouse://user:password@host:8123/database, clickhouses://... (or ?secure=1) for TLS, "
    "chdb:///some/dir or chdb://relative/dir (?database=name) for the engine inside this process"
)
DATABASE = "ginkgo"
"""Database used where the address names none."""

_ESCAPES = "in a user or a password, / is written %2F, @ %40 and : %3A"
_NO_TEXT = "it is not text in UTF-8"
_TLS = "allowed: with an address clickhouses://..., or not at all"
_DATABASE_NAME = re.compile(r"^\w[\w-]*$")
_SERVER_PORTS = {False: 8123, True: 8443}
_ON_OFF = {"1": True, "true": True, "0": False, "false": False}


class ClickHouseConfig(BaseModel):
    """Section `clickhouse`. A password in `url` is moved to `password` at once, so that `url` can be shown.

    Raises pydantic's `ValidationError` for an address that cannot be read; it names the address (without
    its password) and the forms that are allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    url: str = "clickhouse://default@localhost:8123/ginkgo"
    """Where the store is: ``clickhouse://user@host:8123/database``, ``clickhouses://…`` for TLS, ``chdb:///some/dir``
    or ``chdb://relative/dir`` for the engine inside this process."""
    password: SecretStr = SecretStr("")
    """Of a server; given here, it is used instead of one in `url`."""
    password_file: Path | None = None
    """A file that holds the password of a server (a container's secret), read when the configuration is; the end of
    its last line does not count. Not together with `password`."""
    ca_cert: Path | None = None
    """Certificates (PEM) that a server's must go back to; certifi's where none are named. TLS only."""
    verify: bool = True
    """Whether a server's certificate is checked. TLS only."""
    compression: Literal["lz4", "zstd", "none"] = "lz4"
    """Of what goes to a server and comes back."""
    layout: Literal["native", "ginkgo"] = "native"
    """Whose tables of bars, adjustment factors and ticks: ``native`` are this package's own, ``ginkgo`` those that
    GTM's readers know (cents, whole lots, bars as traded). Everything else lies in tables of this package in both."""
    connect_timeout: int = Field(default=5, ge=1, le=3600)
    """Seconds to reach a server."""
    timeout: int = Field(default=60, ge=1, le=86_400)
    """Seconds to wait for a server's answer to one query or insert."""

    @model_validator(mode="before")
    @classmethod
    def _read_password(cls, given: object) -> object:
        if not isinstance(given, Mapping) or not isinstance(path := given.get("password_file"), str | Path):
            return given
        return {**given, "password": _password_in(Path(path), given)}

    @model_validator(mode="before")
    @classmethod
    def _take_password_out(cls, given: object) -> object:
        if not isinstance(given, Mapping) or not isinstance(given.get("url"), str):
            return given
        parts = _split(given["url"])
        # A chdb address holds no password, and urlsplit would take the slashes off an absolute directory.
        plain = given["url"].strip() if parts.scheme == "chdb" else _without_password(parts)
        values = {**given, "url": plain}
        if parts.password and not _secret(given.get("password")) and not given.get("password_file"):
            values["password"] = SecretStr(unquote(parts.password))
        return values

    @model_validator(mode="after")
    def _check_url(self) -> ClickHouseConfig:
        parts = _split(self.url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if self.embedded:
            allowed = {"database"}
            fault = _fault_of_directory(self) if parts.netloc or parts.path.strip("/") else "it names no directory"
        else:
            allowed = {"secure"}
            fault = "" if parts.hostname else "it names no host"
            if query.get("secure", "1").lower() not in _ON_OFF:
                fault = f"secure={query['secure']} is neither 1 nor 0"
        if unknown := sorted(set(query) - allowed):
            fault = f"it has the unknown option {unknown[0]!r}"
        if not _DATABASE_NAME.match(self.database):
            fault = f"{self.database!r} cannot be the name of a database (letters, digits, _ and -)"
        if fault:
            raise ValueError(_refusal(self.url, fault))
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> ClickHouseConfig:
        given = f"ca_cert is {str(self.ca_cert)!r}" if self.ca_cert else "" if self.verify else "verify is false"
        if given and not self.secure:
            raise ValueError(f"{given}, and {self.url} is spoken to without TLS; {_TLS}")
        if self.ca_cert and not _is_file(self.ca_cert):
            raise ValueError(f"{given}, where no file is; allowed: a file of certificates (PEM)")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the engine runs inside this process."""
        return urlsplit(self.url).scheme == "chdb"

    @property
    def directory(self) -> Path:
        """Where the embedded engine keeps its data."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.netloc + parts.path)).expanduser()

    @property
    def database(self) -> str:
        """The database that holds the tables."""
        parts = urlsplit(self.url)
        if self.embedded:
            return dict(parse_qsl(parts.query, keep_blank_values=True)).get("database", DATABASE)
        return unquote(parts.path.strip("/")) or DATABASE

    @property
    def secure(self) -> bool:
        """Whether the server is spoken to over TLS."""
        parts = urlsplit(self.url)
        asked = dict(parse_qsl(parts.query)).get("secure", "0")
        return parts.scheme == "clickhouses" or _ON_OFF[asked.lower()]

    @property
    def host(self) -> str:
        """The server's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of the server's HTTP interface; 8123, with TLS 8443, where the address names none."""
        return urlsplit(self.url).port or _SERVER_PORTS[self.secure]

    @property
    def user(self) -> str:
        """The server's user; ``default`` where the address names none."""
        return unquote(urlsplit(self.url).username or "") or "default"


def _fault_of_directory(config: ClickHouseConfig) -> str:
    try:
        _ = config.directory
    except RuntimeError:
        return "it names the home of nobody"
    return ""


def _is_file(path: Path) -> bool:
    try:
        return path.expanduser().is_file()
    except (OSError, RuntimeError):
        return False


def _split(url: str) -> SplitResult:
    """Split `url`; raise `ValueError` when its scheme is not ours or its port is no port."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise ValueError(_refusal(url, f"its host and port cannot be read; {_ESCAPES}")) from None
    if parts.scheme not in {"clickhouse", "clickhouses", "chdb"}:
        raise ValueError(_refusal(url, f"its scheme is {parts.scheme!r}"))
    return parts


def _without_password(parts: SplitResult) -> str:
    if parts.password is None:
        return parts.geturl()
    user, _, place = parts.netloc.rpartition("@")
    name = quote(unquote(user.partition(":")[0]), safe="")
    return parts._replace(netloc=f"{name}@{place}" if name else place).geturl()


def _password_in(path: Path, given: Mapping[str, object]) -> SecretStr:
    """Return what is in the file; raise `ValueError` naming it when that is nothing, or there is another password."""
    try:
        text = path.expanduser().read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: there is no such user's home
        reason = getattr(error, "strerror", None) or ("no such home" if isinstance(error, RuntimeError) else _NO_TEXT)
        raise ValueError(f"password_file {str(path)!r} cannot be read: {reason}") from None
    if not text:
        raise ValueError(f"password_file {str(path)!r} is empty; allowed: a file with the password")
    known = _secret(given.get("password"))
    if known and known != text:
        raise ValueError(f"password and password_file ({str(path)!r}) are both given; allowed: one of them")
    return SecretStr(text)


def _refusal(url: str, fault: str) -> str:
    shown = re.sub(r"(://[^:@/]*):.*@", r"\1:***@", url)
    # What stands in the place of a port may be a password, where the @ behind it was forgotten.
    shown = re.sub(r"(://(?:\[[^]]*\]|[^:@/?#\[]*)):(?!\d{1,5}(?:[/?#]|$))[^@/?#]*", r"\1:***", shown)
    return f"the address of the store is {shown!r}: {fault}; allowed: {ALLOWED}"


def _secret(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
