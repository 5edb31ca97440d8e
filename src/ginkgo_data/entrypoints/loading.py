# Upstream: entrypoints
# Downstream: domain.model, entrypoints
# Role: From command line, environment, file and GCONF to Settings, each value with its origin
"""Loading: command line > environment > data_worker.yml > GCONF > default.

What cannot be used is said with place, key, value and what is allowed, all of it at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.environment_layer import log_file, read_environment
from ginkgo_data.entrypoints.gconf import Gconf, read_gconf
from ginkgo_data.entrypoints.given import COMMAND_LINE, GCONF, Fault, Given, Key, Layer, Reading, dotted, laid_over
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.settling import Settling
from ginkgo_data.entrypoints.upstream_names import Cluster, addresses, looks_like_container
from ginkgo_data.entrypoints.yaml_layer import read_yaml

FILE_VARIABLE = "GINKGO_DATA_CONFIG"
FILE_NAME = "data_worker.yml"

_ALIASES: Mapping[Key, Key] = {
    ("worker", "topic"): ("worker", "topics"),
    ("quality", "notification_topic"): ("kafka", "notification_topic"),
}
"""Keys of upstream's data_worker.yml, and ours that say the same."""
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, where each value that is no default came from (dotted key -> origin), and what was wrong."""

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    """What could not be used, and what counts instead; none unless faults were tolerated."""
    file: Path | None = None
    """The data_worker.yml that was read."""
    files: tuple[Path, ...] = ()
    """Every file that this came from, or would have come from had it been there."""

    @property
    def fault(self) -> str | None:
        """All faults in one line of bounded length, None without any: what a heartbeat carries."""
        if not self.faults:
            return None
        shown = "; ".join(str(fault) for fault in self.faults[:_MOST_SHOWN])
        more = f"; and {len(self.faults) - _MOST_SHOWN} more" if len(self.faults) > _MOST_SHOWN else ""
        return f"the configuration has faults, defaults stand in: {shown}{more}"

    def names(self, key: str) -> bool:
        """Whether somebody gave the dotted `key` for this program: Ginkgo's own configuration does not count."""
        return key in self.origins and not self.origins[key].startswith(GCONF)


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    search: bool = True,
    tolerant: bool = False,
) -> LoadedSettings:
    """Return the settings in force. `overrides` are dotted keys, as a command line gives them.

    Without `file`, the one named by ``GINKGO_DATA_CONFIG`` is read, else ``./data_worker.yml``, else
    ``~/.ginkgo/data_worker.yml``, else none; below it lies GCONF. With `search` off none of these is looked for. The
    folder ``~/.ginkgo`` is ``GINKGO_DIR`` where that is set.

    Raises `ConfigurationError` that lists everything wrong. `tolerant` leaves it out instead, and returns it in
    `faults`; what the caller gave itself (`overrides`, a `file` that cannot be read) raises all the same.
    """
    env = os.environ if environment is None else environment
    folder = _ginkgo_folder(env, environment is None) if search else None
    found, own = _read_file(file, env, folder, search)
    upstream, cluster = _read_upstream(folder, env)
    environ = read_environment(env, laid_over([upstream.layer, own.layer]), cluster)
    given = {tuple(key.split(".")): Given(value, COMMAND_LINE) for key, value in (overrides or {}).items()}
    readings = (upstream, own, environ, Reading(layer=given))
    settling = Settling([_with_our_names(reading) for reading in readings])
    faults = _in_order([fault for reading in readings for fault in reading.faults] + settling.faults)
    if faults and (not tolerant or any(fault.place == COMMAND_LINE for fault in faults)):
        raise ConfigurationError(_listed([fault for fault in faults if not fault.consequence]))
    return LoadedSettings(
        settings=settling.settings,
        origins=_origins(settling.values, settling.settings),
        warnings=tuple(warning for reading in readings for warning in reading.warnings),
        faults=tuple(faults),
        file=found,
        files=_files(readings, settling.settings),
    )


