"""Several workers share a collection: each call is made once for the fleet, and a worker keeps its share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import chain, repeat

import pytest

from ginkgo_data.adapters.memory.call_lease import InMemoryCallLease, LeaseBoard
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.errors import BrokerUnavailable, StoreUnavailable
from ginkgo_data.domain.model.fetch import FetchRequest, Unknown, UnknownReason
from ginkgo_data.domain.services.collector import CollectorLimits
from ginkgo_data.domain.services.pace import Pace
from support.bars import bars
from support.stack import BY_CODE, FIVE, NOW, SESSIONS, VENDOR, InMemoryBarSource, RunningClock, Stack, listed

MANY = tuple(f"{600000 + number}.SH" for number in range(40))
A, B, *_ = MANY
BOTH = CollectBars((A, B), full=True)
ONE_BY_ONE = replace(BY_CODE, codes_per_call=1)
MARKET = BarBatch.concat([bars(code, FIVE) for code in MANY])


class SlowSource(InMemoryBarSource):
    """A vendor that takes its time."""

    seconds = 0.05

    def fetch(self, request):
        time.sleep(self.seconds)
        return super().fetch(request)


class Recording:
    """Grants everything; keeps what was taken and given back."""

    def __init__(self, on_give_back: Callable[[], None] = lambda: None) -> None:
        self.taken: list[tuple[str, ...]] = []
        self.held: set[str] = set()
        self._on_give_back = on_give_back

    def take(self, keys, ttl):
        self.taken.append(tuple(keys))
        self.held.update(keys)
        return frozenset(keys)

    def give_back(self, keys):
        if keys:
            self._on_give_back()
        self.held.difference_update(keys)


class Elsewhere:
    """Every call is in the hand of another worker, for the first `times` questions."""

    def __init__(self, times: float = float("inf")) -> None:
        self.times = times

    def take(self, keys, ttl):
        self.times -= 1
        return frozenset() if self.times >= 0 else frozenset(keys)

    def give_back(self, keys):
        return None


def stack(asked=ONE_BY_ONE, **more) -> Stack:
    return Stack(source=InMemoryBarSource(MARKET, capabilities=asked), securities=listed(MANY), **more)


def held_in(parts: Stack) -> set[str]:
    return set(parts.bars.held(None, BOTH.series, SESSIONS[0].item(), SESSIONS[-1].item()))


def at_once(parts: Stack, commands: list[CollectBars]) -> list:
    """Work each command by a worker of its own, all over the store of `parts`, one after the other begun."""
    board, clock = LeaseBoard(), RunningClock()
    parts.clock = clock
    with ThreadPoolExecutor(8) as parts.pool, ThreadPoolExecutor(len(commands)) as workers:
        futures = []
        for command in commands:
            collector = replace(parts.collector, lease=InMemoryCallLease(clock, board))
            futures.append(workers.submit(collector.collect, command, NOW))
            time.sleep(0.01)
        return [future.result(timeout=30) for future in futures]


class TestLeases:
    def test_one_code_snapshots_of_four_workers_are_one_call_for_the_whole_market(self):
        parts = stack(VENDOR)
        parts.source = SlowSource(MARKET, capabilities=VENDOR)
        results = at_once(parts, [CollectBars(MANY[part::4], sessions=1) for part in range(4)])
        assert parts.source.calls == 1
        assert all(result.complete and result.counts.held == 10 for result in results)
        assert sum(result.calls for result in results) == 1

    def test_two_workers_with_the_same_plan_share_it_and_make_no_call_twice(self):
        parts = stack(limits=CollectorLimits(concurrency=2))
        parts.source = SlowSource(MARKET, capabilities=ONE_BY_ONE)
        results = at_once(parts, [CollectBars(MANY, full=True)] * 2)
        assert parts.source.calls == len(MANY)
        assert all(result.complete and result.counts.held == 5 * len(MANY) for result in results)
        assert all(result.calls > 0 for result in results)

    def test_what_another_has_stored_since_the_plan_was_made_needs_no_call(self):
        class JustDone(Recording):
            def take(self, keys, ttl):
                parts.bars.write(bars(A, FIVE))
                return super().take(keys, ttl)

        class Watched(InMemoryBarSource):
            def fetch(self, request):
                kept.append(len(parts.lease.held))
                return super().fetch(request)

        kept = []
        parts = stack(lease=JustDone())
        parts.source = Watched(MARKET, capabilities=ONE_BY_ONE)
        result = parts.collector.collect(BOTH)
        assert [request.codes for request in parts.source.requests] == [(B,)]
        assert kept == [1]
        assert result.complete
        assert parts.lease.held == set()

    def test_what_others_still_ask_for_when_time_is_over_is_unfinished_and_excused(self):
        parts = stack(lease=Elsewhere())
        allowed = chain(repeat(True, 20), repeat(False))
        result = parts.collector.collect(BOTH, pace=Pace(go_on=lambda: next(allowed)))
        assert (result.calls, result.unfinished, result.excused) == (0, (A, B), True)
        assert not result.complete

    def test_what_was_not_sent_for_want_of_time_is_not_excused(self):
        result = stack(lease=Elsewhere()).collector.collect(BOTH, pace=Pace(go_on=lambda: False))
        assert (result.calls, result.unfinished, result.excused) == (0, (A, B), False)

    def test_an_interrupted_wait_for_others_ends_the_work(self):
        parts = stack(lease=Elsewhere())
        parts.clock.interrupt()
        assert parts.collector.collect(BOTH).unfinished == (A, B)

    def test_what_others_gave_up_is_asked_here_and_nothing_is_asked_twice(self):
        class NotOfA(InMemoryBarSource):
            def fetch(self, request):
                answer = super().fetch(request)
                return Unknown(UnknownReason.SERVER_ERROR, "HTTP 500") if request.codes == (A,) else answer

        class BElsewhereAtFirst(Recording):
            def take(self, keys, ttl):
                granted = super().take(keys, ttl)
                return granted if len(self.taken) > 1 else granted - {keys[1]}

        parts = stack(lease=BElsewhereAtFirst())
        parts.source = NotOfA(MARKET, capabilities=ONE_BY_ONE)
        result = parts.collector.collect(BOTH)
        assert [request.codes for request in parts.source.requests] == [(A,), (B,)]
        assert (set(result.unknown), result.unfinished, held_in(parts)) == ({A}, (), {B})

    def test_a_lease_is_given_back_when_the_rows_are_stored_and_not_before(self):
        seen = []
        parts = stack(lease=Recording(lambda: seen.append(len(held_in(parts)))))
        parts.collector.collect(BOTH)
        assert seen == [2]
        assert parts.lease.held == set()

    def test_leases_are_given_back_as_rows_are_stored_on_the_way(self):
        seen = []
        limits = CollectorLimits(concurrency=1, flush_rows=5)
        parts = stack(lease=Recording(lambda: seen.append(len(held_in(parts)))), limits=limits)
        parts.collector.collect(CollectBars(MANY[:3], full=True))
        assert seen == [1, 2, 3]

    def test_a_failing_store_keeps_no_lease(self):
        class Away:
            def __init__(self, inner):
                self._inner = inner

            def __getattr__(self, name):
                return getattr(self._inner, name)

            def write(self, batch):
                raise StoreUnavailable("away")

        parts = stack(lease=Recording())
        parts.bars = Away(parts.bars)
        with pytest.raises(StoreUnavailable):
            parts.collector.collect(BOTH)
        assert parts.lease.taken
        assert parts.lease.held == set()

    def test_calls_not_sent_for_want_of_time_keep_no_lease(self):
        parts = stack(lease=Recording(), limits=CollectorLimits(concurrency=1))
        allowed = chain([True], repeat(False))
        parts.collector.collect(BOTH, pace=Pace(go_on=lambda: next(allowed)))
        assert parts.lease.taken[0] != ()
        assert parts.lease.held == set()

    def test_leases_are_taken_for_a_few_calls_at_a_time(self):
        parts = stack(lease=Recording(), limits=CollectorLimits(concurrency=2))
        parts.collector.collect(CollectBars(MANY, full=True))
        assert max(len(keys) for keys in parts.lease.taken) == 4

    def test_leases_of_calls_under_way_are_extended_in_time(self):
        class Slow(InMemoryBarSource):
            def fetch(self, request):
                parts.clock.advance(21)
                return super().fetch(request)

        parts = stack(lease=Recording(), limits=CollectorLimits(concurrency=1, flush_seconds=1000))
        parts.source = Slow(MARKET, capabilities=ONE_BY_ONE)
        parts.collector.collect(BOTH)
        both = parts.lease.taken[0]
        assert parts.lease.taken == [both, both, both]

    def test_a_forced_call_is_not_the_same_as_one_of_another_command(self):
        def keys(since=NOW, **kind: bool) -> set[str]:
            parts = stack(lease=Recording())
            parts.clock.advance(3600)
            parts.collector.collect(CollectBars((A,), start=SESSIONS[0].item(), **kind), since)
            return set(parts.lease.taken[0])

        later = NOW + timedelta(minutes=1)
        assert keys() == keys(later)
        assert keys(force=True) == keys(force=True)
        assert keys().isdisjoint(keys(force=True))
        assert keys(force=True).isdisjoint(keys(later, force=True))

    def test_calls_for_other_codes_sessions_or_series_are_not_the_same(self):
        def keys(*codes: str, asked=BY_CODE, **span) -> set[str]:
            parts = stack(asked, lease=Recording())
            parts.collector.collect(CollectBars(codes, **span))
            return set(parts.lease.taken[0])

        assert keys(A, B, full=True) == keys(B, A, full=True)
        assert keys(A, B, full=True).isdisjoint(keys(A, full=True))
        assert keys(A, sessions=2).isdisjoint(keys(A, sessions=3))
        assert keys(A, asked=VENDOR, sessions=1) == keys(B, asked=VENDOR, sessions=1)


class TestShare:
    def test_codes_beyond_the_share_are_left_before_anything_is_asked(self):
        told = []

        def shed(codes):
            told.append((codes, parts.source.calls))

        parts = stack()
        result = parts.collector.collect(CollectBars(MANY[:3], full=True), pace=Pace(most_calls=2, shed=shed))
        assert told == [(MANY[2:3], 0)]
        assert (result.shed, result.unfinished, result.excused) == (MANY[2:3], (), False)
        assert (result.counts.due, result.calls, result.complete) == (10, 2, False)
        assert result.notes == ("codes left to other workers: 1",)
        assert held_in(parts) == set(MANY[:2])

    def test_a_job_within_the_share_leaves_nothing(self):
        told = []
        result = stack().collector.collect(BOTH, pace=Pace(most_calls=2, shed=told.append))
        assert told == []
        assert result.complete

    def test_the_share_is_one_over_all_grids_of_a_job(self):
        parts = stack(limits=CollectorLimits(chunk_cells=1))
        told = []
        result = parts.collector.collect(CollectBars(MANY[:4], sessions=2), pace=Pace(most_calls=3, shed=told.append))
        assert told == [MANY[3:4]]
        assert result.calls == 3

    def test_calls_for_the_whole_market_are_never_left(self):
        told = []
        parts = stack(replace(VENDOR, codes_per_call=0))
        result = parts.collector.collect(BOTH, pace=Pace(most_calls=1, shed=told.append))
        assert (told, result.calls, result.complete) == ([], 5, True)

    def test_what_is_held_is_not_left_to_anybody(self):
        parts = stack()
        parts.collector.collect(CollectBars(MANY[:3], full=True))
        told = []
        parts.collector.collect(CollectBars(MANY[:6], full=True), pace=Pace(most_calls=2, shed=told.append))
        assert told == [MANY[5:6]]

    def test_when_the_rest_cannot_be_left_nothing_is_asked(self):
        def shed(codes):
            raise BrokerUnavailable("no broker")

        parts = stack()
        with pytest.raises(BrokerUnavailable):
            parts.collector.collect(BOTH, pace=Pace(most_calls=1, shed=shed))
        assert parts.source.calls == 0


class TestStop:
    @pytest.fixture
    def stuck(self):
        """Yield a stack whose vendor does not answer before the test is over, and an event set by its first call."""
        asked, released = threading.Event(), threading.Event()

        class Stuck(InMemoryBarSource):
            def fetch(self, request: FetchRequest):
                asked.set()
                released.wait(20)
                return super().fetch(request)

        with ThreadPoolExecutor(1) as pool:
            parts = stack(pool=pool)
            parts.source = Stuck(MARKET, capabilities=ONE_BY_ONE)
            parts.clock = RunningClock()
            yield parts, asked
            released.set()

    def test_a_stopping_worker_leaves_calls_under_way_after_a_moment(self, stuck, monkeypatch):
        monkeypatch.setattr("ginkgo_data.domain.services.gathering.STOP_PATIENCE", 0.3)
        parts, asked = stuck
        parts.lease = Recording()
        began = time.monotonic()
        result = parts.collector.collect(BOTH, pace=Pace(stopping=asked.is_set))
        assert time.monotonic() - began < 2
        assert (result.unfinished, result.excused, result.written) == ((A, B), True, 0)
        assert parts.lease.held == set()

    def test_a_stopping_worker_looks_at_no_further_grid(self):
        parts = stack(limits=CollectorLimits(chunk_cells=1))
        result = parts.collector.collect(
            CollectBars(MANY[:3], sessions=1), pace=Pace(stopping=lambda: parts.source.calls > 0)
        )
        assert (result.calls, result.unfinished, result.excused) == (1, MANY[1:3], True)
        assert result.counts.due == 1
        assert held_in(parts) == {A}
