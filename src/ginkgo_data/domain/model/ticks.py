# Upstream: adapters, domain.services, ports.{tick_repository, tick_source}
# Downstream: domain.model.{bars, errors}, pyarrow
# Role: Ticks as Arrow columns, and the list of one code's session that is replaced as a whole
"""Ticks: trades in the order of the vendor's list of a day.

A tick has no natural key (two trades of one second may be alike), so it is known by its place in the list, and
the list of a (code, session) is only ever stored, replaced and read as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import CODE, TIMESTAMP, cast_table
from ginkgo_data.domain.model.errors import SchemaMismatch


class TickSide(Enum):
    """Who took the initiative."""

    NEUTRAL = "neutral"
    """Neither side, or not said: the auctions."""
    BUY = "buy"
    SELL = "sell"


TICK_SCHEMA = pa.schema(
    [
        pa.field("code", CODE),
        pa.field("session", pa.date32()),
        pa.field("seq", pa.uint32()),
        pa.field("timestamp", TIMESTAMP),
        pa.field("price", pa.float64()),
        pa.field("volume", pa.float64()),
        pa.field("side", CODE),
        pa.field("source", CODE),
        pa.field("version", pa.uint64()),
    ]
)
"""`seq` is the place in the vendor's list of the day, from 0; `timestamp` is zoned Asia/Shanghai.

`price` is in CNY, `volume` in whole shares held as float64 (so that an absurd value survives until it is named),
`side` a `TickSide` value.
"""


@dataclass(frozen=True, slots=True, eq=False)
class TickBatch:
    """Ticks, by code, session and place: a `pyarrow.Table` in `TICK_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> TickBatch:
        """Cast `table` to `TICK_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("ticks", table, TICK_SCHEMA))

    @classmethod
    def empty(cls) -> TickBatch:
        """Return no ticks."""
        return cls(TICK_SCHEMA.empty_table())

    @classmethod
    def concat(cls, parts: Iterable[TickBatch]) -> TickBatch:
        """Return the rows of `parts`, in order."""
        tables = [part.table for part in parts]
        return cls(pa.concat_tables(tables).unify_dictionaries()) if tables else cls.empty()

    def __len__(self) -> int:
        return int(self.table.num_rows)


@dataclass(frozen=True, slots=True, eq=False)
class TickDay:
    """The list of one code's session, as one answer gave it: all of it has `version`."""

    code: str
    session: date
    version: int
    ticks: TickBatch
    """May have gaps in `seq`, where a row was rejected; may be empty."""
    whole: bool = True
    """Whether this is all there is, so that the session counts as held; not so where a row was rejected."""

    def __post_init__(self) -> None:
        """Raise `SchemaMismatch` for a tick of another code, session or version, or a place there twice."""
        table = self.ticks.table
        for name, wanted in (("code", self.code), ("session", self.session), ("version", self.version)):
            plain = table[name].cast(pa.string()) if name == "code" else table[name]
            if not pc.all(pc.fill_null(pc.equal(plain, pa.scalar(wanted, plain.type)), False), min_count=0).as_py():
                raise SchemaMismatch(f"ticks of {self.code} {self.session}: {name} is not {wanted} in every row")
        if pc.count_distinct(table["seq"]).as_py() != len(self):
            raise SchemaMismatch(f"ticks of {self.code} {self.session}: a place is null, or there twice")

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def key(self) -> tuple[str, date]:
        """Code and session."""
        return self.code, self.session
