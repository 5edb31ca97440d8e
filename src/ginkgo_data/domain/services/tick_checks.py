# Upstream: domain.services.ticks
# Downstream: domain.model, domain.services.{rejecting, rule_set, rules}, numpy, pyarrow
# Role: The ticks of one answer against what they must be, and the day's list that is made of them
"""Checks of ticks: a row that can be no trade of that code and session is rejected, the others keep their places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.coverage import Flags
from ginkgo_data.domain.model.fetch import FetchRequest, Places
from ginkgo_data.domain.model.series import Dataset
from ginkgo_data.domain.model.ticks import TickBatch, TickDay, TickSide
from ginkgo_data.domain.services.rejecting import Hit, Sifted, sift
from ginkgo_data.domain.services.rule_set import RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES

_SIDES = tuple(side.value for side in TickSide)
_LARGEST = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class CheckedDay:
    """The list that stays, and what became of the other rows."""

    day: TickDay
    sifted: Sifted


def check_ticks(
    ticks: TickBatch,
    asked: FetchRequest,
    unread: int,
    places: Places | None = None,
    rules: RuleSet = DEFAULT_RULES,
) -> CheckedDay:
    """Return the list of the one code and session of `asked`; `unread` rows could not even be read as rows.

    Rejected are rows of another code or day, a time that is null or on another day, a place that is null or that
    a row before has, a price that is no finite number above 0, a volume that is no whole number of at least 0, and
    a side that nobody knows. A day with a rejected or an unread row is not whole.
    """
    codes = asked.codes or ("",)
    table = ticks.table
    own = pc.and_(pc.equal(table["code"].cast(pa.string()), codes[0]), pc.equal(table["session"], asked.first))
    local = pc.local_timestamp(table["timestamp"]).cast(pa.date32())
    price, volume = table["price"].to_numpy(), table["volume"].to_numpy()
    with np.errstate(invalid="ignore"):
        no_price = ~(np.isfinite(price) & (price > 0))
        no_volume = ~(np.isfinite(volume) & (volume >= 0) & (volume < _LARGEST) & (np.floor(volume) == volume))
    hits = [
        Hit("outside_call", "session", ~_true(own)),
        Hit("not_in_session", "timestamp", ~_true(pc.equal(local, asked.first))),
        Hit("duplicate_key", "seq", _repeated(table["seq"])),
        Hit("price_not_positive", "price", no_price),
        Hit("volume_not_whole", "volume", no_volume),
        Hit("unknown_side", "side", ~_true(pc.is_in(table["side"].cast(pa.string()), pa.array(_SIDES, pa.string())))),
    ]
    sifted = sift(Dataset.TICKS, table, hits, rules, places)
    kept = ticks if sifted.kept.all() else TickBatch(table.filter(pa.array(sifted.kept)))
    whole = len(kept) == len(ticks) and not unread
    return CheckedDay(TickDay(codes[0], asked.first, asked.version, kept, whole), sifted)


def _true(flags: pa.ChunkedArray) -> Flags:
    values: Flags = pc.fill_null(flags, False).to_numpy()
    return values


def _repeated(column: pa.ChunkedArray) -> Flags:
    """Mark the places that are null or that an earlier row has."""
    places = pc.fill_null(column.cast(pa.int64()), -1).to_numpy()
    repeated = np.ones(len(places), np.bool_)
    repeated[np.unique(places, return_index=True)[1]] = False
    marked: Flags = repeated | (places < 0)
    return marked
