"""Write docs/api.md from the docstrings of what is public (``ginkgo_data.__all__``) and of the adapters for a host."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator

import typer
from pydantic import BaseModel

import ginkgo_data
from ginkgo_data.adapters.gtm.bar_repository import GtmBarRepository
from ginkgo_data.adapters.gtm.bar_source import GtmBarSource
from ginkgo_data.adapters.gtm.glog import GlogHandler
from ginkgo_data.adapters.gtm.reference_source import GtmReferenceSource

HEAD = """# API reference

Generated from the docstrings (`python scripts/write_docs.py`); a test compares the two. Everything here is imported
from `ginkgo_data` itself unless a module is named; a name loads what it needs when it is first used. What the keys of
`Settings` mean is in [configuration.md](configuration.md), what a host does with all this in [gtm.md](gtm.md).
"""
HOST_PARTS = (GtmBarRepository, GtmBarSource, GtmReferenceSource, GlogHandler)
LONGEST = 100
"""Characters of a signature on one line."""


def api_markdown() -> str:
    """Return the page."""
    lines = [HEAD]
    for name in sorted(ginkgo_data.__all__, key=str.lower):
        if name == "__version__":
            lines += [f"## `{name}`\n", "The version of this package, as a text.\n"]
        else:
            lines += _entry(name, getattr(ginkgo_data, name), 2)
    lines += ["## Objects of a host behind our ports\n"]
    for part in HOST_PARTS:
        lines += _entry(part.__name__, part, 3, module=part.__module__)
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, thing: object, level: int, module: str = "") -> Iterator[str]:
    yield f"{'#' * level} `{name}`\n"
    if module:
        yield f"`from {module} import {name}`\n"
    if isinstance(thing, typer.Typer):
        yield from _commands(thing)
    elif isinstance(thing, type) and issubclass(thing, enum.Enum):
        yield _text(thing)
        yield "\n".join(f"- `{member.name}` = {member.value}" for member in thing) + "\n"
        yield from _members(thing, level + 1)
    elif isinstance(thing, type) and issubclass(thing, BaseModel):
        yield _text(thing)
        sections = {key: field.annotation for key, field in thing.model_fields.items()}
        yield "\n".join(f"- `{key}`: {_first_line(section)}" for key, section in sections.items()) + "\n"
    elif isinstance(thing, type):
        yield f"```python\n{_signature(name, thing)}\n```\n"
        yield _text(thing)
        yield from _members(thing, level + 1)
    else:
        yield f"```python\n{_signature(name, thing)}\n```\n"
        yield _text(thing)


def _members(owner: type, level: int) -> Iterator[str]:
    """Yield the public methods and properties that this package defines, its base classes' before its own."""
    found: dict[str, object] = {}
    for base in reversed(owner.__mro__):
        if base.__module__.startswith("ginkgo_data"):
            found |= {name: thing for name, thing in vars(base).items() if not name.startswith("_")}
    for name, thing in found.items():
        bare = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
        if isinstance(bare, property):
            yield f"{'#' * level} `{owner.__name__}.{name}`\n"
            yield f"{_text(bare)}"
        elif inspect.isfunction(bare):
            yield f"{'#' * level} `{owner.__name__}.{name}`\n"
            yield f"```python\n{_signature(name, bare)}\n```\n"
            yield _text(bare)


def _commands(app: typer.Typer) -> Iterator[str]:
    yield 'A Typer app, to be mounted by a host: `app.add_typer(worker_app, name="worker")`.\n'
    command = typer.main.get_command(app)
    yield f"`{command.name}`: {command.help}\n"
    options = [option for option in command.params if option.name != "help"]
    yield "\n".join(f"- {', '.join(f'`{text}`' for text in option.opts)}: {option.help}" for option in options) + "\n"


def _signature(name: str, thing: object) -> str:
    signature = inspect.signature(thing)
    texts, keyword = [], False
    for part in signature.parameters.values():
        if part.name in ("self", "cls"):
            continue
        if part.kind is part.KEYWORD_ONLY and not keyword:
            texts.append("*")
            keyword = True
        default = "" if part.default is part.empty else f" = {part.default!r}"
        texts.append(f"{part.name}: {part.annotation}{default}")
    returned = "" if inspect.isclass(thing) else f" -> {signature.return_annotation}"
    one_line = f"{name}({', '.join(texts)}){returned}"
    if len(one_line) <= LONGEST:
        return one_line
    return f"{name}(\n" + "".join(f"    {text},\n" for text in texts) + f"){returned}"


def _text(thing: object) -> str:
    text = re.sub(r"``([^`]*)``", r"`\1`", inspect.getdoc(thing) or "")
    return f"{text}\n"


def _first_line(section: object) -> str:
    return (inspect.getdoc(section) or "").splitlines()[0].replace("``", "`")
