# Upstream: adapters.clickhouse.{ginkgo_adjustment_repository, ginkgo_factor_settling, ginkgo_sweep}
# Downstream: adapters.clickhouse, domain.model.bars, pyarrow
# Role: Statements on Ginkgo's table `adjustfactor`: rows, ends of histories, columns that no longer fit
"""The table `adjustfactor` as SQL sees it. A factor is of a session: rows at no midnight are none, and left alone."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_factor_rows import COLUMNS, ROW_COLUMNS, ROW_SCHEMA, Ends, table_columns
from ginkgo_data.adapters.clickhouse.ginkgo_merge import rank
from ginkgo_data.adapters.clickhouse.ginkgo_table import GinkgoTable, at_midnight
from ginkgo_data.adapters.clickhouse.sql import of_codes
from ginkgo_data.adapters.clickhouse.uuid7 import OURS
from ginkgo_data.domain.model.bars import code_positions

_VALUES = ", ".join(COLUMNS.values())


class GinkgoFactorTable(GinkgoTable):
    """Ginkgo's adjustment factors. Safe for several threads."""

    def __init__(self, client: ClickHouseClient) -> None:
        super().__init__(client, "adjustfactor", ROW_COLUMNS, ROW_SCHEMA)

    def rows(self, conditions: Iterable[str], zone: str) -> pa.Table:
        """Return the stored rows (`ROW_SCHEMA`) under any of `conditions`, duplicates included."""
        return self._select(f"({condition}) AND {at_midnight(zone)}" for condition in conditions)

    def winners(self, conditions: Iterable[str], zone: str) -> pa.Table:
        """Return the stored rows under any of `conditions`, of each key the greatest, by code and second."""
        rows = self.rows(conditions, zone)
        codes = sorted(set(rows["code"].unique().to_pylist()))
        keys = (code_positions(rows["code"], codes) << 32) | rows["second"].to_numpy()
        return rows.take(pa.array(rank(keys, rows["uuid"]).winner))

    def edges(self, codes: list[str], zone: str) -> pa.Table:
        """Return the first and the newest row of each code (ascending), by code and second."""
        return self.winners(
            [
                f"{some} AND (code, timestamp) IN (SELECT code, arrayJoin([min(timestamp), max(timestamp)]) "
                f"FROM {self.name} WHERE {some} AND {at_midnight(zone)} GROUP BY code)"
                for some in of_codes(codes)
            ],
            zone,
        )

    def misfits(self, codes: list[str], ends: Ends, zone: str) -> dict[str, int]:
        """Return how many rows the codes have of which a derived column does not fit `ends`."""
        parts = [
            self.query(
                f"SELECT code, {', '.join(_in_millionths(name) for name in COLUMNS)}, count() AS rows "
                f"FROM {self.name} WHERE {some} AND {at_midnight(zone)} GROUP BY code, {_VALUES}"
            )
            for some in of_codes(codes)
        ]
        if not parts:
            return {}
        groups = pa.concat_tables(parts)
        fore, back = ends.shares(groups)
        unfit = (fore != groups["fore"].to_numpy()) | (back != groups["back"].to_numpy())
        rows: dict[str, int] = {}
        for code, count in zip(groups["code"].to_pylist(), groups["rows"].to_pylist(), strict=True):
            rows[code] = rows.get(code, 0) + count
        return {code: rows[code] for code in groups["code"].filter(pa.array(unfit)).unique().to_pylist()}

    def codes(self) -> list[str]:
        """Return the codes that have rows, ascending."""
        return list(self.query(f"SELECT DISTINCT code FROM {self.name} ORDER BY code")["code"].to_pylist())

    def ours(self, condition: str) -> list[str]:
        """Return the codes under `condition` of which a row is ours, ascending."""
        found = self.query(f"SELECT DISTINCT code FROM {self.name} WHERE {condition} AND {OURS} ORDER BY code")
        return list(found["code"].to_pylist())

    def doubled(self, condition: str, zone: str) -> dict[str, int]:
        """Return the codes under `condition` that have a key with several rows, and how many rows they have."""
        found = self.query(
            f"SELECT code, sum(n) AS rows FROM (SELECT code, count() AS n FROM {self.name} WHERE {condition} AND "
            f"{at_midnight(zone)} GROUP BY code, timestamp) GROUP BY code HAVING max(n) > 1 ORDER BY code"
        )
        return dict(zip(found["code"].to_pylist(), found["rows"].to_pylist(), strict=True))

    def insert(self, rows: pa.Table) -> None:
        """Store rows (`ROW_SCHEMA`) as one block."""
        self._client.insert(self.name, table_columns(rows))

    def delete(self, rows: pa.Table) -> int:
        """Delete exactly the rows with these keys and ids; return how many."""
        return self._delete(rows, "1") if rows.num_rows else 0


def _in_millionths(name: str) -> str:
    return f"toInt64(toDecimal128({COLUMNS[name]}, 6) * 1000000) AS {name}"
