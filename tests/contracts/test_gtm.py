"""The contracts of bars, for the objects of a host such as Ginkgo, and what only they can get wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest

from contracts.bar_repository import JANUARY, DailyBarRepositoryContract, held, rows
from ginkgo_data.adapters.clickhouse import ginkgo_rows, uuid7
from ginkgo_data.adapters.gtm import row_ids
from ginkgo_data.adapters.gtm.bar_repository import GtmBarRepository
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import ConfigurationError, NotAvailable, SchemaMismatch, StoreUnavailable
from ginkgo_data.domain.model.series import DAILY, Adjust, Series
from ginkgo_data.ports.bar_repository import WriteReceipt
from support.bars import CODE_A, CODE_B, MINUTES_5, bars, closes_of
from support.gtm_host import FakeBarCRUD, MBar

SECOND, THIRD = datetime(2024, 1, 2), datetime(2024, 1, 3)


@pytest.fixture
def crud() -> FakeBarCRUD:
    return FakeBarCRUD()


@pytest.fixture
def repository(crud: FakeBarCRUD) -> GtmBarRepository:
    return GtmBarRepository(crud, MBar, crud.ping)


def host_row(**fields: object) -> MBar:
    """Return a row as the host writes it itself."""
    price = Decimal("9.00")
    given = {"open": price, "high": price, "low": price, "close": price, "volume": 10, "amount": Decimal("9.00")}
    return MBar(**{"code": CODE_A, "frequency": 1, "timestamp": SECOND, "source": 7, **given, **fields})


class TestGtmBarRepository(DailyBarRepositoryContract):
    # Daily bars as traded; the host's table has cents, whole lots, amounts of ten CNY, and a DateTime.
    kinds = (DAILY,)
    years = range(1971, 2100)
    prices = (0.57, 0.69, 1.13, 0.01, -0.57, -1.13, 2.01, 2.03, -2.05, 1.15, 4.35, 16.4, 999999999.99)
    many = 50
    marks_apart = False

    @staticmethod
    def kept(batch: BarBatch) -> BarBatch:
        """What Ginkgo's table keeps, by the word of the adapter that writes to it directly."""
        return ginkgo_rows.kept(batch)

    @pytest.fixture
    def repository(self, crud: FakeBarCRUD) -> GtmBarRepository:
        return GtmBarRepository(crud, MBar, crud.ping)

    @pytest.fixture
    def reopen(self, crud: FakeBarCRUD) -> Callable[[], GtmBarRepository]:
        return lambda: GtmBarRepository(crud, MBar, crud.ping)


