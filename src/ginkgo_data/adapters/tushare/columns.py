# Upstream: adapters.tushare.{adjustment_source, bar_source, evidence, parse}
# Downstream: adapters.tushare.apis, domain.model.{bars, quality, series}, numpy, pyarrow
# Role: Reading columns of a frame strictly: days, numbers, and the rows that cannot be read
"""Columns of a frame as typed columns. What cannot be read rejects its row; it is never guessed and never lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.tushare.apis import Api
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, TIMESTAMP
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import Series

SOURCE = "tushare"

Mask = npt.NDArray[np.bool_]

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Rows (`mask`) in which `field` broke `rule`."""

    rule: str
    field: str
    mask: Mask


def days(column: pa.ChunkedArray) -> pa.Array:
    """Return texts of exactly the form YYYYMMDD as date32; null where the text is no such day.

    A number is never read as seconds since 1970: that has put bars into the year 1970 before.
    """
    encoded = column.combine_chunks().dictionary_encode()
    known = pa.array([_day(text) for text in encoded.dictionary.to_pylist()], pa.date32())
    return known.take(encoded.indices)


def _day(text: str) -> date | None:
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def numbers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Mask]:
    """Return `column` as float64 and where it holds a text that is no number; an empty text is null."""
    if pa.types.is_floating(column.type):
        return column, np.zeros(len(column), np.bool_)
    readable = pc.match_substring_regex(column, _NUMBER)
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    values = pc.if_else(readable, pc.utf8_trim_whitespace(column), None).cast(pa.float64())
    return values, flags(pc.invert(pc.or_(readable, blank)))


def flags(column: pa.ChunkedArray | pa.Array) -> Mask:
    """Return a boolean column as numpy, null as False."""
    filled = pc.fill_null(column, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy())


def midnight(day: pa.Array) -> pa.Array:
    """Return the start of each day in the exchange's zone (which had summer time until 1991)."""
    wall = day.cast(pa.timestamp("ms"))
    return pc.assume_timezone(wall, EXCHANGE_ZONE, ambiguous="earliest", nonexistent="latest").cast(TIMESTAMP)


def constant(text: str, length: int) -> pa.Array:
    """Return a dictionary column that holds `text` throughout."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, np.int32)), pa.array([text], pa.string()))


def versions(version: int, length: int) -> pa.Array:
    """Return a column that holds `version` throughout."""
    return pa.array(np.full(length, version, np.uint64))


def reject(
    api: Api,
    table: pa.Table,
    found: Sequence[Unreadable],
    day: pa.Array | None,
    series: Series | None,
    version: int,
) -> tuple[Rejects, Mask]:
    """Return the unreadable rows of `table`, each with the first rule it broke, and the mask of the others.

    `day` gives the rows' timestamps (midnight); `series` is null in the rejects where there is none.
    """
    kept = np.ones(table.num_rows, np.bool_)
    rule = np.zeros(table.num_rows, np.int64)
    for number, unreadable in reversed(list(enumerate(found))):
        kept &= ~unreadable.mask
        rule[unreadable.mask] = number
    rows = np.flatnonzero(~kept)
    if not len(rows):
        return Rejects.empty(), kept
    contents = table.take(rows).to_pylist()
    texts = [json.dumps(content, ensure_ascii=False) for content in contents]
    broken = [found[number] for number in rule[rows].tolist()]
    stamps = pa.nulls(len(rows), TIMESTAMP) if day is None else midnight(day).take(pa.array(rows))
    nothing = pa.nulls(len(rows), pa.string())
    columns = {
        "code": table["ts_code"].take(rows) if "ts_code" in table.column_names else nothing,
        "frequency": nothing if series is None else constant(series.frequency.value, len(rows)),
        "adjust": nothing if series is None else constant(series.adjust.value, len(rows)),
        "timestamp": stamps,
        "rule": pa.array([unreadable.rule for unreadable in broken]),
        "field": pa.array([unreadable.field for unreadable in broken]),
        "value": pa.array([_text(row[u.field]) for row, u in zip(contents, broken, strict=True)], pa.string()),
        "place": pa.array([f"{SOURCE} {api.name}:{row + 1}" for row in rows.tolist()]),
        "row": pa.array(texts),
        "content_hash": pa.array([_hash(text) for text in texts], pa.uint64()),
        "source": constant(SOURCE, len(rows)),
        "version": versions(version, len(rows)),
    }
    return Rejects.of(pa.table(columns)), kept


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
