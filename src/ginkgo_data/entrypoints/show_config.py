# Upstream: entrypoints.config_cli
# Downstream: domain.model.errors, entrypoints.{catalogue, config_template, given, loading}, rich
# Role: What `config show`, `check`, `init` and `schema` print and write; secrets as asterisks
"""The configuration for people: in force, checked, as a template, as a schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.catalogue import entries, plain_value
from ginkgo_data.entrypoints.config_template import json_schema, template
from ginkgo_data.entrypoints.given import Fault, dotted
from ginkgo_data.entrypoints.loading import FILE_NAME, LoadedSettings, load_settings

DEFAULT = "default"


def show_config(config: Path | None, origin: bool, as_json: bool) -> int:
    """Print every value in force, with `origin` where it came from; return 2 where the configuration has faults."""
    loaded = load_settings(config, tolerant=True)
    if as_json:
        _print_json(_as_object(loaded))
    else:
        _print_values(loaded, origin)
        for warning in loaded.warnings:
            _say("warning", "yellow", warning)
        for fault in loaded.faults:
            _say("error", "red", f"{fault}; used instead: {fault.instead}")
    return 2 if loaded.faults else 0


def check_config(file: Path, as_json: bool) -> int:
    """Say what is wrong with `file` by itself, whatever the environment says; return 2 where something is."""
    try:
        loaded = load_settings(file, {}, search=False, tolerant=True)
        faults, warnings = [fault for fault in loaded.faults if not fault.consequence], list(loaded.warnings)
    except ConfigurationError as error:  # it cannot be read at all
        faults, warnings = [Fault(str(file), "", str(error).rpartition(f"{file}: ")[2])], []
    if as_json:
        _print_json({"file": str(file), "well": not faults, "faults": list(map(_plain, faults)), "warnings": warnings})
    else:
        for fault in faults:
            _say("error", "red", str(fault))
        if not faults:
            sys.stdout.write(f"{file}: every key is known, every value is allowed\n")
    return 2 if faults else 0


def init_config(file: Path | None) -> int:
    """Write the template to `file`. Raises `ConfigurationError` where something is there or it cannot be written."""
    path = file or Path(FILE_NAME)
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(template())
    except FileExistsError as error:
        raise ConfigurationError(f"{path} is there already and stays as it is; name another file") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    sys.stdout.write(f"{path} is written; every key in it is a comment until its # is taken away\n")
    return 0


def show_schema() -> int:
    """Print the JSON Schema."""
    _print_json(json_schema())
    return 0


def _as_object(loaded: LoadedSettings) -> dict[str, object]:
    values = {
        dotted(entry.key): {
            "value": plain_value(loaded.settings, entry.key),
            "origin": _origin(loaded, dotted(entry.key)),
        }
        for entry in entries()
    }
    return {
        "file": str(loaded.file) if loaded.file else None,
        "settings": values,
        "faults": list(map(_plain, loaded.faults)),
        "warnings": list(loaded.warnings),
    }


def _print_values(loaded: LoadedSettings, origin: bool) -> None:
    rows = [
        (dotted(entry.key), json.dumps(plain_value(loaded.settings, entry.key), ensure_ascii=False))
        for entry in entries()
    ]
    widest = max(len(key) for key, _ in rows)
    longest = min(60, max(len(value) for _, value in rows))
    for key, value in rows:
        line = f"{key:<{widest}}  {value:<{longest}}  {_origin(loaded, key)}" if origin else f"{key:<{widest}}  {value}"
        sys.stdout.write(f"{line.rstrip()}\n")


def _origin(loaded: LoadedSettings, key: str) -> str:
    """Return where a value came from; those of a mapping of free names, each with its own."""
    if key in loaded.origins:
        return loaded.origins[key]
    inside = [
        f"{name[len(key) + 1 :]}: {origin}" for name, origin in loaded.origins.items() if name.startswith(f"{key}.")
    ]
    return ", ".join(inside) or DEFAULT


def _plain(fault: Fault) -> dict[str, object]:
    return {"place": fault.place, "key": fault.key, "text": fault.text, "instead": fault.instead or None}


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _say(word: str, colour: str, text: str) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[{colour}]{word}:[/{colour}] ", end="")
    console.print(text, markup=False)
