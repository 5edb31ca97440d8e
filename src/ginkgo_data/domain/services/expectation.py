# Upstream: domain.services.{bar_columns, validation}
# Downstream: domain.model.{bars, fetch}, numpy
# Role: What the caller of validation knows of the bars it brings
"""What bars are held against: the calendar, the call they answer, the newest closed session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.fetch import FetchRequest


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """What bars are held against, its days counted from 1970-01-01."""

    first_day: int
    """Day that `open_days` begins with."""
    open_days: npt.NDArray[np.bool_]
    """Whether a day is a session, from `first_day` on; the last entry stands for all other days and is false."""
    numbers: npt.NDArray[np.int64]
    """How many sessions of the calendar lie before `first_day`, on it or before, and so on for every day after it."""
    newest: int | None
    """Newest closed session, as a day."""
    asked_codes: frozenset[str] | None
    """Codes that the call named; None: any."""
    asked_days: tuple[int, int] | None
    """First and last session that the call named."""

    @classmethod
    def of(cls, sessions: Sessions, asked: FetchRequest | None, newest: date | None) -> Expectation:
        """Build from ascending `sessions`; the call and the newest closed session may be unknown (None)."""
        days = sessions.astype("datetime64[D]").astype(np.int64)
        first = int(days[0]) if len(days) else 0
        open_days = np.zeros(int(days[-1]) - first + 2 if len(days) else 1, np.bool_)
        open_days[days - first] = True
        return cls(
            first_day=first,
            open_days=open_days,
            numbers=np.cumsum(np.append(False, open_days[:-1])),
            newest=None if newest is None else _day(newest),
            asked_codes=None if asked is None or asked.codes is None else frozenset(asked.codes),
            asked_days=None if asked is None else (_day(asked.first), _day(asked.last)),
        )

    def session_numbers(self, days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return for each of `days` how many sessions of the calendar at hand lie on it or before."""
        place = np.clip(days - self.first_day + 1, 0, len(self.numbers) - 1)
        return self.numbers[place]


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
