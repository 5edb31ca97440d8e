"""Which sessions another source is asked about: some by chance, the same ones every time, and the strangest ones."""

from __future__ import annotations

import numpy as np
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.model.quality import Finding, Severity, Verdict
from ginkgo_data.domain.services.sampling import Sample, Sampling
from ginkgo_data.domain.services.validation import Validated, validate
from support.bars import CODE_A, CODE_B, MINUTES_5, bars, business_days, market

DAYS = business_days("2024-01-01", 20)
MARKET = market(50, DAYS)


def asking(batch: BarBatch, wanted: Cells | None = None) -> FetchRequest:
    codes = tuple(batch.codes())
    cells = Cells.cross(codes, DAYS) if wanted is None else wanted
    return FetchRequest(batch.series, codes, DAYS[0].item(), DAYS[-1].item(), cells, 1)


def proven(batch: BarBatch) -> Validated:
    return validate(batch, sessions=DAYS)


def parts_of(batch: BarBatch, size: int) -> list[BarBatch]:
    """Cut `batch` by its codes, as the answers of several calls would."""
    codes = np.array(batch.table["code"].to_pylist())
    names = batch.codes()
    return [batch.filter(np.isin(codes, names[at : at + size])) for at in range(0, len(names), size)]


def sampled(*answers: BarBatch, seed: str = "report-1", size: int = 4, together: bool = True) -> Sample:
    sampling = Sampling(seed, size)
    for answer in answers:
        sampling.add(asking(answer), proven(answer))
        if not together:
            sampling.settle((), {})
    sampling.settle((), {})
    return sampling.drawn()


def pairs(sample: Sample, by_chance: bool) -> list[tuple[str, str]]:
    chosen = zip(sample.cells.pairs(), sample.by_chance.tolist(), strict=True)
    return [(code, str(day)) for (code, day), drawn in chosen if drawn is by_chance]


def test_the_same_seed_draws_the_same_sessions_whatever_the_order_and_the_number_of_answers() -> None:
    whole = sampled(MARKET)
    assert len(pairs(whole, True)) == len(pairs(whole, False)) == 4
    for size in (1, 7, 50):
        answers = parts_of(MARKET, size)
        for order in (answers, answers[::-1]):
            for together in (True, False):
                again = sampled(*order, together=together)
                assert again.cells.pairs() == whole.cells.pairs()
                assert again.by_chance.tolist() == whole.by_chance.tolist()


def test_another_seed_draws_others_by_chance_and_the_same_strange_ones() -> None:
    one, other = sampled(MARKET), sampled(MARKET, seed="report-2")
    assert not set(pairs(one, True)) & set(pairs(other, True))
    assert len(set(pairs(one, False)) & set(pairs(other, False))) >= 3


def test_every_session_has_the_same_chance() -> None:
    """Of 1,000 cells 50 are drawn 100 times: no session is preferred, no code is left out."""
    drawn, codes = np.zeros(len(DAYS), np.int64), set()
    request, checked = asking(MARKET), proven(MARKET)
    for number in range(100):
        sampling = Sampling(f"report-{number}", 50)
        sampling.add(request, checked)
        sampling.settle((), {})
        sample = sampling.drawn()
        drawn += np.bincount(np.searchsorted(DAYS, sample.cells.session[sample.by_chance]), minlength=len(DAYS))
        codes |= {code for code, _ in pairs(sample, True)}
    assert drawn.sum() == 5_000
    # Twenty counts of mean 250; five standard deviations are 77.
    assert np.abs(drawn - 250).max() < 77
    assert len(codes) == 50


def test_only_what_was_wanted_is_drawn() -> None:
    wanted = Cells.cross((CODE_A,), DAYS[:2])
    both = BarBatch.concat([bars(CODE_A, DAYS), bars(CODE_B, DAYS)])
    sampling = Sampling("report-1", 10)
    sampling.add(asking(both, wanted), proven(both))
    sampling.settle((), {})
    assert sampling.drawn().cells.pairs() == wanted.pairs()


def test_a_rejected_bar_is_not_drawn_and_a_flag_stays_with_its_own_bar() -> None:
    batch = bars(CODE_A, DAYS[:4], [-1.0, 10.0, 10.0, 10.0])
    checked = proven(batch)
    assert len(checked.accepted) == 3
    flag = Finding("stale_copy", Severity.ERROR, Verdict.FLAG, 1)
    sampling = Sampling("report-1", 1)
    sampling.add(asking(batch), checked)
    # The last of the accepted bars, which is the fourth of the answer.
    sampling.settle((flag,), {"stale_copy": np.array([2])})
    sample = sampling.drawn()
    assert (CODE_A, DAYS[0].item()) not in sample.cells.pairs()
    assert set(pairs(sample, False)) <= {(CODE_A, str(DAYS[3]))}
    assert (CODE_A, str(DAYS[3])) in [*pairs(sample, True), *pairs(sample, False)]


