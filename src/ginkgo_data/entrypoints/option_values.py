# Upstream: entrypoints
# Downstream: domain.model.{codes, errors}
# Role: What several commands read from their options: days, windows, codes
"""Values of command-line options, read alike by every command."""

from __future__ import annotations

from datetime import date

from ginkgo_data.domain.model.codes import canonical_code
from ginkgo_data.domain.model.errors import MalformedCommand


def day_of(text: str | None, option: str) -> date | None:
    """Return the day that was given, of the exchange's calendar. Raises `MalformedCommand` naming the option."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise MalformedCommand(f"{option} is {text!r}; allowed: a day such as 2020-01-31 or 20200131") from error


def window_of(start: str | None, end: str | None) -> tuple[date, date]:
    """Return the first and the last day of `--start` and `--end`; where one is not given, as far as days go.

    Raises `MalformedCommand` naming the option, also where the window ends before it begins.
    """
    first, last = day_of(start, "--start") or date(1990, 1, 1), day_of(end, "--end") or date(2199, 12, 30)
    if first > last:
        raise MalformedCommand(f"--start {first} is after --end {last}")
    return first, last


def codes_of(text: str | None) -> tuple[str, ...] | None:
    """Return the codes of a list with commas, each once, in order. Raises `MalformedCommand` naming the code."""
    return None if text is None else tuple(dict.fromkeys(canonical_code(code) for code in text.split(",")))
