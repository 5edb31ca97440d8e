"""Rejected rows found again, released with a mark, and turned into commands that fetch them again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from ginkgo_data.adapters.memory.bar_repository import InMemoryBarRepository
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.quality_repository import InMemoryQualityRepository
from ginkgo_data.adapters.memory.revision_repository import InMemoryRevisionRepository
from ginkgo_data.adapters.memory.version_clock import InMemoryVersionClock
from ginkgo_data.domain.model.bars import BAR_SCHEMA, BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.errors import MalformedCommand, StoreUnavailable
from ginkgo_data.domain.model.quality import REJECT_SCHEMA, Rejects, Release
from ginkgo_data.domain.model.series import DAILY, Series
from ginkgo_data.domain.services.quarantine import Kept, Wanted, kept_rows
from ginkgo_data.domain.services.releasing import MARK, Releasing
from ginkgo_data.domain.services.validation import validate
from ginkgo_data.entrypoints.refetching import refetches
from ginkgo_data.entrypoints.send import outgoing
from ginkgo_data.entrypoints.settings import Settings
from support.bars import CODE_A, CODE_B, MINUTES_5, bars, business_days
from support.stack import NOW

DAYS = business_days("2024-01-01", 10)
ZONE = ZoneInfo("Asia/Shanghai")
WEEK = (date(2024, 1, 1), date(2024, 1, 12))


class Shelf:
    """A store with a quarantine, in memory."""

    def __init__(self) -> None:
        self.quality, self.bars = InMemoryQualityRepository(), InMemoryBarRepository()
        self.revisions = InMemoryRevisionRepository()
        self.versions = InMemoryVersionClock(ManualClock(NOW))
        self.releasing = Releasing(self.quality, self.bars, self.revisions, self.versions)

    def reject(self, batch: BarBatch, **knowledge: object) -> list[Kept]:
        """Validate `batch`, store what is rejected and return it."""
        self.quality.quarantine(validate(batch, sessions=DAYS, **knowledge).rejects)
        return self.rows()

    def rows(self, **wanted: object) -> list[Kept]:
        return kept_rows(self.quality.quarantined(), self.quality.releases(), Wanted(**wanted))

    def stored(self, series: Series = DAILY) -> list[dict[str, object]]:
        return self.bars.read(None, series, *WEEK).table.to_pylist()


def mistaken(code: str = CODE_A, day: object = DAYS[0], close: float = 10.0, **more: object) -> BarBatch:
    """Return a bar that a rule rejects although it can be stored: its amount is in another unit."""
    return bars(code, [day], [close], amounts=[close * 1e5], **more)


def test_rows_are_found_by_id_code_rule_and_time_those_fetched_last_first() -> None:
    shelf = Shelf()
    day = 86_400_000_000
    second = int(datetime(2024, 1, 3, tzinfo=ZONE).timestamp() * 1_000_000)
    shelf.reject(mistaken(version=second))
    shelf.reject(bars(CODE_B, [DAYS[1]], [-1.0], version=second - 1))
    shelf.reject(bars([None], [DAYS[2]], [10.0], version=second + day))
    rows = shelf.rows()
    assert [row.code for row in rows] == [None, CODE_A, CODE_B]
    assert [row.rule for row in rows] == ["missing_value", "unit_mismatch", "negative_price"]
    assert [row.code for row in shelf.rows(rule="negative_price")] == [CODE_B]
    assert [row.code for row in shelf.rows(since=date(2024, 1, 3))] == [None, CODE_A]
    assert [row.code for row in shelf.rows(ids=(rows[1].id[:6].upper(),))] == [CODE_A]
    assert len(shelf.rows(ids=tuple(row.id for row in rows))) == 3
    assert (rows[1].day, rows[1].fetched_at) == (date(2024, 1, 1), datetime(2024, 1, 3, tzinfo=ZONE))
    assert (rows[1].field, rows[1].place, rows[1].source) == ("amount", "test row 1", "test")


@pytest.mark.parametrize("asked", ["0123456789abcdef", "zz", "abc", ""])
def test_an_id_of_no_row_or_one_too_short_is_refused(asked: str) -> None:
    shelf = Shelf()
    shelf.reject(mistaken())
    with pytest.raises(MalformedCommand, match="is the id of none"):
        shelf.rows(ids=(asked,))


def test_the_beginning_of_two_ids_names_neither() -> None:
    table = pa.Table.from_pylist(
        [
            dict.fromkeys(REJECT_SCHEMA.names)
            | {"frequency": "1d", "adjust": "none", "rule": "r", "content_hash": 0xABCD << 48 | n, "version": 1}
            for n in (1, 2)
        ],
        pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in REJECT_SCHEMA]),
    )
    with pytest.raises(MalformedCommand, match="'abcd' names 2 of them"):
        kept_rows(Rejects.of(table), [], Wanted(ids=("abcd",)))


def test_times_beyond_all_years_are_shown_as_none() -> None:
    shelf = Shelf()
    table = bars(sessions=DAYS[:1]).table
    far = pa.array([2**62], pa.int64()).cast(BAR_SCHEMA.field("timestamp").type)
    (row,) = shelf.reject(BarBatch(table.set_column(2, BAR_SCHEMA.field(2), far)))
    assert (row.timestamp, row.day, row.rule) == (None, None, "session_disagrees")


def test_a_released_bar_is_stored_with_a_mark_and_stays_in_quarantine() -> None:
    shelf = Shelf()
    rows = shelf.reject(mistaken())
    (outcome,) = shelf.releasing.release(rows, "me@here", "the exchange says so")
    assert outcome.refused == ""
    (bar,) = shelf.stored()
    assert (bar["code"], bar["close"], bar["volume"], bar["amount"]) == (CODE_A, 10.0, 1000.0, 1e6)
    assert bar["source"] == f"test{MARK}"
    (row,) = shelf.rows()
    assert row.release == Release(row.content_hash, "unit_mismatch", bar["version"], "me@here", "the exchange says so")
    assert shelf.rows(released=False) == []
    assert shelf.rows(released=True) == [row]


def test_a_minute_bar_is_released_into_its_own_series() -> None:
    shelf = Shelf()
    rows = shelf.reject(bars(CODE_A, DAYS[:1], [10.0], series=MINUTES_5, amounts=[1e6], keep=1))
    assert shelf.releasing.release(rows, "me")[0].refused == ""
    (bar,) = shelf.stored(MINUTES_5)
    assert bar["timestamp"] == datetime(2024, 1, 1, 9, 35, tzinfo=ZONE)
    assert shelf.stored() == []


def test_what_is_held_stays_and_is_replaced_only_on_request_with_a_revision() -> None:
    shelf = Shelf()
    shelf.bars.write(bars(CODE_A, DAYS[:1], [11.0], source="tushare"))
    rows = shelf.reject(mistaken())
    (kept,) = shelf.releasing.release(rows, "me")
    assert "a bar is held there: close 11, volume 1000, from tushare; --replace" in kept.refused
    assert [bar["close"] for bar in shelf.stored()] == [11.0]
    assert shelf.rows()[0].release is None
    (replaced,) = shelf.releasing.release(rows, "me", replace=True)
    assert replaced.refused == ""
    assert [bar["close"] for bar in shelf.stored()] == [10.0]
    (revision,) = shelf.revisions.revisions([CODE_A], DAILY, *WEEK).table.to_pylist()
    assert (revision["old_close"], revision["new_close"]) == (11.0, 10.0)
    assert revision["request"] == f"release {rows[0].id}"


def test_a_release_that_died_before_it_was_noted_is_noted_the_next_time() -> None:
    class Forgets(InMemoryQualityRepository):
        def write_releases(self, releases):
            raise StoreUnavailable("connection refused")

    shelf = Shelf()
    rows = shelf.reject(mistaken())
    dying = Releasing(Forgets(), shelf.bars, shelf.revisions, shelf.versions)
    with pytest.raises(StoreUnavailable):
        dying.release(rows, "me")
    before = shelf.stored()
    assert shelf.releasing.release(rows, "me")[0].refused == ""
    assert shelf.stored() == before
    assert shelf.rows()[0].release.version == before[0]["version"]
    assert len(shelf.revisions.revisions(None, DAILY, *WEEK)) == 0


def test_a_store_that_does_not_show_what_it_acknowledged_is_an_error() -> None:
    class Loses(InMemoryBarRepository):
        def write(self, batch):
            return super().write(batch.filter(batch.table["close"].to_numpy() > 100))

    shelf = Shelf()
    rows = shelf.reject(mistaken())
    losing = Releasing(shelf.quality, Loses(), shelf.revisions, shelf.versions)
    with pytest.raises(StoreUnavailable, match="does not read back"):
        losing.release(rows, "me")
    assert shelf.rows()[0].release is None


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"opens": [None]}, "the store cannot hold it: open is null (missing_value)"),
        ({"opens": [float("nan")]}, "the store cannot hold it: open is nan (missing_value)"),
        ({"highs": [float("inf")]}, "the store cannot hold it: high is inf (not_finite)"),
        ({"volumes": [0.5]}, "the store cannot hold it: volume is 0.5 (fractional_volume)"),
        ({"opens": [10.12345678]}, "the store cannot hold it: open is 10.12345678 (too_precise)"),
    ],
)
def test_what_the_store_cannot_hold_is_refused_by_name(values: dict[str, list[float]], why: str) -> None:
    shelf = Shelf()
    rows = shelf.reject(bars(CODE_A, DAYS[:1], [10.0], **values))
    (outcome,) = shelf.releasing.release(rows, "me")
    assert outcome.refused == why
    assert shelf.stored() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"frequency": "tick"}, "it is of tick, which is stored as a whole; fetch it again with: quarantine refetch"),
        ({"frequency": "adj_factor"}, "it is of adj_factor"),
        ({"frequency": ""}, "it is of no none bars"),
        ({"row": '{"ts_code": "000001.SZ", "open": "x"}'}, "it could not be read as a bar (amount "),
        ({"row": "not json"}, "it could not be read as a bar"),
        ({"row": None}, "it could not be read as a bar"),
    ],
)
def test_what_is_no_bar_is_refused_with_what_to_do(change: dict[str, object], why: str) -> None:
    shelf = Shelf()
    batch = validate(mistaken(), sessions=DAYS).rejects.table
    for name, value in change.items():
        text = pa.array([value], pa.string())
        batch = batch.set_column(batch.schema.get_field_index(name), name, text)
    rows = kept_rows(Rejects.of(batch), [], Wanted())
    assert why in shelf.releasing.release(rows, "me")[0].refused


def test_one_row_that_cannot_be_stored_does_not_hold_up_the_others() -> None:
    shelf = Shelf()
    shelf.reject(BarBatch.concat([mistaken(), bars(CODE_B, DAYS[:1], [10.0], volumes=[0.5])]))
    outcome = shelf.releasing.release(shelf.rows(), "me")
    assert sorted(bool(one.refused) for one in outcome) == [False, True]
    assert [bar["code"] for bar in shelf.stored()] == [CODE_A]


def wishes(shelf: Shelf) -> list[tuple[str, dict[str, object]]]:
    return [(wish.word, dict(wish.options)) for wish in refetches(shelf.rows()).wishes]


def test_rows_of_one_series_and_the_same_days_are_fetched_again_together() -> None:
    shelf = Shelf()
    for code in (CODE_A, CODE_B):
        shelf.reject(mistaken(code, DAYS[0]))
        shelf.reject(mistaken(code, DAYS[2]))
    shelf.reject(mistaken("600000.SH", DAYS[1]))
    shelf.reject(bars(CODE_A, DAYS[:1], [10.0], series=MINUTES_5, amounts=[1e6], keep=1))

    def span(codes: str, first: int, last: int, frequency: str) -> dict[str, object]:
        days = {"start": f"2024-01-0{first}", "end": f"2024-01-0{last}"}
        return {"codes": codes, **days, "frequency": frequency, "adjust": "none", "force": True}

    assert wishes(shelf) == [
        ("bar_snapshot", span(f"{CODE_A},{CODE_B}", 1, 3, "1d")),
        ("bar_snapshot", span("600000.SH", 2, 2, "1d")),
        ("bar_snapshot", span(CODE_A, 1, 1, "5m")),
    ]
    assert refetches(shelf.rows()).rows == 6


def test_what_is_sent_is_a_command_that_a_worker_understands() -> None:
    shelf = Shelf()
    shelf.reject(mistaken())
    (wish,) = refetches(shelf.rows()).wishes
    sent = outgoing(wish, Settings().kafka_config())
    assert sent.command == CollectBars((CODE_A,), DAILY, date(2024, 1, 1), date(2024, 1, 1), force=True)
    assert json.loads(sent.value)["params"]["force"] is True


def test_factors_and_ticks_are_fetched_again_by_their_own_words() -> None:
    shelf = Shelf()
    (row,) = shelf.reject(mistaken())
    plan = refetches([replace(row, frequency="adj_factor", adjust=""), replace(row, frequency="tick", adjust="")])
    assert [(wish.word, dict(wish.options)) for wish in plan.wishes] == [
        ("adjustfactor", {"codes": CODE_A, "force": True}),
        ("tick", {"codes": CODE_A, "start": "2024-01-01", "end": "2024-01-01", "overwrite": True}),
    ]
    for wish in plan.wishes:
        assert outgoing(wish, Settings().kafka_config()).value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"code": None}, "its code is None"),
        ({"code": "000001"}, "its code is '000001'"),
        ({"timestamp": None}, "its day is None"),
        ({"timestamp": datetime(1970, 1, 1, 8, tzinfo=ZONE)}, "its day is 1970-01-01"),
        ({"frequency": "securities"}, "it is of securities; send stockinfo or trade_day"),
        ({"adjust": "odd"}, "its adjustment is 'odd'"),
    ],
)
def test_a_row_that_names_no_cell_is_not_asked_for_and_it_is_said_why(change: dict[str, object], why: str) -> None:
    shelf = Shelf()
    (row,) = shelf.reject(mistaken())
    plan = refetches([replace(row, **change)])
    assert (plan.wishes, plan.rows) == ((), 0)
    assert [text for _, text in plan.impossible] == [why]
