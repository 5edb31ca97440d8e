# Upstream: entrypoints.settling
# Downstream: entrypoints.{catalogue, kinds}
# Role: What is wrong with a value, in the words of whoever wrote it: what was found, what is allowed
"""From pydantic's faults to words that somebody who wrote YAML understands. A secret is never repeated."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ginkgo_data.entrypoints.catalogue import PREFIX, allowed_at, is_secret, keys_of
from ginkgo_data.entrypoints.kinds import in_words, without_password

RULE_KINDS = frozenset({"value_error", "assertion_error"})
"""A rule of ours, which says itself what is allowed."""
_NO_SECTION = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type"})


def words_for(problem: Mapping[str, Any], path: Sequence[str], origin: str) -> str:
    """Return what pydantic's `problem` with the value at `path` is."""
    kind, found = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return _unknown(path, origin)
    if kind == "missing":
        return f"is not given; allowed: {allowed_at(path) or 'a value'}"
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in RULE_KINDS:
        shown = _shown(path, found) if keys_of(path) == [] and path else ""
        return f"found {shown}: {message}" if shown and shown not in message else message
    if kind in _NO_SECTION:
        return f"found {in_words(found)}; allowed: {allowed_at(path) or 'a mapping'}"
    return f"found {_shown(path, found) or in_words(found)}; allowed: {allowed_at(path) or message}"


def wrong_kind(found: object, path: Sequence[str]) -> str:
    """Return that a value is of a kind that its key does not allow."""
    return f"found {_shown(path, found) or in_words(found)}; allowed: {allowed_at(path)}"


def _shown(path: Sequence[str], found: object) -> str:
    """Return a value as it may be shown, empty where it may not: a secret, or more than one word."""
    if is_secret(path) or not isinstance(found, str | int | float | bool):
        return ""
    if isinstance(found, bool):
        return str(found).lower()
    text = without_password(str(found))
    return repr(text[:100] + ("…" if len(text) > 100 else "")) if isinstance(found, str) else text[:100]


def _unknown(path: Sequence[str], origin: str) -> str:
    # The value is not repeated: a mistyped key may be that of a password.
    keys = keys_of(path[:-1])
    near = difflib.get_close_matches(path[-1], keys, 1, 0.6)
    wanted = near[0] if near else ""
    if near and PREFIX in origin:
        wanted = PREFIX + "__".join((*path[:-1], near[0])).upper()
    guess = f"did you mean {wanted}? " if near else ""
    return f"there is no such key; {guess}allowed: {', '.join(keys)}"
