"""The verdict on a worker: what kills it, what holds it up, what it lacks, each with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ginkgo_data.domain.model.health import Away, Server, Standing
from ginkgo_data.domain.model.stream import StreamState
from ginkgo_data.domain.model.worker import WorkerStats, WorkerStatus
from ginkgo_data.domain.services.diagnosis import diagnosed
from support.health import WELL as SOUND

SHANGHAI = timezone(timedelta(hours=8))
WELL = replace(SOUND, at=datetime(2026, 1, 5, 18, 0, tzinfo=SHANGHAI))
AWAY = Away("StoreUnavailable: connection refused", datetime(2026, 1, 5, 9, 59, tzinfo=UTC))
INSERT = Standing("insert", "table=bars rows=9", 60.0)


def test_a_worker_that_moves_and_takes_part_is_well():
    health = diagnosed(WELL)
    assert (health.alive, health.healthy, health.ready, health.reasons, health.notes) == (True, True, True, (), ())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"began": False, "lives": False}, "the worker was not started"),
        (
            {"lives": False, "stats": WorkerStats(last_error="ValueError: x")},
            "the worker has ended: ValueError: x",
        ),
        (
            {"still_for": 60.2, "standing": INSERT, "place": "a/b.py:7 insert"},
            "the loop has not moved for 60 s; it stands in step insert table=bars rows=9; at a/b.py:7 insert",
        ),
        ({"still_for": 50.1}, "the loop has not moved for 50 s"),
        ({"client_still_for": 8.5}, "the broker client's thread has not turned for 8 s"),
        (
            {"stuck_calls": (Standing("vendor_call", "vendor=tushare api=daily", 71.0),)},
            "a vendor's call has not returned for 71 s (vendor_call vendor=tushare api=daily)",
        ),
    ],
)
def test_only_a_new_start_can_help(changed, reason):
    health = diagnosed(replace(WELL, **changed))
    assert health.dead == (reason,)
    assert (health.alive, health.healthy, health.ready) == (False, False, False)


@pytest.mark.parametrize("server", [Server.STORE, Server.BROKER])
def test_a_server_it_needs_makes_it_sick_and_not_dead(server):
    health = diagnosed(replace(WELL, away={server: AWAY}))
    assert health.sick == (f"{server.value} away since 17:59:00: StoreUnavailable: connection refused",)
    assert (health.alive, health.healthy, health.ready) == (True, False, False)


def test_without_redis_it_works_and_is_not_ready():
    health = diagnosed(replace(WELL, away={Server.REDIS: Away("timed out")}))
    assert (health.healthy, health.ready, health.unready) == (True, False, ("redis away: timed out",))


def test_a_worker_that_recovers_from_an_error_is_sick():
    health = diagnosed(replace(WELL, status=WorkerStatus.ERROR, stats=WorkerStats(last_error="SchemaMismatch: no")))
    assert health.sick == ("it failed and tries again: SchemaMismatch: no",)
    assert health.alive


@pytest.mark.parametrize("status", [WorkerStatus.STARTING, WorkerStatus.STOPPING])
def test_before_and_after_it_runs_it_is_well_and_not_ready(status):
    health = diagnosed(replace(WELL, status=status))
    assert (health.healthy, health.ready, health.unready) == (True, False, (f"its state is {status.name}",))


def test_a_stop_has_a_deadline_of_its_own():
    assert diagnosed(replace(WELL, status=WorkerStatus.STOPPING, still_for=500.0)).alive


def test_without_partitions_it_does_not_take_part():
    health = diagnosed(replace(WELL, stream=StreamState()))
    assert health.unready == ("no partition is assigned to it in group g",)


def test_what_is_no_fault_is_noted():
    stream = replace(WELL.stream, missing_topics={"b": "unknown", "a": "no right"})
    health = diagnosed(replace(WELL, waiting="waiting for x", config_fault="port taken", stream=stream))
    assert health.ready
    assert health.notes == (
        "waiting for x",
        "port taken",
        "topic a cannot be read: no right",
        "topic b cannot be read: unknown",
    )
