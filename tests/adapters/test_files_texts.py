"""Strict reading of cells: what is a time, a number or a code, and what is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.adapters.files.texts import read_codes, read_moments, read_numbers

NOTHING = "not a time"
TIMES = {
    "20240102": "2024-01-02T00:00",
    "2024-01-02": "2024-01-02T00:00",
    " 2024/1/2 ": "2024-01-02T00:00",
    "2024.01.02": "2024-01-02T00:00",
    "2024-01-02 09:31": "2024-01-02T09:31",
    "2017-3-3 13:22:0": "2017-03-03T13:22",
    "20240102 09:31:00": "2024-01-02T09:31",
    "20240102T0931": "2024-01-02T09:31",
    "202401020931": "2024-01-02T09:31",
    "20240102093100000": "2024-01-02T09:31",
    "2024-01-02T09:31:00.250": "2024-01-02T09:31",
    "2024-01-02T09:31:00+08:00": "2024-01-02T09:31",
    "2024-01-01 16:00:00Z": "2024-01-02T00:00",
    "2024-01-01 13:00:00-0300": "2024-01-02T00:00",
    "1991-06-03T00:00:00+09:00": "1991-06-03T00:00",
    "": NOTHING,
    "yesterday": NOTHING,
    "20240230": NOTHING,
    "20241301": NOTHING,
    "20240100": NOTHING,
    "00240102": NOTHING,
    "2024-02-30": NOTHING,
    "2024-01-02 24:00": NOTHING,
    "2024-01-02 09:60": NOTHING,
    "2024-01-02 09:31:00+15:00": NOTHING,
    "1704159060": NOTHING,
    "1704159060000": NOTHING,
    "2024-01-02x": NOTHING,
}


@pytest.mark.parametrize(("text", "time"), TIMES.items())
def test_a_time_is_read_strictly_alone_and_among_others(text: str, time: str) -> None:
    for texts in ([text], [text, "nonsense"], [text, "2024-01-03"], [text, "20240103"]):
        moments, bad = read_moments(pa.array(texts))
        assert bad[0] == (time == NOTHING)
        if not bad[0]:
            assert str(moments[0].astype("datetime64[m]")) == time


def test_a_bad_text_spoils_no_other() -> None:
    texts = list(TIMES)
    moments, bad = read_moments(pa.array(texts))
    assert bad.tolist() == [time == NOTHING for time in TIMES.values()]
    assert [str(m) for m in moments[~bad].astype("datetime64[m]")] == [t for t in TIMES.values() if t != NOTHING]


def test_a_time_of_day_may_lack_its_leading_zero_and_its_colons() -> None:
    clocks = ["931", "0931", "09:31:00", "93100", "1500", "2460", "x", ""]
    moments, bad = read_moments(pa.array(["20240102"] * 8), pa.array(clocks))
    assert bad.tolist() == [False] * 5 + [True] * 3
    assert [str(m)[11:16] for m in moments[:5]] == ["09:31", "09:31", "09:31", "09:31", "15:00"]


def test_a_number_is_read_strictly_and_no_value_is_null() -> None:
    texts = ["1", " 2.5 ", "-.5", "1e3", "+3", "", "None", "N/A", "abc", "1,000", "1_0", "0x1", "--", "1 2"]
    numbers, bad = read_numbers(pa.array([*texts, None]))
    assert numbers.to_pylist() == [1.0, 2.5, -0.5, 1000.0, 3.0] + [None] * 10
    assert bad.tolist() == [False] * 8 + [True] * 6 + [False]


def test_what_is_not_finite_is_a_number_for_validation_to_name() -> None:
    for others in ([], ["abc"]):
        numbers, bad = read_numbers(pa.array(["NaN", "inf", "-Infinity", *others]))
        values = numbers.to_numpy(zero_copy_only=False)
        assert np.isnan(values[0])
        assert values[1:3].tolist() == [np.inf, -np.inf]
        assert not bad[:3].any()


def test_codes_are_canonical_whatever_their_form() -> None:
    forms = [
        "000001.SZ",
        "sz.000001",
        "SZ000001",
        "1",
        "000001",
        "'000001",
        " 000001.XSHE ",
        "²",
        "",
        "AAPL",
        "1234567",
    ]
    codes, bad = read_codes(pa.array([*forms, None]))
    assert codes.to_pylist() == ["000001.SZ"] * 7 + [None] * 5
    assert bad.tolist() == [False] * 7 + [True] * 5
