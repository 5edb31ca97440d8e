"""SIGTERM to a worker process: bounded, offsets right, no ghost; a second one: at once."""

from __future__ import annotations

import time

import pytest

from support.vendor import MarketSpec
from support.worker_fleet import Fleet, snapshot

SPEC = MarketSpec(60, "2020-06-01", 5)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
SLOW = {
    "worker": {"concurrency": 1, "shutdown_timeout": 10.0, "round_budget": 30.0, "max_poll_records": 20},
    "sources": {"tushare": {"by_session": False, "codes_per_call": 1}},
}


def under_way(fleet: Fleet, calls: int) -> None:
    """Send one snapshot of each code to a new worker, and wait until the vendor was asked so often."""
    fleet.start(wait=True)
    fleet.send(snapshot(code, **SPAN) for code in SPEC.names)
    fleet.until(lambda: len(fleet.vendor.calls("daily")) >= calls, "the vendor was not asked")


def committed_codes(fleet: Fleet) -> set[str]:
    """Return the codes of the records that the group has committed: code n went to partition n % 3, in order."""
    lag = fleet.lag()
    codes = set()
    for number in range(3):
        sent = SPEC.names[number::3]
        codes |= set(sent[: len(sent) - lag.get((fleet.topics[0], number), 0)])
    return codes


def test_a_stop_in_mid_round_is_bounded_commits_only_what_is_done_and_leaves_no_ghost(fleets):
    fleet = fleets(SPEC, SLOW, latency=0.15)
    under_way(fleet, 26)  # in the second round, or the first of 60: in the middle of one
    (worker,) = fleet.workers
    assert fleet.heartbeats()
    began = time.monotonic()
    worker.terminate()
    assert worker.ended(30.0) == 0, worker.said()
    assert time.monotonic() - began < 12.0
    assert fleet.heartbeats() == {}
    done = committed_codes(fleet)
    assert len(done) < len(SPEC.names)
    held = {code for code, _ in fleet.stored()}
    parked = fleet.parked_codes()
    assert done <= held | parked
    asked = len(fleet.vendor.calls("daily"))
    fleet.start()
    fleet.drain()
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
    # What was stored is not asked again; what was under way is.
    assert len(fleet.vendor.calls("daily")) - asked <= len(SPEC.names) - len(held)


def test_a_second_signal_ends_the_worker_at_once(fleets):
    fleet = fleets(SPEC, SLOW, latency=8.0)
    under_way(fleet, 1)
    (worker,) = fleet.workers
    worker.terminate()
    time.sleep(0.3)
    assert worker.running
    began = time.monotonic()
    worker.terminate()
    assert worker.ended(10.0) == 128 + 15
    assert time.monotonic() - began < 1.0


@pytest.mark.soak
@pytest.mark.parametrize("away", ["kafka", "redis"])
def test_a_stop_is_bounded_with_a_server_away(fleets, kafka_server, redis_server, away):
    fleet = fleets(SPEC, SLOW, latency=0.3)
    under_way(fleet, 3)
    (worker,) = fleet.workers
    {"kafka": kafka_server, "redis": redis_server}[away].freeze()
    began = time.monotonic()
    worker.terminate()
    code = worker.ended(30.0)
    assert time.monotonic() - began < SLOW["worker"]["shutdown_timeout"] + 3.0
    assert code in (0, 1), worker.said()


def test_an_idle_worker_stops_at_once_and_leaves_no_heartbeat(fleets):
    fleet = fleets(SPEC)
    (worker,) = fleet.start(wait=True)
    began = time.monotonic()
    worker.terminate()
    assert worker.ended() == 0, worker.said()
    assert time.monotonic() - began < 6.0
    assert fleet.heartbeats() == {}
