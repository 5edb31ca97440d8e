"""What every store of ticks promises: lists are replaced, read and held as a whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pyarrow as pa
import pytest

from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.ticks import TICK_SCHEMA
from ginkgo_data.ports.bar_repository import WriteReceipt
from ginkgo_data.ports.tick_repository import TickRepository
from support.ticks import CODE_A, CODE_B, prices_of, tick_day

JANUARY = (date(2024, 1, 1), date(2024, 1, 31))


def prices(repository: TickRepository, *codes: str) -> list[float]:
    return prices_of(repository.read(codes or None, *JANUARY))


def held(repository: TickRepository, *codes: str, since: int | None = None) -> dict[str, list[str]]:
    found = repository.held(codes or None, *JANUARY, since=since)
    return {code: [str(day) for day in sessions] for code, sessions in found.items()}


class TickRepositoryContract:
    """Subclassed once per adapter, with the fixture `repository`."""

    prices = (0.57, 1.13, 1900.123456)
    volumes = (100.0, 0.0, 9_007_199_254_740_000.0)
    moments = (1704677400123, 1704677400123, 1704697200000)
    """Milliseconds since 1970. All three: what the store keeps as it comes."""

    def test_a_list_is_read_back_as_it_came(self, repository: TickRepository) -> None:
        times = pa.array(self.moments, pa.timestamp("ms", "Asia/Shanghai"))
        sides = ["buy", "sell", "neutral"]
        day = tick_day(prices=self.prices, side=sides, volume=list(self.volumes), timestamp=times)
        assert repository.replace([day]) == WriteReceipt(3, 1)
        read = repository.read([CODE_A], *JANUARY).table
        assert read.schema.equals(TICK_SCHEMA)
        assert read.to_pylist() == day.ticks.table.to_pylist()

    def test_trades_that_are_alike_are_kept(self, repository: TickRepository) -> None:
        same = pa.array([1704677400000] * 3, pa.timestamp("ms", "Asia/Shanghai"))
        repository.replace([tick_day(prices=[10.0] * 3, timestamp=same)])
        assert prices(repository) == [10.0] * 3

    @pytest.mark.parametrize("later", [[11.0], [11.0, 11.1, 11.2, 11.3], []])
    def test_a_newer_list_takes_the_place_of_the_whole_older_one(
        self, repository: TickRepository, later: list[float]
    ) -> None:
        repository.replace([tick_day(version=1)])
        repository.replace([tick_day(prices=later, version=2)])
        assert prices(repository) == later
        assert held(repository) == {CODE_A: ["2024-01-08"]}

    @pytest.mark.parametrize("zombie", [[9.0], [9.0] * 5])
    def test_an_older_list_that_comes_late_changes_nothing(
        self, repository: TickRepository, zombie: list[float]
    ) -> None:
        repository.replace([tick_day(prices=[10.0, 10.1], version=5)])
        repository.replace([tick_day(prices=zombie, version=4)])
        assert prices(repository) == [10.0, 10.1]
        assert held(repository, since=5) == {CODE_A: ["2024-01-08"]}

    def test_an_older_list_that_comes_late_does_not_fill_an_emptied_day(self, repository: TickRepository) -> None:
        repository.replace([tick_day(version=1)])
        repository.replace([tick_day(prices=[], version=5)])
        repository.replace([tick_day(prices=[9.0] * 5, version=4)])
        assert prices(repository) == []

    def test_the_same_list_written_twice_reads_as_once(self, repository: TickRepository) -> None:
        for _ in range(2):
            repository.replace([tick_day()])
        assert prices(repository) == [10.0, 10.01, 10.02]

    def test_shorter_and_longer_again_is_exact(self, repository: TickRepository) -> None:
        for version, count in enumerate([6, 3, 1, 4, 2, 5], start=1):
            repository.replace([tick_day(prices=[float(version)] * count, version=version)])
            assert prices(repository) == [float(version)] * count

    def test_gaps_that_rejected_rows_left_stay_gaps(self, repository: TickRepository) -> None:
        repository.replace([tick_day(prices=[1.0, 2.0, 3.0, 4.0], version=1)])
        repository.replace([tick_day(prices=[5.0, 6.0], seq=pa.array([0, 2], pa.uint32()), whole=False, version=2)])
        read = repository.read(None, *JANUARY).table
        assert (read["seq"].to_pylist(), read["price"].to_pylist()) == ([0, 2], [5.0, 6.0])

    def test_a_list_that_is_not_whole_is_not_held_even_where_one_was(self, repository: TickRepository) -> None:
        repository.replace([tick_day(version=1)])
        repository.replace([tick_day(prices=[1.0], whole=False, version=2)])
        assert held(repository) == {}
        repository.replace([tick_day(version=3)])
        assert held(repository) == {CODE_A: ["2024-01-08"]}

    def test_a_session_without_ticks_can_be_held(self, repository: TickRepository) -> None:
        repository.replace([tick_day(prices=[])])
        assert held(repository) == {CODE_A: ["2024-01-08"]}
        assert prices(repository) == []

    def test_other_sessions_and_codes_are_left_alone(self, repository: TickRepository) -> None:
        repository.replace([tick_day(), tick_day(session="2024-01-09"), tick_day(CODE_B)])
        repository.replace([tick_day(prices=[1.0], version=2)])
        assert prices(repository, CODE_A) == [1.0, 10.0, 10.01, 10.02]
        assert prices(repository, CODE_B) == [10.0, 10.01, 10.02]
        assert held(repository) == {CODE_A: ["2024-01-08", "2024-01-09"], CODE_B: ["2024-01-08"]}

    def test_lists_of_several_months_are_replaced_together(self, repository: TickRepository) -> None:
        days = [tick_day(session=day) for day in ("2023-12-29", "2024-01-02", "2024-01-31", "2024-02-01")]
        assert repository.replace(days).rows == 12
        assert len(repository.read(None, date(2023, 12, 1), date(2024, 2, 28))) == 12
        assert held(repository) == {CODE_A: ["2024-01-02", "2024-01-31"]}

    def test_reads_are_by_code_session_and_place_and_bounds_are_included(self, repository: TickRepository) -> None:
        backwards = pa.array([1, 0], pa.uint32())
        repository.replace(
            [tick_day(CODE_B, "2024-01-09", [2.0, 1.0], seq=backwards), tick_day(CODE_A, "2024-01-10", [3.0])]
        )
        read = repository.read(None, date(2024, 1, 9), date(2024, 1, 10)).table
        assert list(zip(read["code"].to_pylist(), read["price"].to_pylist(), strict=True)) == [
            (CODE_A, 3.0),
            (CODE_B, 1.0),
            (CODE_B, 2.0),
        ]
        assert len(repository.read([], *JANUARY)) == 0

    def test_held_since_looks_at_the_mark_that_counts(self, repository: TickRepository) -> None:
        repository.replace([tick_day(version=10), tick_day(session="2024-01-09", version=20)])
        assert held(repository, since=20) == {CODE_A: ["2024-01-09"]}
        repository.replace([tick_day(version=30)])
        assert held(repository, since=20) == {CODE_A: ["2024-01-08", "2024-01-09"]}

    def test_the_first_session_held_is_known_per_code(self, repository: TickRepository) -> None:
        repository.replace([tick_day(session="2024-01-09"), tick_day(session="2024-01-03")])
        repository.replace([tick_day(CODE_B, whole=False)])
        assert dict(repository.first_held([CODE_A, CODE_B])) == {CODE_A: date(2024, 1, 3)}

    @pytest.mark.parametrize(
        ("column", "values"),
        [
            ("price", [10.0, None]),
            ("price", [10.0, float("nan")]),
            ("volume", [100.0, 0.5]),
            ("volume", [100.0, None]),
            ("side", ["buy", None]),
            ("timestamp", pa.nulls(2, pa.timestamp("ms", "Asia/Shanghai"))),
        ],
    )
    def test_what_cannot_be_stored_as_it_is_is_refused_and_nothing_is_stored(
        self, repository: TickRepository, column: str, values: object
    ) -> None:
        bad = tick_day(prices=[10.0, 10.0], **{column: values}) if column != "price" else tick_day(prices=values)
        with pytest.raises(SchemaMismatch, match=column):
            repository.replace([tick_day(CODE_B), bad])
        assert prices(repository) == []
        assert held(repository) == {}

    def test_a_session_twice_in_one_replacement_is_refused(self, repository: TickRepository) -> None:
        with pytest.raises(SchemaMismatch, match="twice"):
            repository.replace([tick_day(), tick_day(version=2)])

    def test_nothing_to_replace_is_no_insert(self, repository: TickRepository) -> None:
        assert repository.replace([]) == WriteReceipt()

    def test_replacements_at_the_same_time_leave_the_newest_list(self, repository: TickRepository) -> None:
        def replace(version: int) -> None:
            repository.replace([tick_day(prices=[float(version)] * (1 + version * 7 % 5), version=version)])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(replace, range(1, 13)))
        assert prices(repository) == [12.0] * (1 + 12 * 7 % 5)
