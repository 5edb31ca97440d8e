"""The contract of bar sources, for Tushare over HTTP and for a source that is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from contracts.bar_source import SUSPENDED, VENDOR_BARS, BySessionContract
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.resilience.bar_source import RetryingBarSource
from ginkgo_data.adapters.tushare.bar_source import TushareBarSource
from ginkgo_data.adapters.tushare.client import TushareClient
from ginkgo_data.adapters.tushare.config import TushareConfig
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.fetch import SourceCapabilities
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.model.series import DAILY
from support.tushare_market import TushareMarket, market_of
from support.tushare_server import TushareServer


def vendor_market() -> TushareMarket:
    """Return the bars of the contract in the vendor's fields and units: lots of 100 shares, thousands of CNY."""
    bars = VENDOR_BARS.table
    code, day = SUSPENDED
    daily = pa.table(
        {
            "ts_code": bars["code"].cast(pa.string()),
            "trade_date": pc.strftime(bars["session"], "%Y%m%d"),
            **{name: bars[name] for name in ("open", "high", "low", "close", "pre_close")},
            "vol": pc.round(pc.divide(bars["volume"], 100.0), 2),
            "amount": pc.round(pc.divide(bars["amount"], 1000.0), 5),
        }
    )
    return market_of(daily, suspended=[(code, day.replace("-", ""))])


class TestTushareBarSource(BySessionContract):
    @pytest.fixture
    def source(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[TushareBarSource]:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        clock = ManualClock(datetime(2024, 1, 15, tzinfo=UTC))
        with TushareServer(vendor_market(), token="planted-" + "t" * 48) as server:
            config = TushareConfig(base_url=server.url, token="planted-" + "t" * 48)
            client = TushareClient(config, InMemoryCallBudget(clock), clock)
            yield TushareBarSource(client)
            client.close()


class TestRetryingBarSource(BySessionContract):
    @pytest.fixture
    def source(self) -> RetryingBarSource:
        code, day = SUSPENDED
        has = SourceCapabilities("vendor", frozenset({DAILY}), row_limit=100, codes_per_call=2, by_session=True)
        told = Absences.of([(code, date.fromisoformat(day), AbsenceReason.SUSPENDED, "suspend_d")], "vendor", 1)
        inner = InMemoryBarSource(VENDOR_BARS, capabilities=has, suspended=told)
        return RetryingBarSource(inner, RetryPolicy(), ManualClock(datetime(2024, 1, 15, tzinfo=UTC)))
