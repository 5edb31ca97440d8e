# Upstream: entrypoints.container
# Downstream: adapters.clickhouse, domain.model.{adjustments, bars, coverage, errors}, ports.bar_repository, pyarrow
# Role: Adjustment factors in Ginkgo's own table: insert, read back, delete what lost, columns derived for its readers
"""Stored adjustment factors in the ginkgo layout: what GTM's own readers multiply prices by.

A write follows the steps of bars (`ginkgo_bar_repository`). Of factors found unchanged the moment of the newer fetch is
kept in our own table `adjustment_factors`, where the native layout has its factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.clickhouse.adjustment_repository import ClickHouseAdjustmentRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_factor_rows import FACTORS, SCALE, Ends, factors_of, rows_of
from ginkgo_data.adapters.clickhouse.ginkgo_factor_settling import TURNS, FactorSettling
from ginkgo_data.adapters.clickhouse.ginkgo_factor_table import GinkgoFactorTable
from ginkgo_data.adapters.clickhouse.ginkgo_held import held_days
from ginkgo_data.adapters.clickhouse.ginkgo_merge import Merge, latest
from ginkgo_data.adapters.clickhouse.ginkgo_table import at_midnight, codes_in, day_in, of_window, spans_of
from ginkgo_data.adapters.clickhouse.sql import FINAL_SETTINGS, of_codes, of_sessions
from ginkgo_data.adapters.clickhouse.uuid7 import read_ids
from ginkgo_data.domain.model.adjustments import ENDS_SCHEMA, AdjustmentBatch, FactorHistory
from ginkgo_data.domain.model.bars import Sessions, code_positions
from ginkgo_data.domain.model.coverage import Held
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.ports.bar_repository import WriteReceipt

ROWS_PER_INSERT = 1_000_000
"""Rows that the engine takes as one block: of a block nothing or all is stored."""

_NO_WITHDRAWALS = pa.table(
    {"code": pa.array([], pa.string()), "second": pa.array([], pa.int64()), "version": pa.array([], pa.uint64())}
)
_NO_MARKS = _NO_WITHDRAWALS.rename_columns(["code", "day", "version"])


class GinkgoAdjustmentRepository:
    """Factors in Ginkgo's table `adjustfactor`, marks in `adjustment_factors`. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client
        self._table = GinkgoFactorTable(client)
        self._settling = FactorSettling(self._table)
        self._marks = ClickHouseAdjustmentRepository(client)

    def write(self, factors: AdjustmentBatch) -> WriteReceipt:
        """Store what is missing or has changed; the receipt counts only that, and not what is derived anew.

        All rows are checked before any is sent: `SchemaMismatch` names a factor that Ginkgo's table cannot hold.
        """
        if not len(factors):
            return WriteReceipt()
        zone = self._table.zone()
        rows = rows_of(factors, zone)
        wanted, origin = latest(rows, codes_in(rows))
        receipt = WriteReceipt()
        for start in range(0, wanted.num_rows, ROWS_PER_INSERT):
            part = AdjustmentBatch(factors.table.take(origin[start : start + ROWS_PER_INSERT]))
            receipt += self._merge(wanted.slice(start, ROWS_PER_INSERT), part, zone)
        return receipt

    def read(self, codes: Sequence[str] | None, first: date, last: date) -> FactorHistory:
        """Return the factors of sessions in [first, last], by code and session: of several rows of a key the greatest.

        `fore` and `back` are worked out, as in every layout. The version of another program's row is 0.
        """
        zone = self._table.zone()
        window = of_window(first, last, zone)
        rows = self._table.winners([f"{some} AND {window}" for some in of_codes(codes)], zone)
        names = codes_in(rows)
        ends = Ends.of(names, self._table.edges(names, zone))
        related = pa.table({"code": names, "first": ends.first / SCALE, "newest": ends.newest / SCALE})
        batch = factors_of(rows, read_ids(rows["uuid"])[0], zone)
        return FactorHistory.of(batch, related.cast(ENDS_SCHEMA))

    def held(self, codes: Sequence[str] | None, first: date, last: date, since: int | None = None) -> Held:
        """Return the sessions with one row, per code; with `since`, one of that version, or found unchanged by it."""
        zone = self._table.zone()
        held: dict[str, Sessions] = {}
        for some in of_codes(codes):
            where = f"{some} AND {of_window(first, last, zone)}"
            held.update(held_days(self._table, where, zone, since, self._marked(some, first, last, since)))
        return held

    def first_held(self, codes: Sequence[str]) -> Mapping[str, date]:
        """Return the earliest session with a row, per code that has any."""
        zone = self._table.zone()
        earliest: dict[str, date] = {}
        for some in of_codes(codes):
            found = self._table.query(
                f"SELECT code, min({day_in(zone)}) AS day FROM {self._table.name} WHERE {some} AND {at_midnight(zone)} "
                "GROUP BY code"
            )
            days = found["day"].cast(pa.int32()).cast(pa.date32()).to_pylist()
            earliest.update(zip(found["code"].to_pylist(), days, strict=True))
        return earliest

    def _merge(self, wanted: pa.Table, factors: AdjustmentBatch, zone: str) -> WriteReceipt:
        """Do the steps for rows of one insert; `factors` are the same, row by row."""
        codes = codes_in(wanted)
        merge = Merge(wanted, codes, FACTORS)
        receipt = WriteReceipt()
        for _ in range(TURNS):
            held = self._table.rows(spans_of(wanted), zone).select(FACTORS.schema.names)
            marks = self._marks_of(factors, codes) if held.num_rows else _NO_MARKS
            todo = merge.todo(held, marks, _NO_WITHDRAWALS)
            inserts, _, looked = self._settling.turn(codes, todo.insert, zone)
            receipt += WriteReceipt(todo.insert.num_rows, inserts)
            if todo.unchanged.any():
                self._marks.write(AdjustmentBatch(factors.table.filter(pa.array(todo.unchanged))))
            elif not inserts:
                rest = pa.array(code_positions(todo.losers["code"], looked) < 0)
                self._table.delete(todo.losers.filter(rest))
                return receipt
        raise StoreUnavailable(f"adjustment factors: rows were acknowledged {TURNS} times and do not read back")

    def _marks_of(self, factors: AdjustmentBatch, codes: list[str]) -> pa.Table:
        ends = pc.min_max(factors.table["session"]).as_py()
        return pa.concat_tables([self._marked(some, ends["min"], ends["max"], 0) for some in of_codes(codes)])

    def _marked(self, codes: str, first: date, last: date, since: int | None) -> pa.Table:
        """Return (code, day, version) of factors found unchanged, at `since` or later; `codes` is a condition."""
        if since is None:
            return _NO_MARKS
        found = self._client.query(
            "SELECT toString(code) AS name, toInt64(toInt32(session)) AS day, version FROM adjustment_factors FINAL "
            f"WHERE {codes} AND {of_sessions(first, last)} AND version >= {since} {FINAL_SETTINGS}"
        )
        return found.rename_columns(["code", "day", "version"])
