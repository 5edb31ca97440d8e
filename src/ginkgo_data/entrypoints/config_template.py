# Upstream: entrypoints.show_config
# Downstream: entrypoints.{catalogue, given}
# Role: The commented template of data_worker.yml, and the JSON Schema for editors, both read off the models
"""What `config init` and `config schema` write."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from ginkgo_data.entrypoints.catalogue import Entry, entries, schema, section_at, section_text
from ginkgo_data.entrypoints.given import Key, dotted

WIDTH = 100

_HEAD = """\
Configuration of ginkgo_data's workers and commands; docs/configuration.md has the whole story.
Every key is optional. What stands here is the default: take away the # before a key to give it another value.
Command line > environment > this file > Ginkgo's own configuration (~/.ginkgo) > default.
A key's name in the environment: GINKGO_DATA__SECTION__KEY. A secret may lie in a file: GINKGO_DATA__SECTION__KEY_FILE.
Look at the result: ginkgo-data config show --origin. Check a file: ginkgo-data config check data_worker.yml
Times are seconds unless it is said otherwise."""

_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def template() -> str:
    """Return a data_worker.yml that says nothing yet, with every key, its default and its meaning in comments."""
    lines = [*_comment(_HEAD.splitlines(), 0)]
    above: Key = ()
    for entry in entries():
        section = entry.key[:-1]
        if section != above:
            for depth in range(1, len(section) + 1):
                if section[:depth] != above[:depth]:
                    lines += ["", *_section(section[:depth], entry)]
            above = section
        lines += _key(entry)
    return "\n".join(lines) + "\n"


def _section(path: Key, entry: Entry) -> Iterator[str]:
    model = section_at(path)
    assert model is not None, path
    depth = len(path) - 1
    yield from _comment([section_text(model)], depth)
    if entry.optional_section:
        yield from _comment([f"There is none where {dotted(entry.key)} is not given."], depth)
    yield f"{'  ' * depth}{path[-1]}:"


def _key(entry: Entry) -> Iterator[str]:
    depth = len(entry.key) - 1
    words = [entry.text] if entry.text else []
    if entry.secret:
        words.append(f"Secret, better given as {entry.environment}_FILE.")
    yield from _comment([*words, f"Allowed: {entry.allowed}."], depth)
    yield f"{'  ' * depth}#{entry.key[-1]}: {entry.default or 'null'}"


def _comment(paragraphs: list[str], depth: int) -> Iterator[str]:
    lead = "  " * depth + "# "
    for paragraph in paragraphs:
        plain = paragraph.replace("``", "`")
        yield from textwrap.wrap(plain, WIDTH, initial_indent=lead, subsequent_indent=lead, break_long_words=False)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of data_worker.yml."""
    found = {"$schema": _SCHEMA_DIALECT, **schema()}
    worker = found["$defs"]["WorkerSettings"]
    worker["properties"] = {
        **worker["properties"],
        "topic": {"type": "string", "description": "Upstream's name of topics, for one of them."},
    }
    return found
