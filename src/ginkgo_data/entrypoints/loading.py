# Upstream: entrypoints
# Downstream: domain.model.errors, entrypoints.{settings, settings_faults}, pydantic, yaml
# Role: From file, environment and overrides to Settings, each value with its origin
"""Loading: override > environment > file > default. What cannot be used is said with place, value and allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.settings_faults import explain, in_words

PREFIX = "GINKGO_DATA__"
FILE_VARIABLE = "GINKGO_DATA_CONFIG"

_SINGLE = {"TUSHARE_TOKEN": "sources.tushare.token", "GINKGO_NODE_ID": "worker.node_id"}
"""Upstream's environment names that stand for one key (upstream contract, section 8)."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with where each value that is no default came from (dotted key -> origin)."""

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    search: bool = True,
) -> LoadedSettings:
    """Return the settings in force. `overrides` are dotted keys, as a command line gives them.

    Without `file`, the one named by ``GINKGO_DATA_CONFIG`` is read, else ``./data_worker.yml``, else
    ``~/.ginkgo/data_worker.yml``, else none (with `search` off none of these is looked for). Raises
    `ConfigurationError` that lists everything wrong.
    """
    env = os.environ if environment is None else environment
    values: dict[Key, object] = {}
    origins: dict[str, str] = {}
    warnings: list[str] = []

    def put(layer: Mapping[Key, tuple[object, str]]) -> None:
        for key, (value, origin) in layer.items():
            values[key] = value
            origins[".".join(key)] = origin

    path = file or (_find_file(env) if search else None)
    if path is None:
        warnings.append("no data_worker.yml found: defaults and environment only")
    else:
        put(_from_file(path))
    put(_from_environment(env))
    put({tuple(key.split(".")): (value, "command line") for key, value in (overrides or {}).items()})
    try:
        settings = Settings.model_validate(_nested(values))
    except ValidationError as error:
        raise ConfigurationError(explain(error, origins)) from error
    return LoadedSettings(settings, origins, tuple(warnings))


def _find_file(env: Mapping[str, str]) -> Path | None:
    if named := env.get(FILE_VARIABLE):
        return Path(named)
    candidates = (Path("data_worker.yml"), Path("~/.ginkgo/data_worker.yml").expanduser())
    return next((path for path in candidates if path.is_file()), None)


def _from_file(path: Path) -> dict[Key, tuple[object, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        loader = yaml.SafeLoader("")
        leaves = dict(_leaves(node, (), loader, path)) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigurationError(f"{place}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: nested too deep, or an alias that contains itself") from error
    return leaves


def _leaves(node: yaml.Node, key: Key, loader: yaml.SafeLoader, path: Path) -> Iterator[tuple[Key, tuple[object, str]]]:
    place = f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
    if isinstance(node, yaml.MappingNode):
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                found = in_words(loader.construct_object(name, deep=True))
                raise ConfigurationError(f"{place}: a key is {found}; allowed: a name")
        names = [str(name.value) for name, _ in node.value]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"{place}: key {'.'.join((*key, repeated[0]))!r} is given twice")
        for name, child in node.value:
            yield from _leaves(child, (*key, str(name.value)), loader, path)
    elif isinstance(node, yaml.ScalarNode) and len(key) == 1 and node.value in ("", "null", "~"):
        return  # a section with nothing under it says nothing
    elif not key:
        found = in_words(loader.construct_object(node, deep=True))
        raise ConfigurationError(f"{place}: sections such as 'worker:' expected, found {found}")
    else:
        yield key, (loader.construct_object(node, deep=True), place)


def _from_environment(env: Mapping[str, str]) -> dict[Key, tuple[object, str]]:
    found: dict[Key, tuple[object, str]] = {}
    for name, dotted in _SINGLE.items():
        if env.get(name):
            found[tuple(dotted.split("."))] = (env[name], f"environment {name}")
    found.update(_addresses(env))
    for name, text in env.items():
        if name.startswith(PREFIX):
            key = tuple(name[len(PREFIX) :].lower().split("__"))
            found[key] = (_structure(name, text), f"environment {name}")
    return found


def _structure(name: str, text: str) -> object:
    """Return a list or mapping written as YAML, any other text as it is."""
    if not text.strip().startswith(("[", "{")):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"environment {name}: {text!r} is neither a list nor a mapping in YAML") from error


def _addresses(env: Mapping[str, str]) -> dict[Key, tuple[object, str]]:
    """Return the addresses that upstream's host, port and user variables make."""
    found: dict[Key, tuple[object, str]] = {}
    if host := env.get("GINKGO_KAFKA_HOST"):
        address = f"{host}:{env.get('GINKGO_KAFKA_PORT', '9092')}"
        found[("kafka", "bootstrap_servers")] = (address, "environment GINKGO_KAFKA_HOST")
    if host := env.get("GINKGO_REDIS_HOST"):
        address = f"redis://{host}:{env.get('GINKGO_REDIS_PORT', '6379')}/0"
        found[("redis", "url")] = (address, "environment GINKGO_REDIS_HOST")
    if host := env.get("GINKGO_CLICKHOUSE_HOST"):
        user, database = env.get("GINKGO_CLICKHOUSE_USER", "default"), env.get("GINKGO_CLICKHOUSE_DATABASE", "ginkgo")
        address = f"clickhouse://{user}@{host}:{env.get('GINKGO_CLICKHOUSE_PORT', '8123')}/{database}"
        found[("clickhouse", "url")] = (address, "environment GINKGO_CLICKHOUSE_HOST")
        if password := env.get("GINKGO_CLICKHOUSE_PASSWORD"):
            found[("clickhouse", "password")] = (password, "environment GINKGO_CLICKHOUSE_PASSWORD")
    return found


def _nested(values: Mapping[Key, object]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for key, value in values.items():
        branch = tree
        for name in key[:-1]:
            below = branch.get(name)
            if not isinstance(below, dict):
                below = branch[name] = {}
            branch = below
        branch[key[-1]] = value
    return tree
