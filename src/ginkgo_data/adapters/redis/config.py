# Upstream: adapters.redis.client, entrypoints.settings
# Downstream: pydantic
# Role: Settings of the Redis family: which server, with the password kept secret, and how patient a call is
"""How to reach Redis."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

ALLOWED = (
    "redis://user:password@host:6379/0, rediss://... for TLS, "
    "memory:// for no server (everything is kept inside this process)"
)
MEMORY = "memory://"
_ESCAPES = "in a user or a password, / is written %2F, @ %40 and : %3A"


class RedisConfig(BaseModel):
    """Section `redis`. A password in `url` is moved to `password` at once, so that `url` can be shown.

    Raises pydantic's `ValidationError` for an address that cannot be read; it names the address (without
    its password) and the forms that are allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    url: str = "redis://localhost:6379/0"
    """Where the server is: ``redis://user@host:6379/0``, ``rediss://…`` for TLS, ``memory://`` for no server
    (everything is kept inside this process)."""
    password: SecretStr = SecretStr("")
    """Given here, it is used instead of one in `url`; empty: none is sent."""
    connect_timeout: float = Field(default=1.0, gt=0, le=60)
    """Seconds to reach the server."""
    timeout: float = Field(default=1.0, gt=0, le=60)
    """Seconds to wait for an answer: nothing that Redis does here is worth waiting longer."""
    first_backoff: float = Field(default=0.25, gt=0, le=60)
    """Seconds in which a server that has failed is not asked again; doubled with each further failure."""
    max_backoff: float = Field(default=5.0, gt=0, le=60)
    """Longest such pause, so also the longest time until a server that is back is noticed."""

    @model_validator(mode="before")
    @classmethod
    def _take_password_out(cls, given: object) -> object:
        if not isinstance(given, Mapping) or not isinstance(given.get("url"), str):
            return given
        if given["url"].strip() == MEMORY:
            return {**given, "url": MEMORY}
        parts = _split(given["url"])
        values = {**given, "url": _without_password(parts)}
        if parts.password and not _secret(given.get("password")):
            values["password"] = SecretStr(unquote(parts.password))
        return values

    @model_validator(mode="after")
    def _check_url(self) -> RedisConfig:
        if self.in_memory:
            return self
        parts = _split(self.url)
        fault = "" if parts.hostname else "it names no host"
        if parts.query or parts.fragment:
            fault = "it has options; they are keys of this section"
        if not re.fullmatch(r"/?\d*", parts.path):
            fault = f"{parts.path.strip('/')!r} is no number of a database"
        if fault:
            raise ValueError(_refusal(self.url, fault))
        return self

    @property
    def in_memory(self) -> bool:
        """Whether there is no server: the container then takes the adapters in memory."""
        return self.url == MEMORY

    @property
    def secure(self) -> bool:
        """Whether the server is spoken to over TLS; its certificate is checked."""
        return urlsplit(self.url).scheme == "rediss"

    @property
    def host(self) -> str:
        """The server's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The server's port; 6379 where the address names none."""
        return urlsplit(self.url).port or 6379

    @property
    def database(self) -> int:
        """The number of the database; 0 where the address names none, upstream's."""
        return int(urlsplit(self.url).path.strip("/") or 0)

    @property
    def user(self) -> str | None:
        """The user; None: the server's default one."""
        return unquote(urlsplit(self.url).username or "") or None


def _split(url: str) -> SplitResult:
    """Split `url`; raise `ValueError` when its scheme is not ours or its port is no port."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise ValueError(_refusal(url, f"its host and port cannot be read; {_ESCAPES}")) from None
    if parts.scheme not in {"redis", "rediss"}:
        raise ValueError(_refusal(url, f"its scheme is {parts.scheme!r}"))
    return parts


def _without_password(parts: SplitResult) -> str:
    if parts.password is None:
        return parts.geturl()
    user, _, place = parts.netloc.rpartition("@")
    name = quote(unquote(user.partition(":")[0]), safe="")
    return parts._replace(netloc=f"{name}@{place}" if name else place).geturl()


def _refusal(url: str, fault: str) -> str:
    shown = re.sub(r"(://[^:@/]*):.*@", r"\1:***@", url)
    # What stands in the place of a port may be a password, where the @ behind it was forgotten.
    shown = re.sub(r"(://(?:\[[^]]*\]|[^:@/?#\[]*)):(?!\d{1,5}(?:[/?#]|$))[^@/?#]*", r"\1:***", shown)
    return f"the address of Redis is {shown!r}: {fault}; allowed: {ALLOWED}"


def _secret(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
