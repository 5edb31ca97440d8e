# Upstream: adapters.files.{keys, scanning}
# Downstream: domain.model.{bars, known_sessions}, numpy
# Role: Which rows lie on a day that can be no session
"""A stray row is one of a weekend, of a day before the exchanges' first session, or of a day to come.

It says nothing of what an archive covers, but it is a row: it goes with every request that names its code, so that
validation puts it into quarantine with its place.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION

_THURSDAY = 3
_SATURDAY = 5


def today() -> date:
    """Return the present day at the exchange."""
    return datetime.now(ZoneInfo(EXCHANGE_ZONE)).date()


def stray(session: npt.NDArray[np.datetime64]) -> npt.NDArray[np.bool_]:
    """Mark the days (``datetime64[D]``) that can be no session as of today; NaT is not marked."""
    weekday = (session.astype(np.int64) + _THURSDAY) % 7  # 1970-01-01 was a Thursday
    outside = (session < np.datetime64(FIRST_SESSION)) | (session > np.datetime64(today()))
    marked: npt.NDArray[np.bool_] = ~np.isnat(session) & ((weekday >= _SATURDAY) | outside)
    return marked
