"""What every store of absences promises."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import DAILY, Adjust, Series
from ginkgo_data.ports.bar_repository import AbsenceRepository
from support.bars import CODE_A, CODE_B, MINUTES_5

JANUARY = (date(2024, 1, 1), date(2024, 1, 31))
SECOND, THIRD = date(2024, 1, 2), date(2024, 1, 3)


def absences(
    *days: date,
    code: str = CODE_A,
    reason: AbsenceReason = AbsenceReason.SUSPENDED,
    evidence: str = "suspend_d: S",
    version: int = 1,
) -> Absences:
    """Return statements about `days` of `code`."""
    return Absences.of([(code, day, reason, evidence) for day in days], "tushare", version)


class AbsenceRepositoryContract:
    """Subclasses provide the fixture `repository`, empty."""

    def test_an_empty_store_knows_no_absence(self, repository: AbsenceRepository) -> None:
        assert len(repository.absences(None, DAILY, *JANUARY)) == 0
        repository.write_absences(Absences.empty(), DAILY)
        assert len(repository.absences(None, DAILY, *JANUARY)) == 0

    def test_a_statement_is_read_back_in_full(self, repository: AbsenceRepository) -> None:
        written = absences(SECOND, reason=AbsenceReason.NO_ROW, evidence="complete reply, 停牌?", version=7)
        repository.write_absences(written, DAILY)
        assert repository.absences([CODE_A], DAILY, *JANUARY).table.to_pylist() == written.table.to_pylist()

    def test_statements_come_by_code_and_session(self, repository: AbsenceRepository) -> None:
        repository.write_absences(absences(THIRD, SECOND, code=CODE_B), DAILY)
        repository.write_absences(absences(THIRD, SECOND), DAILY)
        read = repository.absences(None, DAILY, *JANUARY).table
        assert list(zip(read["code"].to_pylist(), read["session"].to_pylist(), strict=True)) == [
            (CODE_A, SECOND),
            (CODE_A, THIRD),
            (CODE_B, SECOND),
            (CODE_B, THIRD),
        ]

    def test_a_statement_written_twice_is_one(self, repository: AbsenceRepository) -> None:
        repository.write_absences(absences(SECOND), DAILY)
        repository.write_absences(absences(SECOND), DAILY)
        assert len(repository.absences(None, DAILY, *JANUARY)) == 1

    def test_the_greater_version_wins_in_either_order(self, repository: AbsenceRepository) -> None:
        newer = absences(SECOND, reason=AbsenceReason.SUSPENDED, version=2)
        repository.write_absences(absences(SECOND, THIRD, reason=AbsenceReason.NO_ROW, version=1), DAILY)
        repository.write_absences(newer, DAILY)
        repository.write_absences(absences(SECOND, reason=AbsenceReason.NO_ROW, version=1), DAILY)
        read = repository.absences([CODE_A], DAILY, *JANUARY).table
        assert read["reason"].to_pylist() == ["suspended", "no_row"]

    def test_series_are_kept_apart(self, repository: AbsenceRepository) -> None:
        repository.write_absences(absences(SECOND), DAILY)
        repository.write_absences(absences(THIRD), MINUTES_5)
        assert repository.absences(None, DAILY, *JANUARY).table["session"].to_pylist() == [SECOND]
        assert repository.absences(None, MINUTES_5, *JANUARY).table["session"].to_pylist() == [THIRD]
        assert len(repository.absences(None, Series(adjust=Adjust.HFQ), *JANUARY)) == 0

    def test_only_the_codes_and_sessions_asked_for_come(self, repository: AbsenceRepository) -> None:
        repository.write_absences(absences(SECOND, THIRD), DAILY)
        repository.write_absences(absences(THIRD, code=CODE_B), DAILY)
        assert repository.absences([CODE_A], DAILY, THIRD, THIRD).table["session"].to_pylist() == [THIRD]
        assert len(repository.absences([], DAILY, *JANUARY)) == 0
        assert len(repository.absences(None, DAILY, date.min, date.max)) == 3

    def test_what_was_said_of_a_bar_that_arrived_is_withdrawn(self, repository: AbsenceRepository) -> None:
        repository.write_absences(absences(SECOND, THIRD), DAILY)
        repository.write_absences(absences(SECOND, code=CODE_B), DAILY)
        arrived = Cells((CODE_A, CODE_B), np.array([0, 1]), np.array([SECOND, THIRD], "datetime64[D]"))
        repository.withdraw_absences(arrived, DAILY, 2)
        repository.withdraw_absences(arrived, DAILY, 2)
        read = repository.absences(None, DAILY, *JANUARY).table
        assert list(zip(read["code"].to_pylist(), read["session"].to_pylist(), strict=True)) == [
            (CODE_A, THIRD),
            (CODE_B, SECOND),
        ]
        repository.withdraw_absences(Cells.none(), DAILY, 3)
        assert len(repository.absences(None, DAILY, *JANUARY)) == 2

    def test_a_statement_later_than_a_withdrawal_counts_and_one_before_it_does_not(
        self, repository: AbsenceRepository
    ) -> None:
        arrived = Cells((CODE_A,), np.array([0, 0]), np.array([SECOND, THIRD], "datetime64[D]"))
        repository.withdraw_absences(arrived, DAILY, 5)
        repository.write_absences(absences(SECOND, version=4), DAILY)
        repository.write_absences(absences(THIRD, version=6), DAILY)
        repository.withdraw_absences(arrived, DAILY, 5)
        assert repository.absences(None, DAILY, *JANUARY).table["session"].to_pylist() == [THIRD]
        repository.withdraw_absences(arrived, MINUTES_5, 9)
        assert len(repository.absences(None, DAILY, *JANUARY)) == 1

    def test_a_null_raises_and_stores_nothing(self, repository: AbsenceRepository) -> None:
        table = absences(SECOND).table
        place = table.schema.get_field_index("reason")
        holed = table.set_column(place, table.schema.field(place), pa.array([None], pa.string()).dictionary_encode())
        with pytest.raises(SchemaMismatch, match="reason"):
            repository.write_absences(Absences(holed), DAILY)
        assert len(repository.absences(None, DAILY, *JANUARY)) == 0
