"""What a request is still owed by an answer."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ginkgo_data.domain.model.bars import BAR_SCHEMA, BarBatch
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest, SourceCapabilities, UnknownReason
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from support.bars import bars

A, B, C = "000001.SZ", "600519.SH", "430047.BJ"
DAYS = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[D]")


def request(wanted: Cells, codes: tuple[str, ...] | None = (A, B)) -> FetchRequest:
    return FetchRequest(DAILY, codes, DAYS[0].item(), DAYS[-1].item(), wanted, 1)


def test_wanted_cells_without_a_row_are_unanswered() -> None:
    asked = request(Cells.cross((A, B), DAYS))
    left = asked.unanswered(bars([A, B, B], [DAYS[1], DAYS[0], DAYS[2]]))
    assert left.pairs() == [(A, date(2024, 1, 2)), (A, date(2024, 1, 4)), (B, date(2024, 1, 3))]


def test_rows_that_were_not_wanted_answer_nothing() -> None:
    asked = request(Cells.cross((A,), DAYS[:1]), codes=None)
    left = asked.unanswered(bars([A, B, C], [DAYS[1], DAYS[0], DAYS[0]]))
    assert left.pairs() == [(A, date(2024, 1, 2))]


def test_an_answer_without_rows_leaves_all_wanted_cells() -> None:
    wanted = Cells.cross((A, B), DAYS)
    assert request(wanted).unanswered(BarBatch.empty()) is wanted


def test_where_nothing_is_wanted_nothing_is_unanswered() -> None:
    assert len(request(Cells.none()).unanswered(bars(A, DAYS))) == 0


def test_one_minute_bar_of_a_session_answers_its_cell() -> None:
    asked = request(Cells.cross((A,), DAYS[:2]))
    left = asked.unanswered(bars(A, [DAYS[0]], series=Series(Frequency.MIN5), keep=1))
    assert left.pairs() == [(A, date(2024, 1, 3))]


def test_rows_without_code_or_session_answer_nothing() -> None:
    table = bars([A, A], DAYS[:2]).table
    for name, value in (
        ("code", pa.array([None, None], pa.string())),
        ("session", pa.array([None, None], pa.date32())),
    ):
        column = value.cast(BAR_SCHEMA.field(name).type) if name == "session" else value.dictionary_encode()
        broken = BarBatch.of(table.set_column(table.column_names.index(name), name, column))
        assert len(request(Cells.cross((A,), DAYS)).unanswered(broken)) == 3


def test_rows_from_several_chunks_count_alike() -> None:
    parts = BarBatch.concat([bars(B, DAYS[:1]), bars(A, DAYS[1:2]), bars(C, DAYS)])
    left = request(Cells.cross((A, B), DAYS[:2]), codes=None).unanswered(parts)
    assert left.pairs() == [(A, date(2024, 1, 2)), (B, date(2024, 1, 3))]


pairs = st.sets(st.tuples(st.sampled_from((A, B, C)), st.sampled_from(range(3))))


@settings(max_examples=50, deadline=None)
@given(wanted=pairs, sent=pairs)
def test_unanswered_is_wanted_less_sent(wanted, sent) -> None:
    codes = (C, A, B)
    ordered = sorted(wanted)
    index = np.array([codes.index(code) for code, _ in ordered], np.int64)
    cells = Cells(codes, index, DAYS[np.array([day for _, day in ordered], np.int64)])
    rows = sorted(sent)
    batch = bars([code for code, _ in rows], [DAYS[day] for _, day in rows]) if rows else BarBatch.empty()
    expected = [(code, DAYS[day].item()) for code, day in ordered if (code, day) not in sent]
    assert request(cells, codes=None).unanswered(batch).pairs() == expected


def test_a_request_without_codes_is_for_the_whole_market() -> None:
    assert request(Cells.none(), codes=None).by_session
    assert not request(Cells.none(), codes=(A,)).by_session


def test_a_source_offers_exactly_its_series() -> None:
    source = SourceCapabilities("test", frozenset({Series(Frequency.MIN5, Adjust.QFQ)}), 100)
    assert source.offers(Frequency.MIN5, Adjust.QFQ)
    assert not source.offers(Frequency.MIN5, Adjust.NONE)
    assert not source.offers(Frequency.DAY, Adjust.QFQ)


@pytest.mark.parametrize("reason", list(UnknownReason))
def test_what_may_pass_within_seconds_is_the_vendors_fault_and_never_the_commands(reason: UnknownReason) -> None:
    passing = {"unreachable", "timed_out", "server_error", "rate_limited"}
    assert reason.transient == (reason.value in passing)
    assert reason.outage == (reason.value in passing | {"bad_token"})
