# Upstream: adapters, domain.{model, services}, entrypoints, ports
# Downstream: domain.model.{bars, coverage, quality, series}, numpy, pyarrow
# Role: Asking a vendor: the request, the plan, and the three kinds of answer
"""An answer is `Rows`, `ProvenEmpty` or `Unknown`, never just a frame.

Only the first two advance anything. An HTTP error, a quota, a reply cut at the vendor's row limit, a bad
token or an emptiness without evidence is `Unknown`: the type that keeps "0 rows" from meaning success.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import CODE, BarBatch, code_positions
from ginkgo_data.domain.model.coverage import Absences, Cells, Flags
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class SourceCapabilities:
    """What a source can be asked in one call; the planner needs nothing else of it."""

    name: str
    """Short vendor name, stored with every row: ``tushare``, ``files`` …"""
    series: frozenset[Series]
    """Frequencies and adjustments it can give."""
    row_limit: int
    """Rows of one reply; a reply with this many is cut off, so plans stay below it."""
    codes_per_call: int = 1
    """Codes that one by-code call may name; 0: cannot be asked by code."""
    by_session: bool = False
    """Whether one call can ask for the whole market of one session."""
    market_rows: int = 5600
    """Rows a by-session reply is expected to have, to know how many pages it takes."""
    extent: tuple[date, date] | None = None
    """First and last session of an archive that knows nothing outside; None: a live vendor."""

    def offers(self, frequency: Frequency, adjust: Adjust) -> bool:
        """Whether bars of this series can be asked for."""
        return Series(frequency, adjust) in self.series


@dataclass(frozen=True, slots=True, eq=False)
class FetchRequest:
    """One call: `codes` (None: the whole market) over the sessions `first` … `last`, both included.

    `wanted` are the cells that the caller lacks: what the answer does not contain of them is an absence to
    be proven. The answer may contain more than `wanted`.
    """

    series: Series
    codes: tuple[str, ...] | None
    first: date
    last: date
    wanted: Cells
    version: int
    """Microsecond at which the request is sent, on the store's clock; fixed before any retry."""

    @property
    def by_session(self) -> bool:
        """Whether this asks for the whole market of one session."""
        return self.codes is None

    def unanswered(self, bars: BarBatch) -> Cells:
        """Return the wanted cells that `bars` has no row for."""
        if not len(bars) or not len(self.wanted):
            return self.wanted
        left = ~np.isin(_keys_of(self.wanted), self._keys_in(bars))
        return Cells(self.wanted.codes, self.wanted.index[left], self.wanted.session[left])

    def wants(self, bars: BarBatch) -> Flags:
        """Return which rows of `bars` are of wanted cells; an answer may have more."""
        wanted: Flags = np.isin(self._keys_in(bars), _keys_of(self.wanted))
        return wanted

    def _keys_in(self, bars: BarBatch) -> npt.NDArray[np.int64]:
        """Return for each row the number of its cell, -1 where its code or session is not wanted at all."""
        position = code_positions(bars.table["code"], self.wanted.codes)
        session = bars.table["session"].to_numpy().astype("datetime64[D]").astype(np.int64)
        return np.where(position < 0, np.int64(-1), session * len(self.wanted.codes) + position)


def _keys_of(cells: Cells) -> npt.NDArray[np.int64]:
    keys: npt.NDArray[np.int64] = cells.session.astype(np.int64) * len(cells.codes) + cells.index
    return keys


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """The calls chosen for some missing cells, and what the choice was between."""

    requests: tuple[FetchRequest, ...]
    by_code_calls: int
    """Calls it would have taken code by code (-1: not offered)."""
    by_session_calls: int
    """Calls it would have taken session by session (-1: not offered)."""


PLACE_SCHEMA = pa.schema([pa.field("origin", CODE), pa.field("line", pa.int64())])


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where each row of a batch came from: `origin` (file or vendor api) and `line` (1-based), row by row."""

    table: pa.Table

    def text(self, row: int) -> str:
        """Return ``origin:line`` of one row."""
        return f"{self.table['origin'][row].as_py()}:{self.table['line'][row].as_py()}"


@dataclass(frozen=True, slots=True, eq=False)
class Rows(Generic[Batch]):
    """A complete answer with rows."""

    batch: Batch
    absences: Absences = field(default_factory=Absences.empty)
    """Evidence for wanted cells that the batch has no row for (any strength)."""
    rejects: Rejects = field(default_factory=Rejects.empty)
    """Rows that could not even be read as rows (a date that is no date, a text for a price)."""
    places: Places | None = None
    calls: int = 1
    """Vendor calls that this answer took."""


@dataclass(frozen=True, slots=True, eq=False)
class ProvenEmpty:
    """A complete answer without rows; `absences` says for every wanted cell why."""

    absences: Absences = field(default_factory=Absences.empty)
    rejects: Rejects = field(default_factory=Rejects.empty)
    calls: int = 1


class UnknownReason(Enum):
    """Why a reply proves nothing."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    SERVER_ERROR = "server_error"
    RATE_LIMITED = "rate_limited"
    TRUNCATED = "truncated"
    BAD_TOKEN = "bad_token"
    NO_PERMISSION = "no_permission"
    REFUSED = "refused"
    MALFORMED_REPLY = "malformed_reply"
    EMPTY_WITHOUT_EVIDENCE = "empty_without_evidence"

    @property
    def transient(self) -> bool:
        """Whether asking again within seconds may help."""
        return self in _TRANSIENT

    @property
    def outage(self) -> bool:
        """Whether the vendor is at fault rather than the command: does not count as an attempt."""
        return self in _TRANSIENT or self is UnknownReason.BAD_TOKEN


_TRANSIENT = frozenset(
    {UnknownReason.UNREACHABLE, UnknownReason.TIMED_OUT, UnknownReason.SERVER_ERROR, UnknownReason.RATE_LIMITED}
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer: nothing may be concluded from it, neither presence nor absence."""

    reason: UnknownReason
    detail: str
    """What was asked and what came back, for people; never contains a token."""
    retry_after: float | None = None
    """Seconds after which the vendor said it may be asked again."""
    calls: int = 1


Answer: TypeAlias = Rows[Batch] | ProvenEmpty | Unknown
BarAnswer: TypeAlias = Rows[BarBatch] | ProvenEmpty | Unknown

__all__ = [
    "DAILY",
    "Answer",
    "BarAnswer",
    "FetchPlan",
    "FetchRequest",
    "PLACE_SCHEMA",
    "Places",
    "ProvenEmpty",
    "Rows",
    "SourceCapabilities",
    "Unknown",
    "UnknownReason",
]
