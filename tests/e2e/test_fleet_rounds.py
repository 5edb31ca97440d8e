"""Long work in short rounds: a backfill far longer than any deadline of the group's, and snapshots that overtake it."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from support.vendor import MarketSpec
from support.worker_fleet import Fleet, command

ROUND, POLL_INTERVAL = 2.0, 6.0
SPEC = MarketSpec(260, "2020-06-01", 5)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
BACKFILL, FRESH = SPEC.names[:250], SPEC.names[250:]
SETTINGS = {
    "worker": {"round_budget": ROUND, "concurrency": 2, "fleet_size": 1},
    "kafka": {"max_poll_interval": POLL_INTERVAL, "session_timeout": 3.0},
    "sources": {"tushare": {"by_session": False, "codes_per_call": 1, "calls_per_minute": 100_000}},
}


def rounds_until(fleet: Fleet, request_id: str, sent_at: float) -> int:
    """Return how many rounds of the backfill ended between the sending of a command and its end."""
    ends = [
        (datetime.fromisoformat(event["timestamp"]).timestamp(), outcome)
        for event in fleet.told("command_ended")
        for outcome in event["data"]["outcomes"]
    ]
    done = min(at for at, outcome in ends if outcome["request_id"] == request_id and outcome["outcome"] == "done")
    return sum(sent_at < at < done for at, outcome in ends if outcome["request_id"] == "backfill")


def test_a_backfill_goes_on_in_pieces_while_fresh_snapshots_overtake_it(fleets):
    fleet = fleets(SPEC, SETTINGS, latency=0.2)
    fleet.start(wait=True)
    began = time.monotonic()
    fleet.send([command("bar_snapshot", {"codes": BACKFILL, **SPAN}, request_id="backfill")])
    fleet.until(lambda: len(fleet.vendor.calls("daily")) > 3, "the backfill did not begin")
    sent_at = {}
    for code in FRESH[:3]:
        time.sleep(1.3 * ROUND)
        sent_at[code] = time.time()
        fleet.send([command("bar_snapshot", {"code": code, **SPAN}, request_id=code)])
    fleet.drain()
    assert time.monotonic() - began > max(3 * POLL_INTERVAL, 10 * ROUND)
    assert fleet.differences([*BACKFILL, *FRESH[:3]]) == []
    assert fleet.dead_letters() == []
    outcomes = [outcome for outcome in fleet.outcomes() if outcome["request_id"] == "backfill"]
    assert max(outcome["piece"] for outcome in outcomes) >= 8, "it was worked in pieces"
    assert {outcome["attempt"] for outcome in outcomes} == {0}, "a piece that gained something is no attempt"
    assert len({outcome["record"] for outcome in outcomes}) == len(outcomes), "no piece was delivered twice"
    overtaken = {code: rounds_until(fleet, code, at) for code, at in sent_at.items()}
    fresh = [(o["request_id"], o["outcome"], o["attempt"], o["reason"]) for o in fleet.outcomes() if o not in outcomes]
    assert max(overtaken.values()) <= 2, (overtaken, fresh)
    calls = [call.codes for call in fleet.vendor.calls("daily")]
    assert len(calls) == len(BACKFILL) + 3, "nothing was asked twice"


@pytest.mark.soak
def test_a_command_whose_turn_never_came_in_a_round_is_not_given_up(fleets):
    # Commands that do not coalesce (each ends on another session), each longer than a round: one has its turn, the
    # others wait. Waiting is no fault of theirs, however many rounds it lasts.
    spec = MarketSpec(40, "2020-06-01", 6)
    settings = {**SETTINGS, "worker": {**SETTINGS["worker"], "max_deliveries": 2}}
    fleet = fleets(spec, settings, latency=0.2)
    sent = [
        command("bar_snapshot", {"codes": spec.names, "start_date": day, "end_date": day}, request_id=day)
        for day in spec.days
    ]
    fleet.start(wait=True)
    fleet.send(sent)
    fleet.drain()
    assert [(letter.error, letter.reason) for letter in fleet.dead_letters()] == []
    assert fleet.differences() == []
