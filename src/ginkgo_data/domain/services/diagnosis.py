# Upstream: entrypoints.worker
# Downstream: domain.model.{health, worker}
# Role: From vital signs to the verdict: alive, healthy, ready, each with its reasons
"""What health means.

A worker is *dead* when only a new start can help: its thread has ended, its loop or its broker client stands still, or
a vendor's call never returned. It is *sick* while a server without which it cannot work is away, or while it recovers
from an error: starting it anew would change nothing. It is *unready* while it has no partitions, or goes on without
Redis.
"""

from __future__ import annotations

from collections.abc import Iterator

from ginkgo_data.domain.model.health import Server, VitalSigns, WorkerHealth
from ginkgo_data.domain.model.worker import WorkerStatus

_NEEDED = (Server.STORE, Server.BROKER)
"""Servers without which nothing can be worked."""
_MOVING = (WorkerStatus.STARTING, WorkerStatus.RUNNING, WorkerStatus.ERROR)
"""States in which the loop must move; a stop has a deadline of its own."""


def diagnosed(signs: VitalSigns) -> WorkerHealth:
    """Return the verdict on `signs`."""
    return WorkerHealth(signs, tuple(_dead(signs)), tuple(_sick(signs)), tuple(_unready(signs)), tuple(_notes(signs)))


def _dead(signs: VitalSigns) -> Iterator[str]:
    if not signs.began:
        yield "the worker was not started"
        return
    if not signs.lives:
        yield f"the worker has ended{_last_error(signs)}"
        return
    if signs.status not in _MOVING:
        return
    if signs.still_for > signs.loop_patience:
        yield f"the loop has not moved for {signs.still_for:.0f} s{_whereabouts(signs)}"
    if signs.client_still_for > signs.client_patience:
        yield f"the broker client's thread has not turned for {signs.client_still_for:.0f} s"
    for call in signs.stuck_calls:
        yield f"a vendor's call has not returned for {call.still_for:.0f} s ({_named(call.step, call.about)})"


def _sick(signs: VitalSigns) -> Iterator[str]:
    if signs.status is WorkerStatus.ERROR:
        yield f"it failed and tries again{_last_error(signs)}"
    for server in _NEEDED:
        if server in signs.away:
            yield _away(signs, server)


def _unready(signs: VitalSigns) -> Iterator[str]:
    if signs.status is not WorkerStatus.RUNNING:
        yield f"its state is {signs.status.name}"
    if not signs.stream.assigned:
        yield f"no partition is assigned to it in group {signs.group_id}"
    if Server.REDIS in signs.away:
        yield _away(signs, Server.REDIS)


def _notes(signs: VitalSigns) -> Iterator[str]:
    if signs.waiting:
        yield signs.waiting
    if signs.config_fault:
        yield signs.config_fault
    for topic, reason in sorted(signs.stream.missing_topics.items()):
        yield f"topic {topic} cannot be read: {reason}"


def _away(signs: VitalSigns, server: Server) -> str:
    away = signs.away[server]
    since = f" since {away.since.astimezone(signs.at.tzinfo):%H:%M:%S}" if away.since else ""
    return f"{server.value} away{since}: {away.reason}"


def _whereabouts(signs: VitalSigns) -> str:
    standing = signs.standing
    step = f"; it stands in step {_named(standing.step, standing.about)}" if standing else ""
    return f"{step}; at {signs.place}" if signs.place else step


def _named(step: str, about: str) -> str:
    return f"{step} {about}" if about else step


def _last_error(signs: VitalSigns) -> str:
    return f": {signs.stats.last_error}" if signs.stats.last_error else ""
