# Upstream: entrypoints.loading
# Downstream: entrypoints.settings, pydantic
# Role: What is wrong with a configuration, in the words of its file: place, key, value, what is allowed
"""From pydantic's faults to lines that somebody who wrote YAML understands."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ginkgo_data.entrypoints.settings import Settings

_SECRET = ("token", "password", "url", "options")
"""What is in the name of a key whose value is never repeated."""
_NO_SECTION = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type"})


def explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    """Return all faults, one a line; `origins` says where each dotted key came from."""
    lines = []
    for problem in error.errors(include_url=False):
        path = [str(part) for part in problem["loc"] if not str(part).isdigit()]
        key = ".".join(path)
        origin = origins.get(key) or next((o for k, o in origins.items() if k.startswith(f"{key}.")), "")
        place = [part for part in (origin, key) if part]
        lines.append(": ".join([*place, _fault(problem["type"], path, problem)]))
    return "the configuration cannot be used:\n  " + "\n  ".join(lines)


def in_words(value: object) -> str:
    """Return what kind of thing a value is in YAML's words. The value itself may be a secret in a wrong place."""
    kinds = ((Mapping, "a mapping"), (str, "a text"), (Sequence, "a list"), (bool, "true or false"))
    numbers = ((int | float, "a number"), (type(None), "nothing"))
    return next((words for kind, words in (*kinds, *numbers) if isinstance(value, kind)), "a " + type(value).__name__)


def _fault(kind: str, path: Sequence[str], problem: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        return _unknown(path)
    found = problem["input"]
    if kind in _NO_SECTION:
        keys = _keys(path)
        return f"found {in_words(found)}; allowed: a mapping" + (f" with the keys {', '.join(keys)}" if keys else "")
    secret = any(word in ".".join(path) for word in _SECRET)
    shown = "" if secret or isinstance(found, Mapping) else f"found {found!r}: "
    return shown + str(problem["msg"]).removeprefix("Value error, ")


def _unknown(path: Sequence[str]) -> str:
    # The value is not repeated: a mistyped key may be that of a password.
    keys = _keys(path[:-1])
    near = difflib.get_close_matches(path[-1], keys, 1, 0.6)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"there is no such key; {guess}allowed: {', '.join(keys)}"


def _keys(path: Sequence[str]) -> list[str]:
    """Return the keys of a section, none where it is no section or takes any."""
    section: type[BaseModel] | None = Settings
    for name in path:
        field = section.model_fields.get(name) if section else None
        section = _section(field.annotation) if field else None
    return list(section.model_fields) if section else []


def _section(annotation: object) -> type[BaseModel] | None:
    """Return the section that an annotation such as ``FilesConfig | None`` stands for."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
