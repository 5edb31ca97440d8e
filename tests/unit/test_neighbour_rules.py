"""Daily bars beside those before them: each rule with what it finds and the nearest it must let pass."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.adapters.memory.bar_repository import InMemoryBarRepository
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.model.quality import Finding, Severity, Verdict
from ginkgo_data.domain.model.series import DAILY, Adjust, Series
from ginkgo_data.domain.services.inspection import (
    NEIGHBOUR_CHECKS,
    SESSION_CHECKS,
    Inspected,
    Inspection,
    inspect_neighbours,
)
from ginkgo_data.domain.services.listings import Listing, Listings
from ginkgo_data.domain.services.rule_set import RuleSet, Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from support.bars import CODE_A, CODE_B, bars, business_days, market
from support.stack import VENDOR, InMemoryBarSource, Stack, listed

DAYS = business_days("2024-01-01", 60)
NONE = BarBatch.empty()


def look(batch: BarBatch, history: BarBatch = NONE, rules: RuleSet = DEFAULT_RULES) -> Inspected:
    return inspect_neighbours(batch, history, DAYS, rules.of(batch.series, Subject.NEIGHBOURS))


def hits(batch: BarBatch, history: BarBatch = NONE, rules: RuleSet = DEFAULT_RULES) -> dict[str, list[int]]:
    """Return the rows of `batch` that each rule hits."""
    return {rule: rows.tolist() for rule, rows in look(batch, history, rules).hits.items()}


def daily(closes: list[float], code: str = CODE_A, first: int = 0, **columns: object) -> BarBatch:
    """Return bars with rising volumes, so that nothing is a copy, and the closes before as references."""
    count = len(closes)
    plain = {"pre_closes": [closes[0], *closes[:-1]], "volumes": [1000.0 + n for n in range(count)]}
    return bars(code, DAYS[first : first + count], closes, **(plain | columns))


def volumes(*last: float, before: int = 20) -> BarBatch:
    count = before + len(last)
    closes = [10.0 + n % 7 / 100 for n in range(count)]
    return daily(closes, volumes=[1000.0 + n for n in range(before)] + list(last))


def test_every_rule_about_neighbours_and_sessions_has_a_check() -> None:
    by_subject = {subject: {r.id for r in DEFAULT_RULES.values() if r.subjects[0] is subject} for subject in Subject}
    assert by_subject[Subject.NEIGHBOURS] == NEIGHBOUR_CHECKS.keys()
    assert by_subject[Subject.SESSION] == SESSION_CHECKS.keys()


def test_a_random_walk_shows_nothing() -> None:
    assert hits(market(1, DAYS[:1])) == {}
    assert look(BarBatch.empty()).findings == ()
    walk = daily([10.0 + n % 7 / 100 for n in range(60)])
    assert hits(walk) == {}


def test_a_volume_above_fifty_times_the_median_is_told_and_exactly_fifty_times_is_not() -> None:
    # The median of 1000 … 1019 is 1009.5.
    assert hits(volumes(50 * 1009.5)) == {}
    assert hits(volumes(50 * 1009.5 + 1)) == {"volume_spike": [20]}
    (finding,) = look(volumes(100_000.0)).findings
    assert finding == Finding(
        "volume_spike",
        Severity.WARNING,
        Verdict.FLAG,
        1,
        ("000001.SZ 2024-01-29: volume 100000, 99 times the median of 20 sessions",),
    )


def test_a_volume_must_stand_out_from_the_highest_before_it_too() -> None:
    quiet = [10.0] * 19
    assert hits(daily([10.0 + n % 7 / 100 for n in range(21)], volumes=[*quiet, 200.0, 1000.0])) == {}
    assert hits(daily([10.0 + n % 7 / 100 for n in range(21)], volumes=[*quiet, 200.0, 1001.0])) == {
        "volume_spike": [20]
    }


def test_fewer_sessions_than_the_rule_looks_back_on_say_nothing() -> None:
    assert hits(volumes(1e9, before=19)) == {}
    assert hits(
        volumes(1e9, before=19), rules=DEFAULT_RULES.tuned(DEFAULT_RULES["volume_spike"].tuned(sessions=19))
    ) == {"volume_spike": [19]}


def test_sessions_without_trading_are_no_measure_of_a_volume() -> None:
    closes = [10.0 + n % 7 / 100 for n in range(21)]
    assert hits(daily(closes, volumes=[1000.0] * 19 + [0.0, 1e9])) == {}


@pytest.mark.parametrize("window", [2, 3, 7, 16, 20, 31])
def test_the_highest_volume_before_is_that_of_the_whole_window_and_no_more(window: int) -> None:
    random = np.random.default_rng(window)
    values = np.rint(10 ** random.uniform(1, 5, 59))
    rule = DEFAULT_RULES["volume_spike"].tuned(sessions=window, times=1, above_highest=1)
    batch = daily([10.0 + n % 7 / 100 for n in range(59)], volumes=values.tolist())
    expected = [
        n
        for n in range(window, 59)
        if values[n] > np.median(values[n - window : n]) and values[n] > values[n - window : n].max()
    ]
    assert hits(batch, rules=DEFAULT_RULES.tuned(rule)).get("volume_spike", []) == expected


def test_a_close_unchanged_for_five_sessions_is_told_once_and_four_are_not() -> None:
    assert hits(daily([9.0, 10.0, 10.0, 10.0, 10.0, 10.0])) == {}
    assert hits(daily([9.0] + [10.0] * 6)) == {"stale_price_run": [6]}
    assert hits(daily([9.0] + [10.0] * 20)) == {"stale_price_run": [6]}
    assert hits(daily([10.0] * 6 + [11.0] * 6)) == {"stale_price_run": [5, 11]}
    (finding,) = look(daily([10.0] * 6)).findings
    assert finding.examples == ("000001.SZ 2024-01-08: close 10, unchanged for 5 sessions",)


def test_closes_without_trading_are_no_stale_feed() -> None:
    assert hits(daily([10.0] * 12, volumes=[0.0] * 12)) == {}


def test_another_codes_closes_do_not_count() -> None:
    both = BarBatch.concat([daily([10.0] * 3, CODE_A), daily([10.0] * 3, CODE_B)])
    assert hits(both) == {}


def test_a_copy_of_the_bar_before_is_told_and_one_share_more_is_none() -> None:
    closes = [10.0, 10.1, 10.1, 10.2]
    assert hits(daily(closes, volumes=[1.0, 2.0, 2.0, 3.0])) == {"stale_copy": [2]}
    assert hits(daily(closes, volumes=[1.0, 2.0, 3.0, 4.0])) == {}
    assert hits(daily(closes, volumes=[1.0, 2.0, 2.0, 3.0], highs=[10.0, 10.1, 10.15, 10.2])) == {}
    (finding,) = look(daily(closes, volumes=[1.0, 2.0, 2.0, 3.0])).findings
    assert (finding.severity, finding.verdict) == (Severity.ERROR, Verdict.FLAG)
    assert finding.examples == ("000001.SZ 2024-01-03: volume 2 and every price as on 2024-01-02",)


def test_a_copy_without_a_known_amount_is_one_too_and_one_without_trading_is_none() -> None:
    closes = [10.0, 10.1, 10.1]
    assert hits(daily(closes, volumes=[1.0, 2.0, 2.0], amounts=[None] * 3)) == {"stale_copy": [2]}
    assert hits(daily(closes, volumes=[1.0, 0.0, 0.0])) == {}


def test_a_reference_price_above_the_close_before_is_told_and_a_rounding_is_not() -> None:
    closes = [10.0, 10.1, 10.2]
    assert hits(daily(closes, pre_closes=[10.0, 10.0, 10.1 + 0.005])) == {}
    assert hits(daily(closes, pre_closes=[10.0, 10.0, 10.11])) == {"reference_step": [2]}
    (finding,) = look(daily(closes, pre_closes=[10.0, 10.0, 10.11])).findings
    assert finding.examples == ("000001.SZ 2024-01-03: pre_close 10.11 after a close of 10.1",)


def test_an_ex_date_lowers_the_reference_price_by_any_factor_up_to_five() -> None:
    assert hits(daily([10.0, 2.0], pre_closes=[10.0, 2.0])) == {}
    assert hits(daily([10.0, 1.99], pre_closes=[10.0, 1.99])) == {"reference_step": [1]}


def test_reference_prices_are_compared_from_one_session_to_the_next_only() -> None:
    gap = bars(CODE_A, [DAYS[0], DAYS[2]], [10.0, 11.0], pre_closes=[10.0, 11.0], volumes=[1.0, 2.0])
    assert hits(gap) == {}
    unknown = daily([10.0, 11.0], pre_closes=[10.0, None])
    assert hits(unknown) == {}


def test_adjusted_prices_have_no_reference_step() -> None:
    series = Series(adjust=Adjust.QFQ)
    table = daily([10.0, 11.0], pre_closes=[10.0, 12.0]).table
    assert hits(BarBatch(table, series)) == {}


def test_history_counts_and_is_not_told_itself() -> None:
    whole = daily([9.0] + [10.0] * 6)
    history, fresh = whole.filter(np.arange(7) < 6), whole.filter(np.arange(7) == 6)
    assert hits(fresh, history) == {"stale_price_run": [0]}
    assert hits(fresh.filter(np.zeros(1, np.bool_)), whole) == {}
    spike = volumes(1e9)
    assert hits(spike.take(np.array([20])), spike.take(np.arange(20))) == {"volume_spike": [0]}


def test_history_that_reaches_into_the_batch_is_left_out() -> None:
    # What a forced command fetches again is stored already: no bar may be compared with itself.
    whole = daily([10.0, 10.1, 10.2, 10.3])
    assert hits(whole.take(np.array([2, 3])), whole) == {}


def test_the_order_of_rows_does_not_matter() -> None:
    batch = BarBatch.concat([daily([9.0] + [10.0] * 6, CODE_B), volumes(1e9)])
    shuffled = np.random.default_rng(3).permutation(len(batch))
    found = hits(batch.take(shuffled))
    assert {rule: sorted(shuffled[rows].tolist()) for rule, rows in found.items()} == {
        "volume_spike": [27],
        "stale_price_run": [6],
    }


def test_a_silenced_rule_looks_at_nothing() -> None:
    assert hits(daily([10.0] * 6), rules=DEFAULT_RULES.silenced("stale_price_run")) == {}


class Reads(InMemoryBarRepository):
    """A store that notes what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[object, ...]] = []

    def read(self, codes, series, first, last):
        self.asked.append((None if codes is None else list(codes), first, last))
        return super().read(codes, series, first, last)


