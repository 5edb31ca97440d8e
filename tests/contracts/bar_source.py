"""What every source of bars promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ginkgo_data.domain.model.bars import BAR_SCHEMA, BarBatch
from ginkgo_data.domain.model.coverage import AbsenceReason, Cells
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, ProvenEmpty, Rows, Unknown
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.ports.bar_source import BarSource
from support.bars import bars

WHOLE, HALTED, YOUNG, NOWHERE = "000001.SZ", "600519.SH", "300750.SZ", "999999.SH"
WEEK = np.arange("2024-01-08", "2024-01-13", dtype="datetime64[D]")
SUSPENDED = (HALTED, "2024-01-10")
VERSION = 1_704_900_000_000_123
VALUES = ("open", "high", "low", "close", "volume", "amount")
NEVER = Series(Frequency.MIN60, Adjust.HFQ)


def _week(code: str, days: Sequence[str], price: float) -> BarBatch:
    count = len(days)
    closes = [round(price + step / 100, 2) for step in range(count)]
    return bars(
        code,
        days,
        closes,
        opens=[round(close - 0.01, 2) for close in closes],
        highs=[round(close + 0.02, 2) for close in closes],
        lows=[round(close - 0.03, 2) for close in closes],
        volumes=[float(123_457 + 1_000 * step) for step in range(count)],
        amounts=[round(close * (123_457 + 1_000 * step), 2) for step, close in enumerate(closes)],
    )


VENDOR_BARS = BarBatch.concat(
    [
        _week(WHOLE, [str(day) for day in WEEK], 9.38),
        _week(HALTED, [str(day) for day in WEEK if str(day) != SUSPENDED[1]], 1658.07),
        _week(YOUNG, [str(day) for day in WEEK[2:]], 163.5),
    ]
).sorted()
"""Three codes in one week: one with every session, one suspended on the Wednesday, one listed on the Wednesday."""

CODES = (YOUNG, HALTED, WHOLE)


def by_code(codes: Sequence[str], first: str = "2024-01-08", last: str = "2024-01-12") -> FetchRequest:
    """Return a request that wants every session of its range for each of its codes."""
    days = np.arange(first, np.datetime64(last) + 1, dtype="datetime64[D]")
    wanted = Cells.cross(codes, days)
    return FetchRequest(DAILY, tuple(codes), days[0].item(), days[-1].item(), wanted, VERSION)


def answers(source: BarSource, request: FetchRequest) -> Iterator[tuple[FetchRequest, BarAnswer]]:
    """Ask, with no more codes in a call than the source takes."""
    step = source.capabilities.codes_per_call
    assert request.codes is not None
    for begin in range(0, len(request.codes), step):
        part = by_code(request.codes[begin : begin + step], str(request.first), str(request.last))
        yield part, source.fetch(part)


def rows(*found: BarAnswer) -> list[tuple[object, ...]]:
    """Return code, session, end and values of all bars, in order of their keys."""
    batches = [answer.batch for answer in found if isinstance(answer, Rows)]
    table = BarBatch.concat(batches).sorted().table
    return [tuple(row.values()) for row in table.select(["code", "session", "timestamp", *VALUES]).to_pylist()]


def vendor_rows(codes: Sequence[str], first: str = "2024-01-08", last: str = "2024-01-12") -> list[tuple[object, ...]]:
    """Return the rows that the vendor has, as `rows` does."""
    inside = [(row[0] in codes) and first <= str(row[1]) <= last for row in rows(Rows(VENDOR_BARS))]
    return [row for row, kept in zip(rows(Rows(VENDOR_BARS)), inside, strict=True) if kept]


def absences(answer: BarAnswer) -> dict[tuple[str, str], dict[str, object]]:
    """Return absences by code and session; a cell told twice fails."""
    assert isinstance(answer, Rows | ProvenEmpty), answer
    told = {(row["code"], str(row["session"])): row for row in answer.absences.table.to_pylist()}
    assert len(told) == len(answer.absences)
    return told


def cells(request: FetchRequest) -> set[tuple[str, str]]:
    """Return the wanted cells."""
    return {(code, str(day)) for code, day in request.wanted.pairs()}


class BarSourceContract:
    """Subclasses provide the fixture `source`: a vendor that has exactly `VENDOR_BARS`, daily and not adjusted.

    It can be asked by code; by session where its capabilities say so. It says that `SUSPENDED` was suspended, or
    `tells_suspensions` is False.
    """

    tells_suspensions = True

    def test_its_capabilities_offer_the_series_it_has(self, source: BarSource) -> None:
        has = source.capabilities
        assert has.name
        assert has.row_limit > 1
        assert has.codes_per_call >= 1
        assert has.offers(Frequency.DAY, Adjust.NONE)
        assert NEVER not in has.series

    def test_an_answer_has_all_rows_in_our_units(self, source: BarSource) -> None:
        found = [answer for _, answer in answers(source, by_code(CODES))]
        assert rows(*found) == vendor_rows(CODES)
        assert all(answer.batch.table.schema.equals(BAR_SCHEMA) for answer in found if isinstance(answer, Rows))

    def test_an_answer_has_nothing_outside_its_codes_and_range(self, source: BarSource) -> None:
        window = ("2024-01-09", "2024-01-11")
        found = [answer for _, answer in answers(source, by_code([HALTED], *window))]
        assert rows(*found) == vendor_rows([HALTED], *window)

    def test_rows_and_absences_carry_the_version_of_the_request_and_a_source(self, source: BarSource) -> None:
        for _, answer in answers(source, by_code(CODES)):
            assert isinstance(answer, Rows)
            for table in (answer.batch.table, answer.absences.table):
                assert set(table["version"].to_pylist()) <= {VERSION}
                assert all(table["source"].to_pylist())

    def test_every_wanted_cell_is_a_row_or_an_absence_never_both(self, source: BarSource) -> None:
        for request, answer in answers(source, by_code(CODES)):
            assert isinstance(answer, Rows)
            held = {(code, str(day)) for code, day, *_ in rows(answer)}
            assert held | set(absences(answer)) == cells(request)
            assert not held & set(absences(answer))

    def test_an_absence_has_a_reason_and_says_who_said_so(self, source: BarSource) -> None:
        told = {cell: row for _, answer in answers(source, by_code(CODES)) for cell, row in absences(answer).items()}
        assert {row["reason"] for row in told.values()} <= {reason.value for reason in AbsenceReason}
        assert all(row["evidence"] for row in told.values())
        expected = AbsenceReason.SUSPENDED if self.tells_suspensions else AbsenceReason.NO_ROW
        assert told[SUSPENDED]["reason"] == expected.value

    def test_absences_speak_of_wanted_cells_only(self, source: BarSource) -> None:
        day = np.array(["2024-01-08"], "datetime64[D]")
        request = FetchRequest(
            DAILY, (YOUNG,), WEEK[0].item(), WEEK[-1].item(), Cells((YOUNG,), np.zeros(1, np.int64), day), VERSION
        )
        assert set(absences(source.fetch(request))) == {(YOUNG, "2024-01-08")}

    def test_no_rows_are_proven_by_an_absence_for_each_wanted_cell(self, source: BarSource) -> None:
        request = by_code([YOUNG], "2024-01-08", "2024-01-09")
        answer = source.fetch(request)
        assert isinstance(answer, ProvenEmpty)
        assert set(absences(answer)) == cells(request)

    def test_a_code_it_does_not_have_is_never_rows(self, source: BarSource) -> None:
        request = by_code([NOWHERE])
        answer = source.fetch(request)
        assert isinstance(answer, ProvenEmpty | Unknown)
        if isinstance(answer, ProvenEmpty):
            assert set(absences(answer)) == cells(request)

    def test_a_series_it_does_not_have_proves_nothing(self, source: BarSource) -> None:
        asked = by_code([WHOLE])
        request = FetchRequest(NEVER, asked.codes, asked.first, asked.last, asked.wanted, VERSION)
        answer = source.fetch(request)
        assert isinstance(answer, Unknown)
        assert str(NEVER) in answer.detail

    def test_asking_again_gives_the_same(self, source: BarSource) -> None:
        first, second = ([a for _, a in answers(source, by_code(CODES))] for _ in range(2))
        assert rows(*first) == rows(*second) == vendor_rows(CODES)

    def test_several_threads_may_ask_at_once(self, source: BarSource) -> None:
        requests = [by_code([code], str(day), "2024-01-12") for code in CODES for day in WEEK[:4]] * 3
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(source.fetch, requests))
        for request, answer in zip(requests, found, strict=True):
            assert rows(answer) == vendor_rows(request.codes or (), str(request.first), str(request.last))


class BySessionContract(BarSourceContract):
    """For a vendor that can also be asked for the whole market of one session."""

    def test_a_session_of_the_whole_market_is_answered(self, source: BarSource) -> None:
        assert source.capabilities.by_session
        day = WEEK[2:3]
        request = FetchRequest(DAILY, None, day[0].item(), day[0].item(), Cells.cross(CODES, day), VERSION)
        answer = source.fetch(request)
        assert rows(answer) == vendor_rows(CODES, "2024-01-10", "2024-01-10")
        assert set(absences(answer)) == {SUSPENDED}
