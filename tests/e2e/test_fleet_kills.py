"""Workers that are killed: at random points of a run, and by a record that kills whoever works it.

On a real broker and a real Redis; the store is ClickHouse's engine behind an HTTP front of the tests.
"""

from __future__ import annotations

import random

import pytest

from support.vendor import MarketSpec
from support.worker_fleet import command, snapshot

ONE_BY_ONE = {"sources": {"tushare": {"by_session": False, "codes_per_call": 1, "calls_per_minute": 100_000}}}
"""A vendor that is asked for one code at a time, so that there is work to be killed in."""


def settings(**worker: object) -> dict:
    return {**ONE_BY_ONE, "worker": worker}


SPEC = MarketSpec(300, "2020-06-01", 40)
SOAK = pytest.mark.soak


def commands(spec: MarketSpec) -> dict[str, bytes]:
    """Return 300 commands by request id: one-code snapshots, some of several codes, some forced, some overlapping."""
    span = {"start_date": spec.days[0], "end_date": spec.days[-1]}
    made = {}
    for number, code in enumerate(spec.names):
        request_id = f"request-{number}"
        if number % 30 == 7:
            codes = spec.names[max(0, number - 3) : number + 1]
            value = command("bar_snapshot", {"codes": codes, **span}, request_id=request_id)
        else:
            value = command("bar_snapshot", {"code": code, "force": number % 50 == 9, **span}, request_id=request_id)
        made[request_id] = value
    return made


@SOAK
@pytest.mark.parametrize("number", range(10))
def test_a_worker_killed_anywhere_loses_doubles_and_gives_up_nothing(fleets, number):
    fleet = fleets(SPEC, settings(max_poll_records=60, concurrency=2, round_budget=4), latency=0.1)
    sent = commands(SPEC)
    chance = random.Random()
    after, victim = chance.randint(1, 270), chance.randint(0, 1)
    print(f"node{victim + 1} is killed after {after} calls")
    fleet.start(2, wait=True)
    fleet.send(sent.values())
    fleet.until(lambda: len(fleet.vendor.calls("daily")) >= after, f"the vendor was not asked {after} times")
    fleet.workers[victim].kill()
    assert fleet.lag(), "there was something left to take over"
    fleet.drain()
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
    accounted = {name for report in fleet.reports() for name in report["request_ids"]}
    assert sorted(sent.keys() - accounted) == []


@SOAK
@pytest.mark.parametrize("most", [3, 5])
def test_a_record_that_kills_its_worker_is_given_up_and_all_others_are_done(fleets, most):
    spec = MarketSpec(40, "2020-06-01", 5)
    deadly = spec.names[17]
    options = settings(max_poll_records=40, concurrency=2, max_deliveries=most)
    fleet = fleets(spec, options, latency=0.02, deadly=deadly)
    fleet.send(snapshot(code, start_date=spec.days[0], end_date=spec.days[-1]) for code in spec.names)
    fleet.start()

    def over() -> bool:
        fleet.keep_alive()
        return not fleet.lag()

    fleet.until(over, "the fleet never got past the deadly record", 120 * most)
    fleet.drain()
    (letter,) = fleet.dead_letters()
    assert deadly.encode() in (letter.value or b"")
    assert len([call for call in fleet.vendor.calls("daily") if deadly in call.codes]) == most
    assert fleet.differences([code for code in spec.names if code != deadly]) == []
