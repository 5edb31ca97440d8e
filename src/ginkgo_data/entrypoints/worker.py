# Upstream: entrypoints
# Downstream: domain.{model, services}, entrypoints
# Role: DataWorker: the thread, its life cycle, and what others see of it
"""The worker: `DataWorker` is a thread that works rounds until it is told to stop.

A worker object is used once. `stop()` may come from any thread, at any time, more than once, also before
`start()`. An error outside a command leads to ERROR, from which the worker recovers by itself; a store or a
broker that does not answer is no error but a hold (`holding`).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import replace
from datetime import datetime

from ginkgo_data.domain.model.errors import (
    BrokerUnavailable,
    ConfigurationError,
    Interrupted,
    SchemaMismatch,
    TransientError,
)
from ginkgo_data.domain.model.health import WorkerHealth
from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.domain.model.steps import listening
from ginkgo_data.domain.model.stream import StreamState
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus, transition
from ginkgo_data.domain.services.diagnosis import diagnosed
from ginkgo_data.domain.services.tally import Watch
from ginkgo_data.entrypoints.announcements import AnnouncementThread, Answering
from ginkgo_data.entrypoints.heartbeat import HeartbeatThread
from ginkgo_data.entrypoints.intake import Intake
from ginkgo_data.entrypoints.loop import Loop
from ginkgo_data.entrypoints.parts import Renewal, WorkerOptions, WorkerParts
from ginkgo_data.entrypoints.process_memory import collect_leftovers
from ginkgo_data.entrypoints.start_fault import start_alert
from ginkgo_data.entrypoints.step_watch import StepWatch
from ginkgo_data.entrypoints.vital_signs import Body, client_patience, vital_signs

log = logging.getLogger(__name__)


class DataWorker(threading.Thread):
    """Collects market data as control commands say, one round at a time."""

    def __init__(self, parts: WorkerParts, options: WorkerOptions, watch: Watch | None = None) -> None:
        super().__init__(name=f"ginkgo-data-worker-{options.node_id}", daemon=False)
        self._parts = parts
        self._options = options
        self._lock = threading.RLock()
        self._status = WorkerStatus.STOPPED
        self._stopping = threading.Event()
        self._began = False
        self._intake: Intake | None = None
        self._started_at = parts.clock.monotonic()
        self._heartbeat = HeartbeatThread(
            parts.heartbeats, self.observe, options.heartbeat_interval, options.heartbeat_ttl
        )
        answering = Answering(lambda: self._parts.notifications, self._heartbeat.beat, self._ask_for_reload)
        self._announcements = AnnouncementThread(parts.broadcasts, answering)
        self._loop = Loop(parts, options, self._stopping.is_set, answering.answer, watch)
        self._steps = StepWatch(parts, options)

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
        return self._loop.stats

    @property
    def is_running(self) -> bool:
        """Whether the worker is RUNNING."""
        return self._status is WorkerStatus.RUNNING

    @property
    def is_healthy(self) -> bool:
        """Whether it makes progress: RUNNING or about to be, its loop beats and its client's thread turns."""
        alive = self._status in (WorkerStatus.STARTING, WorkerStatus.RUNNING)
        return alive and self._makes_progress(self._stream_state())

    def get_stats(self) -> dict[str, object]:
        """Return the counters since the start, as plain values."""
        stats = self.stats
        counters: dict[str, object] = {name: getattr(stats, name) for name in WorkerStats.__dataclass_fields__}
        return {**counters, "uptime_seconds": self._uptime(), "heartbeats_missed": self._heartbeat.missed}

    def run(self) -> None:
        """Work rounds until `stop`; recover from errors by trying again with back-off."""
        self._steps.own(threading.get_ident())
        with listening(self._steps):
            self._work_until_stopped()

    def _work_until_stopped(self) -> None:
        failures = 0
        self._heartbeat.start()
        try:
            while not self._stopping.is_set():
                try:
                    if self._status is WorkerStatus.ERROR:
                        self._become(WorkerStatus.STARTING)
                    self._renew_when_due()
                    self._prepare()
                    self._become(WorkerStatus.RUNNING)
                    while not self._stopping.is_set():
                        self._loop.turn(self._joined())
                        failures = 0
                        self._renew_when_due()
                except Exception as error:
                    if _interpreter_ends(error):
                        break
                    failures += 1
                    self._fail(error)
                    self._parts.clock.wait(self._options.backoff.delay(failures))
        finally:
            self._end()

    def _prepare(self) -> None:
        """Make what a round needs. A server that is away is no fault: the first round will hold because of it."""
        try:
            self._parts.prepare()
        except TransientError as error:
            log.warning("not everything is ready, the worker starts all the same: %s", error)
        if not self._announcements.is_alive():
            # What is sent from here on is answered.
            self._announcements.open()
            self._announcements.start()
            if fault := self._parts.reload.fault():
                alert = start_alert(fault, self._options.node_id, self._parts.clock.now())
                self._parts.reporter.raise_alerts([alert])
        self._joined()

    def _joined(self) -> Intake:
        """Return what is between the stream and the rounds; joins the group where that was not done."""
        if self._intake is None:
            self._intake = Intake(self._parts.stream(), self._parts.clock, self._options.limits)
        return self._intake

    def _leave(self) -> None:
        """Leave the group, if it was joined; what is in hand is delivered again."""
        intake, self._intake = self._intake, None
        if intake is None:
            return
        try:
            intake.stream.close()
        except BrokerUnavailable as error:
            log.warning("the group was not left cleanly: %s", error)

    def _ask_for_reload(self, request_id: str) -> None:
        self._parts.reload.request("command", request_id)

    def _renew_when_due(self) -> None:
        """Reload the configuration if that was asked for: what it changes is in force with the next round."""
        if not self._parts.reload.due():
            return
        if renewal := self._parts.reload.attempt():
            self._renew(renewal)
        collect_leftovers()

    def _renew(self, renewal: Renewal) -> None:
        before = self._parts, self._options
        self._parts, self._options = renewal.parts, renewal.options
        if renewal.rejoins:
            self._leave()
            try:
                self._joined()
            except Exception as error:  # whatever it is: the group is joined as before
                self._parts, self._options = before
                renewal.failed(error)
                return
            self._announcements.renew(renewal.parts.broadcasts)
        self._joined().limits = renewal.options.limits
        self._loop.renew(renewal.parts, renewal.options)
        self._steps.renew(renewal.parts, renewal.options)
        options = renewal.options
        self._heartbeat.renew(renewal.parts.heartbeats, options.heartbeat_interval, options.heartbeat_ttl)
        renewal.done()

    def _fail(self, error: Exception) -> None:
        log.error("worker %s failed outside a command", self._options.node_id, exc_info=error)
        self._loop.stats = replace(self._loop.stats, last_error=f"{type(error).__name__}: {error}")
        if self._status is not WorkerStatus.ERROR:
            self._become(WorkerStatus.ERROR)
        if isinstance(error, ConfigurationError | SchemaMismatch):
            self._parts.reporter.raise_alerts([_cannot_work(error, self._parts.clock.now())])
            self._parts.reporter.settle()

    def _end(self) -> None:
        self._become(WorkerStatus.STOPPING)
        self._leave()
        self._announcements.end(timeout=2.0)
        self._parts.reporter.settle()
        self._become(WorkerStatus.STOPPED)
        self._heartbeat.end()
        self._parts.close()

    def _become(self, wanted: WorkerStatus) -> None:
        with self._lock:
            before, self._status = self._status, transition(self._status, wanted)
        clock, stats = self._parts.clock, self._loop.stats
        if stats.started_at is None:
            self._started_at = clock.monotonic()
            self._loop.stats = replace(stats, started_at=clock.now())
        self._loop.progressed()
        log.info("worker %s: %s -> %s", self._options.node_id, before.name, wanted.name)
        self._parts.notifications.event(
            "worker_state", {"node_id": self._options.node_id, "from": before.name, "to": wanted.name}
        )
        self._heartbeat.soon()

    # -- what others see ------------------------------------------------------------------------

    def observe(self) -> Heartbeat | None:
        """Return the sign of life of the moment, None when the loop or the client makes no progress."""
        state = self._stream_state()
        if self._status in (WorkerStatus.STARTING, WorkerStatus.RUNNING) and not self._makes_progress(state):
            return None
        waiting, hold = self._parts.waiting(), self._loop.hold
        return Heartbeat(
            node_id=self._options.node_id,
            status=self._status,
            sent_at=self._parts.clock.now(),
            host=socket.gethostname(),
            pid=os.getpid(),
            stats=self.stats,
            uptime_seconds=self._uptime(),
            degraded=hold.reason or waiting or _unread(state) or self._parts.reload.fault(),
            degraded_since=hold.since,
            progress=self._progress(state, waiting),
        )

    def _progress(self, state: StreamState, waiting: str | None) -> dict[str, object]:
        intake = self._intake
        return {
            "group": self._options.group_id,
            "rounds": self.stats.rounds,
            "unfinished": intake.unfinished() if intake else 0,
            "last_poll": _text(intake.last_poll if intake else None),
            "last_commit": _text(state.committed_at),
            "lag": sum(state.lag.values()),
            "partitions": len(state.assigned),
            "missing_topics": sorted(state.missing_topics),
            "budget_wait": waiting,
            "heartbeats_missed": self._heartbeat.missed,
            "config_error": self._parts.reload.fault(),
            "reload": self._parts.reload.figures(),
        }

    def health(self) -> WorkerHealth:
        """Return how the worker is, with reasons; from any thread, asking no server and waiting for nobody."""
        body = Body(self._parts, self._options, self._loop, self._steps, self._heartbeat, self._intake, self.ident)
        stream = self._stream_state()
        return diagnosed(vital_signs(body, self._status, stream, self._uptime(), lives=self.is_alive()))

    def _stream_state(self) -> StreamState:
        return self._intake.stream.state() if self._intake else StreamState()

    def _makes_progress(self, state: StreamState) -> bool:
        options = self._options
        moved_at = max(self._loop.progress_at, self._steps.moved_at)
        beats = self._parts.clock.monotonic() - moved_at <= options.stall_timeout
        return beats and state.turned_ago <= client_patience(options)

    def _uptime(self) -> float:
        return self._parts.clock.monotonic() - self._started_at if self._began else 0.0


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _unread(state: StreamState) -> str | None:
    """Return which topics are not read and why, None when all are."""
    words = [f"{topic}: {reason}" for topic, reason in sorted(state.missing_topics.items())]
    return f"topics that cannot be read: {'; '.join(words)}" if words else None


def _cannot_work(error: Exception, now: datetime) -> Alert:
    return Alert(
        AlertKind.CONFIG_ERROR,
        Severity.ERROR,
        "A worker cannot work",
        f"{error}. It tries again by itself; nothing is committed until then.",
        now,
        {"error": type(error).__name__, "reason": str(error)},
        subject=type(error).__name__,
    )


def _interpreter_ends(error: Exception) -> bool:
    """Whether `error` only says that the host's program is over: no thread can be started any more."""
    return isinstance(error, Interrupted) or (
        isinstance(error, RuntimeError) and not threading.main_thread().is_alive()
    )
