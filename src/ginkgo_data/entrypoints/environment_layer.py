# Upstream: entrypoints.loading
# Downstream: entrypoints.{catalogue, given, secret_files, upstream_names, yaml_layer}
# Role: The environment as a layer: GINKGO_DATA__SECTION__KEY for every key, upstream's names, secrets from files
"""Reading the environment. A variable that is empty says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from ginkgo_data.entrypoints.catalogue import PREFIX, field_at, is_mapping, is_secret
from ginkgo_data.entrypoints.given import Fault, Given, Key, Layer, Reading, dotted
from ginkgo_data.entrypoints.secret_files import SUFFIX, secret_of
from ginkgo_data.entrypoints.upstream_names import Cluster, addresses, parts_in
from ginkgo_data.entrypoints.yaml_layer import layer_of, yaml_value

LOG_FILE = "data_worker.{host}.log"
"""Name of the log file in upstream's folder of logs: several containers write into it."""

_SINGLE: Mapping[str, Key] = {
    "GINKGO_NODE_ID": ("worker", "node_id"),
    "GINKGO_LOG_LEVEL_CONSOLE": ("logging", "level"),
}
"""Upstream's names that stand for one key; besides these the token's and those of `log_file`."""
_TOKEN, _TOKEN_KEY = "TUSHARE_TOKEN", ("sources", "tushare", "token")
_OPTIONS = ("kafka", "options")


def read_environment(env: Mapping[str, str], below: Layer, cluster: Cluster) -> Reading:
    """Return what `env` gives; `below` are the addresses that parts of addresses are put into."""
    reading = Reading()
    parts = parts_in(env, reading)
    reading.take(addresses(parts, below, cluster))
    if env.get("GINKGO_DEBUG_MODE", "").strip().lower() == "true":
        reading.layer[("logging", "level")] = Given("DEBUG", "environment GINKGO_DEBUG_MODE")
    for name, key in _SINGLE.items():
        if env.get(name):
            reading.layer[key] = Given(env[name], f"environment {name}")
    if token := secret_of(_TOKEN, env, dotted(_TOKEN_KEY), reading):
        reading.layer[_TOKEN_KEY] = token
    if file := log_file(env, None):
        reading.layer[("logging", "file")] = file
    for name in sorted(env):
        if name.startswith(PREFIX) and env[name]:
            _take(name, env, reading)
    return reading


def log_file(env: Mapping[str, str], folder: Given | None) -> Given | None:
    """Return the log file in upstream's folder of logs, None where neither `env` nor `folder` asks for one."""
    switch, path = env.get("GINKGO_LOG_FILE_ON", "").strip().lower(), env.get("GINKGO_LOG_PATH")
    if path and switch in ("", "true"):
        folder = Given(path, "environment GINKGO_LOG_PATH")
    if folder is None or (switch and switch != "true"):
        return None
    return Given(f"{str(folder.value).rstrip('/')}/{LOG_FILE}", folder.origin)


def _take(name: str, env: Mapping[str, str], reading: Reading) -> None:
    key = key_of(name)
    origin = f"environment {name}"
    if field_at(key) is None or key[:-1] == _OPTIONS:
        secret = key_of(name.removesuffix(SUFFIX))
        if name.endswith(SUFFIX) and is_secret(secret) and not is_mapping(secret):
            if given := secret_of(name.removesuffix(SUFFIX), env, dotted(secret), reading):
                reading.layer[secret] = given
            return
    value: object = env[name]
    if _is_structure(key, env[name]):
        try:
            reading.layer.update(layer_of(yaml_value(env[name]), key, origin))
        except (ValueError, RecursionError):
            reading.faults.append(Fault(origin, dotted(key), "is neither a list nor a mapping in YAML"))
        return
    # A secret's plain variable is read with its file's: both given, they must not differ.
    if is_secret(key) and env.get(name + SUFFIX) and field_at((*key[:-1], f"{key[-1]}{SUFFIX.lower()}")) is None:
        return
    reading.layer[key] = Given(value, origin)


def key_of(name: str) -> Key:
    """Return the key that a variable names. Options of librdkafka have dots where a variable has underscores."""
    key = tuple(name.removeprefix(PREFIX).lower().split("__"))
    return (*_OPTIONS, ".".join(key[2:]).replace("_", ".")) if key[:2] == _OPTIONS and len(key) > 2 else key


def _is_structure(key: Key, text: str) -> bool:
    if not text.strip().startswith(("[", "{")):
        return False
    return not is_secret(key) or is_mapping(key)
