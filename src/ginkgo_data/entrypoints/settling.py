# Upstream: entrypoints.loading
# Downstream: entrypoints.{catalogue, given, settings, settings_faults}, pydantic
# Role: From layers of values to Settings: what is at fault is left out, each fault found and said, the rest kept
"""Settling on settings.

Pydantic does not check a rule between keys as long as one of them is wrong by itself. So what is wrong is left out, the
next layer's value or the default stands in, and all is checked again, until everything holds. That finds all faults at
once, and it is what a worker with a faulty file works with.

A broken rule names no key. The keys at fault are the fewest of those given without which it holds. A rule that is
broken only by what stands in for another fault is a consequence: its keys are left out, too, but whoever mends the
other fault has mended it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from pydantic import ValidationError

from ginkgo_data.entrypoints.catalogue import allowed_at, field_at, section_at, shown_value
from ginkgo_data.entrypoints.given import Fault, Key, Layer, dotted, laid_over, nested
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.settings_faults import words_for, wrong_kind

MOST_AT_FAULT = 2
"""A rule is between so many keys."""
NOWHERE = 1 << 30

Problem = Mapping[str, Any]


class Settling:
    """`layers`, the weakest first, settled: `settings`, the `values` that hold, and the `faults` of the others."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = [dict(layer) for layer in layers]
        self._found: list[tuple[Fault, Sequence[Key]]] = []
        self._left_out: set[Key] = set()
        for layer in self._layers:
            self._tidy(layer)
        self.values: Layer = {}
        self.settings = self._settle()

    @property
    def faults(self) -> list[Fault]:
        """What is wrong, each with what counts instead."""
        return [replace(fault, instead=self._instead(keys)) for fault, keys in self._found]

    def _tidy(self, layer: Layer) -> None:
        """Leave out sections with nothing under them, and true and false for numbers: pydantic reads 1 and 0."""
        for key, given in list(layer.items()):
            if given.value is None and section_at(key) is not None:
                del layer[key]
            elif isinstance(given.value, bool) and _is_no_switch(key):
                self._found.append((Fault(given.origin, dotted(key), wrong_kind(given.value, key)), [key]))
                self._left_out.add(key)
                del layer[key]

    def _settle(self) -> Settings:
        while True:
            self.values = laid_over(self._layers)
            try:
                return Settings.model_validate(nested(self.values))
            except ValidationError as error:
                problems = error.errors(include_url=False)
            at_fault: set[Key] = set()
            for problem in problems:
                at_fault.update(self._judge(problem))
            self._left_out |= at_fault
            for layer in self._layers:
                for key in at_fault:
                    if key in layer and layer[key] is self.values[key]:
                        del layer[key]

    def _judge(self, problem: Problem) -> Sequence[Key]:
        """Note the fault of `problem` and return the keys that are left out for it."""
        path = tuple(str(part) for part in problem["loc"] if not isinstance(part, int))
        keys, of_rule = self._keys_at_fault(problem, path)
        places = ", ".join(dict.fromkeys(self.values[key].origin for key in keys))
        name = " and ".join(map(dotted, keys)) if of_rule else dotted(path)
        text = words_for(problem, path, places)
        follows = of_rule and any(key[: len(path)] == path and _mention(text, key) < NOWHERE for key in self._left_out)
        fault = Fault(places, name, text, consequence=follows or path in self._left_out)
        said = ((f.place, f.key) if not of_rule else (f.place, f.key, f.text) for f, _ in self._found)
        if ((places, name) if not of_rule else (places, name, text)) not in said:
            self._found.append((fault, keys))
        return keys

    def _keys_at_fault(self, problem: Problem, path: Key) -> tuple[Sequence[Key], bool]:
        """Return the keys that were given and are to blame, and whether they break a rule rather than are wrong."""
        inside = [key for key in self.values if key[: len(path)] == path]
        if path in self.values or (inside and section_at(path) is None):
            return inside, False
        above = [key for key in self.values if path[: len(key)] == key]
        if above:
            return above, False
        if problem["type"] == "missing":
            inside = [key for key in self.values if key[: len(path) - 1] == path[:-1]]
            return self._fewest(problem, inside), False
        return self._fewest(problem, inside), True

    def _fewest(self, problem: Problem, candidates: Sequence[Key]) -> Sequence[Key]:
        """Return the fewest of `candidates` without which `problem` is none, those it names first; else all of them."""
        message = str(problem["msg"])
        likely_first = sorted(candidates, key=lambda key: _mention(message, key))
        for count in range(1, MOST_AT_FAULT + 1):
            for keys in combinations(likely_first, count):
                if self._is_none_without(keys, problem):
                    return keys
        return candidates or list(self.values)

    def _is_none_without(self, keys: Sequence[Key], problem: Problem) -> bool:
        try:
            Settings.model_validate(nested({key: given for key, given in self.values.items() if key not in keys}))
        except ValidationError as error:
            return all(_rule(other) != _rule(problem) for other in error.errors(include_url=False))
        return True

    def _instead(self, keys: Sequence[Key]) -> str:
        known = [key for key in keys if field_at(key) is not None and section_at(key) is None]
        return ", ".join(f"{dotted(key)} is {shown_value(self.settings, key)}" for key in known) or "it is left out"


def _is_no_switch(key: Key) -> bool:
    return "true or false" not in (allowed_at(key) or "true or false") and key[:2] != ("kafka", "options")


def _mention(message: str, key: Key) -> int:
    """Return where `message` names `key`, or its section inside a section; `NOWHERE` where it does not."""
    names = key[-2:] if len(key) > 2 else key[-1:]
    found = [re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) for name in names]
    return min((match.start() for match in found if match), default=NOWHERE)


def _rule(problem: Problem) -> tuple[object, object, str]:
    """Return what tells one rule from another: its words without numbers and quoted values."""
    return problem["loc"], problem["type"], re.sub(r"'[^']*'|\[[^]]*\]|[\d.]+", "", str(problem["msg"]))
