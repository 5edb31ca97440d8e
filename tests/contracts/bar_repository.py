"""What every store of bars promises."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.ports.bar_repository import BarRepository, WriteReceipt
from support.bars import CODE_A, CODE_B, MINUTES_1, MINUTES_5, bars, business_days, closes_of, market, sessions_of

JANUARY = (date(2024, 1, 1), date(2024, 1, 31))
SECOND = "2024-01-02"
THIRD = "2024-01-03"

Held = dict[str, list[str]]


def held(
    repository: BarRepository,
    series: Series = DAILY,
    codes: list[str] | None = None,
    window: tuple[date, date] = JANUARY,
    since: int | None = None,
) -> Held:
    """Return what is held, as texts; codes without a session are left out."""
    found = repository.held(codes, series, *window, since=since)
    return {code: [str(day) for day in days] for code, days in sorted(found.items()) if len(days)}


def begun(
    repository: BarRepository,
    series: Series = DAILY,
    codes: list[str] | None = None,
    window: tuple[date, date] = JANUARY,
) -> Held:
    """Return the sessions begun, as `held` does those held."""
    found = repository.begun(codes, series, *window)
    return {code: [str(day) for day in days] for code, days in sorted(found.items()) if len(days)}


def rows(batch: BarBatch) -> list[dict[str, object]]:
    """Return the rows of `batch` as Python values."""
    found: list[dict[str, object]] = batch.table.to_pylist()
    return found


def refusal(repository: BarRepository, batch: BarBatch) -> str | None:
    """Return why `batch` cannot be stored; None: it is stored."""
    try:
        repository.write(batch)
    except SchemaMismatch as error:
        return str(error)
    return None


class DailyBarRepositoryContract:
    """What a store of daily bars as traded promises, also one that has no place for anything else.

    Subclasses provide the fixture `repository`, empty, and `reopen`, which gives one more on the same store.

    A store whose table is someone else's may hold less; it then says what, in these:
    """

    kinds: tuple[Series, ...] = (DAILY, Series(adjust=Adjust.QFQ), Series(adjust=Adjust.HFQ), MINUTES_1, MINUTES_5)
    """Series that it keeps apart, daily bars as traded first."""
    years = range(1901, 2051)
    """Years of which it holds bars."""
    prices: tuple[float, ...] = (
        *(0.57, 0.69, 1.13, 10.1234, 10.12345, 10.123456, 0.000001, 1699.999999, 123456.654321, -0.57, -1.13),
        # Multiplied by a million and cut, each of these loses its last digit.
        *(2.01, 2.03, -2.05, 1.001, -1.003, 0.0157, 0.00397, -0.00399, 0.000249, -0.000251),
    )
    """Prices that are exact in it."""
    many = 1000
    """Sessions of 200 codes that are one write."""
    marks_apart = True
    """Whether a mark is kept beside its row; else the row is stored again with the mark's version."""
    renews = True
    """Whether content that is stored already is stored again with a newer version; else its session is marked."""

    @staticmethod
    def kept(batch: BarBatch) -> BarBatch:
        """Return what it keeps of a batch that it does not refuse: everything."""
        return batch

    def test_an_empty_store_has_nothing(self, repository: BarRepository) -> None:
        assert len(repository.read(None, DAILY, *JANUARY)) == 0
        assert held(repository) == {}
        assert repository.first_held([CODE_A], DAILY) == {}

    def test_what_is_written_is_read_back_in_full(self, repository: BarRepository) -> None:
        written = bars(
            sessions=[SECOND],
            closes=[10.3],
            opens=[10.0],
            highs=[10.5],
            lows=[9.9],
            pre_closes=[10.1],
            volumes=[123400.0],
            amounts=[1260000.25],
            source="tushare",
            version=1_700_000_000_000_001,
        )
        assert repository.write(written) == WriteReceipt(1, 1)
        read = repository.read([CODE_A], DAILY, *JANUARY)
        assert read.series == DAILY
        assert rows(read) == rows(self.kept(written))

    def test_writing_nothing_takes_no_insert(self, repository: BarRepository) -> None:
        assert repository.write(BarBatch.empty()) == WriteReceipt(0, 0)

    def test_bars_come_by_code_and_timestamp_whatever_the_order_of_writing(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_B, ["2024-01-05", SECOND]))
        repository.write(bars(CODE_A, [THIRD, "2024-01-04", SECOND]))
        read = repository.read(None, DAILY, *JANUARY)
        assert [(row["code"], str(row["session"])) for row in rows(read)] == [
            (CODE_A, SECOND),
            (CODE_A, THIRD),
            (CODE_A, "2024-01-04"),
            (CODE_B, SECOND),
            (CODE_B, "2024-01-05"),
        ]

    def test_a_redelivered_batch_reads_as_one(self, repository: BarRepository) -> None:
        batch = bars(closes=[10.0, 10.1], version=7)
        repository.write(batch)
        repository.write(batch)
        assert closes_of(repository.read([CODE_A], DAILY, *JANUARY)) == [10.0, 10.1]
        assert held(repository) == {CODE_A: [SECOND, THIRD]}

    def test_for_one_key_the_greater_version_wins(self, repository: BarRepository) -> None:
        repository.write(bars(closes=[10.0, 10.1], version=1))
        repository.write(bars(sessions=[SECOND], closes=[10.5], version=2))
        assert closes_of(repository.read([CODE_A], DAILY, *JANUARY)) == [10.5, 10.1]

    def test_the_greater_version_wins_also_when_the_older_one_is_written_last(self, repository: BarRepository) -> None:
        repository.write(bars(closes=[10.5, 10.6], version=2))
        repository.write(bars(closes=[10.0, 10.1], version=1))
        assert closes_of(repository.read([CODE_A], DAILY, *JANUARY)) == [10.5, 10.6]

    def test_of_equal_versions_the_later_write_wins(self, repository: BarRepository) -> None:
        repository.write(bars(closes=[10.0, 10.1], version=3))
        repository.write(bars(closes=[10.5, 10.6], version=3))
        assert closes_of(repository.read([CODE_A], DAILY, *JANUARY)) == [10.5, 10.6]

    def test_of_equal_versions_the_later_write_wins_also_when_it_repeats_an_earlier_one(
        self, repository: BarRepository
    ) -> None:
        for close in (10.0, 10.5, 10.0):
            repository.write(bars(sessions=[SECOND], closes=[close], version=3))
        assert closes_of(repository.read([CODE_A], DAILY, *JANUARY)) == [10.0]

    def test_the_same_content_with_a_newer_version_is_stored(self, repository: BarRepository) -> None:
        repository.write(bars(sessions=[SECOND], version=1))
        repository.write(bars(sessions=[SECOND], version=2))
        assert rows(repository.read([CODE_A], DAILY, *JANUARY))[0]["version"] == (2 if self.renews else 1)
        assert held(repository, since=2) == {CODE_A: [SECOND]}

    def test_a_key_twice_in_one_batch_reads_as_one_the_last_of_the_greatest_version(
        self, repository: BarRepository
    ) -> None:
        repository.write(
            BarBatch.concat(
                [
                    bars(sessions=[SECOND, SECOND], closes=[10.0, 10.1], version=4),
                    bars(sessions=[SECOND], closes=[9.0], version=2),
                ]
            )
        )
        assert closes_of(repository.read([CODE_A], DAILY, *JANUARY)) == [10.1]

    @pytest.mark.parametrize("seed", range(3))
    def test_whatever_is_written_in_whatever_order_one_row_per_key_is_the_right_one(
        self, repository: BarRepository, seed: int
    ) -> None:
        chance = random.Random(seed)
        expected: dict[str, tuple[int, float]] = {}
        for _ in range(25):
            days = chance.sample(["2024-01-02", "2024-01-03", "2024-01-04"], chance.randint(1, 3))
            version, prices = chance.randint(1, 4), [chance.randint(1, 5) / 4 for _ in days]
            repository.write(bars(sessions=days, closes=list(prices), version=version))
            for day, price in zip(days, prices, strict=True):
                if day not in expected or expected[day][0] <= version:
                    expected[day] = (version, price)
        read = rows(repository.read([CODE_A], DAILY, *JANUARY))
        if self.renews:
            assert {str(row["session"]): row["version"] for row in read} == {day: v for day, (v, _) in expected.items()}
        assert {str(row["session"]): row["close"] for row in read} == {
            day: close for day, (_, close) in expected.items()
        }
        for day, (version, _) in expected.items():
            assert day in held(repository, since=version)[CODE_A]
            assert day not in held(repository, since=version + 1).get(CODE_A, [])
        assert len(read) == len(expected)

    def test_every_price_is_exact(self, repository: BarRepository) -> None:
        prices = list(self.prices)
        series = [kind for kind in self.kinds[:2] if kind.frequency is Frequency.DAY][-1]
        written = bars(sessions=business_days("2024-01-01", len(prices)), closes=prices, series=series)
        repository.write(written)
        read = repository.read([CODE_A], series, *JANUARY)
        for column in ("open", "high", "low", "close"):
            assert read.table[column].to_pylist() == prices
        assert read.table["pre_close"].equals(self.kept(written).table["pre_close"])

    def test_many_prices_in_one_write_are_exact(self, repository: BarRepository) -> None:
        written = market(200, business_days("2020-01-01", self.many))
        repository.write(written)
        read = repository.read(None, DAILY, date(2020, 1, 1), date(2025, 1, 1))
        expected = self.kept(written.sorted()).table
        assert len(read) == 200 * self.many
        for column in ("session", "timestamp", "open", "high", "low", "close", "pre_close", "volume", "amount"):
            assert read.table[column].combine_chunks().equals(expected[column].combine_chunks()), column

    @pytest.mark.parametrize("price", [10.1234567, float("nan"), float("inf"), 1e18, 1e300])
    def test_a_price_is_stored_as_it_is_or_refused(self, repository: BarRepository, price: float) -> None:
        refused = refusal(repository, bars(sessions=[SECOND], closes=[price], amounts=[None]))
        assert "open" in (refused or "open")
        np.testing.assert_equal(closes_of(repository.read(None, DAILY, *JANUARY)), [] if refused else [price])

    @pytest.mark.parametrize("volume", [0.5, float("nan"), 2.0**53, 1e19])
    def test_a_volume_is_stored_as_it_is_or_refused(self, repository: BarRepository, volume: float) -> None:
        refused = refusal(repository, bars(sessions=[SECOND], volumes=[volume], amounts=[None]))
        assert "volume" in (refused or "volume")
        read = repository.read(None, DAILY, *JANUARY).table["volume"].to_pylist()
        np.testing.assert_equal(read, [] if refused else [volume])

    @pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume", "code", "session", "timestamp"])
    def test_a_null_raises_and_stores_nothing(self, repository: BarRepository, column: str) -> None:
        batch = bars()
        place = batch.table.schema.get_field_index(column)
        mask = pa.array([False, True])
        holed = pc.if_else(mask, pa.scalar(None, pa.string()), batch.table[column].cast(pa.string()))
        if column == "session":
            holed = pc.if_else(mask, pa.scalar(None, pa.date32()), batch.table[column])
        if column == "timestamp":
            holed = pc.if_else(mask, pa.scalar(None, batch.table[column].type), batch.table[column])
        with pytest.raises(SchemaMismatch, match=column):
            repository.write(BarBatch.of(batch.table.set_column(place, column, holed)))
        assert len(repository.read(None, DAILY, *JANUARY)) == 0
        assert held(repository) == {}

    def test_a_missing_pre_close_or_amount_stays_missing(self, repository: BarRepository) -> None:
        written = bars(pre_closes=[None, 10.0], amounts=[500.5, None])
        repository.write(written)
        read = repository.read([CODE_A], DAILY, *JANUARY).table
        assert read["pre_close"].equals(self.kept(written).table["pre_close"])
        assert read["amount"].equals(self.kept(written).table["amount"])
        assert read["amount"].is_null().to_pylist() == [False, True]

    @pytest.mark.parametrize("day", ["1990-12-19", "1991-06-03", "1991-04-14", "1991-09-15", "2024-07-01"])
    def test_timestamps_are_exact_in_every_year(self, repository: BarRepository, day: str) -> None:
        for series in [kind for kind in self.kinds if kind in (DAILY, MINUTES_5)]:
            written = bars(sessions=[day], series=series)
            repository.write(written)
            read = repository.read([CODE_A], series, date.fromisoformat(day), date.fromisoformat(day))
            assert read.table["timestamp"].equals(written.table["timestamp"])
            assert set(sessions_of(read)) == {day}
            assert held(repository, series, window=(date(1990, 1, 1), date(2025, 1, 1))) == {CODE_A: [day]}

    def test_a_history_of_a_century_and_more_is_stored(self, repository: BarRepository) -> None:
        days = [f"{year}-07-01" for year in self.years]
        repository.write(bars(sessions=days))
        assert sessions_of(repository.read(None, DAILY, date(1900, 1, 1), date(2100, 1, 1))) == days

    def test_only_the_codes_and_sessions_asked_for_come(self, repository: BarRepository) -> None:
        for code in (CODE_A, CODE_B, "430047.BJ"):
            repository.write(bars(code, [SECOND, THIRD, "2024-01-04"]))
        read = repository.read([CODE_B, CODE_A, CODE_B], DAILY, date(2024, 1, 3), date(2024, 1, 3))
        assert [(row["code"], str(row["session"])) for row in rows(read)] == [(CODE_A, THIRD), (CODE_B, THIRD)]
        assert held(repository, codes=[CODE_B], window=(date(2024, 1, 3), date(2024, 1, 4))) == {
            CODE_B: [THIRD, "2024-01-04"]
        }

    def test_no_code_asked_for_means_none_and_a_strange_one_means_itself(self, repository: BarRepository) -> None:
        repository.write(bars())
        repository.write(bars("it's\\", [SECOND]))
        assert len(repository.read([], DAILY, *JANUARY)) == 0
        assert held(repository, codes=[]) == {}
        assert repository.first_held([], DAILY) == {}
        assert held(repository, codes=["it's\\"]) == {"it's\\": [SECOND]}
        assert len(repository.read(["it's\\"], DAILY, *JANUARY)) == 1

    def test_any_window_may_be_asked_for(self, repository: BarRepository) -> None:
        repository.write(bars())
        assert len(repository.read(None, DAILY, date.min, date.max)) == 2
        assert held(repository, window=(date.min, date.max)) == {CODE_A: [SECOND, THIRD]}
        assert len(repository.read(None, DAILY, date.min, date.min)) == 0
        assert len(repository.read(None, DAILY, date.max, date.max)) == 0
        assert len(repository.read(None, DAILY, date(2024, 2, 1), date(2024, 1, 1))) == 0

    def test_a_list_of_codes_longer_than_one_statement_is_answered(self, repository: BarRepository) -> None:
        batch = market(6001, [SECOND])
        repository.write(batch)
        codes = batch.codes()
        assert repository.read(codes[::-1], DAILY, *JANUARY).codes() == codes
        assert rows(repository.read(codes, DAILY, *JANUARY)) == rows(repository.read(None, DAILY, *JANUARY))
        assert sorted(repository.held(codes, DAILY, *JANUARY)) == codes
        assert sorted(repository.first_held(codes, DAILY)) == codes

    def test_a_daily_session_is_held_by_its_row(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_A, [SECOND, "2024-01-04"]))
        repository.write(bars(CODE_B, [THIRD]))
        assert held(repository) == {CODE_A: [SECOND, "2024-01-04"], CODE_B: [THIRD]}
        days = repository.held([CODE_A], DAILY, *JANUARY)[CODE_A]
        assert days.dtype == np.dtype("datetime64[D]")

    def test_of_daily_bars_what_is_begun_is_held(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_A, [SECOND, "2024-01-04"]))
        repository.mark_held(bars(CODE_B))
        assert begun(repository) == held(repository) == {CODE_A: [SECOND, "2024-01-04"]}

    def test_a_mark_is_no_row_of_a_daily_session(self, repository: BarRepository) -> None:
        repository.mark_held(bars())
        assert held(repository) == {}

    def test_since_counts_only_what_was_stored_with_that_version_or_a_later_one(
        self, repository: BarRepository
    ) -> None:
        repository.write(bars(CODE_A, [SECOND, THIRD], version=10))
        repository.write(bars(CODE_A, [THIRD], version=20))
        repository.write(bars(CODE_A, [THIRD], version=5))
        repository.write(bars(CODE_B, [SECOND], version=9))
        assert held(repository, since=10) == {CODE_A: [SECOND, THIRD]}
        assert held(repository, since=11) == {CODE_A: [THIRD]}
        assert held(repository, since=21) == {}

    def test_a_daily_session_that_is_stored_counts_as_fetched_when_it_was_marked(
        self, repository: BarRepository
    ) -> None:
        repository.write(bars(CODE_A, [SECOND, THIRD], version=10))
        repository.mark_held(bars(CODE_A, [THIRD, "2024-01-04"], version=20))
        assert held(repository, since=11) == {CODE_A: [THIRD]}
        assert held(repository, since=20) == {CODE_A: [THIRD]}
        assert held(repository, since=21) == {}
        assert held(repository, codes=[CODE_B], since=11) == {}
        assert held(repository) == {CODE_A: [SECOND, THIRD]}
        assert rows(repository.read([CODE_A], DAILY, *JANUARY))[1]["version"] == (10 if self.marks_apart else 20)

    def test_bars_read_as_the_store_says_that_it_keeps_them(self, repository: BarRepository) -> None:
        written = market(3, [SECOND, THIRD])
        repository.write(written)
        assert rows(repository.read(None, DAILY, *JANUARY)) == rows(repository.kept(written).sorted())
        assert len(repository.kept(BarBatch.empty())) == 0

    def test_a_change_of_what_this_program_has_stored_reads_as_a_change(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_A, [SECOND, THIRD], version=10))
        stored = repository.read(None, DAILY, *JANUARY)
        changed = bars(CODE_A, [THIRD, "2024-01-04"], amounts=[10_010.0, 20_000.0], version=20)
        assert rows(repository.kept(changed, stored)) == rows(repository.kept(changed))
        assert rows(repository.kept(changed, BarBatch.empty())) == rows(repository.kept(changed))
        assert len(repository.kept(BarBatch.empty(), stored)) == 0

    def test_a_withdrawn_bar_is_gone(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_A, [SECOND, THIRD], version=10))
        repository.write(bars(CODE_B, [SECOND], version=10))
        repository.mark_held(bars(CODE_A, [SECOND], version=10))
        gone = bars(CODE_A, [SECOND], version=20)
        assert repository.withdraw(gone).rows == 1
        repository.withdraw(gone)
        assert sessions_of(repository.read([CODE_A], DAILY, *JANUARY)) == [THIRD]
        assert held(repository) == {CODE_A: [THIRD], CODE_B: [SECOND]}
        assert held(repository, since=1) == {CODE_A: [THIRD], CODE_B: [SECOND]}
        assert repository.first_held([CODE_A], DAILY) == {CODE_A: date(2024, 1, 3)}

    def test_withdrawing_nothing_takes_no_insert(self, repository: BarRepository) -> None:
        assert repository.withdraw(BarBatch.empty()) == WriteReceipt(0, 0)

    def test_an_older_withdrawal_takes_nothing_that_is_newer(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_A, [SECOND], version=20))
        repository.withdraw(bars(CODE_A, [SECOND], version=19))
        assert held(repository) == {CODE_A: [SECOND]}

    def test_the_first_session_held_is_known_per_code(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_A, [THIRD, "1991-06-03", SECOND]))
        repository.write(bars(CODE_B, [THIRD]))
        if len(self.kinds) > 1:
            repository.write(bars(CODE_B, [SECOND], series=self.kinds[2]))
        assert repository.first_held([CODE_B, CODE_A, "430047.BJ"], DAILY) == {
            CODE_A: date(1991, 6, 3),
            CODE_B: date(2024, 1, 3),
        }

    def test_two_instances_see_each_others_rows(
        self, repository: BarRepository, reopen: Callable[[], BarRepository]
    ) -> None:
        other = reopen()
        repository.write(bars(CODE_A, [SECOND], version=1))
        other.write(bars(CODE_A, [SECOND, THIRD], closes=[11.0, 11.1], version=2))
        assert closes_of(repository.read(None, DAILY, *JANUARY)) == [11.0, 11.1]
        assert closes_of(other.read(None, DAILY, *JANUARY)) == [11.0, 11.1]


