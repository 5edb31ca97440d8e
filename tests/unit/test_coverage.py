"""Building the coverage grid, and reading from it what is missing."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Coverage
from ginkgo_data.domain.services.coverage import build_coverage, newest_missing, worst_codes

MONDAY = date(2024, 1, 1)
WEEK = [MONDAY + timedelta(days=n) for n in range(5)]
A, B, C = "000001.SZ", "600519.SH", "430047.BJ"


def days(*values: date) -> np.ndarray:
    return np.array(values, "datetime64[D]")


def cover(codes=(A,), sessions=WEEK, windows=None, held=None, absences=()) -> Coverage:
    """Build coverage from Python dates; `absences` are (code, session, reason) rows, each with a later version."""
    windows = windows or [(WEEK[0], WEEK[-1])] * len(codes)
    stated = Absences.concat(
        Absences.of([(code, session, reason, "said so")], "test", version)
        for version, (code, session, reason) in enumerate(absences, 1)
    )
    return build_coverage(
        codes,
        days(*sessions),
        days(*(first for first, _ in windows)),
        days(*(last for _, last in windows)),
        {code: days(*held_days) for code, held_days in (held or {}).items()},
        stated,
    )


def test_sessions_are_due_from_the_first_to_the_last_day_of_the_window_both_included() -> None:
    grid = cover((A, B), windows=[(WEEK[1], WEEK[3]), (date(1990, 1, 1), date(2199, 12, 31))])
    assert grid.due.tolist() == [[False, True, True, True, False], [True] * 5]


def test_nothing_is_due_where_the_window_is_empty_or_not_a_time() -> None:
    begin = np.array([WEEK[3], "NaT", WEEK[0]], "datetime64[D]")
    end = np.array([WEEK[2], WEEK[4], "NaT"], "datetime64[D]")
    assert not build_coverage((A, B, C), days(*WEEK), begin, end, {}, Absences.empty()).due.any()


def test_held_days_that_are_no_sessions_are_ignored() -> None:
    sessions = [WEEK[1], WEEK[3]]
    grid = cover(sessions=sessions, held={A: [date(1980, 1, 1), WEEK[0], *WEEK[2:4], WEEK[4], date(2100, 1, 1)]})
    assert grid.held.tolist() == [[False, True]]


def test_a_session_may_be_held_without_being_due() -> None:
    grid = cover(windows=[(WEEK[2], WEEK[4])], held={A: [WEEK[0], WEEK[2]]})
    assert grid.held.tolist() == [[True, False, True, False, False]]
    assert grid.counts().held == 1


def test_held_sessions_of_a_code_that_was_not_asked_for_are_ignored() -> None:
    assert not cover((A,), held={B: WEEK}).held.any()


@pytest.mark.parametrize("reason", list(AbsenceReason))
def test_every_absence_is_recorded_and_only_a_reason_that_explains_explains(reason: AbsenceReason) -> None:
    grid = cover((A, B), absences=[(B, WEEK[2], reason)])
    assert np.argwhere(grid.recorded).tolist() == [[1, 2]]
    assert grid.explained[1, 2] == (reason is not AbsenceReason.NO_ROW)
    assert grid.explained.sum() == int(reason.explains)


def test_of_two_absences_of_one_cell_the_greater_version_counts_whatever_the_order_of_rows() -> None:
    weak = Absences.of([(A, WEEK[0], AbsenceReason.NO_ROW, "")], "test", 5)
    strong = Absences.of([(A, WEEK[0], AbsenceReason.SUSPENDED, "")], "test", 6)
    window = days(WEEK[0]), days(WEEK[4])
    for stated in ([weak, strong], [strong, weak]):
        grid = build_coverage((A,), days(*WEEK), *window, {}, Absences.concat(stated))
        assert grid.explained[0, 0]
    assert not cover(
        absences=[(A, WEEK[0], AbsenceReason.SUSPENDED), (A, WEEK[0], AbsenceReason.NO_ROW)]
    ).explained.any()


def test_absences_of_other_codes_and_days_are_ignored() -> None:
    suspended = AbsenceReason.SUSPENDED
    grid = cover(absences=[(B, WEEK[0], suspended), (A, date(1980, 1, 1), suspended), (A, date(2100, 1, 1), suspended)])
    assert not grid.recorded.any()
    assert not grid.explained.any()


def test_without_sessions_or_codes_the_grid_is_empty() -> None:
    absent = [(A, WEEK[0], AbsenceReason.SUSPENDED)]
    assert cover(sessions=[], held={A: WEEK}, absences=absent).due.shape == (1, 0)
    none = cover(codes=(), windows=[], absences=absent)
    assert none.missing.shape == (0, 5)
    assert worst_codes(none) == ()
    assert newest_missing(none) is None


def test_the_worst_codes_come_first_and_ties_go_by_code() -> None:
    grid = cover((B, A, C), held={B: WEEK[:2], A: WEEK[3:], C: WEEK})
    assert worst_codes(grid) == ((A, 3), (B, 3))
    assert worst_codes(cover((B, A, C), held={B: WEEK[:2]})) == ((A, 5), (C, 5), (B, 3))
    assert worst_codes(grid, limit=1) == ((A, 3),)


def test_the_newest_missing_session_is_the_last_that_any_code_lacks() -> None:
    assert newest_missing(cover((A, B), held={A: WEEK, B: WEEK[:2] + WEEK[4:]})) == WEEK[3]
    assert newest_missing(cover(held={A: WEEK})) is None
    explained = [(A, WEEK[4], AbsenceReason.HOLIDAY), (A, WEEK[3], AbsenceReason.NO_ROW)]
    assert newest_missing(cover(absences=explained)) == WEEK[3]


day = st.integers(0, 9).map(lambda n: MONDAY + timedelta(days=n))
stated_absences = st.lists(
    st.tuples(st.sampled_from((A, B, C)), day, st.sampled_from(AbsenceReason)),
    max_size=12,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=40, deadline=None)
@given(
    sessions=st.lists(day, unique=True).map(sorted),
    windows=st.lists(st.tuples(day, day), min_size=2, max_size=2),
    held=st.dictionaries(st.sampled_from((A, B, C)), st.lists(day, unique=True).map(sorted)),
    absences=stated_absences,
)
def test_every_due_session_is_held_or_absent_or_unexplained_and_held_beats_absent(
    sessions, windows, held, absences
) -> None:
    codes = (A, B)
    grid = cover(codes, sessions, windows, held, absences)
    said = {(code, session): reason for code, session, reason in absences}
    expected = {"due": 0, "held": 0, "absent": 0, "unexplained": 0}
    for row, code in enumerate(codes):
        for column, session in enumerate(sessions):
            due = windows[row][0] <= session <= windows[row][1]
            assert grid.due[row, column] == due
            assert grid.held[row, column] == (session in held.get(code, []))
            if due:
                reason = said.get((code, session))
                explained = reason is not None and reason.explains
                state = "held" if session in held.get(code, []) else "absent" if explained else "unexplained"
                expected["due"] += 1
                expected[state] += 1
                assert grid.missing[row, column] == (state == "unexplained")
    counts = grid.counts()
    assert {name: getattr(counts, name) for name in expected} == expected
    assert counts.due == counts.held + counts.absent + counts.unexplained
    assert counts.expected == counts.held + counts.unexplained
    assert sum(number for _, number in worst_codes(grid)) == counts.unexplained
