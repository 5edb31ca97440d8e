"""Bars as rows of the table: exact decimals, whatever slice of whatever chunk they come from."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ginkgo_data.adapters.clickhouse.columns import DECIMAL, bar_rows, check_bars, constant, decimals
from ginkgo_data.adapters.clickhouse.tables import BARS
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from support.bars import bars, business_days

PRICES = [0.57, -0.57, None, 2.01, 0.0, -0.000001, None, 123456.654321, -1699.999999, 9_007_199_254.0]


def exact(prices: list[float | None]) -> pa.Array:
    """Return `prices` by way of their texts, as decimals."""
    return pa.array([None if p is None else Decimal(repr(p)).quantize(Decimal("0.000001")) for p in prices], DECIMAL)


def test_prices_become_the_decimals_that_their_texts_name() -> None:
    built = decimals(pa.chunked_array([pa.array(PRICES, pa.float64())]))
    built.validate(full=True)
    assert built.equals(exact(PRICES))


@pytest.mark.parametrize("start", range(len(PRICES)))
@pytest.mark.parametrize("length", [1, 3, 10])
def test_a_slice_of_prices_becomes_that_slice_of_decimals(start: int, length: int) -> None:
    whole = pa.chunked_array([pa.array(PRICES, pa.float64())])
    assert decimals(whole.slice(start, length)).equals(exact(PRICES[start : start + length]))


def test_prices_in_several_chunks_become_one_array() -> None:
    chunks = pa.chunked_array([pa.array(PRICES[:4], pa.float64()), pa.array([], pa.float64()), pa.array(PRICES[4:])])
    assert decimals(chunks.slice(1)).equals(exact(PRICES[1:]))


def test_a_hundred_thousand_prices_are_what_arrow_makes_of_them() -> None:
    random = np.random.default_rng(7)
    prices = pa.chunked_array([np.round(random.uniform(-5000, 5000, 100_000), 6)])
    assert decimals(prices).equals(pc.cast(prices, DECIMAL).combine_chunks())


def test_rows_have_every_column_of_the_table_but_the_tombstone() -> None:
    series = Series(Frequency.MIN5, Adjust.HFQ)
    rows = bar_rows(bars(sessions=["2024-01-02"], series=series))
    assert {c.name for c in BARS.all_columns} - set(rows.column_names) == {"is_deleted"}
    assert rows["frequency"].to_pylist() == ["5m"] * 48
    assert rows["adjust"].to_pylist() == ["hfq"] * 48
    assert rows["volume"].type == pa.int64()
    assert rows["timestamp"].type.tz == "Asia/Shanghai"


def test_a_slice_of_a_batch_keeps_each_missing_value_in_its_row() -> None:
    days = business_days("2024-01-01", 20)
    holes = [None if n % 3 == 0 else float(n) for n in range(20)]
    batch = bars(sessions=days, pre_closes=holes, amounts=holes)
    part = bar_rows(BarBatch(batch.table.slice(5, 9)))
    assert part["pre_close"].combine_chunks().equals(exact(holes[5:14]))
    assert part["amount"].to_pylist() == holes[5:14]


def test_noise_of_float_arithmetic_is_no_digit() -> None:
    noisy = 0.1 + 0.2
    check_bars(bars(closes=[noisy, 10.0]))
    assert bar_rows(bars(closes=[noisy, 10.0]))["close"].to_pylist()[0] == Decimal("0.300000")


def test_what_cannot_be_stored_is_named_by_column_bar_and_value() -> None:
    with pytest.raises(
        SchemaMismatch, match=r"1d/none: column 'open' .* 1 of 2 rows, first 000001.SZ 2024-01-03 .*: 0.1234567"
    ):
        check_bars(bars(closes=[10.0, 0.1234567]))


@pytest.mark.parametrize("column", ["code", "source"])
def test_a_null_hidden_in_a_dictionary_is_seen(column: str) -> None:
    table = bars().table
    hidden = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["x", None], pa.string()))
    place = table.schema.get_field_index(column)
    with pytest.raises(SchemaMismatch, match=f"column '{column}' is null in 1 of 2 rows"):
        check_bars(BarBatch(table.set_column(place, table.schema.field(place), hidden)))


def test_a_constant_is_a_dictionary_of_one() -> None:
    column = constant("1d", 3)
    assert column.to_pylist() == ["1d"] * 3
    assert len(column.dictionary) == 1
    assert constant("1d", 0).to_pylist() == []
