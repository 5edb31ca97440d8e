# Upstream: entrypoints.{catalogue, settings_faults, upstream_names, yaml_layer}
# Downstream: none
# Role: What kind of thing a value is, and what kind a key allows, in the words of people who write YAML
"""Words for values and for JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def without_password(text: str) -> str:
    """Return `text` without the password of an address in it."""
    return re.sub(r"(://[^:/?#@]*):.*@", r"\1:***@", text)


def in_words(value: object) -> str:
    """Return what kind of thing a value is. The value itself may be a secret in a wrong place."""
    kinds = ((Mapping, "a mapping"), (str, "a text"), (Sequence, "a list"), (bool, "true or false"))
    numbers = ((int | float, "a number"), (type(None), "nothing"))
    return next((words for kind, words in (*kinds, *numbers) if isinstance(value, kind)), "a " + type(value).__name__)


def allowed_by(schema: Mapping[str, object], definitions: Mapping[str, Mapping[str, object]]) -> str:
    """Return what a key's JSON Schema allows; references are looked up in `definitions`."""
    if isinstance(reference := schema.get("$ref"), str):
        return allowed_by(definitions[reference.rpartition("/")[2]], definitions)
    if isinstance(choices := schema.get("anyOf"), list):
        return " or ".join(dict.fromkeys(allowed_by(choice, definitions) for choice in choices))
    if isinstance(words := schema.get("enum"), list):
        return ", ".join(map(str, words))
    if "const" in schema:
        return str(schema["const"])
    return _of_type(schema, definitions)


def _of_type(schema: Mapping[str, object], definitions: Mapping[str, Mapping[str, object]]) -> str:
    kind = schema.get("type")
    if kind in ("integer", "number"):
        words = "a whole number" if kind == "integer" else "a number"
        limits = _limits(schema)
        return f"{words} {limits}" if limits else words
    if kind == "string":
        if schema.get("format") == "path":
            return "a path"
        return "a text that is not empty" if schema.get("minLength") else "a text"
    if kind == "array":
        items = schema.get("items")
        of = allowed_by(items, definitions) if isinstance(items, Mapping) else "values"
        return f"a list of at least one of: {of}" if schema.get("minItems") else f"a list of: {of}"
    if kind == "object":
        properties = schema.get("properties")
        return f"a mapping with the keys {', '.join(properties)}" if isinstance(properties, Mapping) else "a mapping"
    return {"boolean": "true or false", "null": "nothing"}.get(str(kind), "a value")


def _limits(schema: Mapping[str, object]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f"from {_plain(schema['minimum'])} to {_plain(schema['maximum'])}"
    words = {"minimum": "at least", "exclusiveMinimum": "greater than", "maximum": "at most"}
    return " and ".join(f"{text} {_plain(schema[name])}" for name, text in words.items() if name in schema)


def _plain(number: object) -> str:
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)
