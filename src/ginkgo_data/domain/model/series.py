# Upstream: adapters, domain.{model, services}, entrypoints, ports.{bar_repository, revision_repository}
# Downstream: none
# Role: Frequency and adjustment of bars, and how many bars a session has
"""What kind of bars: frequency (1d, 1m …) and adjustment (none, qfq, hfq); and the other things collected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SESSION_MINUTES = 240
"""Minutes of continuous A-share trading in a session: 09:30-11:30 and 13:00-15:00 (Asia/Shanghai)."""


class Frequency(Enum):
    """Length of a bar, by the wire's words."""

    DAY = "1d"
    MIN1 = "1m"
    MIN5 = "5m"
    MIN15 = "15m"
    MIN30 = "30m"
    MIN60 = "60m"

    @property
    def minutes(self) -> int | None:
        """Length in minutes; None for a daily bar."""
        return None if self is Frequency.DAY else int(self.value[:-1])

    @property
    def bars_per_session(self) -> int:
        """Bars of a full A-share session: 1 daily, 240 one-minute, 48, 16, 8 and 4."""
        return 1 if self.minutes is None else SESSION_MINUTES // self.minutes


class Adjust(Enum):
    """Price adjustment. ``none``: as traded; ``qfq``: scaled to the newest price; ``hfq``: to the first."""

    NONE = "none"
    QFQ = "qfq"
    HFQ = "hfq"


@dataclass(frozen=True, slots=True, order=False)
class Series:
    """One kind of bars: (frequency, adjustment). A `BarBatch` and an insert hold exactly one."""

    frequency: Frequency = Frequency.DAY
    adjust: Adjust = Adjust.NONE

    def __str__(self) -> str:
        return f"{self.frequency.value}/{self.adjust.value}"


DAILY = Series()


class Dataset(Enum):
    """What is collected per (code, session) and is no bar; the words stand in reports in place of a series."""

    ADJUSTMENT_FACTORS = "adj_factor"
    TICKS = "tick"

    def __str__(self) -> str:
        return str(self.value)


def records_per_session(collected: Series | Dataset) -> int:
    """Return the records that a report expects of a code's session: its bars; of other datasets 1, the session."""
    return collected.frequency.bars_per_session if isinstance(collected, Series) else 1
