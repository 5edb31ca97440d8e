# Upstream: domain.services.{agreement, limit_checks, listings}, entrypoints.rule_words
# Downstream: none
# Role: The dated price limits of the exchanges of mainland China, as data with their sources
"""How far a price may move in a session, by board, session and listing age.

The limit price is the reference price (the vendor's ``pre_close``, ex-right) times (1 ± percent / 100), rounded half
up to the tick and never closer than one tick. Sources are those that `field-facts` 3.3 collected (rules of the
exchanges, each with its day); what a row calls "own knowledge" was not looked up. Before the first day of a row nothing
is known, and nothing is judged: neither are funds, bonds and indices, whose limits differ by what they hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache


class Board(Enum):
    """Where a share is listed, by the first digits of its code."""

    SSE_MAIN = r"60[0135]\d{3}\.SH"
    SSE_STAR = r"68[89]\d{3}\.SH"
    SSE_B = r"900\d{3}\.SH"
    SZSE_MAIN = r"00[0-4]\d{3}\.SZ"
    SZSE_CHINEXT = r"30[0-2]\d{3}\.SZ"
    SZSE_B = r"20[01]\d{3}\.SZ"
    BSE = r"(?:43|83|87|88|92)\d{4}\.BJ"

    @property
    def tick(self) -> float:
        """The least difference of two prices, in the currency of the board."""
        return 0.001 if self is Board.SSE_B else 0.01


_PATTERNS = tuple((board, re.compile(board.value, re.ASCII)) for board in Board)


@lru_cache(maxsize=16_384)
def board_of(code: str) -> Board | None:
    """Return the board of a share's code; None for what is no share."""
    return next((board for board, pattern in _PATTERNS if pattern.fullmatch(code)), None)


_MAIN = (Board.SSE_MAIN, Board.SZSE_MAIN)
_B = (Board.SSE_B, Board.SZSE_B)


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """From a session on, shares of some boards move by at most `percent`, under special treatment by `treated`."""

    boards: tuple[Board, ...]
    first: date
    percent: int
    treated: int
    source: str


DAILY_LIMITS = (
    DailyLimit(_MAIN, date(1996, 12, 16), 10, 10, "10 % from 1996-12-16"),
    DailyLimit(_B, date(1996, 12, 16), 10, 10, "10 % from 1996-12-16, B shares alike (own knowledge)"),
    DailyLimit(
        _MAIN,
        date(1998, 4, 22),
        10,
        5,
        "special treatment 5 %; its first day, on which special treatment began, is own knowledge",
    ),
    DailyLimit(_MAIN, date(2026, 7, 6), 10, 10, "special treatment 10 % from 2026-07-06 (notice of SSE, 2026-04-24)"),
    DailyLimit((Board.SZSE_CHINEXT,), date(2009, 10, 30), 10, 10, "10 % since ChiNext began (own knowledge)"),
    DailyLimit((Board.SZSE_CHINEXT,), date(2020, 8, 24), 20, 20, "20 % from 2020-08-24, special treatment too"),
    DailyLimit((Board.SSE_STAR,), date(2019, 7, 22), 20, 20, "20 % since STAR began on 2019-07-22"),
    DailyLimit((Board.BSE,), date(2021, 11, 15), 30, 30, "30 % since the Beijing exchange began on 2021-11-15"),
)
"""For a board the row with the latest `first` at or before the session counts."""


@dataclass(frozen=True, slots=True)
class FirstSessions:
    """For shares of some boards listed from a day on: the first `sessions` have no limit, or that of `up`, `down`."""

    boards: tuple[Board, ...]
    listed_from: date
    sessions: int
    source: str
    up: int | None = None
    """Percent above the issue price; None: no limit."""
    down: int | None = None


_LONG_AGO = date(1990, 12, 19)
FIRST_SESSIONS = (
    FirstSessions((Board.SSE_MAIN, *_B), _LONG_AGO, 1, "no limit on the first session (own knowledge)"),
    FirstSessions((Board.SZSE_MAIN, Board.SZSE_CHINEXT), _LONG_AGO, 1, "no limit on the first session (own knowledge)"),
    FirstSessions((Board.SSE_MAIN,), date(2013, 12, 13), 1, "+44 % / -36 % (SSE, 2013-12-13)", 44, 36),
    FirstSessions(
        (Board.SZSE_MAIN, Board.SZSE_CHINEXT), date(2014, 6, 13), 1, "+44 % / -36 % (SZSE, 2014-06-13)", 44, 36
    ),
    FirstSessions((Board.SZSE_CHINEXT,), date(2020, 8, 24), 5, "no limit on the first five (ChiNext, 2020-08-24)"),
    FirstSessions((Board.SSE_STAR,), _LONG_AGO, 5, "no limit on the first five (STAR, since it began)"),
    FirstSessions((Board.BSE,), _LONG_AGO, 1, "no limit on the first (Beijing exchange, since it began)"),
    FirstSessions(_MAIN, date(2023, 4, 10), 5, "no limit on the first five (full registration, 2023-04-10)"),
)
"""For a board the row with the latest `listed_from` at or before the list date counts."""

LEAVING_DAYS = 60
"""The first session of a delisting period has no limit (SSE, SZSE and STAR from 2020-12-31, Beijing from 2021-11-15).
Nobody tells which it is: nothing is judged so many days before a delisting, nor while the name says that it is near."""

_TREATED = re.compile(r"^(?:N|C|U|W|V|XD|XR|DR)?(?:S?\*ST|SST|ST)")
_LEAVING = "退"


def treated(name: str) -> bool:
    """Whether a security's name says that it is under special treatment (ST, *ST …)."""
    return _TREATED.match(name.replace(" ", "").upper()) is not None


def leaving(name: str) -> bool:
    """Whether a security's name says that it is in its delisting period."""
    return _LEAVING in name
