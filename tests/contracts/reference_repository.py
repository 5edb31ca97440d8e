"""What every store of reference data promises."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.reference import Securities, SessionDays
from ginkgo_data.ports.reference_repository import ReferenceRepository

COLUMNS = ("code", "name", "market", "industry", "list_date", "delist_date", "status", "source", "version")
BANK = ("000001.SZ", "平安银行", "主板", "银行", date(1991, 4, 3), None, "L", "tushare", 1)
GONE = ("600087.SH", "退市长油", "主板", "水运", date(1997, 6, 12), date(2014, 6, 5), "D", "tushare", 1)
BARE = ("430047.BJ", None, "", None, None, None, "O", "files", 1)


def securities(*rows: tuple[object, ...], version: int = 1) -> Securities:
    """Return `rows` as securities, all of `version`."""
    return Securities.of(
        pa.Table.from_pylist([{**dict(zip(COLUMNS, r, strict=True)), "version": version} for r in rows], _types())
    )


def days(*rows: tuple[str, date, bool], version: int = 1) -> SessionDays:
    """Return (exchange, day, open) rows."""
    return SessionDays.of(
        pa.table(
            {
                "exchange": pa.array([r[0] for r in rows], pa.string()),
                "day": pa.array([r[1] for r in rows], pa.date32()),
                "is_open": pa.array([r[2] for r in rows], pa.bool_()),
                "source": pa.array(["tushare"] * len(rows), pa.string()),
                "version": pa.array([version] * len(rows), pa.uint64()),
            }
        )
    )


def _types() -> pa.Schema:
    return Securities.empty().table.schema


class ReferenceRepositoryContract:
    """Subclasses provide the fixture `repository`, empty."""

    def test_an_empty_store_knows_nothing(self, repository: ReferenceRepository) -> None:
        repository.write_securities(Securities.empty())
        repository.write_session_days(SessionDays.empty())
        assert len(repository.securities()) == 0
        assert len(repository.session_days()) == 0
        assert repository.securities_refreshed_at() is None

    def test_securities_are_read_back_in_full_by_code(self, repository: ReferenceRepository) -> None:
        repository.write_securities(securities(GONE, BARE, BANK))
        assert repository.securities().table.to_pylist() == securities(BANK, BARE, GONE).table.to_pylist()

    def test_a_security_written_twice_is_one_and_the_greater_version_wins(
        self, repository: ReferenceRepository
    ) -> None:
        renamed = (*BANK[:1], "平安", *BANK[2:])
        repository.write_securities(securities(BANK))
        repository.write_securities(securities(renamed, version=2))
        repository.write_securities(securities(BANK))
        assert repository.securities().table["name"].to_pylist() == ["平安"]

    def test_a_security_that_a_later_list_lacks_stays(self, repository: ReferenceRepository) -> None:
        repository.write_securities(securities(BANK, GONE))
        repository.write_securities(securities(BANK, version=2))
        assert repository.securities().codes() == ["000001.SZ", "600087.SH"]

    def test_it_is_known_when_securities_were_last_stored(self, repository: ReferenceRepository) -> None:
        repository.write_securities(securities(BANK))
        first = repository.securities_refreshed_at()
        repository.write_securities(securities(BANK))
        second = repository.securities_refreshed_at()
        assert first is not None
        assert second is not None
        assert first.tzinfo == ZoneInfo("Asia/Shanghai")
        assert first < second
        assert abs((datetime.now(first.tzinfo) - second).total_seconds()) < 3600

    def test_a_security_without_code_raises_and_stores_nothing(self, repository: ReferenceRepository) -> None:
        with pytest.raises(SchemaMismatch, match="code"):
            repository.write_securities(securities(GONE, (None, *BANK[1:])))
        assert len(repository.securities()) == 0
        assert repository.securities_refreshed_at() is None

    def test_days_are_read_back_ascending(self, repository: ReferenceRepository) -> None:
        repository.write_session_days(days(("SSE", date(2024, 1, 3), True), ("SSE", date(2024, 1, 1), False)))
        repository.write_session_days(days(("SSE", date(1990, 12, 19), True), ("BSE", date(2024, 1, 1), False)))
        assert (
            repository.session_days().table.to_pylist()
            == days(
                ("SSE", date(1990, 12, 19), True),
                ("BSE", date(2024, 1, 1), False),
                ("SSE", date(2024, 1, 1), False),
                ("SSE", date(2024, 1, 3), True),
            ).table.to_pylist()
        )

    def test_of_two_statements_about_a_day_the_greater_version_wins(self, repository: ReferenceRepository) -> None:
        repository.write_session_days(days(("SSE", date(2020, 1, 31), False), version=2))
        repository.write_session_days(days(("SSE", date(2020, 1, 31), True), version=1))
        repository.write_session_days(days(("SZSE", date(2020, 1, 31), True), version=1))
        read = repository.session_days().table
        assert read["is_open"].to_pylist() == [False, True]
