# Upstream: adapters.files.scanning
# Downstream: adapters.files.{formats, layout, names}, domain.model.{errors, series}, numpy
# Role: The length of a file's bars, told from the times of its rows
"""For files that say the length of a bar neither by their format nor in a column."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ginkgo_data.adapters.files.formats import Clock
from ginkgo_data.adapters.files.layout import Layout
from ginkgo_data.adapters.files.names import frequency_in_name
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import Frequency

MINUTES: Final = 24 * 60
_OPEN, _CLOSE = 9 * 60 + 15, 15 * 60


def frequency_of(times: npt.NDArray[np.int64], layout: Layout) -> Frequency:
    """Tell the length of bars from how many rows there are at each minute of the day.

    Days when most rows lie outside trading (a date alone is midnight; some vendors write 15:00). Otherwise the
    most frequent gap between the times of day that occur, which one stray row does not change.

    Raises `SchemaMismatch` where neither they nor the name of the file tell it.
    """
    named = frequency_in_name(layout.origin.rsplit("/", 1)[-1])
    rows = int(times.sum())
    outside = int(times[: _OPEN + 1].sum() + times[_CLOSE:].sum())
    if not rows:
        return named or Frequency.DAY
    if layout.form.clock is Clock.EITHER and outside * 2 > rows:
        return Frequency.DAY
    gaps, counts = np.unique(np.diff(np.flatnonzero(times)), return_counts=True)
    minutes = int(gaps[counts.argmax()]) if len(gaps) else 0
    found = next((frequency for frequency in Frequency if frequency.minutes == minutes), named)
    if found is None:
        allowed = ", ".join(str(frequency.minutes) for frequency in Frequency if frequency.minutes)
        told = f"its times are {minutes} minutes apart" if minutes else "its rows are all of one time"
        raise SchemaMismatch(
            f"{layout.origin}: the length of its bars cannot be told ({told}; allowed: {allowed} minutes); "
            "name it in the file's name (as in 5min) or in the configuration's frequency"
        )
    return found
