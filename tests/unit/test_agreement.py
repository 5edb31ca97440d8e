"""Two sources about the same sessions: what agrees, what does not, and what cannot be compared."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.domain.services.agreement import Compared, compare
from ginkgo_data.domain.services.rule_set import Rule, Subject
from ginkgo_data.domain.services.rule_tuning import configured
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from support.bars import CODE_A, CODE_B, MINUTES_5, bars

DAYS = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[D]")
RULE = DEFAULT_RULES["second_opinion"]
EXACT = RULE.tuned(price_share=0.0, share=0.0, lots=0.0)
FUND, B_SHARE = "510300.SH", "900901.SH"


def compared(ours: BarBatch, theirs: BarBatch, rule: Rule = RULE, codes: tuple[str, ...] = (CODE_A,)) -> Compared:
    return compare(ours, theirs, Cells.cross(codes, DAYS[:1]), rule, ("tushare", "files"))


def day(code: str = CODE_A, **values: float | None) -> BarBatch:
    """Return one daily bar: 10.0, 12.0, 9.0, 11.0, 100,000 shares for 1,050,000 CNY but for `values`."""
    whole = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1e5, "amount": 1.05e6} | values
    lists = {f"{name}s": [value] for name, value in whole.items()}
    return bars(code, DAYS[:1], **lists)


def verdict(found: Compared) -> tuple[list[bool], list[bool]]:
    return found.comparable.tolist(), found.agrees.tolist()


def test_what_is_the_same_agrees() -> None:
    found = compared(day(), day(), EXACT)
    assert verdict(found) == ([True], [True])
    assert found.examples == ()


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize(("code", "tick"), [(CODE_A, 0.01), (FUND, 0.001), (B_SHARE, 0.001)])
def test_exactly_one_tick_is_allowed_and_a_little_more_is_not(name: str, code: str, tick: float) -> None:
    base = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0}[name]
    for sign in (1, -1):
        off = day(code, **{name: base + sign * tick})
        assert verdict(compared(day(code), off, EXACT, (code,))) == ([True], [True])
        off = day(code, **{name: base + sign * tick * 1.001})
        assert verdict(compared(day(code), off, EXACT, (code,))) == ([True], [False])


def test_of_a_high_price_a_share_is_allowed_where_it_is_more_than_a_tick() -> None:
    rule = EXACT.tuned(price_share=0.001)
    dear = {"open": 1700.0, "high": 1700.0, "low": 1700.0, "close": 1700.0}
    assert verdict(compared(day(**dear), day(**dear | {"close": 1701.7}), rule))[1] == [True]
    assert verdict(compared(day(**dear), day(**dear | {"close": 1701.71}), rule))[1] == [False]


@pytest.mark.parametrize("name", ["volume", "amount"])
def test_volume_and_amount_may_differ_by_a_share_and_no_more(name: str) -> None:
    rule, whole = EXACT.tuned(share=0.01), {"volume": 1e5, "amount": 1.05e6}[name]
    for sign in (1, -1):
        assert verdict(compared(day(), day(**{name: whole * (1 + sign * 0.01)}), rule))[1] == [True]
        assert verdict(compared(day(), day(**{name: whole * (1 + sign * 0.0101)}), rule))[1] == [False]


def test_a_lot_and_its_money_may_differ_in_any_case() -> None:
    rule = EXACT.tuned(lots=1.0)
    assert verdict(compared(day(), day(volume=1e5 + 100), rule))[1] == [True]
    assert verdict(compared(day(), day(volume=1e5 + 101), rule))[1] == [False]
    assert verdict(compared(day(), day(amount=1.05e6 - 1100), rule))[1] == [True]
    assert verdict(compared(day(), day(amount=1.05e6 - 1101), rule))[1] == [False]


def test_an_amount_that_one_of_them_does_not_have_is_not_compared() -> None:
    for ours, theirs in ((day(amount=None), day()), (day(), day(amount=None)), (day(amount=None), day(amount=None))):
        assert verdict(compared(ours, theirs, EXACT)) == ([True], [True])
    assert verdict(compared(day(amount=None), day(close=11.5), EXACT))[1] == [False]


def test_a_session_that_the_other_does_not_have_is_not_comparable_and_no_disagreement() -> None:
    nothing = BarBatch.empty()
    for ours, theirs in ((day(), nothing), (day(), day(CODE_B)), (nothing, day()), (nothing, nothing)):
        found = compared(ours, theirs)
        assert verdict(found) == ([False], [False])
        assert found.differs.tolist() == [False]
        assert found.examples == ()
    assert verdict(compare(nothing, nothing, Cells.none(), RULE, ("a", "b"))) == ([], [])


def test_an_example_names_both_values_with_whose_they_are() -> None:
    found = compared(day(), day(close=11.5, volume=2e5))
    assert found.examples == (
        "000001.SZ 2024-01-02: close 11 (tushare) against 11.5 (files); volume 100000 (tushare) against 200000 (files)",
    )


def test_examples_are_few_and_every_disagreement_counts() -> None:
    codes = tuple(f"{number:06d}.SZ" for number in range(1, 31))
    ours = BarBatch.concat([day(code) for code in codes])
    theirs = BarBatch.concat([day(code, close=11.5 if number % 3 else 11.0) for number, code in enumerate(codes)])
    found = compared(ours, theirs, codes=codes)
    assert (int(found.comparable.sum()), int(found.agrees.sum()), int(found.differs.sum())) == (30, 10, 20)
    assert len(found.examples) == 5
    assert found.examples[0].startswith("000002.SZ 2024-01-02: close")


def test_rows_may_come_in_any_order_and_with_others_among_them() -> None:
    codes = (CODE_A, CODE_B)
    ours = bars([CODE_A, CODE_B, CODE_A, CODE_B], DAYS[[0, 0, 1, 1]], [1.0, 2.0, 3.0, 4.0])
    theirs = bars(
        [CODE_B, "000002.SZ", CODE_A, CODE_A, CODE_B], DAYS[[1, 0, 1, 0, 0]], [4.0, 9.0, 3.0, 1.0, 2.5], source="other"
    )
    cells = Cells.cross(codes, DAYS[:2])
    found = compare(ours, theirs, cells, EXACT, ("a", "b"))
    assert found.differs.tolist() == [(code, day) == (CODE_B, date(2024, 1, 2)) for code, day in cells.pairs()]
    assert int(found.agrees.sum()) == 3


# -- adjusted prices -------------------------------------------------------------------------------------------


QFQ = Series(adjust=Adjust.QFQ)


def scaled(batch: BarBatch, factor: float, series: Series = QFQ) -> BarBatch:
    table = batch.table
    for name in ("open", "high", "low", "close"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(table[name].to_numpy() * factor))
    return BarBatch(table, series)


def test_adjusted_prices_of_another_base_agree_and_one_that_does_not_follow_it_differs() -> None:
    ours = scaled(day(), 1.0)
    assert verdict(compared(ours, scaled(day(), 0.8251)))[1] == [True]
    found = compared(ours, scaled(day(close=11.5), 0.8251))
    assert verdict(found)[1] == [False]
    (example,) = found.examples
    assert "close 11 (tushare) against 9.48865 (files)" in example
    assert "their prices are 0.8251 times ours" in example


def test_prices_as_traded_have_no_base_of_their_own() -> None:
    found = compared(day(), scaled(day(), 0.5, DAILY))
    assert verdict(found)[1] == [False]
    assert "times ours" not in found.examples[0]


def test_each_code_has_its_own_base_from_all_its_sessions() -> None:
    codes = (CODE_A, CODE_B)
    ours = BarBatch.concat([scaled(bars(code, DAYS), 1.0) for code in codes], QFQ)
    other = [scaled(bars(CODE_A, DAYS), 2.0), scaled(bars(CODE_B, DAYS, [10.0, 12.0, 10.0]), 3.0)]
    found = compare(ours, BarBatch.concat(other, QFQ), Cells.cross(codes, DAYS), RULE, ("a", "b"))
    assert found.agrees.tolist() == [True, True, True, True, False, True]


# -- minutes ---------------------------------------------------------------------------------------------------


def minutes(keep: int | None = None, **values: list[float]) -> BarBatch:
    return bars(CODE_A, DAYS[:1], series=MINUTES_5, keep=keep, **values)


def test_a_session_of_minutes_is_compared_as_a_whole() -> None:
    closes = [10.0 + number / 100 for number in range(48)]
    whole = minutes(closes=closes)
    shuffled = whole.take(np.random.default_rng(2).permutation(48))
    assert verdict(compared(whole, shuffled, EXACT)) == ([True], [True])
    for name, wrong in (("high", [*closes[:20], 99.0, *closes[21:]]), ("low", [*closes[:20], 1.0, *closes[21:]])):
        off = minutes(closes=closes, **{f"{name}s": wrong})
        (example,) = compared(whole, off).examples
        assert f"{name} " in example


def test_the_opening_auction_may_be_a_bar_of_its_own() -> None:
    auction = bars(CODE_A, DAYS[:1], [10.0], volumes=[500.0])
    place = auction.table.schema.get_field_index("timestamp")
    early = pa.array(auction.table["timestamp"].cast(pa.int64()).to_numpy() + (9 * 60 + 30) * 60_000)
    moved = auction.table.set_column(
        place, auction.table.schema.field(place), early.cast(auction.table.schema.field(place).type)
    )
    volumes = [1000.0] * 48
    ours = minutes(volumes=[1500.0, *volumes[1:]])
    theirs = BarBatch.concat([BarBatch(moved, MINUTES_5), minutes(volumes=volumes)], MINUTES_5)
    assert verdict(compared(ours, theirs, EXACT)) == ([True], [True])


def test_a_session_of_which_we_have_fewer_bars_differs_and_one_of_which_they_have_fewer_says_nothing() -> None:
    whole, part = minutes(), minutes(keep=40)
    found = compared(part, whole)
    assert verdict(found) == ([True], [False])
    assert "bars 40 (tushare) against 48 (files)" in found.examples[0]
    found = compared(part, whole, RULE.tuned(share=1.0))
    assert (verdict(found)[1], found.examples[0].partition(": ")[2]) == (
        [False],
        "bars 40 (tushare) against 48 (files)",
    )
    assert verdict(compared(whole, part)) == ([False], [False])


def test_the_rule_flags_and_can_be_tuned_and_silenced_per_frequency_but_made_no_reject() -> None:
    assert (RULE.verdict, RULE.severity) == (Verdict.FLAG, Severity.WARNING)
    rules = configured({"second_opinion": {"ticks": 3, "5m": {"enabled": False}, "1m": {"share": 0.1}}})
    assert [rule.values["ticks"] for rule in rules.of(DAILY, Subject.OPINION)] == [3.0]
    assert rules.of(MINUTES_5, Subject.OPINION) == ()
    assert [rule.values["share"] for rule in rules.of(Series(Frequency.MIN1), Subject.OPINION)] == [0.1]
    with pytest.raises(ConfigurationError, match="it cannot be reject: what it finds is no fault of one row alone"):
        configured({"second_opinion": {"verdict": "reject"}})
