# Upstream: adapters.files.{faults, keys, rows, tick_rows}
# Downstream: domain.model.{bars, codes, errors}, numpy, pyarrow
# Role: Strict, vectorised reading of texts as codes, times and numbers; a bad cell marks only itself
"""Each reader returns values and a mask of the cells that hold something else; nothing is guessed.

Distinct texts are parsed once. Wall-clock times are the exchange's, as ``datetime64[ms]`` without a zone, so
the zone of the host never enters; a time with an offset of its own is converted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.codes import canonical_code, code_of_symbol
from ginkgo_data.domain.model.errors import MalformedCommand

Mask = npt.NDArray[np.bool_]
Moments = npt.NDArray[np.datetime64]
Integers = npt.NDArray[np.int64]

NO_VALUE = ("", "None", "none", "null", "NULL", "NA", "N/A", "<NA>")
"""Texts that say "no value"; ``NaN`` is not among them, it is a number that validation names."""

_NUMBER = r"(?i)^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf|infinity)$"
_CLOCK = r"(?P<H>\d{1,2})(?::(?P<M>\d{1,2})(?::(?P<S>\d{1,2})(?:\.\d+)?)?)?"
_SEPARATED = (
    rf"^(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}})(?:[ T]+{_CLOCK})?(?P<z> ?(?:Z|[+-]\d\d:?\d\d))?$"
)
_COMPACT = r"^(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?:[ T]?(?P<H>\d\d):?(?P<M>\d\d)(?::?(?P<S>\d\d)\d*)?)?$"
_TIME_OF_DAY = r"^(?P<H>\d{1,2}):?(?P<M>\d\d)(?::?(?P<S>\d\d)\d*)?$"
_EARLIEST = np.datetime64("1900-01-01", "ms")
_EARLIEST_DAY = int(_EARLIEST.astype("datetime64[D]").astype(np.int64))
_LATEST_DAY = int(np.datetime64("9999-12-31", "D").astype(np.int64))
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_OFFSET = r"^ ?(?P<sign>[+-])(?P<h>\d\d):?(?P<m>\d\d)$"


def read_codes(column: pa.Array) -> tuple[pa.DictionaryArray, Mask]:
    """Return canonical codes (null where there is none) and where the text is no A-share code.

    Qualified forms (``000001.SZ``, ``sz.000001``) and bare symbols of stocks and funds (``1``, ``600519``) are read.
    """
    texts = as_texts(column).dictionary_encode()
    read = pa.array([_code(text) for text in texts.dictionary.to_pylist()], pa.string())
    codes = read.take(texts.indices).dictionary_encode()
    return codes, _flags(codes.is_null())


def _code(text: str) -> str | None:
    symbol = text.strip().strip("'\"")
    try:
        if symbol.isascii() and symbol.isdigit():
            return code_of_symbol(symbol)
        return canonical_code(symbol)
    except MalformedCommand:
        return None


def read_moments(column: pa.Array, time_column: pa.Array | None = None) -> tuple[Moments, Mask]:
    """Return exchange-local times (a date: its midnight) and where there is none; bad cells are NaT.

    Texts: ``20240102``, ``2024-01-02``, ``2024/1/2``, each alone or with a time of day (``09:31``,
    ``09:31:00``, ``0931``) and an offset (``+08:00``, ``Z``). `time_column` holds the times of day where they
    stand apart.
    """
    moments = _wall(column) if pa.types.is_temporal(column.type) else _read(as_texts(column))
    if time_column is not None:
        clocks = as_texts(time_column).dictionary_encode()
        days: Moments = moments.astype("datetime64[D]").astype("datetime64[ms]")
        moments = np.add(days, _parse_clock(clocks.dictionary)[_indices(clocks)])
    return moments, np.isnat(moments)


def read_numbers(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Return float64 values (null where there is none, NaN where it says so) and where the text is no number."""
    nothing = np.zeros(len(column), np.bool_)
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        return column.cast(pa.float64(), safe=False), nothing
    texts = as_texts(column)
    valued = pc.invert(pc.is_in(texts, pa.array(NO_VALUE)))
    present = pc.if_else(valued, texts, pa.scalar(None, pa.string()))
    try:
        return present.cast(pa.float64()), nothing
    except pa.ArrowInvalid:
        numeric = pc.match_substring_regex(texts, _NUMBER)
        values = pc.if_else(numeric, present, pa.scalar(None, pa.string())).cast(pa.float64())
        return values, _flags(pc.and_(valued, pc.invert(numeric)))


def as_texts(column: pa.Array) -> pa.StringArray:
    """Return the column as trimmed texts, null as the empty text."""
    plain = column if pa.types.is_string(column.type) else column.cast(pa.string())
    return pc.utf8_trim_whitespace(pc.fill_null(plain, ""))


def _wall(column: pa.Array) -> Moments:
    column = _bounded(column)
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column.cast(pa.timestamp("ms", EXCHANGE_ZONE), safe=False))
    moments: Moments = column.cast(pa.timestamp("ms"), safe=False).to_numpy(zero_copy_only=False)
    return moments


