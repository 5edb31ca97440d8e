"""What every store of revisions promises."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.revisions import VALUES, Revisions
from ginkgo_data.domain.model.series import DAILY, Adjust, Series
from ginkgo_data.ports.revision_repository import RevisionRepository
from support.bars import CODE_A, CODE_B, MINUTES_5, bars, market

JANUARY = (date(2024, 1, 1), date(2024, 1, 31))
SECOND, THIRD = "2024-01-02", "2024-01-03"


def revised(old: BarBatch, new: BarBatch, content_hash: int = 7, request: str = "r-1") -> Revisions:
    """Return the revisions from the rows of `old` to those of `new`, with the versions that both have."""
    columns = {name: old.table[name] for name in ("code", "session", "timestamp")}
    columns |= {f"old_{name}": old.table[name] for name in (*VALUES, "source", "version")}
    columns |= {f"new_{name}": new.table[name] for name in VALUES}
    columns |= {name: new.table[name] for name in ("source", "version")}
    columns["withdrawn"] = pa.array([False] * len(old))
    columns["content_hash"] = pa.array([content_hash] * len(old), pa.uint64())
    columns["request"] = pa.array([request] * len(old))
    return Revisions.of(pa.table(columns), old.series)


def withdrawn(old: BarBatch, version: int) -> Revisions:
    """Return the withdrawals of the rows of `old`."""
    table = revised(old, old, content_hash=0).table
    for name in VALUES:
        place = table.schema.get_field_index(f"new_{name}")
        table = table.set_column(place, f"new_{name}", pa.nulls(len(old), pa.float64()))
    for name, value in (("version", pa.array([version] * len(old), pa.uint64())), ("withdrawn", [True] * len(old))):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(value))
    return Revisions.of(table, old.series)


def one(close: float, version: int, day: str = SECOND, code: str = CODE_A) -> BarBatch:
    """Return one bar."""
    return bars(code, [day], [close], version=version)


class RevisionRepositoryContract:
    """Subclasses provide the fixture `repository`, empty."""

    def test_an_empty_store_has_no_history(self, repository: RevisionRepository) -> None:
        assert len(repository.revisions(None, DAILY, *JANUARY)) == 0
        repository.write_revisions(Revisions.empty())
        assert len(repository.revisions([], DAILY, *JANUARY)) == 0

    def test_a_correction_is_read_back_in_full(self, repository: RevisionRepository) -> None:
        old = bars(closes=[0.57, 1699.123456], pre_closes=[None, 1.13], amounts=[None, 5.25], source="files", version=3)
        new = bars(closes=[0.69, 1699.123457], pre_closes=[1.0, None], amounts=[1.5, None], source="tushare", version=9)
        written = revised(old, new, content_hash=2**64 - 1, request="r-1, r-2")
        repository.write_revisions(written)
        read = repository.revisions([CODE_A], DAILY, *JANUARY)
        assert read.series == DAILY
        assert read.table.to_pylist() == written.table.to_pylist()

    def test_a_withdrawal_is_read_back_in_full(self, repository: RevisionRepository) -> None:
        written = withdrawn(one(10.0, 3), version=9)
        repository.write_revisions(written)
        assert repository.revisions(None, DAILY, *JANUARY).table.to_pylist() == written.table.to_pylist()

    def test_the_same_change_found_again_is_one_row(self, repository: RevisionRepository) -> None:
        for version in (9, 10, 9):
            repository.write_revisions(revised(one(10.0, 3), one(10.5, version)))
        (row,) = repository.revisions(None, DAILY, *JANUARY).table.to_pylist()
        assert (row["old_version"], row["version"]) == (3, 10)

    def test_other_old_versions_and_other_contents_are_rows_of_their_own(self, repository: RevisionRepository) -> None:
        repository.write_revisions(revised(one(10.6, 9), one(10.7, 12), content_hash=3))
        repository.write_revisions(revised(one(10.0, 3), one(10.6, 9), content_hash=2))
        repository.write_revisions(revised(one(10.0, 3), one(10.5, 8), content_hash=1))
        read = repository.revisions(None, DAILY, *JANUARY).table
        assert read["new_close"].to_pylist() == [10.5, 10.6, 10.7]

    def test_a_value_that_comes_back_a_second_time_is_a_row_of_its_own(self, repository: RevisionRepository) -> None:
        repository.write_revisions(revised(one(10.0, 3), one(10.5, 9), content_hash=1))
        repository.write_revisions(revised(one(10.0, 12), one(10.5, 15), content_hash=1))
        assert repository.revisions(None, DAILY, *JANUARY).table["old_version"].to_pylist() == [3, 12]

    def test_the_history_comes_by_code_time_and_version(self, repository: RevisionRepository) -> None:
        for code, day, version in ((CODE_B, SECOND, 5), (CODE_A, THIRD, 4), (CODE_A, SECOND, 9), (CODE_A, SECOND, 8)):
            repository.write_revisions(revised(one(10.0, 1, day, code), one(10.5, version, day, code), 100 - version))
        read = repository.revisions(None, DAILY, *JANUARY).table
        found = [(row["code"], str(row["session"]), row["version"]) for row in read.to_pylist()]
        assert found == [(CODE_A, SECOND, 8), (CODE_A, SECOND, 9), (CODE_A, THIRD, 4), (CODE_B, SECOND, 5)]

    def test_only_what_was_asked_for_comes(self, repository: RevisionRepository) -> None:
        for code in (CODE_A, CODE_B):
            repository.write_revisions(revised(bars(code, version=1), bars(code, version=2)))
        read = repository.revisions([CODE_B], DAILY, date(2024, 1, 3), date(2024, 1, 3)).table
        assert [(row["code"], str(row["session"])) for row in read.to_pylist()] == [(CODE_B, THIRD)]

    def test_series_are_kept_apart(self, repository: RevisionRepository) -> None:
        for number, series in enumerate((DAILY, Series(adjust=Adjust.QFQ), MINUTES_5), start=1):
            old = bars(sessions=[SECOND], series=series, version=1)
            repository.write_revisions(revised(old, bars(sessions=[SECOND], series=series, version=number + 1)))
        for number, series in enumerate((DAILY, Series(adjust=Adjust.QFQ), MINUTES_5), start=1):
            read = repository.revisions(None, series, *JANUARY)
            assert read.series == series
            assert set(read.table["version"].to_pylist()) == {number + 1}
            assert len(read) == len(bars(sessions=[SECOND], series=series))

    @pytest.mark.parametrize("column", ["old_close", "old_volume", "withdrawn", "request", "version"])
    def test_a_null_raises_and_stores_nothing(self, repository: RevisionRepository, column: str) -> None:
        table = revised(one(10.0, 1), one(10.5, 2)).table
        place = table.schema.get_field_index(column)
        holed = Revisions.of(table.set_column(place, column, pa.nulls(1, table.schema.field(place).type)))
        with pytest.raises(SchemaMismatch, match=column):
            repository.write_revisions(holed)
        assert len(repository.revisions(None, DAILY, *JANUARY)) == 0

    def test_two_thousand_prices_are_exact(self, repository: RevisionRepository) -> None:
        old = market(200, [f"2024-01-{day:02d}" for day in range(2, 12)], version=1)
        new = market(200, [f"2024-01-{day:02d}" for day in range(2, 12)], version=2, seed=1)
        repository.write_revisions(revised(old, new))
        read = repository.revisions(None, DAILY, *JANUARY).table
        for age, batch in (("old", old.sorted()), ("new", new.sorted())):
            for name in VALUES:
                assert pc.all(pc.equal(read[f"{age}_{name}"], batch.table[name])).as_py(), name
