# Upstream: adapters.clickhouse.ginkgo_tick_tables, entrypoints.{opening, show_schema}
# Downstream: adapters.clickhouse.{client, sql}, domain.model.errors, pyarrow
# Role: Ginkgo's tables: made where they are missing, refused by column where they do not fit
"""The tables that are not ours. Upstream's own DDL makes them; they are never altered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.sql import quoted
from ginkgo_data.domain.model.errors import SchemaMismatch

_PRICE = "Decimal(16, 2)"
_FACTOR = "Decimal(16, 6)"
_COMMON = {"uuid": "String", "meta": "String", "desc": "String", "timestamp": "DateTime", "source": "Int8"}

BAR_COLUMNS = {
    "code": "String",
    "open": _PRICE,
    "high": _PRICE,
    "low": _PRICE,
    "close": _PRICE,
    "volume": "Int32",
    "amount": _PRICE,
    "frequency": "Int8",
    **_COMMON,
}
FACTOR_COLUMNS = {
    "code": "String",
    "foreadjustfactor": _FACTOR,
    "backadjustfactor": _FACTOR,
    "adjustfactor": _FACTOR,
    **_COMMON,
}
TICK_COLUMNS = {"code": "String", "price": _PRICE, "volume": "Int32", "direction": "Int8", **_COMMON}
"""Columns as upstream's models declare them, with types as the engine prints them."""


def _ddl(name: str, columns: Mapping[str, str], key: str) -> str:
    declared = ", ".join(f"`{column}` {kind}" for column, kind in columns.items())
    return f"CREATE TABLE IF NOT EXISTS {name} ({declared}) ENGINE = MergeTree() ORDER BY {key}"


BAR_DDL = _ddl("bar", BAR_COLUMNS, "(code, timestamp)")
FACTOR_DDL = _ddl("adjustfactor", FACTOR_COLUMNS, "(code, timestamp)")

ENGINES = ("MergeTree", "ReplicatedMergeTree", "SharedMergeTree")
"""Engines that keep every row. One that merges rows of a sort key would merge daily and minute bars, since the
frequency is not part of it, and trades of one second."""


def ensure_ginkgo_tables(client: ClickHouseClient) -> None:
    """Create `bar` and `adjustfactor` where they are missing, and check them. Raises as `ensure_bar_table`."""
    ensure_bar_table(client)
    _make(client, "adjustfactor", FACTOR_DDL)
    check_tables(client, ["adjustfactor"], FACTOR_COLUMNS)


def check_ginkgo_tables(client: ClickHouseClient) -> None:
    """Check `bar` and `adjustfactor`. Raises as `ensure_bar_table`, also where one is missing."""
    check_tables(client, ["bar"], BAR_COLUMNS)
    check_tables(client, ["adjustfactor"], FACTOR_COLUMNS)


def ensure_bar_table(client: ClickHouseClient) -> None:
    """Create `bar` where it is missing, and check it. Raises `SchemaMismatch` or `StoreUnavailable`."""
    _make(client, "bar", BAR_DDL)
    check_tables(client, ["bar"], BAR_COLUMNS)


def ensure_tick_table(client: ClickHouseClient, name: str) -> None:
    """Create one code's table of ticks where it is missing, and check it. Raises as `ensure_bar_table`."""
    _make(client, name, _ddl(f"`{name}`", TICK_COLUMNS, "timestamp"))
    check_tables(client, [name], TICK_COLUMNS)


def _make(client: ClickHouseClient, name: str, ddl: str) -> None:
    """Create a table that is not there; for one that is nothing is sent, since the user may not be allowed to."""
    if not client.query(f"EXISTS TABLE `{name}`").column(0)[0].as_py():
        client.command(ddl)


def check_tables(client: ClickHouseClient, names: Sequence[str], columns: Mapping[str, str]) -> None:
    """Raise `SchemaMismatch` naming the first column that is missing or of another type, the engine or the partition.

    Columns beyond upstream's are left alone; they get their defaults.
    """
    some = f"database = currentDatabase() AND {{}} IN ({', '.join(map(quoted, names))})"
    found = client.query(f"SELECT table, name, type FROM system.columns WHERE {some.format('table')}")
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in _rows(found):
        types.setdefault(table, {})[column] = kind
    for name in names:
        _check_columns(name, types.get(name, {}), columns)
    for name, engine, partition in _rows(
        client.query(f"SELECT name, engine, partition_key FROM system.tables WHERE {some.format('name')}")
    ):
        if engine not in ENGINES:
            raise SchemaMismatch(
                f"table {name}: its engine is {engine}, must be MergeTree, which keeps all rows of a key"
            )
        if partition:
            raise SchemaMismatch(
                f"table {name}: it is partitioned by {partition}; an insert is stored as a whole only without "
                "partitions"
            )


def _check_columns(name: str, types: Mapping[str, str], columns: Mapping[str, str]) -> None:
    if not types:
        raise SchemaMismatch(f"table {name} (clickhouse.layout: ginkgo) is missing; a worker creates it when it starts")
    for column, kind in columns.items():
        if column not in types:
            raise SchemaMismatch(f"table {name}: column {column} ({kind}) is missing")
        if types[column] != kind:
            raise SchemaMismatch(f"table {name}: column {column} is {types[column]}, must be {kind}")


def _rows(found: pa.Table) -> list[tuple[str, ...]]:
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))
