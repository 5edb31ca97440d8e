# Upstream: adapters.clickhouse
# Downstream: adapters.clickhouse, domain.model.{adjustments, bars, errors}, numpy, pyarrow
# Role: Adjustment factors between the domain's numbers and Ginkgo's `adjustfactor`: millionths, derived columns
"""Conversions of adjustment factors in the ginkgo layout, and what that table cannot hold.

Inside, a row has its numbers as integers of millionths. `fore` and `back` are what upstream's readers multiply a raw
price by: factor / newest factor and factor / first factor of all the table holds of the code, each rounded to the
nearest millionth. They follow from the factors alone, so that everyone who derives them finds the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.clickhouse.adjustment_repository import check_factors
from ginkgo_data.adapters.clickhouse.columns import TOLERANCE
from ginkgo_data.adapters.clickhouse.ginkgo_merge import Form
from ginkgo_data.adapters.clickhouse.ginkgo_units import (
    common_columns,
    days_of,
    decimals,
    require,
    source_names,
    source_numbers,
    table_seconds,
    wall_clock,
)
from ginkgo_data.adapters.clickhouse.uuid7 import LATEST, Flags, Longs
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.bars import code_positions
from ginkgo_data.domain.model.errors import SchemaMismatch

WHAT = "adjustment factors"
SCALE = 1_000_000
LARGEST = 2**53
"""Millionths: above this, float64 itself does not hold them. The column could hold 10^16."""
_PLACES = 6

COLUMNS = {"factor": "adjustfactor", "fore": "foreadjustfactor", "back": "backadjustfactor"}
"""Ginkgo's names."""

ROW_COLUMNS = (
    "code, toInt64(toUnixTimestamp(timestamp)) AS second, "
    + "".join(f"toInt64(toDecimal128({column}, 6) * {SCALE}) AS {name}, " for name, column in COLUMNS.items())
    + "uuid, source"
)
"""What a SELECT asks for to get rows as this module has them; Decimal64 would overflow."""

ROW_SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        *((name, pa.int64()) for name in ("second", *COLUMNS)),
        ("uuid", pa.string()),
        ("source", pa.int8()),
    ]
)

FACTORS = Form(pa.schema([field for field in ROW_SCHEMA if field.name not in ("fore", "back")]), ("factor",))
"""What a factor is that was fetched: `fore` and `back` are no news."""


def misfits(factors: AdjustmentBatch) -> Flags:
    """Return which factors the table cannot hold; null, NaN, infinity and what is not above 0 are not looked at."""
    values = factors.table["factor"].to_numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.rint(values * SCALE)
        unfit = (np.abs(values - units / SCALE) > TOLERANCE) | (units < 1) | (units >= LARGEST)
        flags: Flags = unfit & np.isfinite(values) & (values > 0)
    return flags


def rows_of(factors: AdjustmentBatch, zone: str) -> pa.Table:
    """Return `factors` as rows: code, second, factor, source, version, day; `zone` is the server's.

    Raises `SchemaMismatch` naming the column where the table cannot hold a value.
    """
    check_factors(factors)
    table = factors.table
    fault = "has more than six decimals, or is beyond 9,007,199,254, which Ginkgo's table cannot hold"
    require(WHAT, table, "factor", ~misfits(factors), fault, "session")
    versions = table["version"].to_numpy()
    require(WHAT, table, "version", versions <= LATEST, "is beyond the year 10889", "session")
    seconds = table_seconds(WHAT, table, "session", table["session"].cast(pa.timestamp("ms")), zone)
    return pa.table(
        {
            "code": table["code"].cast(pa.string()),
            "second": seconds,
            "factor": np.rint(table["factor"].to_numpy() * SCALE).astype(np.int64),
            "source": source_numbers(table["source"]),
            "version": versions.astype(np.int64),
            "day": days_of(table["session"]),
        }
    )


def table_columns(rows: pa.Table) -> pa.Table:
    """Return rows (`ROW_SCHEMA`) as columns of the table itself."""
    columns = common_columns(rows)
    columns |= {column: decimals(rows[name], _PLACES) for name, column in COLUMNS.items()}
    return pa.table(columns)


def factors_of(rows: pa.Table, versions: Longs, zone: str) -> AdjustmentBatch:
    """Return rows as factors, `zone` being the server's."""
    columns: dict[str, Any] = {
        "code": rows["code"],
        "session": pa.array(days_of(wall_clock(rows["second"], zone)).astype("datetime64[D]")),
        "factor": rows["factor"].to_numpy() / SCALE,
        "source": source_names(rows["source"]),
        "version": versions.astype(np.uint64),
    }
    return AdjustmentBatch.of(pa.table(columns))


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """The first and the newest factor of codes (ascending), in millionths; 0 where a code has none."""

    codes: list[str]
    first: Longs
    newest: Longs

    @classmethod
    def of(cls, codes: list[str], rows: pa.Table) -> Ends:
        """Return the ends among `rows` (code, second, factor); of rows of one second the last counts."""
        position, second, factor = code_positions(rows["code"], codes), rows["second"].to_numpy(), _factor(rows)
        order = np.lexsort((np.arange(len(second)), second, position))
        position, second, factor = position[order], second[order], factor[order]
        counts = np.append((position[1:] != position[:-1]) | (second[1:] != second[:-1]), len(order) > 0)
        position, factor = position[counts[: len(order)]], factor[counts[: len(order)]]
        first, newest = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
        first[position[::-1]] = factor[::-1]
        newest[position] = factor
        return cls(codes, first, newest)

    def shares(self, rows: pa.Table) -> tuple[Longs, Longs]:
        """Return `fore` and `back` of `rows` (code, factor), -1 where the code has no ends."""
        position, factor = code_positions(rows["code"], self.codes), _factor(rows)
        return _share(factor, self.newest[position]), _share(factor, self.first[position])

    def with_derived(self, rows: pa.Table) -> pa.Table:
        """Return rows (code, factor and what is not derived) with `fore` and `back`.

        Raises `SchemaMismatch` where one of them is less than a millionth, or too large for its column.
        """
        fore, back = self.shares(rows)
        for name, values, end in (("fore", fore, "newest"), ("back", back, "first")):
            unfit = (values < 1) | (values >= LARGEST)
            if unfit.any():
                row = rows.slice(int(np.flatnonzero(unfit)[0]), 1)
                raise SchemaMismatch(
                    f"{WHAT}: column {COLUMNS[name]!r} of {row['code'][0]} cannot hold its factor "
                    f"{row['factor'][0].as_py() / SCALE} / its {end} factor in six decimals"
                )
        columns = {name: rows[name] for name in FACTORS.schema.names}
        return pa.table({**columns, "fore": fore, "back": back}).select(ROW_SCHEMA.names).cast(ROW_SCHEMA)


def _factor(rows: pa.Table) -> Longs:
    factor: Longs = rows["factor"].to_numpy()
    return factor


def _share(factor: Longs, end: Longs) -> Longs:
    known = end > 0
    shares: Longs = np.minimum(np.rint(factor / np.where(known, end, 1) * SCALE), LARGEST).astype(np.int64)
    return np.where(known, shares, -1)