def _bounded(column: pa.Array) -> pa.Array:
    """Return `column` without what lies outside the years 1900 to 9999: a cast would wrap it to some other time."""
    per_day = _PER_DAY[column.type.unit] if pa.types.is_timestamp(column.type) else 1
    if pa.types.is_date64(column.type):
        per_day = _PER_DAY["ms"]
    counts = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64()).cast(pa.int64())
    latest = min(_LATEST_DAY * per_day, np.iinfo(np.int64).max)
    fits = pc.and_(pc.greater_equal(counts, _EARLIEST_DAY * per_day), pc.less(counts, latest))
    return column if pc.all(fits).as_py() else pc.if_else(fits, column, pa.scalar(None, column.type))


def _read(texts: pa.StringArray) -> Moments:
    try:
        # The usual cases at the speed of a cast: all texts strict ISO, or all YYYYMMDD; one other text refuses all.
        moments: Moments = texts.cast(pa.timestamp("s")).to_numpy(zero_copy_only=False).astype("datetime64[ms]")
    except pa.ArrowInvalid:
        moments = _read_digits(texts)
    if len(moments) and not moments.min() >= _EARLIEST:
        distinct = texts.dictionary_encode()
        moments = _parse(distinct.dictionary)[_indices(distinct)]
    return moments


def _read_digits(texts: pa.StringArray) -> Moments:
    try:
        if pc.all(pc.equal(pc.binary_length(texts), 8)).as_py():
            numbers = texts.cast(pa.int64()).to_numpy(zero_copy_only=False)
            return _days(numbers // 10_000, numbers // 100 % 100, numbers % 100)
    except pa.ArrowInvalid:
        pass
    return np.full(len(texts), "NaT", "datetime64[ms]")


def _parse(texts: pa.StringArray) -> Moments:
    moments = np.full(len(texts), "NaT", "datetime64[ms]")
    for pattern in (_COMPACT, _SEPARATED):
        fields = pc.extract_regex(texts, pattern)
        found = np.flatnonzero(_flags(fields.is_valid()))
        if len(found):
            moments[found] = _moments(fields.take(pa.array(found)))
    return moments


def _moments(fields: pa.StructArray) -> Moments:
    moments: Moments = np.add(_days(*(_integers(fields, name) for name in "ymd")), _clock(fields))
    if "z" in [field.name for field in fields.type]:
        zones = fields.field("z")
        zoned = np.flatnonzero(_flags(pc.greater(pc.utf8_length(zones), 0)))
        if len(zoned):
            utc = moments[zoned] - _offsets(zones.take(pa.array(zoned)))
            moments[zoned] = _wall(pa.array(utc, pa.timestamp("ms", "UTC")))
    return moments


def _days(year: Integers, month: Integers, day: Integers) -> Moments:
    """Return midnights, NaT where the calendar has no such day (or it lies before `_EARLIEST`)."""
    begin = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = begin.astype("datetime64[D]") + (day - 1)
    valid = (year >= 1900) & (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == begin)
    days[~valid] = np.datetime64("NaT")
    moments: Moments = days.astype("datetime64[ms]")
    return moments


def _clock(fields: pa.StructArray) -> npt.NDArray[np.timedelta64]:
    hour, minute, second = (_integers(fields, name) for name in "HMS")
    valid = (hour < 24) & (minute < 60) & (second < 60)
    length = ((hour * 60 + minute) * 60 + second).astype("timedelta64[s]").astype("timedelta64[ms]")
    return np.where(valid, length, np.timedelta64("NaT"))


def _parse_clock(texts: pa.StringArray) -> npt.NDArray[np.timedelta64]:
    clocks = np.full(len(texts), "NaT", "timedelta64[ms]")
    fields = pc.extract_regex(texts, _TIME_OF_DAY)
    found = np.flatnonzero(_flags(fields.is_valid()))
    if len(found):
        clocks[found] = _clock(fields.take(pa.array(found)))
    return clocks


def _offsets(zones: pa.StringArray) -> npt.NDArray[np.timedelta64]:
    fields = pc.extract_regex(zones, _OFFSET)
    minutes = _integers(fields, "h") * 60 + _integers(fields, "m")
    minutes = np.where(minutes <= 14 * 60, minutes.astype("timedelta64[m]"), np.timedelta64("NaT"))
    west = _flags(pc.equal(pc.fill_null(fields.field("sign"), "+"), "-"))
    return np.where(west, -minutes, minutes)


def _integers(fields: pa.StructArray, name: str) -> Integers:
    texts = pc.fill_null(pc.struct_field(fields, name), "")
    filled = pc.if_else(pc.equal(texts, ""), "0", texts)
    numbers: Integers = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _indices(encoded: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    indices: npt.NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False)
    return indices


def _flags(mask: pa.BooleanArray) -> Mask:
    flags: Mask = mask.to_numpy(zero_copy_only=False)
    return flags
