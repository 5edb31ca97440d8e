# Upstream: entrypoints.loading
# Downstream: entrypoints.{given, secret_files, yaml_layer}, cryptography
# Role: Ginkgo's own configuration (GCONF), read and never written; passwords as upstream decodes them
"""``config.yml`` and ``secure.yml`` in ``GINKGO_DIR`` or ``~/.ginkgo``.

Read are, of ``secure.yml``, ``database.{kafka,redis,clickhouse}`` and ``tushare.token``; of ``config.yml``, ``env``,
``debug``, and ``log_path`` where ``log_file_on`` is true. Everything else belongs to other parts of Ginkgo.

A password is what upstream makes of it: decrypted (Fernet) where ``GINKGO_SECRET_KEY`` fits, else decoded where it is
base64 of text, else taken as it is. A plain password that looks like base64 is therefore taken for something else, by
upstream too; where that may have happened a warning says so. A token is never decoded.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ginkgo_data.entrypoints.given import GCONF, Given, Key, Layer, Reading
from ginkgo_data.entrypoints.secret_files import secret_of
from ginkgo_data.entrypoints.yaml_layer import read_yaml

SECRET_KEY = "GINKGO_SECRET_KEY"
NEVER_DECODED = "set GINKGO_CLICKHOUSE_PASSWORD or clickhouse.password in data_worker.yml, which are never decoded"

_PARTS: Mapping[Key, str] = {
    ("database", "kafka", "host"): "kafka.host",
    ("database", "kafka", "port"): "kafka.port",
    ("database", "redis", "host"): "redis.host",
    ("database", "redis", "port"): "redis.port",
    ("database", "clickhouse", "host"): "clickhouse.host",
    ("database", "clickhouse", "port"): "clickhouse.port",
    ("database", "clickhouse", "username"): "clickhouse.user",
    ("database", "clickhouse", "database"): "clickhouse.database",
    ("database", "clickhouse", "password"): "clickhouse.password",
}
_TOKEN = ("tushare", "token")


@dataclass(slots=True)
class Gconf:
    """What was found. `reading` has what is a key of ours already."""

    reading: Reading = field(default_factory=Reading)
    parts: dict[str, Given] = field(default_factory=dict)
    """Parts of addresses, by the names of `upstream_names`."""
    environment: str | None = None
    """Upstream's ``env``, None where it is not set."""
    log_folder: Given | None = None
    """Where upstream writes log files, None where it writes none."""


def read_gconf(folder: Path | None, env: Mapping[str, str]) -> Gconf:
    """Return what the two files in `folder` say; files that are not there say nothing."""
    found = Gconf()
    if folder is None:
        return found
    _take_config(_values(folder / "config.yml", found.reading), found)
    secure = _values(folder / "secure.yml", found.reading)
    for key, part in _PARTS.items():
        if given := _text(secure, key):
            found.parts[part] = given
    if given := found.parts.get("clickhouse.password"):
        text, doubt = decode_password(str(given.value), env, found.reading)
        found.parts["clickhouse.password"] = Given(text, given.origin)
        if doubt:
            found.reading.warnings.append(f"{given.origin}: database.clickhouse.password {doubt}; {NEVER_DECODED}")
    if given := _text(secure, _TOKEN):
        found.reading.layer[("sources", "tushare", "token")] = given
    elif any(key[:2] == _TOKEN and len(key) > 2 for key in secure):
        found.reading.warnings.append(f"{folder / 'secure.yml'}: tushare.token is still the template's placeholder")
    return found


def decode_password(text: str, env: Mapping[str, str], reading: Reading) -> tuple[str, str]:
    """Return the password that upstream makes of `text`, and what is doubtful about it (empty: nothing)."""
    key = secret_of(SECRET_KEY, env, SECRET_KEY, reading)
    token = text.startswith("gAAAAA")
    if key is not None:
        decrypted = _decrypt(text, str(key.value), reading)
        if decrypted is not None:
            return decrypted, ""
        if token:
            return text, f"looks encrypted, and {SECRET_KEY} does not decrypt it"
    elif token:
        return text, f"looks encrypted, and {SECRET_KEY} is not set"
    try:
        decoded = base64.b64decode(text).decode("utf-8")
    except (binascii.Error, ValueError):
        return text, ""
    if decoded.startswith("gAAAAA"):
        return text, ""
    result = decoded.replace("\n", "")
    return result, "" if _is_surely_base64(text, decoded) else "was decoded as base64, as Ginkgo does, but may be plain"


def _is_surely_base64(text: str, decoded: str) -> bool:
    """Whether `text` is exactly what base64 makes of a password: printable, and with the padding it should have."""
    written = base64.b64encode(decoded.encode()).decode()
    printable = decoded.rstrip("\n")
    return written == text.strip() and bool(printable) and printable.isascii() and printable.isprintable()


def _decrypt(text: str, key: str, reading: Reading) -> str | None:
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError:
        reading.warnings.append(f"{SECRET_KEY} is set, but the package cryptography is not installed")
        return None
    try:
        return Fernet(key.encode()).decrypt(text.encode()).decode("utf-8")
    except (InvalidToken, ValueError):  # no token of this key, or no key at all
        return None


def _take_config(config: Layer, found: Gconf) -> None:
    if given := _text(config, ("env",)):
        found.environment = str(given.value).upper()
    debug = _text(config, ("debug",))
    if debug and _is_true(debug):
        found.reading.layer[("logging", "level")] = Given("DEBUG", debug.origin)
    switch, folder = _text(config, ("log_file_on",)), _text(config, ("log_path",))
    if switch and folder and _is_true(switch):
        found.log_folder = folder


def _values(path: Path, reading: Reading) -> Layer:
    reading.files.append(path)
    try:
        there = path.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        return {}
    read = read_yaml(path, raw=True)
    reading.faults += read.faults
    return {key: Given(given.value, f"{GCONF} {given.origin}") for key, given in read.layer.items()}


def _text(layer: Layer, key: Key) -> Given | None:
    given = layer.get(key)
    return given if given and isinstance(given.value, str) and given.value.strip() else None


def _is_true(given: Given) -> bool:
    return str(given.value).strip().lower() == "true"
