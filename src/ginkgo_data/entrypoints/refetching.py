# Upstream: entrypoints.quarantine
# Downstream: domain.model.{codes, known_sessions, series}, domain.services.quarantine, entrypoints.send
# Role: From rejected rows to the commands that fetch their cells again
"""Cells of one series with the same days become one command; a row that names no cell cannot be asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ginkgo_data.domain.model.codes import CODE_PATTERN
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.series import Adjust, Dataset, Frequency
from ginkgo_data.domain.services.quarantine import Kept
from ginkgo_data.entrypoints.send import SendWish


@dataclass(frozen=True, slots=True)
class Refetches:
    """The commands, for how many rows they are, and the rows that no command can be about."""

    wishes: tuple[SendWish, ...]
    rows: int
    impossible: tuple[tuple[Kept, str], ...]


def refetches(rows: Sequence[Kept]) -> Refetches:
    """Return what to send for `rows`: for each series, codes with the same first and last day together."""
    spans: dict[tuple[str, str, str], tuple[date, date]] = {}
    impossible = []
    for row in rows:
        why = _why_not(row)
        if why or row.code is None or row.day is None:
            impossible.append((row, why))
            continue
        key = (row.frequency, row.adjust, row.code)
        first, last = spans.get(key, (row.day, row.day))
        spans[key] = (min(first, row.day), max(last, row.day))
    together: dict[tuple[str, str, date, date], list[str]] = defaultdict(list)
    for (frequency, adjust, code), span in spans.items():
        # Factors are asked for by code alone.
        days = span if frequency != str(Dataset.ADJUSTMENT_FACTORS) else (FIRST_SESSION, FIRST_SESSION)
        together[(frequency, adjust, *days)].append(code)
    wishes = [_wish(*key, sorted(codes)) for key, codes in sorted(together.items())]
    return Refetches(tuple(wishes), len(rows) - len(impossible), tuple(impossible))


def _why_not(row: Kept) -> str:
    if row.code is None or not CODE_PATTERN.match(row.code):
        return f"its code is {row.code!r}"
    if row.day is None or row.day < FIRST_SESSION:
        return f"its day is {row.day}"
    if row.frequency not in {*(f.value for f in Frequency), *map(str, Dataset)}:
        return f"it is of {row.frequency or 'reference data'}; send stockinfo or trade_day"
    if row.frequency not in map(str, Dataset) and row.adjust not in {adjust.value for adjust in Adjust}:
        return f"its adjustment is {row.adjust!r}"
    return ""


def _wish(frequency: str, adjust: str, first: date, last: date, codes: list[str]) -> SendWish:
    named = ",".join(codes)
    if frequency == str(Dataset.ADJUSTMENT_FACTORS):
        return SendWish("adjustfactor", {"codes": named, "force": True})
    span = {"codes": named, "start": str(first), "end": str(last)}
    if frequency == str(Dataset.TICKS):
        return SendWish("tick", {**span, "overwrite": True})
    return SendWish("bar_snapshot", {**span, "frequency": frequency, "adjust": adjust, "force": True})
