# Upstream: adapters.kafka, entrypoints.{show_quality, show_send, status}
# Downstream: domain.model.errors
# Role: JSON at the edge: untrusted bytes to one object, any value of ours to strict JSON
"""Reading JSON that strangers wrote, and writing JSON that every reader takes (no NaN, no odd types, valid UTF-8)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum

from ginkgo_data.domain.model.errors import MalformedCommand

Json = dict[str, object]

_DEEPEST = 32
"""Levels that `plain` follows; what lies deeper (or a cycle) becomes text."""


def parse_object(value: bytes | None) -> Json:
    """Return the JSON object in `value`: UTF-8 with or without a byte order mark.

    A JSON string that itself holds JSON is parsed once more (upstream senders have encoded twice). Raises
    `MalformedCommand` for everything else: null, no UTF-8, no JSON, NaN, nesting too deep, not an object.
    """
    if not value:
        raise MalformedCommand(f"the record's value is {'null' if value is None else 'empty'}; allowed: a JSON object")
    try:
        text = value.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise MalformedCommand(
            f"the value ({len(value)} bytes) is not UTF-8: byte {value[bad.start]:#04x} at {bad.start}"
        ) from bad
    root = _loads(text)
    if isinstance(root, str):
        root = _loads(root.removeprefix("\ufeff"))
    if not isinstance(root, dict):
        raise MalformedCommand(f"the value is {shown(root)}; allowed: a JSON object")
    return root


def _loads(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as bad:
        raise MalformedCommand(f"the value ({len(text)} characters) is nested too deeply") from bad
    except json.JSONDecodeError as bad:
        raise MalformedCommand(f"the value ({len(text)} characters) is not JSON: {bad.msg} at {bad.pos}") from bad
    except ValueError as bad:  # a constant refused below, or a number of more digits than Python reads
        raise MalformedCommand(f"the value ({len(text)} characters) is not JSON: {bad}") from bad


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not allowed")


def shown(value: object) -> str:
    """Return `value` for a message: short, printable, whatever it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:60]!r}… ({len(value)} characters)"
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def clean(text: str) -> str:
    """Return `text` with lone surrogates (legal in JSON, not in UTF-8) replaced by ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def plain(value: object, depth: int = 0) -> object:
    """Return `value` as strict JSON: texts, whole and finite numbers, booleans, null, lists and objects.

    Times and days become ISO texts, a duration its seconds, NaN and infinities null, enums their values,
    dataclasses objects of their fields, numpy numbers and arrays their values, sets sorted lists; of
    anything else the text.
    """
    if isinstance(value, Enum):  # before the plain types: an IntEnum is an int too
        value = value.value
    if value is None or isinstance(value, bool | int):
        return value if value is None or isinstance(value, bool) else int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return _plain_container(value, depth)


def plain_object(value: object) -> Json:
    """Return `plain` of a mapping or a dataclass."""
    made = plain(value)
    assert isinstance(made, dict)
    return made


def _plain_container(value: object, depth: int) -> object:
    if depth >= _DEEPEST:
        return shown(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), depth + 1) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(item, depth + 1) for item in sorted(value, key=str)]
    # numpy scalars and arrays turn themselves into Python values; numpy need not be imported for that.
    unwrap = getattr(value, "tolist", None)
    if callable(unwrap):
        return plain(unwrap(), depth + 1)
    if isinstance(value, Iterable):
        return [plain(item, depth + 1) for item in value]
    return clean(str(value))


def to_bytes(message: Mapping[str, object]) -> bytes:
    """Return `message` as UTF-8 JSON, as upstream's producer writes it (non-ASCII escaped)."""
    return json.dumps(plain(message), allow_nan=False).encode()
