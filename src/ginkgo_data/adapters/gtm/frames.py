# Upstream: adapters.gtm.{bar_source, reference_source}
# Downstream: adapters.gtm.host, domain.model.{bars, fetch, quality, series}, pyarrow
# Role: Frames of a host read strictly: columns by name, days, numbers, texts, and the rows that cannot be read
"""A frame, whatever it is made of, as lists of plain values.

pandas is not imported: a frame is asked for its columns as lists. What cannot be read rejects its row; it is never
guessed. A day is eight digits (or a date), never seconds since 1970: that has put bars into the year 1970 before.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.gtm.host import HostFrame
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, TIMESTAMP
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import Series

Row = dict[str, object]
Value = TypeVar("Value")


class Unreadable(ValueError):
    """A value that is not what its column holds; `rule` names what it broke."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def rows_of(what: str, frame: HostFrame | None, columns: Sequence[str]) -> list[Row] | Unknown:
    """Return the rows of a frame with these columns; no rows where it is empty, an `Unknown` where it is no frame."""
    if frame is None or not hasattr(frame, "to_dict"):
        return Unknown(UnknownReason.MALFORMED_REPLY, f"{what}: {type(frame).__name__} is no frame")
    if not len(frame):
        return []
    found = {str(name): values for name, values in frame.to_dict("list").items()}
    missing = [name for name in columns if name not in found]
    if missing:
        detail = f"{what}: column {missing[0]!r} is missing; present: {', '.join(found)}"
        return Unknown(UnknownReason.MALFORMED_REPLY, detail)
    return [dict(zip(columns, values, strict=True)) for values in zip(*(found[name] for name in columns), strict=True)]


def day_in(value: object) -> date | None:
    """Return a day, None for none; raises `Unreadable`."""
    if _is_missing(value):
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise Unreadable("unreadable_date")
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        raise Unreadable("unreadable_date") from None


def number_in(value: object) -> float | None:
    """Return a number, None for none; raises `Unreadable`."""
    if _is_missing(value):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # whatever it is, it is a number or not
    except (TypeError, ValueError):
        raise Unreadable("unreadable_number") from None


def text_in(value: object) -> str:
    """Return a text, the empty one for none."""
    return "" if _is_missing(value) else str(value).strip()


def _is_missing(value: object) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    # pandas' own missing values are known by name: comparing them with anything raises, or says no.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, str) and not value)


@dataclass(slots=True)
class Reader:
    """Reads rows; those that cannot be read are put aside, each with rule, field, value and place."""

    source: str
    api: str
    version: int
    series: Series | None = None
    _rejected: list[tuple[Row, int, str, str]] = field(default_factory=list)

    def read(self, rows: Sequence[Row], readers: Mapping[str, Callable[[object], object]]) -> list[tuple[int, Row]]:
        """Return each readable row, with its line (1-based), read column by column."""
        kept = []
        for line, row in enumerate(rows, start=1):
            done: Row = {}
            try:
                for name, reader in readers.items():
                    done[name] = reader(row[name])
            except Unreadable as fault:
                self._rejected.append((row, line, name, fault.rule))
            else:
                kept.append((line, done))
        return kept

    def rejects(self, code: str, day: str | None) -> Rejects:
        """Return the rows put aside; `code` and `day` are the names of the columns that hold them."""
        if not self._rejected:
            return Rejects.empty()
        found = self._rejected
        contents = [json.dumps(row, ensure_ascii=False, default=str) for row, *_ in found]
        days = pa.array([_day_or_none(row[day]) if day else None for row, *_ in found], pa.date32())
        count = len(found)
        columns = {
            "code": pa.array([text_in(row[code]) or None for row, *_ in found], pa.string()),
            "frequency": pa.array([self.series.frequency.value if self.series else None] * count, pa.string()),
            "adjust": pa.array([self.series.adjust.value if self.series else None] * count, pa.string()),
            "timestamp": midnight(days),
            "rule": pa.array([rule for *_, rule in found]),
            "field": pa.array([name for _, _, name, _ in found]),
            "value": pa.array([str(row[name]) for row, _, name, _ in found]),
            "place": pa.array([f"{self.source} {self.api}:{line}" for _, line, *_ in found]),
            "row": pa.array(contents),
            "content_hash": pa.array([_hash(text) for text in contents], pa.uint64()),
            "source": pa.array([self.source] * count),
            "version": pa.array([self.version] * count, pa.uint64()),
        }
        return Rejects.of(pa.table(columns))


def required(reader: Callable[[object], Value | None], rule: str) -> Callable[[object], Value]:
    """Return `reader`, for a column in which a missing value cannot be read."""

    def read(value: object) -> Value:
        found = reader(value)
        if found is None or found == "":
            raise Unreadable(rule)
        return found

    return read


def midnight(days: pa.Array) -> pa.Array:
    """Return the start of each day in the exchange's zone."""
    wall = days.cast(pa.timestamp("ms"))
    return pc.assume_timezone(wall, EXCHANGE_ZONE, ambiguous="earliest", nonexistent="latest").cast(TIMESTAMP)


def _day_or_none(value: object) -> date | None:
    try:
        return day_in(value)
    except Unreadable:
        return None


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