def _ginkgo_folder(env: Mapping[str, str], of_this_process: bool) -> Path | None:
    """Return upstream's folder of configurations; None where the environment knows no home."""
    if named := env.get("GINKGO_DIR"):
        return Path(named)
    if home := env.get("HOME"):
        return Path(home) / ".ginkgo"
    try:
        return Path.home() / ".ginkgo" if of_this_process else None
    except RuntimeError:
        return None


def _read_file(
    file: Path | None, env: Mapping[str, str], folder: Path | None, search: bool
) -> tuple[Path | None, Reading]:
    """Return the data_worker.yml and what it says, or none and that there is none."""
    named = env.get(FILE_VARIABLE) if search else None
    if file is not None or named:
        path = file or Path(named or "")
        reading = read_yaml(path)
        if file is not None and reading.closed:
            raise ConfigurationError(_listed(reading.faults))
        return path, reading
    candidates = [Path(FILE_NAME), *([folder / FILE_NAME] if folder else [])] if search else []
    for number, path in enumerate(candidates):
        if _is_file(path):
            reading = read_yaml(path)
            reading.files[:0] = candidates[:number]  # each of them would come first
            return path, reading
    looked = f" ({', '.join(map(str, candidates))})" if candidates else ""
    warning = f"no {FILE_NAME} found{looked}: GCONF, environment and defaults only"
    return None, Reading(warnings=[warning], files=candidates)


def _read_upstream(folder: Path | None, env: Mapping[str, str]) -> tuple[Reading, Cluster]:
    """Return GCONF as a layer, and what Ginkgo's settings say about where this runs."""
    gconf: Gconf = read_gconf(folder, env)
    where = env.get("GINKGO_ENV") or gconf.environment
    cluster = Cluster(
        environment=where.strip().upper() if where else None,
        in_container=looks_like_container(env),
        guarded=env.get("GINKGO_SKIP_CLUSTER_GUARD") != "1",
    )
    reading = addresses(gconf.parts, {}, cluster)
    reading.take(gconf.reading)
    if file := log_file({"GINKGO_LOG_FILE_ON": env.get("GINKGO_LOG_FILE_ON", "")}, gconf.log_folder):
        reading.layer[("logging", "file")] = file
    return reading, cluster


def _with_our_names(reading: Reading) -> Layer:
    """Return a layer with our names for upstream's keys; both of them given is a fault."""
    layer = dict(reading.layer)
    for theirs, ours in _ALIASES.items():
        if theirs not in layer:
            continue
        given = layer.pop(theirs)
        if ours in layer:
            text = f"{dotted(theirs)} and {dotted(ours)} are both given; allowed: one of them"
            reading.faults.append(Fault(given.origin, dotted(theirs), text, f"{dotted(ours)} counts"))
        else:
            layer[ours] = given
    return layer


def _origins(values: Layer, settings: Settings) -> dict[str, str]:
    """Return where each value came from, passwords that were inside an address or a file included."""
    origins = {dotted(key): given.origin for key, given in values.items()}
    for section, config in (("redis", settings.redis), ("clickhouse", settings.clickhouse)):
        if config.password.get_secret_value() and f"{section}.password" not in origins:
            source = next((n for n in ("password_file", "url") if f"{section}.{n}" in origins), None)
            if source:
                origins[f"{section}.password"] = f"{section}.{source}, {origins[f'{section}.{source}']}"
    return origins


def _files(readings: Sequence[Reading], settings: Settings) -> tuple[Path, ...]:
    files = [path for reading in readings for path in reading.files]
    if settings.clickhouse.password_file is not None:
        files.append(settings.clickhouse.password_file)
    return tuple(dict.fromkeys(files))


def _in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Return `faults` by their line, those without one first."""

    def position(fault: Fault) -> tuple[int, int]:
        place = re.search(r":(\d+):(\d+)(?:$|,)", fault.place)
        return (int(place[1]), int(place[2])) if place else (0, 0)

    return sorted(faults, key=position)


def _listed(faults: Sequence[Fault]) -> str:
    return "the configuration cannot be used:\n  " + "\n  ".join(map(str, faults))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
