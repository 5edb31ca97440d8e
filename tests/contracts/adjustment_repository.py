"""What every store of adjustment factors promises."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.domain.model.adjustments import ADJUSTMENT_SCHEMA, FACTOR_HISTORY_SCHEMA, AdjustmentBatch
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.ports.adjustment_repository import AdjustmentRepository
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.factors import CODE_A, CODE_B, factors, listed_factors

JANUARY = (date(2024, 1, 1), date(2024, 1, 31))
TENTH = (date(2024, 1, 10), date(2024, 1, 10))


def held(repository: AdjustmentRepository, *codes: str, since: int | None = None) -> dict[str, list[str]]:
    found = repository.held(codes or None, *JANUARY, since=since)
    return {code: [str(day) for day in sessions] for code, sessions in found.items()}


class AdjustmentRepositoryContract:
    """Subclassed once per adapter, with the fixture `repository`."""

    exact = (7.768, 1.012345678901, 108.031)
    """Factors that the store keeps as they come."""

    def test_factors_are_read_back_as_they_came(self, repository: AdjustmentRepository) -> None:
        values = list(self.exact)
        assert repository.write(factors(values=values)) == WriteReceipt(3, 1)
        read = repository.read([CODE_A], *JANUARY)
        assert read.table.schema.equals(FACTOR_HISTORY_SCHEMA)
        assert read.table["factor"].to_pylist() == values
        assert read.factors().table.schema.equals(ADJUSTMENT_SCHEMA)

    def test_fore_and_back_relate_to_the_ends_of_the_whole_history(self, repository: AdjustmentRepository) -> None:
        repository.write(factors(values=[2.0, 2.5, 4.0]))
        repository.write(factors(CODE_B, values=[5.0, 5.0, 10.0]))
        everything = repository.read(None, *JANUARY).table
        assert everything["fore"].to_pylist() == [0.5, 0.625, 1.0, 0.5, 0.5, 1.0]
        assert everything["back"].to_pylist() == [1.0, 1.25, 2.0, 1.0, 1.0, 2.0]
        part = repository.read([CODE_A], date(2024, 1, 9), date(2024, 1, 9)).table
        assert (part["fore"].to_pylist(), part["back"].to_pylist()) == ([0.625], [1.25])

    def test_a_batch_written_twice_reads_as_once(self, repository: AdjustmentRepository) -> None:
        for _ in range(2):
            repository.write(factors())
        assert len(repository.read(None, *JANUARY)) == 3

    def test_the_greater_version_wins_whenever_it_is_written(self, repository: AdjustmentRepository) -> None:
        repository.write(factors(values=[1.0, 1.5, 1.5], version=5))
        repository.write(factors(values=[9.0, 9.0, 9.0], version=4))
        repository.write(factors(sessions=["2024-01-09"], values=[1.6], version=6))
        assert [row[2] for row in listed_factors(repository.read([CODE_A], *JANUARY).factors())] == [1.0, 1.6, 1.5]

    def test_reads_are_by_code_and_session_and_bounds_are_included(self, repository: AdjustmentRepository) -> None:
        repository.write(factors(CODE_B, ["2024-01-10", "2024-01-08"], [2.0, 1.0]))
        repository.write(factors(CODE_A, ["2024-01-11", "2024-01-10"], [2.0, 1.0]))
        rows = listed_factors(repository.read(None, date(2024, 1, 10), date(2024, 1, 11)).factors())
        assert rows == [(CODE_A, "2024-01-10", 1.0), (CODE_A, "2024-01-11", 2.0), (CODE_B, "2024-01-10", 2.0)]

    def test_no_codes_are_none_and_unknown_ones_have_nothing(self, repository: AdjustmentRepository) -> None:
        repository.write(factors())
        assert len(repository.read([], *JANUARY)) == 0
        assert len(repository.read(["999999.SZ"], *JANUARY)) == 0
        assert dict(repository.held([], *JANUARY)) == {}
        assert dict(repository.first_held([])) == {}

    def test_held_are_the_sessions_with_a_factor(self, repository: AdjustmentRepository) -> None:
        repository.write(factors(sessions=["2024-01-10", "2024-01-08", "2024-02-01"]))
        repository.write(factors(CODE_B, ["2024-01-09"]))
        assert held(repository) == {CODE_A: ["2024-01-08", "2024-01-10"], CODE_B: ["2024-01-09"]}
        assert held(repository, CODE_B) == {CODE_B: ["2024-01-09"]}
        assert repository.held([CODE_A], *JANUARY)[CODE_A].dtype == np.dtype("datetime64[D]")

    def test_held_since_looks_at_the_row_that_counts(self, repository: AdjustmentRepository) -> None:
        repository.write(factors(version=10))
        repository.write(factors(sessions=["2024-01-09"], version=20))
        assert held(repository, since=20) == {CODE_A: ["2024-01-09"]}
        assert held(repository, since=21) == {}
        assert held(repository, since=10) == {CODE_A: ["2024-01-08", "2024-01-09", "2024-01-10"]}

    def test_the_first_session_held_is_known_per_code(self, repository: AdjustmentRepository) -> None:
        repository.write(factors(sessions=["2024-01-10", "1991-06-03"]))
        assert dict(repository.first_held([CODE_A, CODE_B])) == {CODE_A: date(1991, 6, 3)}

    @pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), None])
    def test_what_is_no_factor_is_refused_and_nothing_is_stored(
        self, repository: AdjustmentRepository, value: float | None
    ) -> None:
        with pytest.raises(SchemaMismatch, match="factor"):
            repository.write(factors(values=[1.0, value, 1.0]))
        assert len(repository.read(None, *JANUARY)) == 0

    @pytest.mark.parametrize("column", ["code", "session", "source", "version"])
    def test_a_null_is_refused_by_the_columns_name(self, repository: AdjustmentRepository, column: str) -> None:
        table = factors().table
        place = table.schema.get_field_index(column)
        nulls = pa.nulls(3, table.schema.field(column).type)
        with pytest.raises(SchemaMismatch, match=column):
            repository.write(AdjustmentBatch(table.set_column(place, table.schema.field(column), nulls)))

    def test_nothing_to_write_is_no_insert(self, repository: AdjustmentRepository) -> None:
        assert repository.write(AdjustmentBatch.empty()) == WriteReceipt()
