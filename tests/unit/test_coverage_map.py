"""The map of coverage: the state of each cell, its runs and months, and what the reading use case looks at."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ginkgo_data.adapters.memory.absence_repository import InMemoryAbsenceRepository
from ginkgo_data.adapters.memory.bar_repository import InMemoryBarRepository
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.reference_repository import InMemoryReferenceRepository
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.coverage_map import STATE_OF_REASON, CellState, CoverageMap
from ginkgo_data.domain.model.errors import MalformedCommand, NotAvailable, UnknownCode
from ginkgo_data.domain.model.reference import SECURITY_SCHEMA, Securities
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.coverage import build_coverage
from ginkgo_data.domain.services.coverage_map import fold_months, map_coverage
from ginkgo_data.domain.services.coverage_reading import CoverageQuestion, CoverageReader
from support.bars import MINUTES_5, bars
from support.stack import FIVE, NOW, SESSIONS, SHANGHAI

A, B, C = "000001.SZ", "600519.SH", "430047.BJ"
MONDAY = date(2024, 1, 8)
WEEK = [MONDAY + timedelta(days=n) for n in range(5)]
LETTERS = "nhslcrup"
"""Not due, held, suspended, not listed, closed, no row, unrecorded, probably suspended: by the state's number."""


def days(*values: object) -> np.ndarray:
    return np.array(values, "datetime64[D]")


def stated(*rows: tuple[str, date, AbsenceReason]) -> Absences:
    """Absences, each with a later version than the one before."""
    return Absences.concat(Absences.of([(*row, "said so")], "test", n) for n, row in enumerate(rows, 1))


def mapped(codes=(A,), windows=None, held=None, absences=(), sessions=WEEK) -> CoverageMap:
    windows = windows or [(sessions[0], sessions[-1])] * len(codes)
    told = stated(*absences)
    first, last = days(*(w[0] for w in windows)), days(*(w[1] for w in windows))
    grid = build_coverage(codes, days(*sessions), first, last, {c: days(*d) for c, d in (held or {}).items()}, told)
    return map_coverage(grid, told)


def shown(cover: CoverageMap) -> list[str]:
    return ["".join(LETTERS[state] for state in row) for row in cover.states.tolist()]


@pytest.mark.parametrize(
    ("reason", "letter"), list(zip(AbsenceReason, "slcpr", strict=True)), ids=[r.value for r in AbsenceReason]
)
def test_an_absence_shows_with_its_reason_and_a_due_session_without_any_as_unrecorded(reason, letter):
    assert shown(mapped(held={A: WEEK[:3]}, absences=[(A, WEEK[3], reason)])) == [f"hhh{letter}u"]


def test_of_two_absences_the_newer_one_gives_the_reason_whatever_the_order_of_rows():
    older, newer = (
        Absences.of([(A, WEEK[0], reason, "")], "test", version)
        for version, reason in ((5, AbsenceReason.SUSPENDED), (6, AbsenceReason.NO_ROW))
    )
    for rows in ([older, newer], [newer, older]):
        told = Absences.concat(rows)
        grid = build_coverage((A,), days(WEEK[0]), days(WEEK[0]), days(WEEK[0]), {}, told)
        assert shown(map_coverage(grid, told)) == ["r"]


def test_held_beats_absent_and_what_is_not_due_is_nothing_else():
    suspended = AbsenceReason.SUSPENDED
    cover = mapped(
        windows=[(WEEK[1], WEEK[3])],
        held={A: [WEEK[0], WEEK[1], WEEK[4]]},
        absences=[(A, WEEK[0], suspended), (A, WEEK[1], suspended), (A, WEEK[4], suspended)],
    )
    assert shown(cover) == ["nhuun"]


def test_a_reason_that_this_program_does_not_know_explains_nothing():
    table = stated((A, WEEK[0], AbsenceReason.SUSPENDED)).table
    strange = table.set_column(2, "reason", pa.array(["eclipse"]).dictionary_encode())
    grid = build_coverage((A,), days(WEEK[0]), days(WEEK[0]), days(WEEK[0]), {}, Absences(strange))
    assert not grid.explained.any()
    assert shown(map_coverage(grid, Absences(strange))) == ["u"]


def test_absences_of_other_codes_and_days_mark_no_cell():
    suspended = AbsenceReason.SUSPENDED
    assert shown(mapped(absences=[(B, WEEK[0], suspended), (A, date(1980, 1, 1), suspended)])) == ["uuuuu"]


