# Upstream: entrypoints.{environment_layer, loading}
# Downstream: entrypoints.{given, kinds, secret_files}
# Role: Ginkgo's own names in the environment: hosts, ports, users, and the addresses that they make
"""Upstream names the parts of an address one by one (upstream contract, section 8); we have addresses.

A part replaces its part of the address that the layers below give, and nothing else of it: ``GINKGO_KAFKA_PORT``
alone moves the port. An address that has no such part (an embedded engine, several brokers) is replaced as a whole by
a host; any other part of it is left alone, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ginkgo_data.entrypoints.given import Fault, Given, Key, Layer, Reading
from ginkgo_data.entrypoints.kinds import without_password
from ginkgo_data.entrypoints.secret_files import secret_of

PARTS: Mapping[str, tuple[str, ...]] = {
    "kafka.host": ("KAFKA_HOST", "GINKGO_KAFKA_HOST"),
    "kafka.port": ("KAFKA_PORT", "GINKGO_KAFKA_PORT"),
    "redis.host": ("REDIS_HOST", "GINKGO_REDIS_HOST"),
    "redis.port": ("REDIS_PORT", "GINKGO_REDIS_PORT"),
    "clickhouse.host": ("CLICKHOUSE_HOST", "GINKGO_CLICKHOUSE_HOST"),
    "clickhouse.port": ("CLICKHOUSE_PORT", "GINKGO_CLICKHOUSE_PORT"),
    "clickhouse.user": ("CLICKHOUSE_USER", "GINKGO_CLICKHOUSE_USER"),
    "clickhouse.database": ("CLICKHOUSE_DATABASE", "GINKGO_CLICKHOUSE_DATABASE"),
    "clickhouse.password": ("CLICKHOUSE_PASSWORD", "GINKGO_CLICKHOUSE_PASSWORD"),
}
"""Part of an address -> its names in the environment, the later one wins."""

_HOST = re.compile(r"[^\s,/?#@:\[\]]+|\[[0-9A-Fa-f:.%]+\]")
_SERVER = re.compile(rf"({_HOST.pattern})(?::(\d+))?")
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")

Parts = Mapping[str, Given]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What upstream's settings say about the place this runs at."""

    environment: str | None = None
    """``PRODUCTION`` or ``DEVELOPMENT``, None where neither is said."""
    in_container: bool = False
    guarded: bool = True

    @property
    def mapped_ports(self) -> bool:
        """Whether a store is reached through the ports of upstream's test cluster on its host: 8123 is 18123."""
        return self.environment == "DEVELOPMENT" and not self.in_container


def looks_like_container(env: Mapping[str, str]) -> bool:
    """Whether this process runs in a container, by upstream's signs."""
    if env.get("DOCKER_CONTAINER") or env.get("KUBERNETES_SERVICE_HOST"):
        return True
    try:
        groups = Path("/proc/1/cgroup").read_text("utf-8", "replace")
    except OSError:
        groups = ""
    return "docker" in groups or "kubepods" in groups or Path("/.dockerenv").exists()


def parts_in(env: Mapping[str, str], reading: Reading) -> dict[str, Given]:
    """Return the parts that the environment gives; what is wrong goes to `reading`."""
    found: dict[str, Given] = {}
    for part, names in PARTS.items():
        for name in names:
            if part == "clickhouse.password":
                given = secret_of(name, env, part, reading)
            else:
                given = Given(env[name], f"environment {name}") if env.get(name) else None
            if given is not None and part.endswith(".port") and _SERVICE_LINK.match(str(given.value)):
                # Kubernetes sets REDIS_PORT=tcp://10.0.0.11:6379 for every service called redis.
                reading.warnings.append(f"{given.origin} is a service link of the container's host and not used")
            elif given is not None:
                found[part] = given
    return found


def addresses(parts: Parts, below: Layer, cluster: Cluster) -> Reading:
    """Return the addresses that `parts` make of those of `below`."""
    reading = Reading()
    sound = {part: given for part, given in parts.items() if _is_sound(part, given, cluster, reading)}
    families: tuple[tuple[Key, str, Callable[[str, dict[str, str]], str | None]], ...] = (
        (("kafka", "bootstrap_servers"), "localhost:9092", _servers),
        (("redis", "url"), "redis://localhost:6379/0", _redis_url),
        (("clickhouse", "url"), "clickhouse://default@localhost:8123/ginkgo", _clickhouse_url),
    )
    for key, default, compose in families:
        mine = {p.partition(".")[2]: g for p, g in sound.items() if p.startswith(f"{key[0]}.")}
        password = mine.pop("password", None)
        if password is not None:
            reading.layer[(key[0], "password")] = password
        if not mine:
            continue
        base = below.get(key)
        texts = {name: str(given.value).strip() for name, given in mine.items()}
        if key[0] == "clickhouse" and (base is None or "port" in texts):
            _map_port(texts, cluster, reading)
        address = compose(str(base.value) if base else default, texts)
        origin = _origin(mine)
        if address is None:
            reading.warnings.append(
                f"{origin} is not used: {'.'.join(key)} ({base.origin if base else ''}) has no such part"
            )
            continue
        reading.layer[key] = Given(address, f"{origin} over {base.origin}" if base else origin)
    return reading


