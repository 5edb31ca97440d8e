# Upstream: adapters, domain.{model, services}, entrypoints, ports
# Downstream: domain.model.{bars, series}, numpy, pyarrow
# Role: Coverage: the sessions due, held and absent of many codes, as one grid
"""Coverage = sessions due − sessions held − absences explained.

Planning, incremental update, gap filling, resuming after a crash, the missing rate and freshness are all
this one computation, so it is done on whole grids (codes x sessions) and never per cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.bars import CODE, Sessions, cast_table
from ginkgo_data.domain.model.series import Frequency

Flags = npt.NDArray[np.bool_]
Held = Mapping[str, Sessions]
"""Sessions held per code, ascending and unique; a code without any may be left out."""

_DAY = "datetime64[D]"


class AbsenceReason(Enum):
    """Why a due session has no bar, from the strongest evidence to the weakest."""

    SUSPENDED = "suspended"
    """The vendor says that trading was suspended for the whole session."""
    NOT_LISTED = "not_listed"
    """The vendor says that the code was not listed then."""
    HOLIDAY = "holiday"
    """The exchange was closed although the calendar expected a session."""
    PROBABLY_SUSPENDED = "probably_suspended"
    """A live vendor's complete answer has no row of a session that nearly every other code has."""
    NO_ROW = "no_row"
    """A complete answer simply has no row: recorded, but neither explained nor final."""

    @property
    def explains(self) -> bool:
        """Whether the absence counts as explained: out of the missing rate."""
        return self is not AbsenceReason.NO_ROW

    @property
    def settles(self) -> bool:
        """Whether it is not asked again later; what is only probable is."""
        return self not in (AbsenceReason.NO_ROW, AbsenceReason.PROBABLY_SUSPENDED)


ABSENCE_SCHEMA = pa.schema(
    [
        pa.field("code", CODE),
        pa.field("session", pa.date32()),
        pa.field("reason", CODE),
        pa.field("evidence", pa.string()),
        pa.field("source", CODE),
        pa.field("version", pa.uint64()),
    ]
)
"""`reason` is an `AbsenceReason` value; `evidence` says in words who said so and how."""


@dataclass(frozen=True, slots=True, eq=False)
class Absences:
    """Sessions proven to have no bar, with reason and evidence; at most one row per (code, session) counts."""

    table: pa.Table

    @classmethod
    def of(cls, rows: Iterable[tuple[str, date, AbsenceReason, str]], source: str, version: int) -> Absences:
        """Build from (code, session, reason, evidence) rows, all of one `source` and `version`."""
        listed = list(rows)
        columns = {
            "code": pa.array([r[0] for r in listed], pa.string()),
            "session": pa.array([r[1] for r in listed], pa.date32()),
            "reason": pa.array([r[2].value for r in listed], pa.string()),
            "evidence": pa.array([r[3] for r in listed], pa.string()),
            "source": pa.array([source] * len(listed), pa.string()),
            "version": pa.array([version] * len(listed), pa.uint64()),
        }
        return cls(cast_table("absences", pa.table(columns), ABSENCE_SCHEMA))

    @classmethod
    def stated(
        cls, cells: Cells, reason: AbsenceReason, evidence: Sequence[str] | str, source: str, version: int
    ) -> Absences:
        """Build one statement per cell of `cells`; `evidence` is one text for all, or one for each."""
        count = len(cells)
        texts = [evidence] * count if isinstance(evidence, str) else list(evidence)
        columns = {
            "code": pa.array(cells.codes, pa.string()).take(pa.array(cells.index)),
            "session": pa.array(cells.session),
            "reason": pa.repeat(reason.value, count),
            "evidence": pa.array(texts, pa.string()),
            "source": pa.repeat(source, count),
            "version": pa.repeat(pa.scalar(version, pa.uint64()), count),
        }
        return cls(cast_table("absences", pa.table(columns), ABSENCE_SCHEMA))

    @classmethod
    def arrived(cls, cells: Cells, version: int) -> Absences:
        """Return what takes the places of statements about `cells` that hold no longer: it is never shown."""
        return cls.stated(cells, AbsenceReason.NO_ROW, "withdrawn: the bar has arrived", "", version)

    @classmethod
    def empty(cls) -> Absences:
        """Return no absences."""
        return cls(ABSENCE_SCHEMA.empty_table())

    @classmethod
    def concat(cls, parts: Iterable[Absences]) -> Absences:
        """Return the rows of `parts`, in order."""
        tables = [part.table for part in parts]
        return cls(pa.concat_tables(tables).unify_dictionaries()) if tables else cls.empty()

    def __len__(self) -> int:
        return int(self.table.num_rows)