def test_counts_are_given_per_code_and_in_total():
    cover = mapped(
        (A, B), held={A: WEEK}, absences=[(B, WEEK[0], AbsenceReason.SUSPENDED), (B, WEEK[1], AbsenceReason.NO_ROW)]
    )
    counts = cover.counts()
    assert counts.held.tolist() == [5, 0]
    assert counts.absent.tolist() == [0, 1]
    assert counts.unexplained.tolist() == [0, 4]
    assert counts.expected.tolist() == [5, 4]
    assert int(counts.total().of(CellState.NO_ROW)) == 1


def test_runs_tell_all_sessions_in_order_and_join_equal_neighbours():
    cover = mapped(held={A: WEEK[:2]}, absences=[(A, WEEK[2], AbsenceReason.SUSPENDED)])
    assert [(run.state.word, run.first, run.last, run.sessions) for run in cover.runs(0)] == [
        ("held", WEEK[0], WEEK[1], 2),
        ("suspended", WEEK[2], WEEK[2], 1),
        ("unrecorded", WEEK[3], WEEK[4], 2),
    ]


def test_the_worst_code_comes_first_and_ties_go_by_code():
    cover = mapped((C, B, A), held={B: WEEK, C: WEEK[:4], A: WEEK[:4]})
    assert [cover.codes[row] for row in cover.worst_first()] == [A, C, B]


def test_months_are_folded_whole_and_a_month_without_a_session_is_left_out():
    sessions = [date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3), date(2024, 3, 1)]
    cover = mapped(sessions=sessions, held={A: [sessions[1], sessions[3]]})
    periods = fold_months(cover)
    assert periods.names == ("2023-12", "2024-01", "2024-03")
    assert periods.counts.held.tolist() == [[0, 1, 1]]
    assert periods.counts.expected.tolist() == [[1, 2, 1]]
    assert fold_months(cover, 3).names == ("2023-10", "2024-01")
    assert fold_months(cover, 12).counts.held.tolist() == [[0, 2]]


def test_an_empty_map_has_no_runs_no_months_and_no_counts():
    cover = CoverageMap((), days(), np.empty((0, 0), np.uint8))
    assert fold_months(cover).names == ()
    assert cover.counts().coverage().due == 0
    assert cover.worst_first().tolist() == []


CELLS = st.lists(st.lists(st.sampled_from(range(8)), min_size=12, max_size=12), min_size=1, max_size=6)


@given(CELLS)
@settings(max_examples=60, deadline=None)
def test_the_map_counts_what_the_grid_counts_and_runs_rebuild_every_row(wanted):
    states = np.array(wanted)
    codes = tuple(f"{n:06d}.SZ" for n in range(len(states)))
    sessions = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]")
    reasons = {int(state): reason for reason, state in STATE_OF_REASON.items()}
    absent = np.argwhere(np.isin(states, list(reasons)))
    told = stated(*((codes[r], sessions[c].item(), reasons[states[r, c]]) for r, c in absent))
    held = {code: sessions[states[row] == 1] for row, code in enumerate(codes)}
    every = np.full(len(codes), sessions[0]), np.full(len(codes), sessions[-1])
    grid = build_coverage(codes, sessions, *every, held, told)
    cover = map_coverage(grid, told)
    assert cover.counts().coverage() == grid.counts()
    assert np.array_equal(cover.states, np.where(states == 0, 6, states))
    for row in range(len(codes)):
        rebuilt = [run.state for run in cover.runs(row) for _ in range(run.sessions)]
        assert rebuilt == cover.states[row].tolist()


def securities(*rows: tuple[str, object, object]) -> Securities:
    """Securities of (code, list date, delist date)."""
    columns: dict[str, list[object]] = {name: [None] * len(rows) for name in SECURITY_SCHEMA.names}
    codes, listed, delisted = ([row[n] for row in rows] for n in range(3))
    columns |= {"code": codes, "name": [f"name of {c}" for c in codes], "list_date": listed, "delist_date": delisted}
    columns |= {"source": ["test"] * len(rows), "version": [1] * len(rows)}
    return Securities(pa.table(columns, schema=SECURITY_SCHEMA))