def test_a_row_is_what_the_host_writes_itself(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    repository.write(bars(sessions=["2024-01-02"], closes=[1.13], volumes=[123456.0], amounts=[1260004.99]))
    (row,) = crud.rows
    assert (row.code, row.close, row.volume, row.amount) == (CODE_A, Decimal("1.13"), 1234, Decimal("1260.00"))
    assert (row.frequency, row.timestamp, row.source, row.meta) == (1, SECOND, 9, "{}")


@pytest.mark.parametrize(
    ("version", "counter"), [(0, 0), (1, 3), (1_700_000_000_000_999, 16_383), (2**48 * 1000 - 1, 7)]
)
def test_ids_are_those_of_the_ginkgo_layout(version: int, counter: int) -> None:
    rank = row_ids.rank_of(row_ids.new_id(version, counter))
    assert (rank.ours, rank.version, rank.counter) == (True, version, counter)
    theirs = uuid7.new_ids(np.array([version]), np.array([counter]))[0].as_py()
    assert row_ids.rank_of(theirs)[:3] == rank[:3]
    assert theirs[:20] == row_ids.new_id(version, counter)[:20]


@pytest.mark.parametrize("series", [MINUTES_5, Series(adjust=Adjust.QFQ)], ids=str)
def test_what_a_host_has_no_place_for_is_refused_by_name(repository: GtmBarRepository, series: Series) -> None:
    batch = bars(sessions=["2024-01-02"], series=series)
    asked: list[Callable[[], object]] = [
        lambda: repository.write(batch),
        lambda: repository.read(None, series, *JANUARY),
        lambda: repository.held(None, series, *JANUARY),
        lambda: repository.begun(None, series, *JANUARY),
        lambda: repository.mark_held(batch),
        lambda: repository.withdraw(batch),
        lambda: repository.kept(batch),
        lambda: repository.first_held([CODE_A], series),
    ]
    for ask in asked:
        with pytest.raises(NotAvailable, match=str(series)):
            ask()


def test_a_withdrawal_is_not_remembered(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    repository.write(bars(sessions=["2024-01-02"], version=10))
    assert repository.withdraw(bars(sessions=["2024-01-02", "2024-01-03"], version=20)) == WriteReceipt(1, 0)
    assert crud.rows == []
    repository.write(bars(sessions=["2024-01-02"], version=19))
    assert held(repository) == {CODE_A: ["2024-01-02"]}


# -- a host that does not say what happened ------------------------------------------------------------------


def test_an_empty_answer_of_a_database_that_is_away_is_no_answer(
    crud: FakeBarCRUD, repository: GtmBarRepository
) -> None:
    repository.write(bars())
    crud.away = True
    for ask in (
        lambda: repository.held(None, DAILY, *JANUARY),
        lambda: repository.read([CODE_A], DAILY, *JANUARY),
        lambda: repository.first_held([CODE_A], DAILY),
        lambda: repository.write(bars(version=2)),
        lambda: repository.withdraw(bars(version=2)),
    ):
        with pytest.raises(StoreUnavailable, match="ping"):
            ask()
    crud.away = False
    assert held(repository) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_a_find_that_failed_once_is_asked_again(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    repository.write(bars())
    crud.fails = 1
    assert held(repository) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_a_ping_that_raises_says_that_the_store_is_away(crud: FakeBarCRUD) -> None:
    def ping() -> None:
        raise OSError("no route to host")

    with pytest.raises(StoreUnavailable, match="ping failed: OSError: no route to host"):
        GtmBarRepository(crud, MBar, ping).held(None, DAILY, *JANUARY)


def test_rows_that_are_acknowledged_and_not_stored_are_an_error(
    crud: FakeBarCRUD, repository: GtmBarRepository
) -> None:
    repository.write(bars(closes=[9.0, 9.0]))
    crud.deaf = True
    with pytest.raises(StoreUnavailable, match=r"acknowledged 2 bars and 2 of them do not read back, first 000001\.SZ"):
        repository.write(bars(version=2))
    assert [close for *_, close in crud.stored()] == [9.0, 9.0]


def test_a_delete_that_fails_leaves_both_rows_and_the_next_write_settles_them(
    crud: FakeBarCRUD, repository: GtmBarRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write(bars(closes=[9.0, 9.1]))

    def refuse(_: object) -> None:
        raise RuntimeError("mutation failed")

    with monkeypatch.context() as broken:
        broken.setattr(crud, "remove", refuse)
        with pytest.raises(StoreUnavailable, match=r"BarCRUD\.remove failed: RuntimeError: mutation failed"):
            repository.write(bars(sessions=["2024-01-02"], closes=[10.0], version=2))
    assert len(crud.rows) == 3
    assert held(repository) == {CODE_A: ["2024-01-03"]}
    assert closes_of(repository.read(None, DAILY, *JANUARY)) == [10.0, 9.1]
    assert repository.write(bars(sessions=["2024-01-02"], closes=[10.0], version=2)) == WriteReceipt()
    assert [close for *_, close in crud.stored()] == [10.0, 9.1]


def test_a_batch_that_the_host_sends_twice_becomes_one(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    crud.repeats = True
    repository.write(bars(closes=[10.0, 10.1], version=3))
    assert len(crud.rows) == 4
    assert held(repository) == {}
    crud.repeats = False
    assert repository.write(bars(closes=[10.0, 10.1], version=3)).rows == 2
    assert [close for *_, close in crud.stored()] == [10.0, 10.1]
    assert held(repository, since=3) == {CODE_A: ["2024-01-02", "2024-01-03"]}


def test_a_row_without_a_field_is_named(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    row = host_row()
    del row.uuid
    crud.put(row)
    with pytest.raises(SchemaMismatch, match=r"000001\.SZ 2024-01-02 00:00:00 \(MBar\) is no bar: .*uuid"):
        repository.read(None, DAILY, *JANUARY)


def test_an_object_without_the_methods_is_no_bar_crud() -> None:
    with pytest.raises(ConfigurationError, match=r"bar_crud: object has no find, add_batch, remove"):
        GtmBarRepository(object(), MBar, lambda: True)


# -- rows of others ------------------------------------------------------------------------------------------


def test_rows_of_the_host_are_held_lose_to_ours_and_have_version_0(
    crud: FakeBarCRUD, repository: GtmBarRepository
) -> None:
    crud.put(host_row(), host_row(timestamp=THIRD))
    assert held(repository) == {CODE_A: ["2024-01-02", "2024-01-03"]}
    assert held(repository, since=1) == {}
    assert [row["version"] for row in rows(repository.read(None, DAILY, *JANUARY))] == [0, 0]
    repository.write(bars(sessions=["2024-01-02"], closes=[10.0]))
    assert [close for *_, close in crud.stored()] == [10.0, 9.0]


def test_only_rows_that_lost_are_removed_whatever_ids_others_gave(
    crud: FakeBarCRUD, repository: GtmBarRepository
) -> None:
    crud.put(*(host_row(uuid="", timestamp=datetime(2024, 1, day)) for day in (2, 3, 4)))
    crud.put(host_row(uuid="", code=CODE_B), host_row(uuid="", frequency=3))
    crud.put(host_row(uuid="", timestamp=datetime(2024, 1, 3, 9, 35)))
    repository.write(bars(sessions=["2024-01-03"], closes=[11.0], version=2))
    assert sorted(close for *_, close in crud.stored()) == [9.0, 9.0, 9.0, 9.0, 9.0, 11.0]


def test_rows_between_those_that_are_written_stay_as_they_are(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    crud.put(*(host_row(uuid="", timestamp=datetime(2024, 1, day)) for day in (2, 3, 4)))
    crud.put(host_row(timestamp=THIRD, close=Decimal("9.50")))
    repository.write(bars(sessions=["2024-01-02", "2024-01-04"], closes=[11.0, 11.1], version=2))
    assert [close for *_, close in crud.stored()] == [11.0, 9.0, 9.5, 11.1]


def test_a_row_at_no_midnight_is_no_daily_bar(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    crud.put(host_row(timestamp=datetime(2024, 1, 2, 8)), host_row(timestamp=THIRD))
    assert held(repository) == {CODE_A: ["2024-01-03"]}
    assert repository.first_held([CODE_A], DAILY) == {CODE_A: date(2024, 1, 3)}


def test_a_correction_is_there_before_what_it_replaces_is_removed(
    crud: FakeBarCRUD, repository: GtmBarRepository
) -> None:
    repository.write(bars())
    crud.calls.clear()
    repository.write(bars(closes=[11.0, 11.1], version=2))
    assert crud.calls == ["find", "add_batch", "find", "remove"]


def test_a_repeated_write_asks_once_and_changes_nothing(crud: FakeBarCRUD, repository: GtmBarRepository) -> None:
    repository.write(bars())
    before = list(crud.rows)
    crud.calls.clear()
    assert repository.write(bars()) == WriteReceipt()
    assert crud.calls == ["find"]
    assert crud.rows == before


def test_two_workers_that_both_compared_before_either_added_end_exact(crud: FakeBarCRUD) -> None:
    together = threading.Barrier(2, timeout=10)
    first = threading.local()

    class Meeting:
        """Both have compared before either adds."""

        find, remove = crud.find, crud.remove

        def add_batch(self, items: list[MBar]) -> object:
            if not getattr(first, "met", False):
                first.met = True
                together.wait()
            return crud.add_batch(items)

    crud.put(host_row())
    writes = [bars(closes=[10.0, 10.1], version=5), bars(closes=[11.0, 11.1], version=6)]
    workers = [
        threading.Thread(target=GtmBarRepository(Meeting(), MBar, crud.ping).write, args=(batch,)) for batch in writes
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert [close for *_, close in crud.stored()] == [11.0, 11.1]
