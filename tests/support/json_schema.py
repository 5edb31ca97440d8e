"""A small checker of JSON Schema: the words that pydantic writes, and no others.

>>> list(faults({"a": "x"}, {"type": "object", "properties": {"a": {"type": "integer"}}}))
['a: x is no integer']
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

_KINDS = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}
_FORMATS = {"date": date.fromisoformat, "date-time": datetime.fromisoformat}
_WORDS = """
$schema $defs $ref title description default type properties required additionalProperties items prefixItems minItems
maxItems anyOf enum const format
"""
_KNOWN = frozenset(re.findall(r"\S+", _WORDS))


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, path: str = "") -> Iterator[str]:
    """Yield what of `value` is not as `schema` says; a word of the schema that is unknown here is an error."""
    root = schema if root is None else root
    if unknown := schema.keys() - _KNOWN:
        raise ValueError(f"the checker does not know {sorted(unknown)}")
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        yield from faults(value, target, root, path)
        return
    if "anyOf" in schema:
        if all(list(faults(value, choice, root, path)) for choice in schema["anyOf"]):
            yield f"{path}: {value} is none of {schema['anyOf']}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{path}: {value} is not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value} is none of {schema['enum']}"
    kind = schema.get("type")
    if kind and not _KINDS[kind](value):
        yield f"{path}: {value} is no {kind}"
        return
    if "format" in schema:
        try:
            _FORMATS[schema["format"]](value)
        except ValueError:
            yield f"{path}: {value} is no {schema['format']}"
    if isinstance(value, dict):
        yield from _object(value, schema, root, path)
    if isinstance(value, list):
        yield from _array(value, schema, root, path)


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}.{name}".lstrip(".") + ": is missing"
    for name, item in value.items():
        below = f"{path}.{name}".lstrip(".")
        if name in properties:
            yield from faults(item, properties[name], root, below)
        elif more is False:
            yield f"{below}: is not expected"
        elif isinstance(more, dict):
            yield from faults(item, more, root, below)


def _array(value: list[Any], schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{path}: has {len(value)} items"
    fixed = schema.get("prefixItems", [])
    for number, item in enumerate(value):
        of = fixed[number] if number < len(fixed) else schema.get("items", {})
        yield from faults(item, of, root, f"{path}[{number}]")
