"""Four workers and one vendor: the fewest calls where they are few, a fair share where they are many.

On a real broker and a real Redis; the store is ClickHouse's engine behind an HTTP front of the tests. Sizes of the
default run are small; the soak has the design's.
"""

from __future__ import annotations

import time
from itertools import cycle

import pytest

from support.vendor import MarketSpec
from support.worker_fleet import Fleet, snapshot

ONE_BY_ONE = {"sources": {"tushare": {"by_session": False, "codes_per_call": 1}}}
LIMIT = 200
soak = pytest.mark.soak


def snapshots(spec: MarketSpec) -> list[bytes]:
    """Return one snapshot of the whole range per code."""
    return [snapshot(code, start_date=spec.days[0], end_date=spec.days[-1]) for code in spec.names]


@pytest.mark.parametrize("partitions", [12, pytest.param(3, marks=soak)])
def test_five_thousand_snapshots_are_one_call_and_one_insert_for_four_workers(fleets, partitions, record_property):
    spec = MarketSpec(5000, "2020-06-01", 1)
    fleet = fleets(spec, latency=0.2, limit=LIMIT, partitions=partitions)
    fleet.start(4, wait=True)
    began = time.monotonic()
    fleet.send(snapshots(spec))
    fleet.drain()
    seconds = time.monotonic() - began
    calls = fleet.vendor.calls("daily")
    figures = {"seconds": round(seconds, 1), "calls": len(calls), "inserts": fleet.inserts()}
    record_property("figures", figures)
    print(f"{partitions} partitions: {figures}")
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
    assert len(calls) <= 2, figures
    assert figures["inserts"] <= 2, figures
    assert fleet.vendor.violations() == []


def share_work(fleet: Fleet, spec: MarketSpec) -> None:
    """Let four running workers do one call per code."""
    fleet.start(4, wait=True)
    fleet.send(snapshots(spec))
    fleet.drain(300)


def shares(fleet: Fleet) -> dict[str, int]:
    """Return the calls that each worker made."""
    askers = fleet.vendor.askers("daily")
    return {worker.node_id: askers[worker.pid] for worker in fleet.workers if worker.pid is not None}


@soak
@pytest.mark.parametrize("partitions", [12, 3])
def test_work_that_takes_many_calls_is_shared_by_all_workers(fleets, partitions):
    # Each worker that has a partition has more than a round's work; what is less may wait for it, by design.
    spec = MarketSpec(100, "2020-06-01", 60)
    fleet = fleets(
        spec,
        {**ONE_BY_ONE, "worker": {"concurrency": 2, "round_budget": 2.0}},
        latency=0.2,
        limit=LIMIT,
        partitions=partitions,
    )
    share_work(fleet, spec)
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
    assert fleet.vendor.violations() == []
    assert len(fleet.vendor.calls("daily")) == 100, "nothing was asked twice"
    assert min(shares(fleet).values()) >= 5, shares(fleet)


@soak
@pytest.mark.parametrize("partitions", [12, 3])
def test_three_years_of_two_hundred_codes_never_exceed_the_limit(fleets, partitions):
    spec = MarketSpec(200, "2018-01-01", 750)
    fleet = fleets(spec, ONE_BY_ONE, latency=0.2, limit=LIMIT, partitions=partitions)
    share_work(fleet, spec)
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
    assert fleet.vendor.violations() == []
    assert min(shares(fleet).values()) >= 10, shares(fleet)


@soak
def test_a_limit_that_binds_is_kept_while_workers_come_and_go(fleets):
    spec = MarketSpec(200, "2018-01-01", 750)
    settings = {**ONE_BY_ONE, "sources": {"tushare": {**ONE_BY_ONE["sources"]["tushare"], "calls_per_minute": 80}}}
    fleet = fleets(spec, settings, latency=0.2, limit=80)
    fleet.start(4, wait=True)
    fleet.send(snapshots(spec))
    for number, calls in zip(cycle(range(4)), (20, 60, 90, 130, 160), strict=False):
        fleet.until(lambda: len(fleet.vendor.calls("daily")) >= calls, f"the vendor was not asked {calls} times", 180)  # noqa: B023
        fleet.workers[number].kill()
        fleet.start(1)
    fleet.drain(400)
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
    assert fleet.vendor.violations() == []
