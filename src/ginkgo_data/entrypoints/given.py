# Upstream: entrypoints
# Downstream: none
# Role: Values of a configuration before they are checked: each with its origin, in layers over one another
"""What was given, where: a layer maps keys to values with their origins; layers are laid over one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

Key = tuple[str, ...]
"""A key by its sections: ``("worker", "batch_size")``."""

GCONF = "GCONF"
"""What origins in upstream's files begin with."""
COMMAND_LINE = "command line"


class Given(NamedTuple):
    """A value and its origin: ``file:line:column``, ``environment NAME``, ``GCONF file:…`` or ``command line``."""

    value: object
    origin: str


Layer = dict[Key, Given]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, which key, what was found and what is allowed. Never holds a secret."""

    place: str
    key: str
    text: str
    instead: str = ""
    """What counts instead, where the rest of the configuration is used."""
    consequence: bool = False
    """Whether it is only there because of another fault."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.text) if part)


@dataclass(slots=True)
class Reading:
    """What came of reading one source."""

    layer: Layer = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    """Files that were read, or would have been had they been there."""
    closed: bool = False
    """Whether the one file it is about is not there or may not be read."""

    def take(self, other: Reading) -> None:
        """Add what another reading found; its values win."""
        self.layer.update(other.layer)
        self.faults += other.faults
        self.warnings += other.warnings
        self.files += other.files


def dotted(key: Iterable[str]) -> str:
    """Return a key as people write it."""
    return ".".join(key)


def laid_over(layers: Iterable[Layer]) -> Layer:
    """Return one layer: for each key the value of the last of `layers` that has it.

    A password goes with an address: one inside a later ``url`` replaces an earlier ``password``, and upstream's
    password is not used for an address that is not upstream's.
    """
    result: Layer = {}
    for layer in layers:
        for key in layer:
            for below in [other for other in result if _replaces(key, other)]:
                del result[below]
        for key, given in layer.items():
            for gone in _superseded(key, given, layer, result):
                result.pop(gone, None)
        result.update(layer)
    return result


def _replaces(key: Key, other: Key) -> bool:
    """Whether a value at `key` takes the place of one at `other`: one of them lies inside the other."""
    return key != other and (other[: len(key)] == key or key[: len(other)] == other)


def _superseded(key: Key, given: Given, layer: Layer, below: Mapping[Key, Given]) -> list[Key]:
    """Return the keys of `below` that do not outlive `given`."""
    section, name = key[:-1], key[-1]
    password, file = (*section, "password"), (*section, "password_file")
    if name == "password":
        return [file] if file not in layer else []
    if name == "password_file":
        return [password] if password not in layer else []
    if name != "url" or not isinstance(given.value, str):
        return []
    if _has_password(given.value):
        return [password, file]
    foreign = password in below and below[password].origin.startswith(GCONF) and GCONF not in given.origin
    return [password] if foreign else []


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url.strip()).password is not None
    except ValueError:
        return False


def nested(layer: Mapping[Key, Given]) -> dict[str, object]:
    """Return a layer as sections within sections."""
    tree: dict[str, object] = {}
    for key, given in layer.items():
        branch = tree
        for name in key[:-1]:
            below = branch.get(name)
            if not isinstance(below, dict):
                below = branch[name] = {}
            branch = below
        branch[key[-1]] = given.value
    return tree
