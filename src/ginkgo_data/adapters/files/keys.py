# Upstream: adapters.files
# Downstream: adapters.files.{layout, strays, texts}, domain.model.{bars, series}, numpy, pyarrow
# Role: Code, time and series of raw rows, and which rows a request is about
"""The keys of rows are read first: they decide whether the rest of a row is worth reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.files.layout import Layout
from ginkgo_data.adapters.files.strays import stray
from ginkgo_data.adapters.files.texts import Mask, Moments, as_texts, read_codes, read_moments
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.domain.model.series import Adjust, Frequency, Series

ALL_SERIES: Final = tuple(Series(frequency, adjust) for frequency in Frequency for adjust in Adjust)
"""Series by number: rows carry the number, so that a file of several series stays columns."""

_FREQUENCIES = tuple(Frequency)
_ADJUSTS = tuple(Adjust)
_FREQUENCY_WORDS: Final = {frequency.value: frequency for frequency in Frequency} | {
    str(frequency.minutes): frequency for frequency in Frequency if frequency.minutes
}
_LENGTHS = np.array([frequency.minutes or 0 for frequency in _FREQUENCIES])


@dataclass(frozen=True, eq=False)
class Keys:
    """Code, time and series of each row; null, NaT or -1 where it cannot be read."""

    code: pa.DictionaryArray
    moment: Moments
    """Exchange-local end of the bar, midnight for a daily bar; as it stands while the file's frequency is unknown."""
    series: npt.NDArray[np.int8]
    no_code: Mask
    no_moment: Mask

    @property
    def session(self) -> npt.NDArray[np.datetime64]:
        """The exchange-local day of each row."""
        return self.moment.astype("datetime64[D]")

    @property
    def whole(self) -> Mask:
        """Where all three could be read."""
        return ~self.no_code & ~self.no_moment & (self.series >= 0)

    def take(self, rows: npt.NDArray[np.int64]) -> Keys:
        """Return the keys of some rows."""
        code = self.code.take(pa.array(rows))
        return Keys(code, self.moment[rows], self.series[rows], self.no_code[rows], self.no_moment[rows])


@dataclass(frozen=True)
class Wanted:
    """Rows that a request is about: of a series, some codes (ascending; None: all), sessions `first` … `last`."""

    series: Series
    codes: tuple[str, ...] | None
    first: np.datetime64
    last: np.datetime64
    orphans: tuple[str, ...] = ()
    """Codes that the file has stray rows of and no other: nobody would name them, so every request gets those."""

    def marks(self, code: pa.ChunkedArray, series: npt.NDArray[np.int8], session: npt.NDArray[np.datetime64]) -> Mask:
        """Mark the rows asked for.

        One without a code is in every request, one without a day or on a day that can be no session in its code's.
        """
        strays = stray(session)
        marked: Mask = np.isnat(session) | strays | ((session >= self.first) & (session <= self.last))
        marked |= code.is_null().to_numpy()
        marked &= (series < 0) | (series == ALL_SERIES.index(self.series))
        if self.codes is not None and marked.any():
            named = code.is_null().to_numpy() | (code_positions(code, self.codes) >= 0)
            if self.orphans and strays.any():
                named |= strays & (code_positions(code, self.orphans) >= 0)
            marked &= named
        return marked


def read_keys(cells: pa.RecordBatch, layout: Layout) -> Keys:
    """Return the keys of raw `cells`; minute rows labelled by their start get the end of their bar."""
    code, no_code = _codes(cells, layout)
    columns = layout.columns
    moment, no_moment = read_moments(cells[columns["moment"]], cells[columns["time"]] if "time" in columns else None)
    told = layout.frequency or ("frequency" in columns)
    frequency = _numbers(cells, columns.get("frequency"), _FREQUENCY_WORDS, layout.frequency or Frequency.DAY)
    adjust = _numbers(cells, columns.get("adjust"), layout.form.adjustments, layout.adjust)
    if told:
        length = _LENGTHS[np.maximum(frequency, 0)]
        if layout.label == "start":
            moment = moment + length.astype("timedelta64[m]")
        moment = np.where(length == 0, moment.astype("datetime64[D]").astype("datetime64[ms]"), moment)
    series = np.where((frequency < 0) | (adjust < 0), -1, frequency * len(_ADJUSTS) + adjust).astype(np.int8)
    return Keys(code, moment, series, no_code, no_moment)


def _codes(cells: pa.RecordBatch, layout: Layout) -> tuple[pa.DictionaryArray, Mask]:
    if layout.code is None:
        return read_codes(cells[layout.columns["code"]])
    rows = np.zeros(len(cells), np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(rows), pa.array([layout.code])), rows != 0


def _numbers(
    cells: pa.RecordBatch,
    column: str | None,
    words: Mapping[str, Frequency] | Mapping[str, Adjust],
    otherwise: Frequency | Adjust,
) -> npt.NDArray[np.int64]:
    """Return for each row the position of its word's member in the enumeration, -1 where it is no such word."""
    members: list[Frequency | Adjust] = list(type(otherwise))
    if column is None:
        return np.full(len(cells), members.index(otherwise))
    known = pa.array(list(words), pa.string())
    found = pc.fill_null(pc.index_in(as_texts(cells[column]), known), -1).to_numpy()
    numbers: npt.NDArray[np.int64] = np.array([*(members.index(member) for member in words.values()), -1])[found]
    return numbers
