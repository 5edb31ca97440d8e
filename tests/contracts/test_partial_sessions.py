"""Sessions of minute bars that are stored in part: fetched whole, compared, and nothing of the old values lost.

On every store of bars: in memory, in the native layout and in Ginkgo's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.adapters.clickhouse.ginkgo_schema import ensure_bar_table
from ginkgo_data.adapters.clickhouse.revision_repository import ClickHouseRevisionRepository
from ginkgo_data.adapters.memory.bar_repository import InMemoryBarRepository
from ginkgo_data.adapters.memory.revision_repository import InMemoryRevisionRepository
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.series import DAILY, Series
from ginkgo_data.ports.bar_repository import BarRepository
from ginkgo_data.ports.revision_repository import RevisionRepository
from support.bars import CODE_A, CODE_B, MINUTES_1, bars, closes_of
from support.stack import BY_CODE, FIVE, VENDOR, InMemoryBarSource, Stack

WEEK = CollectBars((CODE_A,), MINUTES_1, start=date(2024, 1, 8), end=date(2024, 1, 12))
SPAN = (date(2024, 1, 8), date(2024, 1, 12))
MINUTES = replace(BY_CODE, series=frozenset({MINUTES_1}), row_limit=10_000)
WHOLE_MARKET = replace(VENDOR, series=frozenset({MINUTES_1}), row_limit=10_000, codes_per_call=0, market_rows=2)
ARCHIVE = replace(MINUTES, extent=SPAN)
TWICE = "INSERT INTO bar SELECT * REPLACE (generateUUIDv4() AS uuid) FROM bar WHERE toDayOfMonth(timestamp) = 9"
ON_ONE_ENGINE = pytest.mark.parametrize("engine", ["embedded"], indirect=True)
"""The way to the engine makes no difference here."""

Stores = tuple[BarRepository, RevisionRepository]


class Watched:
    """A store of bars that counts how often minute bars are read of it, and may fail."""

    def __init__(self, inner: BarRepository) -> None:
        self._inner = inner
        self.reads = 0
        self.away = False

    def __getattr__(self, name: str) -> Callable[..., object]:
        return getattr(self._inner, name)

    def read(self, codes: Sequence[str] | None, series: Series, first: date, last: date) -> BarBatch:
        self.reads += series == MINUTES_1
        return self._inner.read(codes, series, first, last)

    def write(self, batch: BarBatch) -> object:
        if self.away:
            raise StoreUnavailable("the store is gone")
        return self._inner.write(batch)


def vendor(**changed: float) -> BarBatch:
    """Return what the vendor has of the week; `changed` names bars (``d2_5``: the fifth of the second day)."""
    closes = [10.0] * (240 * len(FIVE))
    for name, close in changed.items():
        day, bar = name[1:].split("_")
        closes[240 * (int(day) - 1) + int(bar) - 1] = close
    return bars(CODE_A, FIVE, closes, series=MINUTES_1)


def history(parts: Stack) -> list[tuple[str, str, float, float]]:
    """Return (code, moment, old close, new close) of all revisions."""
    found = parts.revisions.revisions(None, MINUTES_1, *SPAN).table.to_pylist()
    return [(row["code"], row["timestamp"].strftime("%d %H:%M"), row["old_close"], row["new_close"]) for row in found]


class PartialSessionsContract:
    """Subclasses provide the fixture `stores`, both empty."""

    @pytest.fixture
    def parts(self, stores: Stores) -> Callable[..., Stack]:
        def made(known: BarBatch, capabilities=MINUTES) -> Stack:
            stack = Stack(source=InMemoryBarSource(known, capabilities=capabilities))
            stack.bars, stack.revisions = Watched(stores[0]), stores[1]
            return stack

        return made

    def test_changed_values_of_a_session_that_is_stored_in_part_are_kept(self, parts) -> None:
        stack = parts(vendor(d2_3=10.5, d2_101=11.0))
        stack.bars.write(bars(CODE_A, [FIVE[1]], series=MINUTES_1, keep=100, version=7))
        result = stack.collector.collect(WEEK)
        assert history(stack) == [(CODE_A, "09 09:33", 10.0, 10.5)]
        assert closes_of(stack.bars.read([CODE_A], MINUTES_1, *SPAN)) == closes_of(vendor(d2_3=10.5, d2_101=11.0))
        assert (result.complete, result.skipped) == (True, 99)
        assert any("corrected by the vendor: 1" in note for note in result.notes)
        again = stack.collector.collect(WEEK)
        assert (again.calls, len(history(stack))) == (0, 1)

    def test_what_is_equal_is_not_written_again(self, parts) -> None:
        stack = parts(vendor())
        stack.bars.write(bars(CODE_A, [FIVE[1]], series=MINUTES_1, keep=100, version=7))
        assert stack.collector.collect(WEEK).written == 1100
        versions = stack.bars.read([CODE_A], MINUTES_1, *SPAN).table["version"].to_numpy()
        assert (np.count_nonzero(versions == 7), history(stack)) == (100, [])

    def test_sessions_of_which_nothing_is_stored_go_in_without_a_read(self, parts) -> None:
        stack = parts(vendor())
        assert stack.collector.collect(WEEK).complete
        assert stack.bars.reads == 0

    def test_a_crash_before_the_bars_repeats_into_the_same_revision(self, parts) -> None:
        stack = parts(vendor(d2_3=10.5))
        stack.bars.write(bars(CODE_A, [FIVE[1]], series=MINUTES_1, keep=100, version=7))
        stack.bars.away = True
        with pytest.raises(StoreUnavailable):
            stack.collector.collect(WEEK)
        assert len(history(stack)) == 1
        stack.bars.away = False
        stack.clock.advance(60)
        assert stack.collector.collect(WEEK).complete
        assert history(stack) == [(CODE_A, "09 09:33", 10.0, 10.5)]

    def test_rows_of_another_source_are_replaced_and_kept_as_revisions(self, parts) -> None:
        stack = parts(vendor(d2_3=10.5))
        stack.bars.write(bars(CODE_A, [FIVE[1]], series=MINUTES_1, keep=100, source="tdx"))
        stack.bars.write(bars(CODE_A, [FIVE[2]], [9.0] * 240, series=MINUTES_1, source="tdx"))
        assert stack.collector.collect(WEEK).complete
        assert history(stack) == [(CODE_A, "09 09:33", 10.0, 10.5)]
        table = stack.bars.read([CODE_A], MINUTES_1, *SPAN).table
        assert table["close"].to_pylist()[2 * 240] == 9.0, "a session held whole is not this source's to correct"

    def test_a_reply_for_the_whole_market_is_compared_with_what_others_have_in_part(self, parts) -> None:
        known = BarBatch.concat([vendor(), bars(CODE_B, FIVE, [20.5] * 1200, series=MINUTES_1)], MINUTES_1)
        stack = parts(known, WHOLE_MARKET)
        stack.bars.write(bars(CODE_B, [FIVE[4]], [20.0] * 2, series=MINUTES_1, keep=2))
        assert stack.collector.collect(WEEK).complete
        assert history(stack) == [(CODE_B, "12 09:31", 20.0, 20.5), (CODE_B, "12 09:32", 20.0, 20.5)]
        assert len(stack.bars.held([CODE_B], MINUTES_1, *SPAN)[CODE_B]) == 5

    def test_an_archive_corrects_its_own_and_proves_nothing_whole(self, parts) -> None:
        known = vendor(d2_3=10.5).filter(np.arange(1200) < 240 + 239)
        stack = parts(known, ARCHIVE)
        stack.bars.write(bars(CODE_A, [FIVE[1]], series=MINUTES_1, keep=100))
        assert stack.collector.collect(WEEK).counts.held == 1
        stack.clock.advance(60)
        again = stack.collector.collect(WEEK)
        assert (again.written, again.skipped, len(history(stack))) == (0, 239, 1)

    def test_of_a_session_with_a_rejected_row_values_are_kept_and_nothing_is_marked(self, parts) -> None:
        stack = parts(vendor(d2_3=10.5, d2_110=-1.0))
        stack.bars.write(bars(CODE_A, [FIVE[1]], series=MINUTES_1, keep=100))
        assert stack.collector.collect(WEEK).counts.held == 4
        assert history(stack) == [(CODE_A, "09 09:33", 10.0, 10.5)]


class TestInMemory(PartialSessionsContract):
    @pytest.fixture
    def stores(self) -> Stores:
        return InMemoryBarRepository(), InMemoryRevisionRepository()


@ON_ONE_ENGINE
class TestNativeLayout(PartialSessionsContract):
    @pytest.fixture
    def stores(self, store: ClickHouseClient) -> Stores:
        return ClickHouseBarRepository(store), ClickHouseRevisionRepository(store)


@ON_ONE_ENGINE
class TestGinkgoLayout(PartialSessionsContract):
    @pytest.fixture
    def stores(self, store: ClickHouseClient) -> Stores:
        ensure_bar_table(store)
        return GinkgoBarRepository(store), ClickHouseRevisionRepository(store)

    @pytest.mark.parametrize("capabilities", [MINUTES, ARCHIVE], ids=["vendor", "archive"])
    def test_a_session_with_rows_stored_twice_is_settled_though_nothing_has_changed(
        self, parts, store: ClickHouseClient, capabilities
    ) -> None:
        stack = parts(vendor(), capabilities)
        stack.bars.write(vendor())
        store.command(TWICE)
        assert len(stack.bars.held([CODE_A], MINUTES_1, *SPAN)[CODE_A]) == 4
        result = stack.collector.collect(WEEK)
        assert (result.complete, result.written, result.skipped) == (True, 0, 240)
        assert store.query("SELECT count() AS n FROM bar")["n"].to_pylist() == [1200]

    @pytest.mark.parametrize("close", [10.0, 10.5])
    def test_a_daily_bar_stored_twice_is_settled_and_its_value_kept_if_it_has_changed(
        self, parts, store: ClickHouseClient, close: float
    ) -> None:
        stack = parts(bars(CODE_A, FIVE, [close] * 5), BY_CODE)
        stack.bars.write(bars(CODE_A, FIVE))
        store.command(TWICE)
        assert stack.collector.collect(replace(WEEK, series=DAILY)).complete
        found = stack.revisions.revisions(None, DAILY, *SPAN).table
        changed = [(10.0, 10.5)] if close == 10.5 else []
        assert list(zip(found["old_close"].to_pylist(), found["new_close"].to_pylist(), strict=True)) == changed
        assert closes_of(stack.bars.read([CODE_A], DAILY, *SPAN)) == [10.0, close, 10.0, 10.0, 10.0]
        assert store.query("SELECT count() AS n FROM bar")["n"].to_pylist() == [5]
