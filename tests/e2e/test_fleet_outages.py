"""Servers that stop, freeze or cannot be reached while a worker works: it recovers by itself and loses nothing.

On a real broker and a real Redis; the store is ClickHouse's engine behind an HTTP front of the tests. Every outage
begins in the middle of a run and ends with the process that was there at its begin. The short ones run always, the
ones that last as long as the design speaks of are the soak's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from support.kafka_cut import CuttableKafka
from support.kafka_server import kafka_missing
from support.proxy import TcpProxy
from support.servers import missing, running
from support.vendor import MarketSpec
from support.worker_fleet import Fleet, Servers, snapshot

SPEC = MarketSpec(90, "2020-06-01", 10)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
ONE_BY_ONE = {
    "worker": {"max_poll_records": 30, "concurrency": 2, "round_budget": 4.0},
    # As in production, an operation fails before the session is over.
    "kafka": {"delivery_timeout": 3.0, "session_timeout": 8.0},
    "sources": {"tushare": {"by_session": False, "codes_per_call": 1}},
}
ALERT_AFTER = 60.0
"""Seconds of a hold after which the worker says so."""


def lived_through(fleet: Fleet, away: Callable[[], object], back: Callable[[], object], seconds: float) -> list[str]:
    """Send 60 commands, take a server away for `seconds` in mid-run, send 30 more; everything must get done.

    Returns why the worker called itself degraded meanwhile.
    """
    (worker,) = fleet.start(wait=True)
    pid = worker.pid
    codes = SPEC.names
    fleet.send(snapshot(code, **SPAN) for code in codes[:60])
    fleet.until(lambda: len(fleet.vendor.calls("daily")) > 10, "the vendor was not asked")
    away()
    reasons: dict[str, None] = {}
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            reasons |= {beat["reason"]: None for beat in _beats(fleet) if beat["degraded"]}
            time.sleep(0.3)
    finally:
        back()
    fleet.send(snapshot(code, **SPAN) for code in codes[60:])
    fleet.drain(180)
    assert worker.pid == pid, "the worker that was there is still there"
    assert fleet.differences() == []
    assert fleet.dead_letters() == []
    fleet.until(lambda: [beat["degraded"] for beat in _beats(fleet)] == [False], "the worker is not itself again", 60)
    return list(reasons)


def _beats(fleet: Fleet) -> list[dict]:
    """Return the heartbeats; none while Redis is away."""
    try:
        return list(fleet.heartbeats().values())
    except Exception:  # whatever a server that is being taken away makes of the question
        return []


def one_alert_and_its_end(fleet: Fleet) -> None:
    """Fail unless exactly one `worker_held` and its recovery were told."""
    fleet.until(lambda: len(fleet.told("worker_held")) == 2, "alert and recovery were not told", 60)
    told = [(alert["severity"], alert["subject"]) for alert in fleet.told("worker_held")]
    assert [severity for severity, _ in told] == ["ERROR", "INFO"], told


soak = pytest.mark.soak
SHORT_AND_MINUTE = [pytest.param(12.0, id="short"), pytest.param(ALERT_AFTER + 12.0, id="minute", marks=soak)]


@pytest.mark.parametrize("seconds", SHORT_AND_MINUTE)
def test_the_broker_stopped_and_started_again(fleets, kafka_server, seconds):
    fleet = fleets(SPEC, ONE_BY_ONE, latency=0.1)
    reasons = lived_through(fleet, kafka_server.stop, kafka_server.start, seconds)
    assert any("BrokerUnavailable" in reason for reason in reasons), reasons
    if seconds > ALERT_AFTER:
        one_alert_and_its_end(fleet)


@pytest.mark.parametrize(
    "seconds", [pytest.param(12.0, id="beyond the session", marks=soak), pytest.param(40.0, marks=soak)]
)
def test_the_broker_frozen(fleets, kafka_server, seconds):
    fleet = fleets(SPEC, ONE_BY_ONE, latency=0.1)
    lived_through(fleet, kafka_server.freeze, kafka_server.thaw, seconds)


@soak
def test_the_connection_to_the_broker_cut(fleets, redis_server, clickhouse_server, tmp_path):
    if reason := kafka_missing():
        missing("kafka", reason)
    folder = tmp_path / "kafka"
    folder.mkdir()
    with running(CuttableKafka(folder)) as broker:
        servers = Servers(broker, redis_server.url, clickhouse_server, {"kafka": broker.proxy.address})
        with ExitStack() as ended:
            fleet = fleets(SPEC, ONE_BY_ONE, latency=0.1, servers=servers)
            ended.callback(fleet.close)
            reasons = lived_through(fleet, broker.proxy.cut, broker.proxy.mend, 15.0)
            assert any("BrokerUnavailable" in reason for reason in reasons), reasons


@soak
def test_the_connection_to_redis_cut(fleets, kafka_server, redis_server, clickhouse_server):
    with TcpProxy(redis_server.port) as proxy:
        url = redis_server.url.replace(redis_server.address, proxy.address)
        servers = Servers(kafka_server, redis_server.url, clickhouse_server, {"redis": url})
        fleet = fleets(SPEC, ONE_BY_ONE, latency=0.1, servers=servers)
        lived_through(fleet, proxy.cut, proxy.mend, 8.0)
        assert "Redis is away" in fleet.workers[0].said()


@soak
@pytest.mark.parametrize("way", ["restart", "freeze"])
def test_redis_away_for_forty_seconds(fleets, redis_server, way):
    fleet = fleets(SPEC, ONE_BY_ONE, latency=0.1)
    if way == "restart":
        lived_through(fleet, redis_server.kill, redis_server.start, 40.0)
    else:
        lived_through(fleet, redis_server.freeze, redis_server.thaw, 40.0)


@soak
@pytest.mark.parametrize("seconds", SHORT_AND_MINUTE)
def test_the_store_away(fleets, clickhouse_server, seconds):
    fleet = fleets(SPEC, ONE_BY_ONE, latency=0.1)
    reasons = lived_through(fleet, clickhouse_server.kill, clickhouse_server.start, seconds)
    assert any("StoreUnavailable" in reason for reason in reasons), reasons
    if seconds > ALERT_AFTER:
        one_alert_and_its_end(fleet)
