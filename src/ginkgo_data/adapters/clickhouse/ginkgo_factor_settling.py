# Upstream: adapters.clickhouse.{ginkgo_adjustment_repository, ginkgo_sweep}
# Downstream: adapters.clickhouse, domain.model.{bars, errors}, numpy, pyarrow
# Role: Makes whole histories of factors fit: derived columns of every row, one row per key
"""Storing factors with the columns that follow from them.

When a code's first or newest factor changes, `fore` or `back` of all its rows do. Those rows are written again with
the version they have and a greater counter, in the insert that brings the new factor, so that a reader never finds
the one without the other; then the rows that lost are deleted by name. Whoever inserted last looks again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.clickhouse.ginkgo_factor_rows import FACTORS, Ends
from ginkgo_data.adapters.clickhouse.ginkgo_factor_table import GinkgoFactorTable
from ginkgo_data.adapters.clickhouse.ginkgo_merge import copies, rank
from ginkgo_data.adapters.clickhouse.ginkgo_table import codes_in
from ginkgo_data.adapters.clickhouse.sql import of_codes
from ginkgo_data.adapters.clickhouse.uuid7 import Longs
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.domain.model.errors import SchemaMismatch

log = logging.getLogger(__name__)

TURNS = 6
"""Rounds of compare and insert after which a history that will not settle is left: while others write it, they do
so. Two do."""

ROWS_AT_ONCE = 200_000
"""Rows of histories that are in memory together, a single code's aside."""


class FactorSettling:
    """Stores rows and settles histories. Safe for several threads and workers."""

    def __init__(self, table: GinkgoFactorTable) -> None:
        self._table = table

    def turn(
        self, codes: list[str], fresh: pa.Table, zone: str, doubled: Mapping[str, int] | None = None
    ) -> tuple[int, int, list[str]]:
        """Insert `fresh` (of `FACTORS`, with ids) and what of the `codes` no longer fits; where nothing is, delete.

        Return inserts, rows deleted, and the codes whose whole history was looked at: those of which a derived
        column does not fit, and those named by `doubled` (with their rows), which have keys with several rows. It is
        settled when a turn has no insert. Raises `StoreUnavailable`, or `SchemaMismatch` as `Ends.with_derived`.
        """
        edges = self._table.edges(codes, zone)
        known = pa.concat_tables([part.select(["code", "second", "factor"]) for part in (edges, fresh)])
        ends = Ends.of(codes, known)
        rows = {**self._table.misfits(codes, ends, zone), **(doubled or {})}
        looked = sorted(rows)
        alone = ends.with_derived(fresh.filter(pa.array(code_positions(fresh["code"], looked) < 0)))
        inserts = deleted = 0
        if alone.num_rows:
            self._table.insert(alone)
            inserts += 1
        for pack in _packs(rows):
            part = fresh.filter(pa.array(code_positions(fresh["code"], pack) >= 0))
            stored = self._table.rows(of_codes(pack), zone)
            new, losers = _settled(stored, part)
            if new.num_rows:
                self._table.insert(new)
                inserts += 1
            else:
                deleted += self._table.delete(stored.take(pa.array(losers)))
        return inserts, deleted, looked

    def sweep(self, codes_at_once: int) -> int:
        """Settle what is stored; return the rows deleted. Raises `StoreUnavailable`.

        Of each key the greatest row stays, whoever wrote it. Columns are derived for histories that have a row of ours:
        of others they are not ours to change. A history that cannot be settled is told in the log, and left alone.
        """
        zone, codes, deleted = self._table.zone(), self._table.codes(), 0
        for start in range(0, len(codes), codes_at_once):
            part = codes[start : start + codes_at_once]
            try:
                deleted += self._sweep(part, zone)
            except SchemaMismatch as error:
                log.warning("table adjustfactor: some of %s … %s is left as it is: %s", part[0], part[-1], error)
        return deleted

    def _sweep(self, codes: list[str], zone: str) -> int:
        (some,) = of_codes(codes)
        deleted = 0
        for _ in range(TURNS):
            doubled = self._table.doubled(some, zone)
            inserts, gone, _ = self.turn(self._table.ours(some), FACTORS.schema.empty_table(), zone, doubled)
            deleted += gone
            if not inserts:
                break
        return deleted


def _settled(stored: pa.Table, fresh: pa.Table) -> tuple[pa.Table, Longs]:
    """Return the rows to insert, given all that is stored of some codes, and the positions of those that lost.

    Inserted are `fresh` ones, which take the place of theirs, and with greater ids those that count and do not fit or
    are stored twice under one id.
    """
    codes = sorted({*codes_in(stored), *codes_in(fresh)})
    ranked = rank(_keys(stored, codes), stored["uuid"])
    winners = stored.take(pa.array(ranked.winner))
    ends = Ends.of(codes, pa.concat_tables([rows.select(["code", "second", "factor"]) for rows in (winners, fresh)]))
    fore, back = ends.shares(winners)
    again = (fore != winners["fore"].to_numpy()) | (back != winners["back"].to_numpy())
    again[ranked.twins] = True
    again &= ~np.isin(ranked.keys, _keys(fresh, codes))
    copied = copies(stored, ranked.winner[again]).select(FACTORS.schema.names)
    return ends.with_derived(pa.concat_tables([fresh, copied])), ranked.losers


def _keys(rows: pa.Table, codes: list[str]) -> Longs:
    keys: Longs = (code_positions(rows["code"], codes) << 32) | rows["second"].to_numpy()
    return keys


def _packs(rows: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield codes, ascending, in groups whose `rows` fit into memory."""
    pack: list[str] = []
    size = 0
    for code, count in sorted(rows.items()):
        if pack and size + count > ROWS_AT_ONCE:
            yield pack
            pack, size = [], 0
        pack.append(code)
        size += count
    if pack:
        yield pack
