"""Twenty kinds of faults that are put into clean bars at known cells, and what the product finds of them.

>>> clean = tushare()                                        # or any clean batch of one series
>>> faulty = inject("x100 units", clean, sessions, seed=1)   # the batch as a faulty vendor would send it
>>> faulty.cells                                             # the (code, session) cells it is wrong at
>>> found = examine(clean, faulty.bars, sessions)            # rejected, flagged or missing cells
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import BarBatch, Sessions
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.model.series import Frequency, Series
from ginkgo_data.domain.services.inspection import inspect_neighbours, inspect_sessions
from ginkgo_data.domain.services.listings import Listings
from ginkgo_data.domain.services.rule_set import RuleSet, Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import validate
from support.bars import dictionary

HOUR = 3_600_000
PRICES = ("open", "high", "low", "close")
FLOATS = (*PRICES, "pre_close", "volume", "amount")
Cell = tuple[str, int]
"""A code and a day since 1970-01-01."""


@dataclass
class Rows:
    """Bars as plain columns that can be changed; `cells` collects what a fault touched."""

    code: np.ndarray
    day: np.ndarray
    time: np.ndarray
    floats: dict[str, np.ndarray]
    sessions: np.ndarray
    random: np.random.Generator
    series: Series
    cells: set[Cell] = field(default_factory=set)

    @classmethod
    def of(cls, bars: BarBatch, sessions: Sessions, seed: int) -> Rows:
        ordered = bars.sorted().table
        return cls(
            np.array(ordered["code"].to_pylist(), object),
            ordered["session"].cast(pa.int32()).to_numpy().astype(np.int64),
            ordered["timestamp"].cast(pa.int64()).to_numpy().copy(),
            {name: ordered[name].to_numpy().astype(np.float64).copy() for name in FLOATS},
            sessions.astype("datetime64[D]").astype(np.int64),
            np.random.default_rng(seed),
            bars.series,
        )

    def __len__(self) -> int:
        return len(self.code)

    def touch(self, rows: np.ndarray) -> None:
        """Note the cells of `rows` as wrong."""
        self.cells |= set(zip(self.code[rows].tolist(), self.day[rows].tolist(), strict=True))

    def take(self, rows: np.ndarray) -> None:
        """Keep `rows`, in that order."""
        self.code, self.day, self.time = self.code[rows], self.day[rows], self.time[rows]
        self.floats = {name: values[rows] for name, values in self.floats.items()}

    def pick(self, count: int, among: np.ndarray | None = None) -> np.ndarray:
        """Return some rows no two of which are neighbours, each between two bars of its code.

        These are of the sessions before and after; of minutes, of the same session.
        """
        daily = self.series.frequency is Frequency.DAY
        number = np.searchsorted(self.sessions, self.day)
        whole = np.zeros(len(self), np.bool_)
        whole[1:-1] = (self.code[2:] == self.code[:-2]) & (number[2:] - number[:-2] == (2 if daily else 0))
        if among is not None:
            whole &= among
        candidates = np.flatnonzero(whole)
        candidates = candidates[np.append(True, np.diff(candidates // 4) > 0)] if len(candidates) else candidates
        return np.sort(self.random.choice(candidates, min(count, len(candidates)), replace=False))

    def bars(self) -> BarBatch:
        """Return them as a batch."""
        return BarBatch.of(
            pa.table(
                {
                    "code": dictionary(self.code.tolist()),
                    "session": pa.array(self.day.astype("datetime64[D]")),
                    "timestamp": pa.array(self.time).cast(pa.timestamp("ms", "Asia/Shanghai")),
                    **{name: pa.array(values, from_pandas=True) for name, values in self.floats.items()},
                    "source": pa.array(["vendor"] * len(self)),
                    "version": pa.array([1] * len(self), pa.uint64()),
                }
            ),
            self.series,
        )


Fault = Callable[[Rows, int], None]


def _scaled(name: str, times: float) -> Fault:
    def fault(rows: Rows, count: int) -> None:
        chosen = rows.pick(count)
        rows.touch(chosen)
        rows.floats[name][chosen] *= times

    return fault


def _set(name: str, value: float) -> Fault:
    def fault(rows: Rows, count: int) -> None:
        chosen = rows.pick(count)
        rows.touch(chosen)
        rows.floats[name][chosen] = value

    return fault


def _both_units(rows: Rows, count: int) -> None:
    chosen = rows.pick(count)
    rows.touch(chosen)
    for name in ("volume", "amount"):
        rows.floats[name][chosen] *= 100


def _swapped(rows: Rows, count: int) -> None:
    high, low = rows.floats["high"], rows.floats["low"]
    chosen = rows.pick(count, high > low)
    rows.touch(chosen)
    high[chosen], low[chosen] = low[chosen].copy(), high[chosen].copy()


def _duplicated(rows: Rows, count: int) -> None:
    chosen = rows.pick(count)
    rows.touch(chosen)
    rows.take(np.concatenate([np.arange(len(rows)), chosen]))


def _moved(day: Callable[[Rows, np.ndarray], np.ndarray]) -> Fault:
    def fault(rows: Rows, count: int) -> None:
        chosen = rows.pick(count)
        rows.touch(chosen)
        days = day(rows, chosen)
        rows.time[chosen] += (days - rows.day[chosen]) * 24 * HOUR
        rows.day[chosen] = days
        rows.touch(chosen)

    return fault


def _next_session(rows: Rows, chosen: np.ndarray) -> np.ndarray:
    return rows.sessions[np.searchsorted(rows.sessions, rows.day[chosen]) + 1]


def _next_saturday(rows: Rows, chosen: np.ndarray) -> np.ndarray:
    return rows.day[chosen] + (2 - rows.day[chosen]) % 7


def _stale(rows: Rows, count: int) -> None:
    chosen = rows.pick(count, rows.floats["volume"] > 0)
    rows.touch(chosen)
    for values in rows.floats.values():
        values[chosen] = values[chosen - 1]


def _without(some: Callable[[Rows, int], np.ndarray]) -> Fault:
    def fault(rows: Rows, count: int) -> None:
        gone = some(rows, count)
        rows.touch(np.flatnonzero(gone))
        rows.take(np.flatnonzero(~gone))

    return fault


def _one_code(rows: Rows, count: int) -> np.ndarray:
    return rows.code == rows.random.choice(np.unique(rows.code))


def _one_session(rows: Rows, count: int) -> np.ndarray:
    return rows.day == rows.random.choice(np.unique(rows.day))


def _last_page(rows: Rows, count: int) -> np.ndarray:
    return np.arange(len(rows)) >= len(rows) - count


def _block(rows: Rows, count: int) -> np.ndarray:
    """Mark a quarter of an hour, or one bar of longer ones, of some sessions."""
    days = rows.random.choice(np.unique(rows.day), min(count, 8), replace=False)
    minutes = (rows.time // 60_000) % (24 * 60)
    return np.isin(rows.day, days) & (minutes > 2 * 60 + 10) & (minutes <= 2 * 60 + 30)


def _slipped(rows: Rows, count: int) -> None:
    chosen = rows.pick(count)
    rows.touch(chosen)
    whole = chosen[::2]
    for name in PRICES:
        rows.floats[name][whole] = np.round(rows.floats[name][whole] * 10, 2)
    rows.floats["close"][chosen[1::2]] /= 10


def _wrong_code(rows: Rows, count: int) -> None:
    chosen = rows.pick(count)
    codes = np.unique(rows.code)
    rows.touch(chosen)
    known = set(zip(rows.code.tolist(), rows.day.tolist(), strict=True))
    for row in chosen.tolist():
        others = [code for code in codes.tolist() if code != rows.code[row] and (code, rows.day[row]) in known]
        rows.code[row] = rows.random.choice(others) if others else "999999.SH"
    rows.touch(chosen)


def _adjusted(rows: Rows, count: int) -> None:
    chosen = rows.pick(count)
    rows.touch(chosen)
    factor = rows.random.uniform(0.5, 0.98, len(chosen))
    for name in (*PRICES, "pre_close"):
        rows.floats[name][chosen] = np.round(rows.floats[name][chosen] * factor, 4)


def _overflown(rows: Rows, count: int) -> None:
    chosen = rows.pick(count, rows.floats["volume"] >= 2**17)
    rows.touch(chosen)
    volume = rows.floats["volume"]
    wrapped, negative = chosen[::2], chosen[1::2]
    volume[wrapped] = np.mod(volume[wrapped], 2**16)
    volume[negative] -= 2.0**32


def _other_zone(rows: Rows, count: int) -> None:
    chosen = rows.pick(count)
    rows.touch(chosen)
    rows.time[chosen] += np.where(np.arange(len(chosen)) % 2, 8, -8) * HOUR


KINDS: dict[str, Fault] = {
    "x100 units": _scaled("volume", 100.0),
    "negative": _scaled("close", -1.0),
    "zero": _set("high", 0.0),
    "NaN": _set("volume", np.nan),
    "swapped high and low": _swapped,
    "duplicated row": _duplicated,
    "shifted day": _moved(_next_session),
    "stale copy of yesterday": _stale,
    "missing code": _without(_one_code),
    "missing session": _without(_one_session),
    "missing minute block": _without(_block),
    "off-session row": _moved(_next_saturday),
    "decimal slip": _slipped,
    "wrong code": _wrong_code,
    "adjusted prices among raw ones": _adjusted,
    "truncated page": _without(_last_page),
    "volume int overflow": _overflown,
    "future date": _moved(lambda rows, chosen: np.full(len(chosen), rows.sessions[-1] + 7)),
    "1970 date": _moved(lambda rows, chosen: np.zeros(len(chosen), np.int64)),
    "mixed time zone": _other_zone,
}
"""The twenty kinds. All are hard: each of them must be found wherever it is."""

SOFT = {"x100 of volume and amount alike": _both_units}
"""What only stands out from its surroundings."""

MINUTES_ONLY = frozenset({"missing minute block"})
DAILY_ONLY = frozenset({"stale copy of yesterday", "missing code", "missing session", "wrong code"})
"""Of a file with minutes of one code nothing is left of the last three."""


@dataclass(frozen=True)
class Faulty:
    """A batch with faults, and the cells that these touched."""

    bars: BarBatch
    cells: frozenset[Cell]


def inject(kind: str, clean: BarBatch, sessions: Sessions, seed: int, count: int = 50) -> Faulty:
    """Return `clean` with about `count` faults of a kind."""
    rows = Rows.of(clean, sessions, seed)
    (KINDS | SOFT)[kind](rows, count)
    return Faulty(rows.bars(), frozenset(rows.cells))


@dataclass(frozen=True)
class Alarm:
    """One thing that was said, and the cells that it may be about: it is false when none of them is wrong."""

    rule: str
    cells: tuple[Cell, ...]


def examine(
    clean: BarBatch,
    sent: BarBatch,
    sessions: Sessions,
    listings: Listings | None = None,
    daily: BarBatch | None = None,
    rules: RuleSet = DEFAULT_RULES,
) -> list[Alarm]:
    """Return what is said of `sent`, an answer to a call for every cell that `clean` has."""
    table = clean.table
    days = table["session"].to_numpy().astype("datetime64[D]")
    codes = tuple(clean.codes())
    wanted = _cells_of(clean, codes)
    request = FetchRequest(clean.series, codes, days.min().item(), days.max().item(), wanted, 1)
    checked = validate(sent, sessions=sessions, asked=request, newest=days.max().item(), listings=listings, rules=rules)
    alarms = [Alarm(rule, (cell,)) for rule, rows in checked.hits.items() for cell in _cells(sent, rows)]
    accepted = checked.accepted
    subject = Subject.NEIGHBOURS if clean.series.frequency is Frequency.DAY else Subject.SESSION
    applied = rules.of(clean.series, subject)
    if subject is Subject.NEIGHBOURS:
        second = inspect_neighbours(accepted, BarBatch.empty(clean.series), sessions, applied)
    else:
        second = inspect_sessions(accepted, daily or BarBatch.empty(), applied)
    numbers = sessions.astype("datetime64[D]").astype(np.int64)
    for rule, rows in second.hits.items():
        for code, day in _cells(accepted, rows):
            before = int(numbers[np.searchsorted(numbers, day) - 1])
            both = rule in ("reference_step", "stale_copy")
            alarms.append(Alarm(rule, ((code, day), (code, before)) if both else ((code, day),)))
    missing = request.unanswered(accepted)
    epoch = missing.session.astype("datetime64[D]").astype(np.int64).tolist()
    alarms += [Alarm("missing", ((missing.codes[i], d),)) for i, d in zip(missing.index.tolist(), epoch, strict=True)]
    return alarms


def _cells_of(bars: BarBatch, codes: tuple[str, ...]) -> Cells:
    pairs = sorted(set(zip(bars.table["code"].to_pylist(), bars.table["session"].to_pylist(), strict=True)))
    place = {code: number for number, code in enumerate(codes)}
    days = np.array([day for _, day in pairs], "datetime64[D]")
    return Cells(codes, np.array([place[code] for code, _ in pairs], np.int64), days)


def _cells(bars: BarBatch, rows: np.ndarray) -> list[Cell]:
    table = bars.table.take(pa.array(rows)).combine_chunks()
    days = table["session"].cast(pa.int32()).to_pylist()
    return list(zip(table["code"].to_pylist(), days, strict=True))


@dataclass(frozen=True)
class Score:
    """How much of the faults was found, and how much of what was said was true."""

    kind: str
    faults: int
    found: int
    alarms: int
    true: int

    @property
    def recall(self) -> float:
        """Share of the faults that something was said about."""
        return self.found / self.faults if self.faults else 1.0


def score(kind: str, faulty: Faulty, alarms: list[Alarm]) -> Score:
    """Hold what was said against what was done."""
    told = {cell for alarm in alarms for cell in alarm.cells}
    true = sum(any(cell in faulty.cells for cell in alarm.cells) for alarm in alarms)
    return Score(kind, len(faulty.cells), len(faulty.cells & told), len(alarms), true)


__all__ = ["KINDS", "SOFT", "Alarm", "Faulty", "Score", "examine", "inject", "score"]
