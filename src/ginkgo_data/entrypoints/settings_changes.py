# Upstream: entrypoints.{generations, reloading}
# Downstream: pydantic
# Role: What differs between two configurations, key by key, with secrets hidden
"""Changes as people may see them. A secret is compared by its value and shown as ``***``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose value differs; `old` and `new` are plain and hold no secret."""

    key: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


def changes_between(old: BaseModel, new: BaseModel) -> tuple[Change, ...]:
    """Return what differs, in order of the keys."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    differing = sorted(key for key in before | after if before.get(key) != after.get(key))
    return tuple(Change(key, shown(before.get(key)), shown(after.get(key))) for key in differing)


def shown(value: object) -> object:
    """Return `value` as plain data without secrets."""
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, BaseModel):
        return {key: shown(leaf) for key, leaf in _leaves(value)}
    if isinstance(value, Mapping):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, str | bytes):
        return [shown(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield (dotted key, value) of every setting; secrets stay wrapped, they compare all the same."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