def _is_sound(part: str, given: Given, cluster: Cluster, reading: Reading) -> bool:
    text = str(given.value).strip()
    fault = ""
    if part.endswith(".port") and not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        fault = f"found {without_password(text)!r}; allowed: a port from 1 to 65535"
    elif part == "kafka.host" and all(_SERVER.fullmatch(server.strip()) for server in text.split(",")):
        pass
    elif part.endswith(".host") and not (_HOST.fullmatch(text) or _is_ipv6(text)):
        fault = f"found {without_password(text)!r}; allowed: the name or the address of a host, without scheme and port"
    elif part == "clickhouse.host" and cluster.guarded and cluster.environment in ("PRODUCTION", "DEVELOPMENT"):
        wanted, other = ("-test", "-master") if cluster.environment == "DEVELOPMENT" else ("-master", "-test")
        if text.endswith(other):
            fault = (
                f"found {text!r}, and GINKGO_ENV is {cluster.environment}; allowed: a host …{wanted}, or "
                "GINKGO_SKIP_CLUSTER_GUARD=1"
            )
    if fault:
        reading.faults.append(Fault(given.origin, part, fault, "it is left out"))
    return not fault


def _map_port(texts: dict[str, str], cluster: Cluster, reading: Reading) -> None:
    port = texts.get("port", "8123")
    if cluster.mapped_ports and not port.startswith("1"):
        texts["port"] = f"1{port}"
        reading.warnings.append(
            f"clickhouse: port {port} is taken as 1{port}, since GINKGO_ENV is DEVELOPMENT and this is no container"
        )


def _servers(base: str, parts: dict[str, str]) -> str | None:
    known = _SERVER.fullmatch(base.strip())
    host, port = parts.get("host"), parts.get("port")
    if host is None:
        return f"{known[1]}:{port}" if known else None
    if "," in host or (":" in host and _SERVER.fullmatch(host)):
        return host
    return f"{_bracketed(host)}:{port or (known and known[2]) or '9092'}"


def _redis_url(base: str, parts: dict[str, str]) -> str | None:
    return _with_parts(base, "redis://localhost:6379/0", ("redis", "rediss"), parts)


def _clickhouse_url(base: str, parts: dict[str, str]) -> str | None:
    schemes = ("clickhouse", "clickhouses")
    return _with_parts(base, "clickhouse://default@localhost:8123/ginkgo", schemes, parts)


def _with_parts(base: str, default: str, schemes: tuple[str, ...], parts: dict[str, str]) -> str | None:
    """Return `base` with `parts` in it, `default` with them where `base` has no such parts; None: nothing to put in."""
    try:
        url = urlsplit(base.strip())
        _ = url.port
    except ValueError:
        return None
    if url.scheme not in schemes or not url.hostname:
        if "host" not in parts:
            return None
        url = urlsplit(default)
    path = f"/{quote(parts['database'], safe='')}" if "database" in parts else url.path
    return url._replace(netloc=_netloc(url, parts), path=path).geturl()


def _netloc(url: SplitResult, parts: dict[str, str]) -> str:
    user = parts.get("user") or unquote(url.username or "")
    password = f":{url.password}" if url.password is not None and "user" not in parts else ""
    login = f"{quote(user, safe='')}{password}@" if user or password else ""
    port = parts.get("port") or url.port
    return f"{login}{_bracketed(parts.get('host') or url.hostname or '')}" + (f":{port}" if port else "")


def _bracketed(host: str) -> str:
    return f"[{host}]" if _is_ipv6(host) else host


def _is_ipv6(text: str) -> bool:
    return text.count(":") > 1 and re.fullmatch(r"[0-9A-Fa-f:.%]+", text) is not None


def _origin(parts: Parts) -> str:
    """Return one origin for all parts."""
    origins = [given.origin for given in parts.values()]
    names = [origin.removeprefix("environment ") for origin in origins]
    return f"environment {', '.join(names)}" if names != origins else origins[0]