def request(batch: BarBatch, codes: tuple[str, ...] | None) -> FetchRequest:
    days = batch.table["session"].to_pylist()
    return FetchRequest(batch.series, codes, min(days), max(days), Cells.none(), 1)


def inspection(store: InMemoryBarRepository, rules: RuleSet = DEFAULT_RULES) -> Inspection:
    return Inspection(store, InMemoryTradingCalendar(DAYS, date(2024, 3, 29)), rules)


def test_answers_that_are_stored_together_are_looked_at_in_one_read() -> None:
    store, whole = Reads(), [daily([9.0] + [10.0] * 6, code) for code in (CODE_A, CODE_B)]
    for batch in whole:
        store.write(batch.take(np.arange(6)))
    looking = inspection(store)
    for batch in whole:
        looking.add(request(batch.take(np.array([6])), (batch.codes()[0],)), batch.take(np.array([6])))
    (finding,) = looking.look().findings
    assert (finding.rule, finding.count) == ("stale_price_run", 2)
    assert store.asked == [([CODE_A, CODE_B], date(2023, 11, 28), date(2024, 1, 8))]
    assert looking.look().findings == ()


def test_the_whole_market_is_read_without_a_list_of_codes_and_far_apart_sessions_are_read_apart() -> None:
    store, looking = Reads(), inspection(Reads())
    looking.bars = store
    for day in (DAYS[0], DAYS[1], DAYS[55]):
        batch = bars(CODE_A if day != DAYS[55] else CODE_B, [day], [10.0])
        looking.add(request(batch, None), batch)
    looking.look()
    assert [codes for codes, _, _ in store.asked] == [None, None]
    assert [last for _, _, last in store.asked] == [date(2023, 12, 31), date(2024, 3, 17)]