def reader(*stored: tuple[str, object, object], now: datetime = NOW) -> CoverageReader:
    reference = InMemoryReferenceRepository(ManualClock(now))
    reference.write_securities(securities(*stored))
    calendar = InMemoryTradingCalendar(SESSIONS, date(2024, 3, 29))
    return CoverageReader(InMemoryBarRepository(), InMemoryAbsenceRepository(), reference, calendar, ManualClock(now))


OLD = date(2000, 1, 1)


def test_all_securities_are_read_over_their_listing_windows():
    parts = reader((A, OLD, None), (B, date(2024, 1, 10), None), (C, OLD, date(2024, 1, 10)))
    parts.bars.write(bars(A, FIVE))
    reading = parts.read(CoverageQuestion(start=MONDAY))
    assert dict(zip(reading.cover.codes, shown(reading.cover), strict=True)) == {A: "hhhhh", B: "nnuuu", C: "uunnn"}
    assert (reading.first, reading.last) == (MONDAY, date(2024, 1, 12))
    assert reading.names[A] == f"name of {A}"


def test_absences_of_the_store_give_the_reasons():
    parts = reader((A, OLD, None))
    parts.absences.write_absences(stated((A, WEEK[1], AbsenceReason.SUSPENDED)), DAILY)
    assert shown(parts.read(CoverageQuestion(start=MONDAY)).cover) == ["usuuu"]


def test_a_session_that_has_not_closed_is_not_due():
    noon = datetime(2024, 1, 12, 12, 0, tzinfo=SHANGHAI)
    reading = reader((A, OLD, None), now=noon).read(CoverageQuestion(start=MONDAY))
    assert (shown(reading.cover), reading.last) == (["uuuu"], date(2024, 1, 11))


def test_without_dates_the_last_year_is_read():
    reading = reader((A, OLD, None)).read(CoverageQuestion())
    assert (reading.first, reading.last) == (date(2023, 1, 12), date(2024, 1, 12))
    assert reading.cover.sessions[0] == SESSIONS[0]


def test_codes_without_a_session_due_are_named_and_left_out():
    parts = reader((A, OLD, None), (B, date(2024, 2, 1), None), (C, None, None))
    reading = parts.read(CoverageQuestion(start=MONDAY))
    assert reading.cover.codes == (A,)
    assert set(reading.idle) == {B, C}


def test_where_no_securities_are_stored_codes_with_bars_count_from_their_first_bar_on():
    parts = reader()
    parts.bars.write(bars(A, FIVE[2:4]))
    parts.bars.write(bars(B, FIVE[:1]))
    reading = parts.read(CoverageQuestion(start=MONDAY))
    assert dict(zip(reading.cover.codes, shown(reading.cover), strict=True)) == {A: "nnhhu", B: "huuuu"}
    assert reading.observed == (A, B)


def test_minute_sessions_count_when_they_are_whole():
    parts = reader((A, OLD, None))
    parts.bars.write(bars(A, FIVE[:1], series=MINUTES_5))
    parts.bars.write(bars(A, FIVE[1:2], series=MINUTES_5, keep=10))
    assert shown(parts.read(CoverageQuestion(series=MINUTES_5, start=MONDAY)).cover) == ["huuuu"]
    assert shown(parts.read(CoverageQuestion(start=MONDAY)).cover) == ["uuuuu"]


def test_a_window_of_closed_days_alone_is_due_nothing():
    reading = reader((A, OLD, None)).read(CoverageQuestion(start=date(2024, 1, 6), end=date(2024, 1, 7)))
    assert (reading.cover.codes, reading.idle) == ((), (A,))
    assert (reading.first, reading.last) == (date(2024, 1, 6), date(2024, 1, 7))


def test_a_code_that_the_store_knows_nothing_of_is_refused_by_name():
    parts = reader((A, OLD, None))
    with pytest.raises(UnknownCode, match=B):
        parts.read(CoverageQuestion((A, B), start=MONDAY))


def test_a_store_without_securities_and_bars_is_refused():
    with pytest.raises(NotAvailable, match="no securities"):
        reader().read(CoverageQuestion())


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [(date(2024, 1, 9), date(2024, 1, 8), "after"), (date(2024, 1, 13), None, "future")],
    ids=["start after end", "start in the future"],
)
def test_a_window_that_cannot_be_is_refused(start, end, said):
    with pytest.raises(MalformedCommand, match=said):
        reader((A, OLD, None)).read(CoverageQuestion(start=start, end=end))
