# Upstream: domain.services
# Downstream: domain.model.{bars, codes, series}, domain.services.{expectation, listings}, numpy, pyarrow
# Role: A batch of bars as plain numpy columns
"""Rules look at numpy columns: nulls are NaN or a sentinel, codes are positions in a list, days and times are integers.

Columns without nulls are views into the Arrow buffers. Rules work on slices of some thousand rows, so that what they
compute stays in the processor's cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, BarBatch, code_positions
from ginkgo_data.domain.model.codes import INDEX_PATTERN
from ginkgo_data.domain.model.series import Series
from ginkgo_data.domain.services.expectation import Expectation
from ginkgo_data.domain.services.listings import Listings, ListingTables

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

FLOATS = ("open", "high", "low", "close", "pre_close", "volume", "amount")
OTHERS = ("code", "session", "timestamp", "source", "version")

NO_DAY: Final = np.iinfo(np.int32).min
NO_TIME: Final = np.iinfo(np.int64).min
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

_ZONE = ZoneInfo(EXCHANGE_ZONE)
_USUAL_OFFSET = 8 * HOUR_MS
# Shanghai kept summer time from 1986 to 1991 (tzdata), and trading began in 1990: only there the offset varies.
_SUMMER_TIMES = tuple(int(datetime(y, m, d, tzinfo=UTC).timestamp()) * 1000 for y, m, d in ((1986, 1, 1), (1992, 1, 1)))
_INDEX = re.compile(INDEX_PATTERN)


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns:
    """Columns of equal length, and tables to look codes up in."""

    series: Series
    expected: Expectation
    code: Longs
    """Position in the code tables; -1 (their last entry) where there is no code."""
    session: Longs
    """Day since 1970-01-01, `NO_DAY` where null."""
    timestamp: Longs
    """UTC milliseconds since 1970, `NO_TIME` where null."""
    floats: Mapping[str, Floats]
    """The columns of `FLOATS`; null is NaN."""
    absent: Mapping[str, Mask]
    """Where a column of `OTHERS` has no value; a column without such rows is left out."""
    repeated: Mask | None
    """Second and later rows of a (code, timestamp); None when there are none."""
    strange_codes: Mask | None
    """Code table: which were not asked for; None: all were."""
    index_codes: Mask | None
    """Code table: which are indices; None: none is."""
    listing: ListingTables
    """Code tables: what securities say."""

    @classmethod
    def of(cls, bars: BarBatch, expected: Expectation, listings: Listings | None = None) -> BarColumns:
        """Return all rows of `bars`."""
        codes = _codes(bars.table["code"])
        code = code_positions(bars.table["code"], codes)
        session = _integers(bars.table["session"], pa.int32(), NO_DAY)
        timestamp = _integers(bars.table["timestamp"], pa.int64(), NO_TIME)
        absent = {name: _nulls(bars.table[name]) for name in OTHERS if bars.table[name].null_count}
        if "" in codes or bool((code < 0).any()):
            absent["code"] = (code < 0) | _table([text == "" for text in codes])[code]
        asked = expected.asked_codes
        strange = [asked is not None and text not in asked for text in codes]
        indices = [_INDEX.match(text) is not None for text in codes]
        return cls(
            series=bars.series,
            expected=expected,
            code=code,
            session=session,
            timestamp=timestamp,
            floats={name: bars.table[name].to_numpy() for name in FLOATS},
            absent=absent,
            repeated=repeated_keys(code, timestamp),
            strange_codes=_table(strange) if any(strange) else None,
            index_codes=_table(indices) if any(indices) else None,
            listing=(listings or Listings()).tables(codes),
        )

    def __len__(self) -> int:
        return len(self.code)

    def rows(self, selection: slice | Longs) -> BarColumns:
        """Return some rows (a slice: without a copy)."""
        return BarColumns(
            series=self.series,
            expected=self.expected,
            code=self.code[selection],
            session=self.session[selection],
            timestamp=self.timestamp[selection],
            floats={name: values[selection] for name, values in self.floats.items()},
            absent={name: mask[selection] for name, mask in self.absent.items()},
            repeated=None if self.repeated is None else self.repeated[selection],
            strange_codes=self.strange_codes,
            index_codes=self.index_codes,
            listing=self.listing,
        )

    def local_time(self) -> Longs:
        """Return `timestamp` as exchange-local milliseconds since 1970-01-01 00:00 there (meaningless where null)."""
        first, last = _SUMMER_TIMES
        local = self.timestamp + _USUAL_OFFSET
        varying = (self.timestamp >= first) & (self.timestamp < last)
        if varying.any():
            times, position = np.unique(self.timestamp[varying], return_inverse=True)
            offsets = [datetime.fromtimestamp(ms / 1000, _ZONE).utcoffset() for ms in times.tolist()]
            seconds = np.array([0 if o is None else int(o.total_seconds()) for o in offsets], np.int64)
            local[varying] = self.timestamp[varying] + seconds[position] * 1000
        return local


def repeated_keys(code: Longs, timestamp: Longs) -> Mask | None:
    """Mark the second and later rows of each (code, timestamp); None when there are none.

    Rows without a code or a time have no key. The rows of a vendor mostly ascend already, which one pass shows.
    """
    repeated = np.zeros(len(code), np.bool_)
    whole = np.flatnonzero((code >= 0) & (timestamp != NO_TIME))
    if len(whole) < len(code):
        code, timestamp = code[whole], timestamp[whole]
    if len(code) < 2:
        return None
    earliest = int(timestamp.min())
    span = int(timestamp.max()) - earliest + 1
    if span * (int(code.max()) + 1) > np.iinfo(np.int64).max:
        distinct, rank = np.unique(timestamp, return_inverse=True)
        keys = code * len(distinct) + rank
    else:
        keys = code * span + (timestamp - earliest)
    if bool(np.all(keys[1:] > keys[:-1])):
        return None
    ordered = np.sort(keys)
    if bool(np.all(ordered[1:] > ordered[:-1])):
        return None
    order = np.argsort(keys, kind="stable")
    later = order[1:][keys[order[1:]] == keys[order[:-1]]]
    repeated[whole[later]] = True
    return repeated


def _table(flags: Sequence[bool]) -> Mask:
    # One more entry, false: where position -1 (no code) points.
    return np.array([*flags, False], np.bool_)


def _codes(column: pa.ChunkedArray) -> list[str]:
    chunks = column.unify_dictionaries().chunks
    return [text for text in chunks[0].dictionary.to_pylist() if text is not None] if chunks else []


def _integers(column: pa.ChunkedArray, kind: pa.DataType, null: int) -> npt.NDArray[np.int64]:
    whole = column.cast(kind)
    values: Longs = (whole.fill_null(null) if whole.null_count else whole).to_numpy().astype(np.int64, copy=False)
    return values


def _nulls(column: pa.ChunkedArray) -> Mask:
    mask: Mask = column.is_null().to_numpy()
    return mask
