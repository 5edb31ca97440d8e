# Upstream: entrypoints.{environment_layer, gconf, loading}
# Downstream: entrypoints.{given, kinds}, yaml
# Role: A YAML file as a layer of values, each with its line and column; what cannot be read as faults, with theirs
"""Reading YAML.

A file is data of somebody else's: whatever is in it ends as values or faults, never as an exception. No fault repeats
a text of the file, which may be a secret in a wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from ginkgo_data.entrypoints.given import Fault, Given, Key, Layer, Reading, dotted
from ginkgo_data.entrypoints.kinds import in_words

LARGEST = 1 << 20
"""Bytes; what is larger is no configuration."""
MOST_VALUES = 1000
"""Values of one file; aliases of aliases make more of a few lines."""

_ALIAS = "found undefined alias"
_TAG = "could not determine a constructor"


def read_yaml(path: Path, *, raw: bool = False) -> Reading:
    """Return what is in `path`; with `raw`, scalars as the texts they are written as."""
    reading = Reading(files=[path])
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        reading.faults.append(Fault(str(path), "", "cannot be read: it is not text in UTF-8"))
        return reading
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        reading.faults.append(Fault(str(path), "", f"cannot be read: {reason}"))
        reading.closed = True
        return reading
    if len(content) > LARGEST:
        reading.faults.append(Fault(str(path), "", f"is larger than {LARGEST} bytes; allowed: a configuration"))
        return reading
    return _read_text(text, path, reading, raw)


def yaml_value(text: str) -> object:
    """Return the value that `text` is in YAML. Raises `ValueError` that does not repeat it."""
    try:
        return yaml.safe_load(text)
    except Exception:  # PyYAML's constructors raise whatever int(), date() or a dict raise
        raise ValueError("not YAML") from None


def _read_text(text: str, path: Path, reading: Reading, raw: bool) -> Reading:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _Leaves(path, reading, raw).read(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        reading.layer.clear()
        reading.faults.append(Fault(place, "", f"not YAML: {_problem(error)}"))
    except yaml.YAMLError as error:
        reading.layer.clear()
        position = getattr(error, "position", None)
        place = f"{path}:{text.count(chr(10), 0, position) + 1}" if isinstance(position, int) else str(path)
        reading.faults.append(Fault(place, "", "not YAML: it has a character that is not allowed there"))
    except (RecursionError, _TooMuch) as error:
        reading.layer.clear()
        reason = str(error) if isinstance(error, _TooMuch) else "nested too deep, or an alias that contains itself"
        reading.faults.append(Fault(str(path), "", reason))
    return reading


class _TooMuch(Exception):
    """A file that says too much to be a configuration."""


class _Leaves:
    """Walks the nodes of a file and notes its values and faults."""

    def __init__(self, path: Path, reading: Reading, raw: bool) -> None:
        self._path = path
        self._reading = reading
        self._raw = raw
        self._loader = yaml.SafeLoader("")
        self._seen = 0

    def read(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            self._reading.layer.update(self._walk(node, ()))
        elif not (isinstance(node, yaml.ScalarNode) and node.value == ""):
            kind = "a list" if isinstance(node, yaml.SequenceNode) else in_words(self._construct(node, ""))
            self._fault(node, "", f"sections such as 'worker:' expected, found {kind}")

    def _walk(self, node: yaml.MappingNode, key: Key) -> Iterator[tuple[Key, Given]]:
        self._count()
        names: set[str] = set()
        for name, child in self._pairs(node):
            if not isinstance(name, yaml.ScalarNode):
                kind = "a list" if isinstance(name, yaml.SequenceNode) else "a mapping"
                self._fault(name, dotted(key), f"a key is {kind}; allowed: a name")
                continue
            below = (*key, str(name.value))
            if below[-1] in names:
                self._fault(name, dotted(below), "is given twice; allowed: once", "the first one counts")
                continue
            names.add(below[-1])
            if isinstance(child, yaml.MappingNode):
                yield from self._walk(child, below)
                continue
            self._count()
            value = self._construct(child, dotted(below))
            if value is not _NOTHING:
                yield below, Given(value, self._place(child))

    def _pairs(self, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
        """Return the keys and values of a mapping, those of its merge keys (``<<``) behind its own."""
        own = [(name, child) for name, child in node.value if name.tag != "tag:yaml.org,2002:merge"]
        if len(own) == len(node.value):
            return own
        self._loader.flatten_mapping(node)
        names = {name.value for name, _ in own}
        merged = {name.value: (name, child) for name, child in node.value if name.value not in names}
        return [*own, *merged.values()]

    def _construct(self, node: yaml.Node, key: str) -> object:
        if self._raw and isinstance(node, yaml.ScalarNode):
            return None if node.tag == "tag:yaml.org,2002:null" else node.value
        try:
            return self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:  # PyYAML's constructors raise whatever int(), date() or a dict raise
            self._fault(node, key, "is no value that YAML can read; allowed: the text in quotes")
            return _NOTHING

    def _count(self) -> None:
        self._seen += 1
        if self._seen > MOST_VALUES:
            raise _TooMuch(f"has more than {MOST_VALUES} values; allowed: a configuration")

    def _place(self, node: yaml.Node) -> str:
        return f"{self._path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def _fault(self, node: yaml.Node, key: str, text: str, instead: str = "") -> None:
        self._reading.faults.append(Fault(self._place(node), key, text, instead))


_NOTHING = object()


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong in PyYAML's words, without any text of the file."""
    problem = error.problem or "it cannot be read"
    if problem.startswith(_ALIAS):
        return "an alias (*name) without its anchor; a text that begins with * goes in quotes"
    if problem.startswith(_TAG):
        return "a tag (!name) that is not known; a text that begins with ! goes in quotes"
    return re.sub(r"'[^'<>]{2,}'|\"[^\"<>]{2,}\"", "…", problem)


def layer_of(mapping: object, key: Key, origin: str) -> Layer:
    """Return a mapping (or one value) at `key` as a layer, its leaves each at a key of its own."""
    if isinstance(mapping, dict) and mapping:
        layer: Layer = {}
        for name, value in mapping.items():
            layer.update(layer_of(value, (*key, str(name)), origin))
        return layer
    return {key: Given(mapping, origin)}
