"""Real vendor files through the store: what SQL then says is what the file says, digit by digit, in any time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import cycle

import pyarrow.compute as pc
import pytest

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from support.archives import files_source
from support.real_files import CASES, fetched, traded
from support.shared_data import SHARED, needs_shared

STORED = """
SELECT code, toString(timestamp) AS moment, toString(open) AS open, toString(high) AS high, toString(low) AS low,
       toString(close) AS close, toString(volume) AS volume, ifNull(toString(amount), '') AS amount
FROM bars_final
"""
NUMBERS = ("open", "high", "low", "close", "volume", "amount")

pytestmark = pytest.mark.parametrize("engine", ["embedded"], indirect=True)


ZONES = ("Asia/Shanghai", "America/New_York", "Pacific/Apia")
"""Of the host: the exchange's own, one with summer time, and one that once left out a day."""


@pytest.fixture
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@needs_shared
@pytest.mark.parametrize(("name", "host_zone"), list(zip(CASES, cycle(ZONES), strict=False)), indirect=["host_zone"])
def test_every_value_reads_back_as_the_file_has_it(store: ClickHouseClient, host_zone: str, name: str) -> None:
    expected = traded(name)
    source = files_source(SHARED / name)
    series = CASES[name][0]
    codes = sorted({code for code, _ in expected})
    answer = fetched(source, series, [moment.date() for _, moment in expected], codes)
    with_volume = pc.is_valid(answer.batch.table["volume"]).to_numpy()
    ClickHouseBarRepository(store).write(answer.batch.filter(with_volume))
    rows = store.query(STORED)
    assert rows.num_rows == len(expected), "each key once"
    found = {
        (row["code"], row["moment"]): tuple(Decimal(row[number]) if row[number] else None for number in NUMBERS)
        for row in rows.to_pylist()
    }
    wanted = {
        (code, moment.strftime("%Y-%m-%d %H:%M:%S.000")): tuple(Decimal(text) if text else None for text in texts)
        for (code, moment), texts in expected.items()
    }
    differing = {key: (found.get(key), values) for key, values in wanted.items() if found.get(key) != values}
    assert differing == {}
