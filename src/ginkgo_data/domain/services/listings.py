# Upstream: domain.services
# Downstream: domain.model.{price_limits, reference}, numpy
# Role: What securities say of codes, as tables that rules look codes up in
"""Listing facts by code: board, list date, delisting, special treatment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from ginkgo_data.domain.model.price_limits import Board, board_of, leaving, treated
from ginkgo_data.domain.model.reference import Securities

UNKNOWN_DAY: Final = np.iinfo(np.int32).min
"""A day that nobody told."""
NEVER: Final = np.iinfo(np.int32).max

_BOARDS = {board: number for number, board in enumerate(Board)}
_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of one code; days since 1970-01-01."""

    listed: int = UNKNOWN_DAY
    """Its first session, or the first that an archive has."""
    delisted: int = NEVER
    treated_from: int = NEVER
    """Day from which on its name is known to say that it is under special treatment: when it was read."""
    leaving: bool = False


NOTHING: Final = Listing()


@dataclass(frozen=True, slots=True, eq=False)
class ListingTables:
    """Facts in the order of some codes; one more entry, of nothing, is for rows without a code."""

    board: Longs
    """Position of the board in `Board`, -1 for what is no share."""
    listed: Longs
    delisted: Longs
    treated_from: Longs
    leaving: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Listings:
    """Listing facts of many codes."""

    by_code: Mapping[str, Listing] = field(default_factory=dict)

    @classmethod
    def of(cls, securities: Securities) -> Listings:
        """Read what `securities` say.

        A name is that of the day on which it was read, the day of the row's version: what it says of special
        treatment holds from there on, and nothing is said of the time before.
        """
        table = securities.table
        columns = (table[name].to_pylist() for name in ("code", "name", "list_date", "delist_date", "version"))
        found = {}
        for code, name, listed, delisted, version in zip(*columns, strict=True):
            read = min((version or 0) // _DAY_US, NEVER)
            found[code] = Listing(
                UNKNOWN_DAY if listed is None else _day(listed),
                NEVER if delisted is None else _day(delisted),
                read if treated(name or "") else NEVER,
                leaving(name or ""),
            )
        return cls(found)

    def tables(self, codes: Sequence[str]) -> ListingTables:
        """Return the facts of `codes`; of an unknown code there are none but its board."""
        known = [*(self.by_code.get(code, NOTHING) for code in codes), NOTHING]
        boards = [board_of(code) for code in codes]
        return ListingTables(
            np.array([*(-1 if board is None else _BOARDS[board] for board in boards), -1], np.int64),
            np.array([listing.listed for listing in known], np.int64),
            np.array([listing.delisted for listing in known], np.int64),
            np.array([listing.treated_from for listing in known], np.int64),
            np.array([listing.leaving for listing in known], np.bool_),
        )


def _day(day: date) -> int:
    return (day - _EPOCH).days
