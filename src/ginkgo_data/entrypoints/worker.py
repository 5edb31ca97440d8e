# Upstream: entrypoints.{container, library, quickstart}, ginkgo_data
# Downstream: domain.{model, services}, entrypoints.{dispatch, heartbeat, round}, ports
# Role: DataWorker: the thread with the life cycle, the loop of rounds, and the commit rule
"""The worker: `DataWorker` is a thread that works rounds until it is told to stop.

A worker object is used once. `stop()` may come from any thread, at any time, more than once, also before
`start()`. An error outside a command leads to ERROR, from which the worker recovers by itself.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.domain.model.errors import BrokerUnavailable, StoreUnavailable
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus, transition
from ginkgo_data.domain.services.offsets import OffsetLedger
from ginkgo_data.domain.services.tally import CollectionProgress, Watch
from ginkgo_data.entrypoints.dispatch import Hooks
from ginkgo_data.entrypoints.heartbeat import HeartbeatThread
from ginkgo_data.entrypoints.round import Round, RoundResult
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.command_stream import CommandStream
from ginkgo_data.ports.heartbeats import Heartbeats
from ginkgo_data.ports.notifications import Notifications
from ginkgo_data.ports.version_clock import VersionClock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Times (seconds) and sizes of the loop."""

    node_id: str
    max_poll_records: int = 500
    poll_timeout: float = 1.0
    coalesce_wait: float = 0.5
    round_budget: float = 60.0
    stall_timeout: float = 120.0
    heartbeat_interval: float = 10.0
    heartbeat_ttl: float = 30.0
    backoff: RetryPolicy = field(default_factory=lambda: RetryPolicy(first_delay=0.5, max_delay=30.0))


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker works with."""

    stream: CommandStream
    round: Round
    heartbeats: Heartbeats
    notifications: Notifications
    versions: VersionClock
    clock: Clock
    close: Callable[[], None] = lambda: None
    """Releases clients and pools, after the last round."""


class DataWorker(threading.Thread):
    """Collects market data as control commands say, one round at a time."""

    def __init__(self, parts: WorkerParts, options: WorkerOptions, watch: Watch | None = None) -> None:
        super().__init__(name=f"ginkgo-data-worker-{options.node_id}", daemon=False)
        self._parts = parts
        self._options = options
        self._watch = watch
        self._lock = threading.RLock()
        self._status = WorkerStatus.STOPPED
        self._stopping = threading.Event()
        self._began = False
        self._stats = WorkerStats()
        self._ledger = OffsetLedger()
        self._held: list[Delivery] = []
        self._degraded: tuple[str, datetime] | None = None
        self._progress_at = parts.clock.monotonic()
        self._started_at = parts.clock.monotonic()
        self._heartbeat = HeartbeatThread(
            parts.heartbeats, self.observe, options.heartbeat_interval, options.heartbeat_ttl
        )

    # -- life cycle -----------------------------------------------------------------------------

    def start(self) -> bool:  # type: ignore[override]  # upstream's plug-in shape: says whether it started
        """Start the thread. Return False when it was started or stopped before: a worker is used once."""
        with self._lock:
            if self._began or self._stopping.is_set():
                return False
            self._began = True
            self._become(WorkerStatus.STARTING)
            super().start()
            return True

    def stop(self, timeout: float = 30.0) -> bool:
        """Ask the worker to end and wait up to `timeout` seconds; return whether it has ended.

        The round under way ends at its next checkpoint; what it did not finish is delivered again.
        """
        self._stopping.set()
        self._parts.clock.interrupt()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout)
        return not self.is_alive()

    def wait_for_completion(self) -> None:
        """Block until the worker has ended."""
        if self._began:
            self.join()

    @property
    def status(self) -> WorkerStatus:
        """The present state."""
        return self._status

    @property
    def stats(self) -> WorkerStats:
        """The counters since the start."""
        return self._stats

    @property
    def is_running(self) -> bool:
        """Whether the worker is RUNNING."""
        return self._status is WorkerStatus.RUNNING

    @property
    def is_healthy(self) -> bool:
        """Whether the loop makes progress: RUNNING or about to be, and a beat within `stall_timeout`."""
        alive = self._status in (WorkerStatus.STARTING, WorkerStatus.RUNNING)
        return alive and self._parts.clock.monotonic() - self._progress_at <= self._options.stall_timeout

    def get_stats(self) -> dict[str, object]:
        """Return the counters since the start, as plain values."""
        stats = self._stats
        counters: dict[str, object] = {name: getattr(stats, name) for name in WorkerStats.__dataclass_fields__}
        return {**counters, "uptime_seconds": self._uptime(), "heartbeats_missed": self._heartbeat.missed}

    # -- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        """Work rounds until `stop`; recover from errors by trying again with back-off."""
        failures = 0
        try:
            while True:
                try:
                    if self._status is WorkerStatus.ERROR:
                        self._become(WorkerStatus.STARTING)
                    self._serve()
                    break
                except Exception as error:
                    failures += 1
                    self._fail(error)
                    if self._wait(self._options.backoff.delay(failures)):
                        break
        finally:
            self._end()

    def _serve(self) -> None:
        if not self._stopping.is_set():
            self._become(WorkerStatus.RUNNING)
            if not self._heartbeat.is_alive():
                self._heartbeat.start()
        while not self._stopping.is_set():
            self._turn()

    def _turn(self) -> None:
        """Take what waits and work it as one round; what had to be held goes first and stops the intake."""
        self._progressed()
        try:
            self._commit()
            if not self._held:
                self._held = self._gather()
            if self._held:
                self._work()
        except (BrokerUnavailable, StoreUnavailable) as error:
            self._degrade(f"{type(error).__name__}: {error}")
        else:
            if not self._held:
                self._degraded = None

    def _work(self) -> None:
        """Work what is in hand; until its end is known it stays in hand, whatever is raised on the way."""
        deliveries = self._held
        self._parts.versions.synchronise()
        until = self._parts.clock.monotonic() + self._options.round_budget
        hooks = Hooks(lambda: self._may_go_on(until), self._seen, self._heartbeat.beat)
        result = self._parts.round.run(deliveries, hooks)
        self._count(deliveries, result)
        for delivery in result.finished:
            self._ledger.finished(delivery.record)
        self._held = result.held
        self._commit()
        if result.held:
            self._degrade(result.hold_reason)

    def _gather(self) -> list[Delivery]:
        """Return waiting deliveries; the first one waits `coalesce_wait` for company."""
        options, clock = self._options, self._parts.clock
        gathered = list(self._parts.stream.receive(options.max_poll_records, options.poll_timeout))
        until = clock.monotonic() + options.coalesce_wait
        while gathered and len(gathered) < options.max_poll_records and (left := until - clock.monotonic()) > 0:
            try:
                more = self._parts.stream.receive(options.max_poll_records - len(gathered), left)
            except BrokerUnavailable:
                break  # the next turn will meet it again; what was received is worked first
            if not more:
                break
            gathered += more
        for delivery in gathered:
            self._ledger.delivered(delivery.record)
        return gathered

    def _commit(self) -> None:
        offsets = self._ledger.committable()
        if offsets:
            self._parts.stream.commit(offsets)
            self._ledger.committed(offsets)

    def _degrade(self, reason: str) -> None:
        """Say that the worker cannot go on just now, and wait a little: nothing in hand is committed."""
        since = self._degraded[1] if self._degraded else self._parts.clock.now()
        self._degraded = (reason, since)
        log.warning("%d deliveries held: %s", len(self._held), reason)
        held_for = (self._parts.clock.now() - since).total_seconds()
        self._wait(self._options.backoff.delay(1 + int(held_for // 5)))

    # -- what others see ------------------------------------------------------------------------

    def observe(self) -> Heartbeat | None:
        """Return the sign of life of the moment, None when the loop makes no progress."""
        if not self.is_healthy and self._status in (WorkerStatus.STARTING, WorkerStatus.RUNNING):
            return None
        reason, since = self._degraded or (None, None)
        return Heartbeat(
            node_id=self._options.node_id,
            status=self._status,
            sent_at=self._parts.clock.now(),
            host=socket.gethostname(),
            pid=os.getpid(),
            stats=self._stats,
            uptime_seconds=self._uptime(),
            degraded=reason,
            degraded_since=since,
            progress={"rounds": self._stats.rounds, "unfinished": self._ledger.unfinished()},
        )

    # -- small parts ----------------------------------------------------------------------------

    def _may_go_on(self, until: float) -> bool:
        self._progressed()
        return not self._stopping.is_set() and self._parts.clock.monotonic() < until

    def _seen(self, progress: CollectionProgress) -> None:
        self._progressed()
        if self._watch:
            self._watch(progress)

    def _progressed(self) -> None:
        self._progress_at = self._parts.clock.monotonic()

    def _wait(self, seconds: float) -> bool:
        return self._stopping.is_set() or self._parts.clock.wait(seconds)

    def _uptime(self) -> float:
        return self._parts.clock.monotonic() - self._started_at if self._began else 0.0

    def _become(self, wanted: WorkerStatus) -> None:
        with self._lock:
            before, self._status = self._status, transition(self._status, wanted)
        if wanted is WorkerStatus.STARTING and self._stats.started_at is None:
            self._started_at = self._parts.clock.monotonic()
            self._stats = replace(self._stats, started_at=self._parts.clock.now())
        self._progressed()
        log.info("worker %s: %s -> %s", self._options.node_id, before.name, wanted.name)
        self._parts.notifications.event(
            "worker_state", {"node_id": self._options.node_id, "from": before.name, "to": wanted.name}
        )

    def _fail(self, error: Exception) -> None:
        log.exception("worker %s failed outside a command", self._options.node_id)
        self._stats = replace(self._stats, last_error=f"{type(error).__name__}: {error}")
        if self._status is not WorkerStatus.ERROR:
            self._become(WorkerStatus.ERROR)
        self._heartbeat.beat()

    def _end(self) -> None:
        self._become(WorkerStatus.STOPPING)
        try:
            self._parts.stream.close()
        except BrokerUnavailable as error:
            log.warning("the group was not left cleanly: %s", error)
        self._heartbeat.end()
        self._parts.close()
        self._become(WorkerStatus.STOPPED)

    def _count(self, deliveries: list[Delivery], result: RoundResult) -> None:
        stats = self._stats
        written = sum(getattr(r, "written", 0) for r in result.results)
        self._stats = replace(
            stats,
            messages_processed=stats.messages_processed + len(result.finished),
            messages_failed=stats.messages_failed + result.failed,
            bars_collected=stats.bars_collected + sum(getattr(r, "fetched", 0) for r in result.results),
            bars_written=stats.bars_written + written,
            bars_rejected=stats.bars_rejected + sum(getattr(r, "rejected", 0) for r in result.results),
            calls=stats.calls + sum(r.calls for r in result.results),
            inserts=stats.inserts + sum(getattr(r, "inserts", 0) for r in result.results),
            rounds=stats.rounds + 1,
            dead_letters=stats.dead_letters + result.dead_letters,
            parked=stats.parked + result.parked,
            last_message_time=self._parts.clock.now() if deliveries else stats.last_message_time,
            last_error=result.hold_reason or stats.last_error,
        )
