"""Real vendor files through the store: what SQL then says is what the file says, digit by digit, in any time zone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import cycle

import pyarrow.compute as pc
import pytest

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import DAILY, Series
from support.archives import files_source
from support.real_files import CASES, TDX, WITHOUT_BARS, fetched, tdx_records, traded
from support.shared_data import SHARED, needs_shared

STORED = """
SELECT code, toString(timestamp) AS moment, toString(open) AS open, toString(high) AS high, toString(low) AS low,
       toString(close) AS close, toString(volume) AS volume, ifNull(toString(amount), '') AS amount
FROM bars_final
"""
NUMBERS = ("open", "high", "low", "close", "volume", "amount")

ON_ONE_ENGINE = pytest.mark.parametrize("engine", ["embedded"], indirect=True)


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
@ON_ONE_ENGINE
@pytest.mark.parametrize(("name", "host_zone"), list(zip(CASES, cycle(ZONES), strict=False)), indirect=["host_zone"])
def test_every_value_reads_back_as_the_file_has_it(store: ClickHouseClient, host_zone: str, name: str) -> None:
    must_read_back(store, traded(name), name, CASES[name][0])


@needs_shared
@ON_ONE_ENGINE
@pytest.mark.parametrize(("code", "host_zone"), list(zip(TDX, reversed(ZONES), strict=False)), indirect=["host_zone"])
def test_every_record_of_tdx_reads_back_from_1990_on(store: ClickHouseClient, host_zone: str, code: str) -> None:
    expected = tdx_records(code)
    assert len({stamp.utcoffset() for _, stamp in expected}) == (2 if code == "000001.SH" else 1), "summer time or not"
    must_read_back(store, expected, TDX[code][0], DAILY)


@needs_shared
def test_every_shared_file_of_prices_is_read_back_or_is_no_file_of_bars() -> None:
    folders = ("daily", "minute", "us", "tdx", "adj")
    found = {
        str(path.relative_to(SHARED)) for folder in folders for path in (SHARED / folder).rglob("*") if path.is_file()
    }
    factors = {"adj/adj_factor_derived_from_pre_close.csv", "adj/tushare_fund_adj_510300.SH.csv"}
    assert found - factors == {*CASES, *(name for name, _ in TDX.values()), *WITHOUT_BARS}


@needs_shared
@pytest.mark.parametrize("name", WITHOUT_BARS)
def test_a_file_that_has_no_bars_is_refused_by_what_it_lacks(name: str) -> None:
    with pytest.raises(SchemaMismatch, match=re.escape(WITHOUT_BARS[name])):
        _ = files_source(SHARED / name).capabilities


def must_read_back(
    store: ClickHouseClient, expected: dict[tuple[str, datetime], tuple[str, ...]], name: str, series: Series
) -> None:
    """Store what the source has of a file, and compare what SQL says with what the file says."""
    source = files_source(SHARED / name)
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