class BarRepositoryContract(DailyBarRepositoryContract):
    """What a store of all series promises: minute bars, marks beside their rows, withdrawals that are remembered."""

    def test_series_are_kept_apart(self, repository: BarRepository) -> None:
        for number, series in enumerate(self.kinds):
            count = len(bars(sessions=[SECOND], series=series))
            repository.write(bars(sessions=[SECOND], closes=[10.0 + number] * count, series=series, version=number + 1))
        for number, series in enumerate(self.kinds):
            read = repository.read([CODE_A], series, *JANUARY)
            assert read.series == series
            assert set(closes_of(read)) == {10.0 + number}
        assert held(repository, Series(Frequency.MIN15)) == {}

    @pytest.mark.parametrize("frequency", [f for f in Frequency if f is not Frequency.DAY], ids=lambda f: f.value)
    def test_a_minute_session_is_held_by_as_many_rows_as_a_full_one_has(
        self, repository: BarRepository, frequency: Frequency
    ) -> None:
        series = Series(frequency)
        repository.write(bars(sessions=[SECOND], series=series))
        repository.write(bars(sessions=[THIRD], series=series, keep=frequency.bars_per_session - 1))
        assert held(repository, series) == {CODE_A: [SECOND]}

    def test_the_same_minute_bars_twice_do_not_make_a_session_whole(self, repository: BarRepository) -> None:
        half = bars(sessions=[SECOND], series=MINUTES_5, keep=24)
        repository.write(half)
        repository.write(half)
        repository.write(bars(sessions=[SECOND], series=MINUTES_5, keep=24, version=2))
        assert held(repository, MINUTES_5) == {}

    def test_a_minute_session_with_fewer_rows_is_held_by_its_mark(self, repository: BarRepository) -> None:
        part = bars(sessions=[SECOND], series=MINUTES_5, keep=10)
        repository.write(part)
        repository.write(bars(sessions=[THIRD], series=MINUTES_5, keep=10))
        assert held(repository, MINUTES_5) == {}
        repository.mark_held(part)
        repository.mark_held(part)
        assert held(repository, MINUTES_5) == {CODE_A: [SECOND]}
        assert held(repository, MINUTES_5, codes=[CODE_B]) == {}
        assert held(repository, MINUTES_5, window=(date(2024, 1, 3), date(2024, 1, 31))) == {}
        assert held(repository, MINUTES_1) == {}

    def test_marks_and_counts_together_are_what_is_held(self, repository: BarRepository) -> None:
        part = bars(sessions=["2024-01-05", SECOND], series=MINUTES_5, keep=10)
        repository.write(part)
        repository.mark_held(part)
        repository.write(bars(sessions=[THIRD], series=MINUTES_5))
        whole = bars(sessions=["2024-01-04"], series=MINUTES_5)
        repository.write(whole)
        repository.mark_held(whole)
        assert held(repository, MINUTES_5) == {CODE_A: [SECOND, THIRD, "2024-01-04", "2024-01-05"]}

    def test_a_session_is_begun_by_any_row_whole_or_not(self, repository: BarRepository) -> None:
        assert begun(repository, MINUTES_5) == {}
        repository.write(bars(sessions=["2024-01-04", SECOND], series=MINUTES_5, keep=1))
        repository.write(bars(CODE_B, sessions=[THIRD], series=MINUTES_5))
        repository.write(bars(sessions=["2024-01-04"], series=MINUTES_5, keep=2, version=2))
        assert begun(repository, MINUTES_5) == {CODE_A: [SECOND, "2024-01-04"], CODE_B: [THIRD]}
        assert begun(repository, MINUTES_5, [CODE_A, "it's\\"]) == {CODE_A: [SECOND, "2024-01-04"]}
        assert begun(repository, MINUTES_5, []) == {}
        assert begun(repository, MINUTES_5, window=(date(2024, 1, 3), date(2024, 1, 3))) == {CODE_B: [THIRD]}
        assert begun(repository, MINUTES_1) == begun(repository) == {}
        assert repository.begun(None, MINUTES_5, *JANUARY)[CODE_A].dtype == np.dtype("datetime64[D]")

    def test_a_session_whose_bars_were_all_withdrawn_is_not_begun(self, repository: BarRepository) -> None:
        repository.write(bars(sessions=[SECOND, THIRD], series=MINUTES_5, keep=3, version=10))
        repository.withdraw(bars(sessions=[SECOND], series=MINUTES_5, keep=3, version=20))
        repository.withdraw(bars(sessions=[THIRD], series=MINUTES_5, keep=2, version=20))
        assert begun(repository, MINUTES_5) == {CODE_A: [THIRD]}

    def test_a_mark_of_nothing_marks_nothing(self, repository: BarRepository) -> None:
        repository.mark_held(BarBatch.empty(MINUTES_5))
        assert held(repository, MINUTES_5) == {}

    def test_since_counts_minute_rows_and_marks_by_their_version(self, repository: BarRepository) -> None:
        repository.write(bars(sessions=[SECOND, THIRD], series=MINUTES_5, version=10))
        repository.write(bars(sessions=[SECOND], series=MINUTES_5, version=20, keep=47))
        repository.write(bars(sessions=[THIRD], series=MINUTES_5, version=20))
        part = bars(sessions=["2024-01-04"], series=MINUTES_5, version=20, keep=5)
        repository.write(part)
        repository.mark_held(part)
        assert held(repository, MINUTES_5, since=10) == {CODE_A: [SECOND, THIRD, "2024-01-04"]}
        assert held(repository, MINUTES_5, since=20) == {CODE_A: [THIRD, "2024-01-04"]}
        assert held(repository, MINUTES_5, since=21) == {}

    def test_a_mark_has_the_greatest_version_of_its_session(self, repository: BarRepository) -> None:
        part = BarBatch.concat(
            [
                bars(sessions=[SECOND], series=MINUTES_5, version=20, keep=1),
                bars(sessions=[SECOND, THIRD], series=MINUTES_5, version=10, keep=2),
            ],
            MINUTES_5,
        )
        repository.write(part)
        repository.mark_held(part)
        assert held(repository, MINUTES_5, since=11) == {CODE_A: [SECOND]}

    def test_a_late_older_bar_stays_withdrawn_and_a_newer_one_is_back(self, repository: BarRepository) -> None:
        repository.withdraw(bars(CODE_A, [SECOND], version=20))
        repository.write(bars(CODE_A, [SECOND], closes=[9.0], version=19))
        assert held(repository) == {}
        repository.write(bars(CODE_A, [SECOND], closes=[9.5], version=21))
        assert closes_of(repository.read([CODE_A], DAILY, *JANUARY)) == [9.5]
        assert held(repository) == {CODE_A: [SECOND]}

    def test_a_minute_session_of_which_bars_were_withdrawn_is_held_when_it_is_marked_again(
        self, repository: BarRepository
    ) -> None:
        part = bars(sessions=[SECOND, THIRD], series=MINUTES_5, keep=10, version=10)
        repository.write(part)
        repository.mark_held(part)
        repository.withdraw(bars(sessions=[SECOND, THIRD], series=MINUTES_5, keep=2, version=20))
        assert held(repository, MINUTES_5) == {}
        assert len(repository.read([CODE_A], MINUTES_5, *JANUARY)) == 16
        repository.mark_held(bars(sessions=[SECOND], series=MINUTES_5, keep=8, version=20))
        assert held(repository, MINUTES_5) == {CODE_A: [SECOND]}

    def test_two_instances_see_each_others_marks(
        self, repository: BarRepository, reopen: Callable[[], BarRepository]
    ) -> None:
        part = bars(sessions=[SECOND], series=MINUTES_5, keep=3)
        other = reopen()
        other.write(part)
        other.mark_held(part)
        assert held(repository, MINUTES_5) == {CODE_A: [SECOND]}

    def test_a_withdrawal_takes_one_insert(self, repository: BarRepository) -> None:
        repository.write(bars(CODE_A, [SECOND, THIRD], version=10))
        assert repository.withdraw(bars(CODE_A, [SECOND], version=20)) == WriteReceipt(1, 1)