def test_what_rules_flag_comes_before_the_largest_moves_and_the_graver_flag_first() -> None:
    days = DAYS[:12]
    closes = [10.0, 10.1, 10.2, 11.2, 9.0, 10.3, 10.4, 10.5, 10.6, 10.7, 10.8, 10.9]
    batch = bars(CODE_A, days, closes, pre_closes=[10.0, *closes[:-1]])
    findings = [Finding("stale_copy", Severity.ERROR, Verdict.FLAG, 1), Finding("x", Severity.INFO, Verdict.FLAG, 1)]
    # Flagged as an error, flagged as information, then the moves: 9.0 after 11.2, 10.3 after that, 11.2 after 10.2.
    strangest = [str(day) for day in days[[8, 9, 4, 5, 3]]]

    def drawn(seed: str, size: int) -> Sample:
        sampling = Sampling(seed, size)
        sampling.add(asking(batch), proven(batch))
        sampling.settle(findings, {"stale_copy": np.array([8]), "x": np.array([9])})
        return sampling.drawn()

    def of_chance(seed: str) -> set[str]:
        return {day for _, day in pairs(drawn(seed, 5), True)}

    seed = next(f"report-{n}" for n in range(10_000) if not of_chance(f"report-{n}") & set(strangest))
    for size in range(1, 6):
        assert {day for _, day in pairs(drawn(seed, size), False)} == set(strangest[:size])


def test_a_flag_of_validation_stays_with_its_bar_where_others_were_rejected() -> None:
    closes = [-1.0] * 48 + [10.0] * 96
    opens = [*closes[:48], 0.0, *closes[49:]]
    batch = bars(CODE_A, DAYS[:3], closes, series=MINUTES_5, opens=opens)
    checked = proven(batch)
    assert {finding.rule: finding.count for finding in checked.findings}["repaired_open"] == 1
    assert len(checked.accepted) == 96
    for seed in range(10):
        sampling = Sampling(f"report-{seed}", 1)
        sampling.add(asking(batch), checked)
        sampling.settle((), {})
        strange = {day for _, day in pairs(sampling.drawn(), False)}
        chance = {day for _, day in pairs(sampling.drawn(), True)}
        assert strange == {str(DAYS[1])} - chance


def test_a_volume_far_from_the_codes_usual_one_is_strange() -> None:
    volumes = [1000.0] * 20
    volumes[7], volumes[13] = 90_000.0, 10.0
    batch = bars(CODE_A, DAYS, volumes=volumes)
    sample = sampled(batch, size=2)
    strange = {str(DAYS[7]), str(DAYS[13])}
    chance = {day for _, day in pairs(sample, True)}
    assert {day for _, day in pairs(sample, False)} == strange - chance


def test_where_nothing_is_strange_nothing_is_drawn_for_being_so() -> None:
    sample = sampled(bars(CODE_A, DAYS), size=5)
    assert (len(pairs(sample, True)), len(pairs(sample, False))) == (5, 0)


def test_of_a_minute_session_every_bar_is_kept() -> None:
    batch = BarBatch.concat([bars(code, DAYS[:5], series=MINUTES_5) for code in (CODE_A, CODE_B)], MINUTES_5)
    # Shuffled: a vendor may send them in any order.
    sample = sampled(batch.take(np.random.default_rng(1).permutation(len(batch))), size=2)
    assert len(sample.cells) == 2
    assert len(sample.bars) == 2 * 48
    assert {
        (code, day)
        for code, day in zip(*sample.bars.table.select(["code", "session"]).to_pydict().values(), strict=True)
    } == set(sample.cells.pairs())


def test_bars_come_with_their_sessions_and_nothing_else_is_kept() -> None:
    sample = sampled(*parts_of(MARKET, 5), size=3)
    found = sample.bars.table.select(["code", "session"]).to_pylist()
    assert sorted((row["code"], row["session"]) for row in found) == sample.cells.pairs()
    assert sample.cells.pairs() == sorted(sample.cells.pairs())


@pytest.mark.parametrize("size", [1, 3, 2000])
def test_no_more_is_drawn_than_was_asked_for(size: int) -> None:
    sample = sampled(MARKET, size=size)
    assert len(pairs(sample, True)) == min(size, 1000)
    assert len(sample.cells) <= min(2 * size, 1000)


def test_without_an_answer_there_is_no_sample() -> None:
    sampling = Sampling("report-1", 3)
    sampling.settle((), {})
    assert len(sampling.drawn().cells) == 0
    assert len(sampling.drawn().bars) == 0
    sampling.add(asking(MARKET, Cells.none()), proven(MARKET))
    sampling.settle((), {})
    assert len(sampling.drawn().cells) == 0
