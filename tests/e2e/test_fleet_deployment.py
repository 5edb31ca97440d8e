"""The life of a deployed fleet with plain processes: four, one killed, one stopped, two, six, a new configuration.

The same flow as in containers (test_containers_fleet.py), for every machine, with an eye on nothing but the data.
"""

from __future__ import annotations

import json
from pathlib import Path

from support.vendor import MarketSpec
from support.worker_fleet import Fleet, snapshot

SPEC = MarketSpec(700, "2020-06-01", 5)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
FIRST, KILLED, STOPPED, SCALED = SPEC.names[:400], SPEC.names[400:500], SPEC.names[500:600], SPEC.names[600:]
SETTINGS = {
    # One code a call, one call at a time: so that there is work for all, and work to be killed in.
    "worker": {"max_poll_records": 20, "concurrency": 1, "round_budget": 3.0, "shutdown_timeout": 10.0},
    "sources": {"tushare": {"by_session": False, "codes_per_call": 1, "calls_per_minute": 100_000}},
}


def send(fleet: Fleet, codes: list[str]) -> None:
    fleet.send([snapshot(code, **SPAN) for code in codes])


def configure(fleet: Fleet) -> None:
    """Replace the file of the workers."""
    new = Path(f"{fleet.config}.new")
    new.write_text(json.dumps(fleet.settings), "utf-8")
    new.replace(fleet.config)


def reloaded(fleet: Fleet, wanted: str) -> set[str]:
    """Return the nodes that told of a change to `wanted`."""
    told = [event for event in fleet.told("config_reload") if event["data"]["outcome"] == "applied"]
    return {event["node_id"] for event in told if wanted in str(event["data"]["changed"])}


def test_a_fleet_that_is_killed_stopped_scaled_and_configured_anew_stays_exact(fleets):
    fleet = fleets(SPEC, SETTINGS, latency=0.05, partitions=12)
    fleet.start(4, wait=True)
    send(fleet, FIRST)
    fleet.drain()
    assert fleet.differences(FIRST) == []
    took_part = {event["node_id"] for event in fleet.told("command_ended")}
    assert took_part == fleet.heartbeats().keys() == {worker.node_id for worker in fleet.workers}
    reported = {name for report in fleet.told("data_worker_quality_report") for name in report["request_ids"]}
    assert len(reported) == len(FIRST)

    asked = len(fleet.vendor.calls("daily"))
    send(fleet, KILLED)
    fleet.until(lambda: len(fleet.vendor.calls("daily")) > asked + 5, "the work has not begun")
    killed, stopped, *others = fleet.workers
    killed.kill()
    fleet.keep_alive()

    send(fleet, STOPPED)
    stopped.terminate()
    assert stopped.ended() == 0, stopped.said()
    assert stopped.node_id not in fleet.heartbeats()

    others[0].terminate()
    assert others[0].ended() == 0
    send(fleet, SCALED)
    fleet.start(4)
    fleet.until(lambda: len(fleet.heartbeats()) == 6, "there are not six workers")

    fleet.settings["worker"]["batch_size"] = 4321
    configure(fleet)
    fleet.until(lambda: reloaded(fleet, "4321") >= fleet.heartbeats().keys(), "not all have the new configuration")
    fleet.drain()
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
