"""What every store of revisions of factors promises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pytest

from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.factor_revisions import FACTOR_REVISION_SCHEMA, FactorRevisions
from ginkgo_data.ports.factor_revision_repository import FactorRevisionRepository
from support.factors import CODE_A, CODE_B, THREE, factors

JANUARY = (date(2024, 1, 1), date(2024, 1, 31))


def revised(
    old: float = 1.0,
    new: float = 1.25,
    versions: tuple[int, int] = (3, 9),
    code: str = CODE_A,
    sessions: Sequence[str] = THREE[:1],
    request: str = "r-1",
) -> FactorRevisions:
    """Return the revisions of one code from factor `old` to `new` on `sessions`."""
    before = factors(code, sessions, [old] * len(sessions), versions[0], "files").table
    after = factors(code, sessions, [new] * len(sessions), versions[1], "tushare").table
    columns = {name: after[name] for name in ("code", "session", "source", "version")}
    columns |= {f"old_{name}": before[name] for name in ("factor", "source", "version")}
    columns |= {"new_factor": after["factor"], "request": pa.array([request] * len(sessions))}
    return FactorRevisions.of(pa.table(columns))


class FactorRevisionRepositoryContract:
    """Subclasses provide the fixture `repository`, empty."""

    def test_an_empty_store_has_no_history(self, repository: FactorRevisionRepository) -> None:
        assert len(repository.revisions(None, *JANUARY)) == 0
        repository.write_revisions(FactorRevisions.empty())
        assert len(repository.revisions([], *JANUARY)) == 0

    def test_a_correction_is_read_back_in_full(self, repository: FactorRevisionRepository) -> None:
        written = revised(7.768, 1.012345678901, (0, 2**63), sessions=THREE, request="r-1, r-2 and 3 more")
        repository.write_revisions(written)
        read = repository.revisions([CODE_A], *JANUARY)
        assert read.table.schema.equals(FACTOR_REVISION_SCHEMA)
        assert read.table.to_pylist() == written.table.to_pylist()

    def test_the_same_change_found_again_is_one_row(self, repository: FactorRevisionRepository) -> None:
        for version in (9, 10, 9):
            repository.write_revisions(revised(versions=(3, version)))
        (row,) = repository.revisions(None, *JANUARY).table.to_pylist()
        assert (row["old_version"], row["version"]) == (3, 10)

    def test_other_old_versions_and_other_factors_are_rows_of_their_own(
        self, repository: FactorRevisionRepository
    ) -> None:
        repository.write_revisions(revised(new=1.26, versions=(3, 11)))
        repository.write_revisions(revised(new=1.25, versions=(3, 9)))
        repository.write_revisions(revised(new=1.25, versions=(12, 15)))
        read = repository.revisions(None, *JANUARY).table
        assert [(row["old_version"], row["new_factor"]) for row in read.to_pylist()] == [
            (3, 1.25),
            (3, 1.26),
            (12, 1.25),
        ]

    def test_the_history_comes_by_code_session_and_version(self, repository: FactorRevisionRepository) -> None:
        second, third = THREE[1:]
        for code, day, version in ((CODE_B, second, 5), (CODE_A, third, 4), (CODE_A, second, 9), (CODE_A, second, 8)):
            repository.write_revisions(revised(1.0, 20.0 - version, (1, version), code, [day]))
        read = repository.revisions(None, *JANUARY).table
        found = [(row["code"], str(row["session"]), row["version"]) for row in read.to_pylist()]
        assert found == [(CODE_A, second, 8), (CODE_A, second, 9), (CODE_A, third, 4), (CODE_B, second, 5)]

    def test_only_what_was_asked_for_comes(self, repository: FactorRevisionRepository) -> None:
        for code in (CODE_A, CODE_B):
            repository.write_revisions(revised(code=code, sessions=THREE))
        read = repository.revisions([CODE_B], date(2024, 1, 9), date(2024, 1, 9)).table
        assert [(row["code"], str(row["session"])) for row in read.to_pylist()] == [(CODE_B, "2024-01-09")]

    @pytest.mark.parametrize("column", ["code", "session", "old_factor", "new_factor", "version", "request"])
    def test_a_null_raises_and_stores_nothing(self, repository: FactorRevisionRepository, column: str) -> None:
        table = revised().table
        place = table.schema.get_field_index(column)
        holed = FactorRevisions.of(table.set_column(place, column, pa.nulls(1, table.schema.field(place).type)))
        with pytest.raises(SchemaMismatch, match=column):
            repository.write_revisions(holed)
        assert len(repository.revisions(None, *JANUARY)) == 0
