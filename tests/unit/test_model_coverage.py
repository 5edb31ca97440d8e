"""Cells, counts and the reading of a coverage grid."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells, Coverage, CoverageCounts, expected_bars
from ginkgo_data.domain.model.series import Frequency

CODES = ("000001.SZ", "600519.SH", "430047.BJ")
SESSIONS = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[D]")
SECOND, THIRD = date(2024, 1, 3), date(2024, 1, 4)


def flags(*rows: str) -> np.ndarray:
    """Return a boolean grid drawn as text: ``x`` is true."""
    return np.array([[mark == "x" for mark in row] for row in rows])


def grid(due: np.ndarray, held: np.ndarray, explained: np.ndarray) -> Coverage:
    return Coverage(CODES[: len(due)], SESSIONS, due, held, explained, explained)


def test_missing_is_due_and_neither_held_nor_explained() -> None:
    coverage = grid(flags("xxx", ".xx"), flags("x..", "x.."), flags(".x.", "x.x"))
    assert coverage.missing.tolist() == flags("..x", ".x.").tolist()


def test_young_explained_absences_are_asked_again_and_old_ones_are_not() -> None:
    coverage = grid(flags("xxx", "xxx", "..x"), flags("..x", "...", "..."), flags("xxx", "...", "..x"))
    assert coverage.to_ask().tolist() == flags("...", "xxx", "...").tolist()
    assert coverage.to_ask(SECOND).tolist() == flags(".x.", "xxx", "..x").tolist()
    assert coverage.to_ask(THIRD).tolist() == flags("...", "xxx", "..x").tolist()


def test_cells_are_ordered_by_code_and_session_and_codes_without_any_are_dropped() -> None:
    none = flags("...", "...", "...")
    cells = grid(flags("xxx", "xxx", "xxx"), none, none).cells(flags("..x", "...", "x.x"))
    assert cells.codes == ("000001.SZ", "430047.BJ")
    assert cells.pairs() == [("000001.SZ", THIRD), ("430047.BJ", date(2024, 1, 2)), ("430047.BJ", THIRD)]
    assert len(cells) == 3


def test_a_cross_of_codes_and_sessions_has_every_pair_once() -> None:
    cells = Cells.cross(CODES[:2], SESSIONS[1:])
    assert cells.pairs() == [(code, day) for code in CODES[:2] for day in (SECOND, THIRD)]
    assert len(Cells.cross((), SESSIONS)) == len(Cells.cross(CODES, SESSIONS[:0])) == 0


def test_no_cells_are_no_pairs() -> None:
    assert len(Cells.none()) == 0
    assert Cells.none().pairs() == []


def test_counts_split_what_is_due_and_held_beats_absent() -> None:
    coverage = grid(flags("xxx", ".xx"), flags("xx.", "x.."), flags(".x.", "xx."))
    assert coverage.counts() == CoverageCounts(expected=4, due=5, held=2, absent=1, unexplained=2)


def test_the_missing_rate_is_of_what_is_expected_and_zero_where_nothing_is() -> None:
    assert CoverageCounts(expected=8, due=10, held=6, absent=2, unexplained=2).missing_rate == 0.25
    assert CoverageCounts(due=10, absent=10).missing_rate == 0.0


def test_counts_add_up_field_by_field() -> None:
    total = CoverageCounts(1, 2, 3, 4, 5) + CoverageCounts(10, 20, 30, 40, 50)
    assert total == CoverageCounts(11, 22, 33, 44, 55)


@pytest.mark.parametrize(("frequency", "bars"), [(Frequency.DAY, 3), (Frequency.MIN1, 720), (Frequency.MIN60, 12)])
def test_expected_bars_are_expected_sessions_times_the_bars_of_a_session(frequency: Frequency, bars: int) -> None:
    assert expected_bars(CoverageCounts(expected=3, due=9), frequency) == bars


def test_absences_keep_reason_and_evidence_and_join() -> None:
    first = Absences.of([(CODES[0], SECOND, AbsenceReason.SUSPENDED, "suspend_d S")], "tushare", 7)
    second = Absences.of([(CODES[1], THIRD, AbsenceReason.NO_ROW, "")], "files", 8)
    joined = Absences.concat([first, second])
    assert len(joined) == 2
    assert joined.table["code"].to_pylist() == list(CODES[:2])
    assert joined.table["reason"].to_pylist() == ["suspended", "no_row"]
    assert joined.table["evidence"].to_pylist() == ["suspend_d S", ""]
    assert joined.table["source"].to_pylist() == ["tushare", "files"]
    assert joined.table["version"].to_pylist() == [7, 8]
    assert len(Absences.concat([])) == len(Absences.empty()) == 0
