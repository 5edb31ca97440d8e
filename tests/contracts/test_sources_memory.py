"""The contracts of sources, for the vendors in memory."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from contracts.bar_source import CODES, SUSPENDED, VENDOR_BARS, WEEK, BySessionContract, by_code
from ginkgo_data.adapters.memory.adjustment_source import InMemoryAdjustmentSource
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells
from ginkgo_data.domain.model.fetch import FetchRequest, ProvenEmpty, Rows, SourceCapabilities, Unknown, UnknownReason
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.model.series import DAILY
from support.trading_days import session_days

VENDOR = SourceCapabilities("vendor", frozenset({DAILY}), row_limit=100, codes_per_call=2, by_session=True)


def vendor(capabilities: SourceCapabilities) -> InMemoryBarSource:
    code, day = SUSPENDED
    told = [(code, date.fromisoformat(day), AbsenceReason.SUSPENDED, "suspend_d")]
    return InMemoryBarSource(VENDOR_BARS, capabilities=capabilities, suspended=Absences.of(told, "vendor", 1))


class TestInMemoryBarSource(BySessionContract):
    @pytest.fixture
    def source(self) -> InMemoryBarSource:
        return vendor(VENDOR)

    def test_it_keeps_what_it_was_asked(self, source: InMemoryBarSource) -> None:
        request = by_code(CODES[:1])
        source.fetch(request)
        assert source.calls == 1
        assert source.requests[0] is request

    def test_more_codes_than_one_call_may_name_are_refused(self, source: InMemoryBarSource) -> None:
        answer = source.fetch(by_code(CODES))
        assert isinstance(answer, Unknown)
        assert answer.reason is UnknownReason.REFUSED

    def test_a_whole_session_is_refused_where_it_is_not_offered(self) -> None:
        source = vendor(SourceCapabilities("vendor", frozenset({DAILY}), row_limit=100))
        day = WEEK[:1]
        answer = source.fetch(FetchRequest(DAILY, None, day[0].item(), day[0].item(), Cells.cross(CODES, day), 1))
        assert isinstance(answer, Unknown)
        assert answer.reason is UnknownReason.REFUSED

    def test_a_reply_that_reaches_the_row_limit_proves_nothing(self) -> None:
        source = vendor(SourceCapabilities("vendor", frozenset({DAILY}), row_limit=5))
        answer = source.fetch(by_code(["000001.SZ"]))
        assert isinstance(answer, Unknown)
        assert answer.reason is UnknownReason.TRUNCATED


class TestInMemoryReferenceSource:
    DAYS = session_days([date(2024, 1, day) for day in (5, 6, 7, 8)], [date(2024, 1, 5), date(2024, 1, 8)])

    @pytest.fixture
    def securities(self) -> Securities:
        empty = [""] * 2
        table = pa.table(
            {
                "code": ["000001.SZ", "600519.SH"],
                "name": empty,
                "market": ["主板", "科创板"],
                "industry": empty,
                "list_date": pa.array([date(1991, 4, 3), date(2001, 8, 27)]),
                "delist_date": pa.nulls(2, pa.date32()),
                "status": ["L", "L"],
                "source": ["vendor", "vendor"],
                "version": pa.array([1, 1], pa.uint64()),
            }
        )
        return Securities.of(table)

    def test_it_gives_all_securities_or_those_of_a_market(self, securities: Securities) -> None:
        source = InMemoryReferenceSource(securities)
        answer, market = source.securities(None, 7), source.securities("科创板", 7)
        assert isinstance(answer, Rows)
        assert isinstance(market, Rows)
        assert answer.batch.codes() == ["000001.SZ", "600519.SH"]
        assert answer.batch.table["version"].to_pylist() == [7, 7]
        assert market.batch.codes() == ["600519.SH"]

    def test_no_securities_are_unknown(self) -> None:
        answer = InMemoryReferenceSource(Securities.empty()).securities(None, 7)
        assert isinstance(answer, Unknown)

    def test_it_gives_the_days_it_was_told(self, securities: Securities) -> None:
        answer = InMemoryReferenceSource(securities, self.DAYS).session_days(date(2024, 1, 6), date(2024, 1, 8), 7)
        assert isinstance(answer, Rows)
        assert [str(day) for day in answer.batch.open_days()] == ["2024-01-08"]
        assert len(answer.batch) == 3

    def test_without_days_it_knows_no_calendar(self, securities: Securities) -> None:
        answer = InMemoryReferenceSource(securities).session_days(date(2024, 1, 6), date(2024, 1, 8), 7)
        assert isinstance(answer, ProvenEmpty)


class TestInMemoryAdjustmentSource:
    @pytest.fixture
    def source(self) -> InMemoryAdjustmentSource:
        table = pa.table(
            {
                "code": ["000001.SZ", "000001.SZ", "600519.SH"],
                "session": pa.array([date(2024, 1, 8), date(2024, 1, 9), date(2024, 1, 8)]),
                "factor": [1.0, 1.25, 7.768],
                "source": ["vendor"] * 3,
                "version": pa.array([1] * 3, pa.uint64()),
            }
        )
        return InMemoryAdjustmentSource(AdjustmentBatch.of(table))

    def test_it_gives_the_factors_of_codes_in_a_range(self, source: InMemoryAdjustmentSource) -> None:
        answer = source.factors(["000001.SZ"], date(2024, 1, 9), date(2024, 1, 31), 7)
        assert isinstance(answer, Rows)
        assert answer.batch.table["factor"].to_pylist() == [1.25]
        assert answer.batch.table["version"].to_pylist() == [7]

    def test_no_factors_are_proven_empty(self, source: InMemoryAdjustmentSource) -> None:
        assert isinstance(source.factors(["600519.SH"], date(2024, 1, 9), date(2024, 1, 9), 7), ProvenEmpty)