HELD_SESSION_SCHEMA = pa.schema(
    [
        pa.field("code", CODE),
        pa.field("session", pa.date32()),
        pa.field("rows", pa.uint32()),
        pa.field("version", pa.uint64()),
    ]
)
"""One row says: the `rows` minute bars of this session are all the vendor has, and they are acknowledged."""


class Cells:
    """Some (code, session) pairs: `index[i]` is the position in `codes`, `session[i]` the day; no pair twice.

    Immutable. A plan has a pair for each of millions of cells, so they are kept in 32 bits each and widened when they
    are looked at: a loop takes `index` and `session` once.
    """

    __slots__ = ("_days", "_index", "codes")

    def __init__(self, codes: tuple[str, ...], index: npt.NDArray[np.int64], session: Sessions) -> None:
        self.codes = codes
        self._index = index.astype(np.int32)
        self._days = session.astype(_DAY).astype(np.int64).astype(np.int32)

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Positions in `codes`."""
        return self._index.astype(np.int64)

    @property
    def session(self) -> Sessions:
        """Days as ``datetime64[D]``."""
        return self._days.astype(np.int64).astype(_DAY)

    def __len__(self) -> int:
        return len(self._index)

    @classmethod
    def none(cls) -> Cells:
        """Return no cells."""
        return cls((), np.empty(0, np.int64), np.empty(0, _DAY))

    @classmethod
    def cross(cls, codes: Sequence[str], sessions: Sessions) -> Cells:
        """Return every pair of `codes` and `sessions`."""
        index = np.repeat(np.arange(len(codes)), len(sessions))
        return cls(tuple(codes), index, np.tile(sessions, len(codes)))

    def pairs(self) -> list[tuple[str, date]]:
        """Return the pairs as Python values: for messages and small sets, not for the data path."""
        return [(self.codes[i], day) for i, day in zip(self.index.tolist(), self.session.tolist(), strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Grid of `codes` x `sessions`: what is due, held and explained as absent.

    `due`, `held`, `explained` and `recorded` are boolean arrays of shape (len(codes), len(sessions)).
    `recorded` marks absences of any strength, `explained` only those whose reason explains, `weak` those of them
    that are only probable (None: none is). A cell may be held without being due (an extra row). Held beats absent,
    always.
    """

    codes: tuple[str, ...]
    sessions: Sessions
    due: Flags
    held: Flags
    explained: Flags
    recorded: Flags
    weak: Flags | None = None

    @property
    def missing(self) -> Flags:
        """Cells due that are neither held nor explained: the unexplained ones."""
        return self.due & ~self.held & ~self.explained

    def to_ask(self, recheck_from: date | None = None) -> Flags:
        """Cells worth asking the vendor for: the missing ones, and explained absences at or after `recheck_from`.

        So are explanations that are only probable, however old.
        """
        wanted = self.missing if self.weak is None else self.missing | (self.due & ~self.held & self.weak)
        if recheck_from is None:
            return wanted
        young = self.sessions >= np.datetime64(recheck_from, "D")
        return wanted | (self.due & ~self.held & young[np.newaxis, :])

    def cells(self, flags: Flags) -> Cells:
        """Return the marked cells, ordered by code and session; codes without any are dropped."""
        kept = np.flatnonzero(flags.any(axis=1))
        index, column = np.nonzero(flags[kept])
        return Cells(tuple(self.codes[i] for i in kept.tolist()), index, self.sessions[column])

    def counts(self) -> CoverageCounts:
        """Return how many cells are expected, held, absent (explained) and unexplained."""
        return CoverageCounts(
            expected=int((self.due & ~(self.explained & ~self.held)).sum()),
            due=int(self.due.sum()),
            held=int((self.due & self.held).sum()),
            absent=int((self.due & self.explained & ~self.held).sum()),
            unexplained=int(self.missing.sum()),
        )


@dataclass(frozen=True, slots=True)
class CoverageCounts:
    """Numbers of cells: ``due = held + absent + unexplained`` and ``expected = held + unexplained``."""

    expected: int = 0
    due: int = 0
    held: int = 0
    absent: int = 0
    unexplained: int = 0

    @property
    def missing_rate(self) -> float:
        """Share of expected sessions that are unexplained; 0.0 when none is expected."""
        return self.unexplained / self.expected if self.expected else 0.0

    def __add__(self, other: CoverageCounts) -> CoverageCounts:
        return CoverageCounts(
            self.expected + other.expected,
            self.due + other.due,
            self.held + other.held,
            self.absent + other.absent,
            self.unexplained + other.unexplained,
        )


def expected_bars(counts: CoverageCounts, frequency: Frequency) -> int:
    """Return the bars that `counts` expects: sessions x bars per session (240 minutes, 1 day)."""
    return counts.expected * frequency.bars_per_session
