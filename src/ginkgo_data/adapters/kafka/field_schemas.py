# Upstream: adapters.kafka.{command_shapes, wire}
# Downstream: adapters.kafka.command_fields
# Role: What the readers of single fields take, as JSON Schema
"""One schema for each reader of `command_fields`.

A schema takes all that its reader takes. It may take more: that a day exists, that a list has no code twice in two
forms, is nothing a schema says.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ginkgo_data.adapters.kafka.command_fields import FIRST_DAY, LONGEST_TEXT, MOST_SESSIONS

Schema = dict[str, Any]

_CODE = r"\s*(?:[0-9]{6}[._]?[A-Za-z]{2,4}|[A-Za-z]{2}[._]?[0-9]{6})\s*"
_ISO = r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].+)?\s*"
_NULL: Schema = {"type": "null"}


def _one_of(description: str, *choices: Schema) -> Schema:
    return {"anyOf": [*choices, _NULL], "default": None, "description": description}


CODES = _one_of(
    'A code (000001.SZ, SH600000), several separated by commas or in a list, or "*" for every security.',
    {"type": "string", "pattern": rf"^(?:\*|{_CODE}(?:,{_CODE})*)$"},
    {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": rf"^(?:\*|{_CODE})$"}},
)
DAY = _one_of(
    f"A day from {FIRST_DAY} on: YYYYMMDD as number or text, or an ISO day or time (zoned: the day in Shanghai).",
    {"type": "integer", "minimum": int(FIRST_DAY.strftime("%Y%m%d")), "maximum": 99991231},
    {"type": "string", "pattern": rf"^(?:\s*[0-9]{{8}}\s*|{_ISO})$"},
)
FLAG: Schema = {
    **_one_of(
        'true or false, 1 or 0, also as text ("true", "false").',
        {"type": "boolean"},
        {"enum": [0, 1]},
        {"type": "string", "pattern": r"^\s*(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])\s*$"},
    ),
    "default": False,
}
SESSIONS = _one_of(
    "The last so many sessions, as number or digits.",
    {"type": "integer", "minimum": 1, "maximum": MOST_SESSIONS},
    {"type": "string", "pattern": "^[0-9]{1,9}$"},
)
HOURS = _one_of("Hours.", {"type": "number", "minimum": 0})
TEXT = _one_of("A text; an empty one is not given.", {"type": "string", "maxLength": LONGEST_TEXT}, {"type": "integer"})
TIME = _one_of("An ISO time; one without a zone is Shanghai's wall clock.", {"type": "string", "pattern": f"^{_ISO}$"})
WORD: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "description": "The command word."}
PARAMS = _one_of("Parameters of the command.", {"type": "object"})


def word_of(kind: type[Enum], description: str) -> Schema:
    """Return the schema of one of the words of `kind`."""
    return _one_of(description, {"enum": [member.value for member in kind]})
