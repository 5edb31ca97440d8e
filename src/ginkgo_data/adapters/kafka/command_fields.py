# Upstream: adapters.kafka, entrypoints.send
# Downstream: adapters.kafka.wire_json, domain.model.{bars, codes, errors}
# Role: Single fields of a command as the wire writes them: codes, days, flags, words, ids, times
"""Each function reads one field of whatever type arrived.

They are used as pydantic validators: a `ValueError` says what was found and what is allowed; pydantic adds
where. None (upstream sends nulls) always means "not given".
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from enum import Enum
from typing import TypeVar
from zoneinfo import ZoneInfo

from ginkgo_data.adapters.kafka.wire_json import clean, shown
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.codes import canonical_code
from ginkgo_data.domain.model.errors import MalformedCommand

ZONE = ZoneInfo(EXCHANGE_ZONE)
EVERYTHING = ("*",)
"""What ``"*"`` or ``["*"]`` is read as: every security, asked for by name."""
FIRST_DAY = date(1990, 1, 1)
"""No A-share session is older; an earlier day is a mistake (an epoch, a placeholder such as 19000101)."""
MOST_SESSIONS = 10_000
LONGEST_TEXT = 256
_NAMED_BAD_CODES = 20

_COMPACT_DAY = re.compile(r"[0-9]{8}")
_ISO_START = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].+)?")
_WHOLE = re.compile(r"[0-9]{1,9}")

AnyEnum = TypeVar("AnyEnum", bound=Enum)


def codes_of(value: object) -> tuple[str, ...] | None:
    """Read one code, a comma list or a list; canonical, each once, in order; `EVERYTHING` for ``*``."""
    if value is None:
        return None
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise ValueError(f'{shown(value)} names no code; allowed: a code, a list of codes, or "*" for every security')
    if items == ["*"]:
        return EVERYTHING
    found: dict[str, None] = {}
    bad: list[str] = []
    for item in items:
        try:
            found[_code_of(item)] = None
        except MalformedCommand:
            bad.append(shown(item))
    if bad:
        more = f" and {len(bad) - _NAMED_BAD_CODES} more" if len(bad) > _NAMED_BAD_CODES else ""
        raise ValueError(
            f"{len(bad)} of {len(items)} codes are not securities' codes: {', '.join(bad[:_NAMED_BAD_CODES])}{more}; "
            'allowed: six digits and an exchange such as 000001.SZ, 600000.SH, 430047.BJ or SH600000, or "*" alone'
        )
    return tuple(found)


def _code_of(item: object) -> str:
    # Digits of other scripts are digits to the pattern of codes, and would be stored as they are.
    if not isinstance(item, str) or not item.isascii():
        raise MalformedCommand("not a text of ASCII characters")
    return canonical_code(item)


def day_of(value: object) -> date | None:
    """Read YYYYMMDD (number or text) or an ISO day or time; of a zoned time the day in Shanghai.

    A number is never an epoch: upstream stored bars of 1970 by reading 20010827 as seconds.
    """
    if value is None:
        return None
    day = _day_in(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)
    if day is None or day < FIRST_DAY:
        raise ValueError(
            f"{shown(value)} is no day from {FIRST_DAY} on; "
            "allowed: YYYYMMDD as number or text, or an ISO day or time such as 2024-01-02"
        )
    return day


def _day_in(value: object) -> date | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        if _COMPACT_DAY.fullmatch(text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        if _ISO_START.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return (moment.astimezone(ZONE) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        return None
    return None


def flag_of(value: object) -> bool:
    """Read a boolean, 0 or 1, or "true" or "false" in any case; None is False."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f'{shown(value)} is no flag; allowed: true, false, 0, 1, "true", "false"')


def sessions_of(value: object) -> int | None:
    """Read a count of sessions: 1 … `MOST_SESSIONS`, number or digits."""
    if value is None:
        return None
    count = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_SESSIONS:
        raise ValueError(f"{shown(value)} is no count of sessions; allowed: a whole number from 1 to {MOST_SESSIONS}")
    return count


def hours_of(value: object) -> float | None:
    """Read a finite number of hours, 0 or more."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{shown(value)} is no number of hours; allowed: a finite number, 0 or more")
    return float(value)


def word_of(kind: type[AnyEnum], value: object) -> AnyEnum | None:
    """Read one of the words of `kind`, exactly as written there (``1M`` is a month to many, never a minute)."""
    if value is None:
        return None
    for member in kind:
        if isinstance(value, str) and value == member.value:
            return member
    raise ValueError(f"{shown(value)} is unknown; allowed: {', '.join(str(member.value) for member in kind)}")


def text_of(value: object) -> str | None:
    """Read a text (or a whole number) of at most `LONGEST_TEXT` characters; an empty one is not given."""
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise ValueError(f"{shown(value)} is no text of at most {LONGEST_TEXT} characters")
    return clean(text)


def time_of(value: object) -> datetime | None:
    """Read an ISO time: a zoned one is kept, a naive one is Shanghai's wall clock. A number is no time."""
    if value is None:
        return None
    if isinstance(value, str) and _ISO_START.fullmatch(value.strip()):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            moment = datetime.min
        if FIRST_DAY.year <= moment.year <= 9000:  # leaves room to change the zone at either end
            return moment if moment.tzinfo else moment.replace(tzinfo=ZONE)
    raise ValueError(
        f"{shown(value)} is no time from {FIRST_DAY.year} on; allowed: ISO, such as 2026-08-15T21:10:00.123456 or …Z"
    )
