# Upstream: entrypoints.container
# Downstream: adapters.clickhouse.client, domain.model.errors
# Role: Ginkgo's table `bar`: made where it is missing, refused by column where it does not fit
"""The one table that is not ours. Upstream's own DDL makes it; it is never altered."""

from __future__ import annotations

from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.domain.model.errors import SchemaMismatch

_PRICE = "Decimal(16, 2)"
BAR_COLUMNS = {
    "code": "String",
    "open": _PRICE,
    "high": _PRICE,
    "low": _PRICE,
    "close": _PRICE,
    "volume": "Int32",
    "amount": _PRICE,
    "frequency": "Int8",
    "uuid": "String",
    "meta": "String",
    "desc": "String",
    "timestamp": "DateTime",
    "source": "Int8",
}
"""Columns as upstream's models declare them, with types as the engine prints them."""

BAR_DDL = (
    f"CREATE TABLE IF NOT EXISTS bar ({', '.join(f'`{name}` {kind}' for name, kind in BAR_COLUMNS.items())}) "
    "ENGINE = MergeTree() ORDER BY (code, timestamp)"
)

ENGINES = ("MergeTree", "ReplicatedMergeTree", "SharedMergeTree")
"""Engines that keep every row. One that merges rows of a sort key would merge daily and minute bars, since the
frequency is not part of it."""


def ensure_bar_table(client: ClickHouseClient) -> None:
    """Create `bar` where it is missing, and check it. Raises `SchemaMismatch` or `StoreUnavailable`."""
    client.command(BAR_DDL)
    check_bar_table(client)


def check_bar_table(client: ClickHouseClient) -> None:
    """Raise `SchemaMismatch` naming the first column that is missing or of another type, the engine or the partition.

    Columns beyond upstream's are left alone; they get their defaults.
    """
    found = client.query(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'bar' ORDER BY position"
    )
    types = dict(zip(found["name"].to_pylist(), found["type"].to_pylist(), strict=True))
    if not types:
        raise SchemaMismatch("table bar (clickhouse.layout: ginkgo) is missing; a worker creates it when it starts")
    for name, kind in BAR_COLUMNS.items():
        if name not in types:
            raise SchemaMismatch(f"table bar: column {name} ({kind}) is missing")
        if types[name] != kind:
            raise SchemaMismatch(f"table bar: column {name} is {types[name]}, must be {kind}")
    table = client.query(
        "SELECT engine, partition_key FROM system.tables WHERE database = currentDatabase() AND name = 'bar'"
    )
    engine, partition = table["engine"][0].as_py(), table["partition_key"][0].as_py()
    if engine not in ENGINES:
        raise SchemaMismatch(f"table bar: its engine is {engine}, must be MergeTree, which keeps all rows of a key")
    if partition:
        raise SchemaMismatch(
            f"table bar: it is partitioned by {partition}; an insert is stored as a whole only without partitions"
        )
