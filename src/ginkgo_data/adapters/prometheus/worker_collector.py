# Upstream: adapters.prometheus.metrics
# Downstream: domain.model.{health, worker}, prometheus_client
# Role: A worker's state and counters as metric families, read at every scrape
"""What needs no counting of its own: the worker knows it anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from ginkgo_data.domain.model.health import Server, VitalSigns, WorkerHealth
from ginkgo_data.domain.model.worker import WorkerStatus

PREFIX = "ginkgo_data_"

_COUNTERS = {
    "rounds": "Rounds worked.",
    "messages_processed": "Commands whose end was acknowledged.",
    "messages_failed": "Commands that ended as dead letters.",
    "bars_collected": "Rows that vendors sent, rejected ones included.",
    "bars_written": "Rows stored.",
    "bars_rejected": "Rows put into quarantine.",
    "dead_letters": "Dead letters written.",
    "parked": "Work records written.",
    "commands_expired": "Commands that the broker deleted before they were read.",
}
"""Counters of `WorkerStats`."""


class WorkerCollector(Collector):
    """Asks `health` at every scrape."""

    def __init__(self, health: Callable[[], WorkerHealth]) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        """Return nothing: a registration does not ask."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the families of this moment."""
        health = self._health()
        yield from _verdict(health)
        yield from _stats(health.signs)
        yield from _loop(health.signs)
        yield from _stream(health.signs)
        yield from _budget(health.signs)


def _verdict(health: WorkerHealth) -> Iterator[Metric]:
    signs = health.signs
    info = InfoMetricFamily(f"{PREFIX}worker", "Who the worker is.")
    info.add_metric([], {"node_id": signs.node_id, "group_id": signs.group_id})
    yield info
    yield _gauge("worker_alive", "1: it makes progress, or would if its servers answered.", health.alive)
    yield _gauge("worker_healthy", "1: it lives and can work.", health.healthy)
    yield _gauge("worker_ready", "1: it takes part in the group, and all its servers answer.", health.ready)
    state = GaugeMetricFamily(f"{PREFIX}worker_state", "1 for the state that the worker is in.", labels=["state"])
    for status in WorkerStatus:
        state.add_metric([status.name.lower()], signs.status is status)
    yield state
    servers = GaugeMetricFamily(f"{PREFIX}server_answers", "0: the server is known not to answer.", labels=["server"])
    for server in Server:
        servers.add_metric([server.value], server not in signs.away)
    yield servers


def _stats(signs: VitalSigns) -> Iterator[Metric]:
    for name, text in _COUNTERS.items():
        yield _counter(name, text, getattr(signs.stats, name))
    yield _counter("heartbeats_missed", "Heartbeats that could not be written.", signs.heartbeats_missed)


def _loop(signs: VitalSigns) -> Iterator[Metric]:
    yield _gauge("uptime_seconds", "Seconds since the worker was started.", signs.uptime)
    yield _gauge("loop_still_seconds", "Seconds since the loop last moved.", signs.still_for)
    yield _gauge("client_still_seconds", "Seconds since the broker client's thread turned.", signs.client_still_for)
    yield _gauge("stuck_calls", "Vendor calls that should have returned.", len(signs.stuck_calls))
    yield _gauge("unfinished_commands", "Commands received and not finished.", signs.unfinished)
    held = any(server in signs.away for server in (Server.STORE, Server.BROKER))
    yield _gauge("worker_held", "1: nothing is committed while the store or the broker is away.", held)
    for name, text, moment in (
        ("last_poll", "When commands were last asked for", signs.last_poll),
        ("last_commit", "When a commit was last acknowledged", signs.last_commit),
    ):
        found = GaugeMetricFamily(f"{PREFIX}{name}_timestamp_seconds", f"{text} (seconds since 1970).")
        if moment is not None:
            found.add_metric([], moment.timestamp())
        yield found


def _stream(signs: VitalSigns) -> Iterator[Metric]:
    yield _gauge("partitions_assigned", "Partitions that are this worker's.", len(signs.stream.assigned))
    yield _gauge("topics_unreadable", "Subscribed topics that cannot be read.", len(signs.stream.missing_topics))
    lag = GaugeMetricFamily(f"{PREFIX}lag", "Records not yet committed.", labels=["topic", "partition"])
    for partition, records in sorted(signs.stream.lag.items()):
        lag.add_metric([partition.topic, str(partition.number)], records)
    yield lag


def _budget(signs: VitalSigns) -> Iterator[Metric]:
    yield _gauge("vendor_budget_waiting", "1: calls wait for the call budget just now.", signs.waiting is not None)
    left = GaugeMetricFamily(
        f"{PREFIX}vendor_budget_left",
        "Calls left in the present minute for the whole fleet, as this worker last heard.",
        labels=["quota"],
    )
    for quota, calls in sorted(signs.budget_left.items()):
        left.add_metric([quota], calls)
    yield left


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, value=float(value))
