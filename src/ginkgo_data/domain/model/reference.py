# Upstream: adapters, domain.services, entrypoints.sample, ports.{reference_repository, reference_source}
# Downstream: domain.model.bars, numpy, pyarrow
# Role: Reference data: securities with their listing windows, and the days of an exchange
"""Securities and trading days as Arrow columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import Sessions, cast_table, code_positions, distinct

FAR_FUTURE = np.datetime64("2199-12-31", "D")

SECURITY_SCHEMA = pa.schema(
    [
        pa.field("code", pa.string()),
        pa.field("name", pa.string()),
        pa.field("market", pa.string()),
        pa.field("industry", pa.string()),
        pa.field("list_date", pa.date32()),
        pa.field("delist_date", pa.date32()),
        pa.field("status", pa.string()),
        pa.field("source", pa.string()),
        pa.field("version", pa.uint64()),
    ]
)
"""`market` is the vendor's board word (主板, 创业板 …) or empty; `delist_date` is null while listed.

`status`: ``L`` listed, ``D`` delisted, ``P`` paused, or ``O`` observed: the window is only the first session seen in
an archive, no exchange said so.
"""

SESSION_DAY_SCHEMA = pa.schema(
    [
        pa.field("exchange", pa.string()),
        pa.field("day", pa.date32()),
        pa.field("is_open", pa.bool_()),
        pa.field("source", pa.string()),
        pa.field("version", pa.uint64()),
    ]
)
"""Every calendar day that a vendor spoke of, open or not: the last `day` is the known horizon."""


@dataclass(frozen=True, slots=True, eq=False)
class Securities:
    """Known securities, one row per code: a `pyarrow.Table` in `SECURITY_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> Securities:
        """Cast `table` to `SECURITY_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("securities", table, SECURITY_SCHEMA))

    @classmethod
    def empty(cls) -> Securities:
        """Return no securities."""
        return cls(SECURITY_SCHEMA.empty_table())

    @classmethod
    def concat(cls, parts: Iterable[Securities]) -> Securities:
        """Return the rows of `parts`, in order."""
        tables = [part.table for part in parts]
        return cls(pa.concat_tables(tables)) if tables else cls.empty()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def codes(self) -> list[str]:
        """Return the codes, ascending."""
        return sorted(distinct(self.table["code"]))

    def windows(self, codes: Sequence[str]) -> tuple[Sessions, Sessions]:
        """Return (first, last) day of trading per code of `codes`.

        A code that is unknown or has no list date gets an empty window (first after last). The delisting
        date itself is not a day of trading: the last one is the day before.
        """
        first = np.full(len(codes), FAR_FUTURE, "datetime64[D]")
        last = np.full(len(codes), FAR_FUTURE - 1, "datetime64[D]")
        position = code_positions(self.table["code"], codes)
        known = position >= 0
        listed = self.table["list_date"].to_numpy().astype("datetime64[D]")[known]
        delisted = self.table["delist_date"].to_numpy().astype("datetime64[D]")[known]
        rows = position[known]
        first[rows] = np.where(np.isnat(listed), FAR_FUTURE, listed)
        last[rows] = np.where(np.isnat(delisted), FAR_FUTURE, delisted) - 1
        return first, last


@dataclass(frozen=True, slots=True, eq=False)
class SessionDays:
    """Days of exchanges and whether they were open: a `pyarrow.Table` in `SESSION_DAY_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> SessionDays:
        """Cast `table` to `SESSION_DAY_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("trading sessions", table, SESSION_DAY_SCHEMA))

    @classmethod
    def empty(cls) -> SessionDays:
        """Return no days."""
        return cls(SESSION_DAY_SCHEMA.empty_table())

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def open_days(self) -> Sessions:
        """Return the open days, ascending and unique."""
        opened = self.table.filter(self.table["is_open"])["day"].to_numpy()
        return np.unique(opened.astype("datetime64[D]"))

    def days(self) -> Sessions:
        """Return all days spoken of, ascending and unique."""
        return np.unique(self.table["day"].to_numpy().astype("datetime64[D]"))