def test_of_codes_that_were_not_listed_before_nothing_is_read() -> None:
    store = Reads()
    day = int((DAYS[3] - np.datetime64("1970-01-01", "D")).astype(np.int64))
    known = Listings({CODE_A: Listing(listed=day), CODE_B: Listing(listed=day - 1)})
    looking = Inspection(store, InMemoryTradingCalendar(DAYS, date(2024, 3, 29)), DEFAULT_RULES, known)
    for code in (CODE_A, CODE_B):
        looking.add(request(bars(code, DAYS[3:5]), (code,)), bars(code, DAYS[3:5]))
    looking.look()
    assert store.asked == [([CODE_B], date(2023, 11, 23), date(2024, 1, 3))]
    looking.add(request(bars(CODE_A, DAYS[3:5]), (CODE_A,)), bars(CODE_A, DAYS[3:5]))
    assert looking.look().findings[0].rule == "stale_copy"
    assert len(store.asked) == 1


def test_without_a_rule_that_looks_back_nothing_is_read() -> None:
    store = Reads()
    looking = inspection(store, DEFAULT_RULES.silenced(*NEIGHBOUR_CHECKS))
    batch = daily([10.0] * 6)
    looking.add(request(batch, (CODE_A,)), batch)
    assert looking.look().findings == ()
    assert store.asked == []


def test_a_job_reports_what_its_answers_show_beside_what_is_stored() -> None:
    sessions = ["2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12"]
    offered = bars(CODE_A, sessions, [10.0, 10.1, 10.2, 10.2, 10.3], volumes=[1.0, 2.0, 3.0, 3.0, 4.0])
    reference = [10.0, 10.0, 10.1, 10.2, 10.25]
    offered = BarBatch(offered.table.set_column(7, offered.table.schema.field(7), pa.array(reference)))
    stack = Stack(securities=listed([CODE_A]))
    stack.source = InMemoryBarSource(offered, VENDOR)
    first = CollectBars((CODE_A,), DAILY, date(2024, 1, 8), date(2024, 1, 10))
    assert stack.collector.collect(first).findings == ()
    result = stack.collector.collect(CollectBars((CODE_A,), DAILY, date(2024, 1, 11), date(2024, 1, 12)))
    # The copy is one of a bar that was stored by the job before; the last reference price follows from no close.
    assert [(f.rule, f.count) for f in result.findings] == [("stale_copy", 1), ("reference_step", 1)]
    assert result.counts.held == 2
