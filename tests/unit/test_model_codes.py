"""The one form of a code."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ginkgo_data.domain.model.codes import CODE_PATTERN, INDEX_PATTERN, canonical_code, code_of_symbol
from ginkgo_data.domain.model.errors import MalformedCommand


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("000001.SZ", "000001.SZ"),
        ("000001.sz", "000001.SZ"),
        (" 600000.SH\n", "600000.SH"),
        ("SH600000", "600000.SH"),
        ("sh600000", "600000.SH"),
        ("sz.000001", "000001.SZ"),
        ("bj_430047", "430047.BJ"),
        ("430047BJ", "430047.BJ"),
        ("600000.SS", "600000.SH"),
        ("600000.XSHG", "600000.SH"),
        ("000001.XSHE", "000001.SZ"),
    ],
)
def test_every_way_of_writing_a_code_becomes_the_one_form(text: str, code: str) -> None:
    assert canonical_code(text) == code


@pytest.mark.parametrize(
    "text", ["", "000001", "60000.SH", "6000000.SH", "600000.HK", "SS600000", "600000.S", "60000A.SH", "SH600000.SH"]
)
def test_what_is_no_code_is_refused_with_the_value_and_the_allowed_forms(text: str) -> None:
    with pytest.raises(MalformedCommand, match=re.escape(f"code {text!r}") + ".*allowed: six digits and an exchange"):
        canonical_code(text)


@settings(max_examples=50, deadline=None)
@given(symbol=st.integers(0, 999_999).map("{:06d}".format), exchange=st.sampled_from(("SH", "SZ", "BJ")))
def test_the_one_form_is_its_own_form_and_both_orders_agree(symbol: str, exchange: str) -> None:
    code = f"{symbol}.{exchange}"
    assert CODE_PATTERN.match(code)
    assert canonical_code(code) == canonical_code(f"{exchange}{symbol}") == code


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        ("600519", "600519.SH"),
        ("688981", "688981.SH"),
        ("510300", "510300.SH"),
        ("900901", "900901.SH"),
        ("000001", "000001.SZ"),
        ("1", "000001.SZ"),
        ("300750", "300750.SZ"),
        ("200012", "200012.SZ"),
        ("159915", "159915.SZ"),
        ("430047", "430047.BJ"),
        ("830799", "830799.BJ"),
        ("920002", "920002.BJ"),
    ],
)
def test_a_bare_symbol_is_read_as_a_stock_or_fund_of_the_exchange_that_lists_it(symbol: str, code: str) -> None:
    assert code_of_symbol(symbol) == code


@pytest.mark.parametrize("symbol", ["399001", "700000", "6005190", "60051A", "910000"])
def test_a_symbol_that_no_exchange_lists_is_refused(symbol: str) -> None:
    with pytest.raises(MalformedCommand, match=re.escape(f"symbol {symbol!r}")):
        code_of_symbol(symbol)


def test_indices_are_told_from_stocks_that_share_their_digits() -> None:
    indices = ("000001.SH", "399001.SZ", "899050.BJ")
    stocks = ("000001.SZ", "600519.SH", "300750.SZ", "430047.BJ")
    assert [code for code in indices + stocks if re.match(INDEX_PATTERN, code)] == list(indices)


@pytest.mark.parametrize("symbol", ["", "   "])
def test_a_blank_symbol_is_no_code(symbol):
    with pytest.raises(MalformedCommand):
        code_of_symbol(symbol)
