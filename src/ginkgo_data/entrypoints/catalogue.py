# Upstream: entrypoints
# Downstream: entrypoints.{given, kinds, settings}, pydantic
# Role: The catalogue of all keys, read off the models: what each is, allows, means, and whether it is a secret
"""Every key there is. Templates, the schema, the documents and messages all speak from here."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from ginkgo_data.entrypoints.given import Key
from ginkgo_data.entrypoints.kinds import allowed_by, without_password
from ginkgo_data.entrypoints.settings import Settings

PREFIX = "GINKGO_DATA__"
"""What the environment's name of a key begins with; the sections follow, separated by two underscores."""
MASK = "********"
"""What stands for a secret."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key."""

    key: Key
    allowed: str
    default: str
    """In YAML; empty where the key must be given when its section is."""
    text: str
    """What it is, in one line."""
    secret: bool
    optional_section: bool
    """Whether its section as a whole may be left out."""

    @property
    def environment(self) -> str:
        """Its name in the environment."""
        return PREFIX + "__".join(self.key).upper()


def section_at(path: Sequence[str]) -> type[BaseModel] | None:
    """Return the section at `path`, None where there is a key or nothing."""
    section: type[BaseModel] | None = Settings
    for name in path:
        field = section.model_fields.get(name) if section else None
        section = _section_of(field.annotation) if field else None
    return section


def keys_of(path: Sequence[str]) -> list[str]:
    """Return the keys of a section, none where it is no section or takes any."""
    section = section_at(path)
    return list(section.model_fields) if section else []


def field_at(path: Sequence[str]) -> FieldInfo | None:
    """Return the field at `path`; inside a mapping of free names it is the mapping's."""
    section: type[BaseModel] | None = Settings
    field: FieldInfo | None = None
    for name in path:
        if section is None:
            return field if field is not None and _is_mapping(field.annotation) else None
        field = section.model_fields.get(name)
        section = _section_of(field.annotation) if field else None
        if field is None:
            return None
    return field


def is_secret(path: Sequence[str]) -> bool:
    """Whether the value at `path` is a secret."""
    field = field_at(path)
    return field is not None and _mentions_secret(field.annotation)


def is_mapping(path: Sequence[str]) -> bool:
    """Whether `path` is a mapping of free names, such as `kafka.options`."""
    field, above = field_at(path), field_at(path[:-1])
    return field is not None and field is not above and _is_mapping(field.annotation)


def shown_value(settings: Settings, path: Sequence[str]) -> str:
    """Return the value at `path` as it may be shown, in JSON; secrets as asterisks, empty ones as they are."""
    return json.dumps(plain_value(settings, path), ensure_ascii=False)


def plain_value(settings: Settings, path: Sequence[str]) -> object:
    """Return the value at `path` in what JSON has, without secrets; None inside a section that is not there."""
    value: object = settings
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return _masked(value)


def _masked(value: object) -> object:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, Mapping):
        return {str(name): _masked(below) for name, below in value.items()}
    if isinstance(value, tuple | list):
        return [_masked(below) for below in value]
    if isinstance(value, Enum):
        return _masked(value.value)
    if isinstance(value, Path):
        return str(value)
    return without_password(value) if isinstance(value, str) else value


def allowed_at(path: Sequence[str]) -> str:
    """Return what is allowed at `path`, empty where there is no such key."""
    found = _schema_at(path)
    return allowed_by(found, schema()["$defs"]) if found else ""


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """Return the JSON Schema of the whole, with what each key means."""
    whole = Settings.model_json_schema()
    for name, section in whole["$defs"].items():
        model = _model_called(name)
        if model is None:
            continue
        for key, text in attribute_texts(model).items():
            if key in section["properties"]:
                section["properties"][key].setdefault("description", text)
    return whole


def entries() -> list[Entry]:
    """Return every key, in the order of the file's sections."""
    return list(_entries(Settings, (), optional=False))


def section_text(section: type[BaseModel]) -> str:
    """Return what a section is, in one line."""
    return _one_line(inspect.getdoc(section) or "").partition(". ")[0].rstrip(".") + "."


def _entries(section: type[BaseModel], path: Key, *, optional: bool) -> Iterator[Entry]:
    texts = attribute_texts(section)
    for name, field in section.model_fields.items():
        key = (*path, name)
        below = _section_of(field.annotation)
        if below is not None:
            yield from _entries(below, key, optional=type(None) in get_args(field.annotation))
            continue
        yield Entry(key, allowed_at(key), _default(field), texts.get(name, ""), is_secret(key), optional)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return json.dumps(value)


def _schema_at(path: Sequence[str]) -> Mapping[str, Any] | None:
    """Return the schema at `path`, with references followed on the way."""
    found: Mapping[str, Any] = schema()
    for name in path:
        found = _object_in(found)
        properties = found.get("properties", {})
        if name in properties:
            found = properties[name]
        elif isinstance(found.get("additionalProperties"), Mapping):
            found = found["additionalProperties"]
        else:
            return None
    return found


def _object_in(found: Mapping[str, Any]) -> Mapping[str, Any]:
    for choice in (found, *found.get("anyOf", ())):
        if "$ref" in choice:
            target = schema()["$defs"][choice["$ref"].rpartition("/")[2]]
            if isinstance(target, Mapping):
                return target
    return found


def _section_of(annotation: object) -> type[BaseModel] | None:
    """Return the section that an annotation such as ``FilesConfig | None`` stands for."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _is_mapping(annotation: object) -> bool:
    origin = getattr(annotation, "__origin__", None)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _mentions_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_mentions_secret(part) for part in get_args(annotation))


def _model_called(name: str) -> type[BaseModel] | None:
    todo: list[type[BaseModel]] = [Settings]
    while todo:
        model = todo.pop()
        if model.__name__ == name:
            return model
        todo += [below for field in model.model_fields.values() if (below := _section_of(field.annotation))]
    return None


@lru_cache
def attribute_texts(model: type) -> dict[str, str]:
    """Return the docstrings below the attributes of a class; none where the source is not at hand."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[model.__module__]))
    except (OSError, TypeError):
        return {}
    found: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name != model.__name__:
            continue
        for line, below in zip(node.body, node.body[1:], strict=False):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            targets: list[ast.expr] = line.targets if isinstance(line, ast.Assign) else []
            name = line.target if isinstance(line, ast.AnnAssign) else next(iter(targets), None)
            if isinstance(name, ast.Name) and is_text:
                found[name.id] = _one_line(str(below.value.value))  # type: ignore[attr-defined]
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())
