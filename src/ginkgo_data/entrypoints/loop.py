# Upstream: entrypoints.{vital_signs, worker}
# Downstream: domain.{model, services}, entrypoints.{dispatch, holding, intake, outcomes, parts, round}
# Role: The loop of a worker: turn after turn from the stream to the rounds, on hold while a server is away
"""One turn: look around, commit, gather, work. What is in hand stays there until its end is acknowledged.

Owned by the worker's thread; only the figures may be read from others.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ginkgo_data.domain.model.commands import CommandMessage
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.domain.model.disposition import WorkItem
from ginkgo_data.domain.model.errors import BrokerUnavailable, Interrupted, TransientError
from ginkgo_data.domain.model.measures import COMMANDS
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.model.stream import ExpiredRecords
from ginkgo_data.domain.model.worker import WorkerStats
from ginkgo_data.domain.services.coalescing import Work
from ginkgo_data.domain.services.expiry import earliest, expired_alert, make_up_for
from ginkgo_data.domain.services.suspects import sort_suspects
from ginkgo_data.domain.services.tally import CollectionProgress, Watch
from ginkgo_data.entrypoints.dispatch import Hooks
from ginkgo_data.entrypoints.holding import Hold, is_of_broker
from ginkgo_data.entrypoints.intake import Intake
from ginkgo_data.entrypoints.outcomes import command_and_outcome
from ginkgo_data.entrypoints.parts import WorkerOptions, WorkerParts
from ginkgo_data.entrypoints.round import RoundResult

log = logging.getLogger(__name__)

FOR_WORK = 0.25
"""Share of a round that is kept for work records where there are any: fresh commands never starve them."""
PROGRESS_EVERY = 2.0
"""Seconds between two events that tell the progress of a collection."""
SILENCE = 10.0
"""Seconds without any answer of the broker after which a worker without work is on hold, too."""
STORE_LOOK = 1.5
"""Heartbeats between two questions of a worker without work to the store, which nothing else would ask."""
RESTORE_EVERY = 30.0
"""Seconds between two looks for missing topics."""


class Loop:
    """The turns of one worker. `stopping` says whether it is to end, `answer` answers a broadcast."""

    def __init__(
        self,
        parts: WorkerParts,
        options: WorkerOptions,
        stopping: Callable[[], bool],
        answer: Callable[[CommandMessage], object],
        watch: Watch | None = None,
    ) -> None:
        self._parts = parts
        self._options = options
        self._stopping = stopping
        self._answer = answer
        self._watch = watch
        self._expired: list[ExpiredRecords] = []
        self._shed: dict[str, set[str]] = {}
        self._restored_at = 0.0
        self._told_progress_at = 0.0
        self._store_seen_at = -math.inf
        self.hold = Hold(parts.reporter, parts.clock, options.hold_alert_after)
        self.stats = WorkerStats()
        """Counters since the start."""
        self.progress_at = parts.clock.monotonic()
        """When the loop last moved (the clock's monotonic seconds)."""

    def renew(self, parts: WorkerParts, options: WorkerOptions) -> None:
        """Work from now on with these; called between two turns."""
        self._parts, self._options = parts, options
        self.hold.renew(parts.reporter, options.hold_alert_after)

    def turn(self, intake: Intake) -> None:
        """Take what waits and work it as one round; what is in hand goes first and stops the intake."""
        self.progressed()
        try:
            with step("look_around"):
                self._look_around(intake)
            with step("commit"):
                intake.commit()
            if not intake.in_hand:
                with step("gather"):
                    intake.gather()
            if intake.in_hand:
                self._work(intake)
            else:
                self._rest(intake)
        except Interrupted:
            raise  # the host's program is over: no server that could be waited for
        except TransientError as error:
            self._hold_on(intake, error)
        if self.hold.reason is None:
            self._parts.look()
        self._parts.reporter.settle()

    def _look_around(self, intake: Intake) -> None:
        """See to what happened at the broker since the last turn, before anything more is committed."""
        if lost := intake.forget_lost():
            log.info("%d deliveries went to another worker", len(lost))
        self._make_up_for_expired(intake)
        missing = intake.stream.state().missing_topics
        now = self._parts.clock.monotonic()
        if missing and now - self._restored_at >= RESTORE_EVERY:
            self._restored_at = now
            self._parts.restore(tuple(missing))

    def _rest(self, intake: Intake) -> None:
        """Nothing is there to work: see whether both servers are, since no work finds out. Raises if one is not."""
        silent = intake.stream.state().unanswered_for
        if silent > SILENCE or (silent and self.hold.reason is not None):
            raise BrokerUnavailable(f"the broker has not answered for {silent:.0f} s")
        unseen = self._parts.clock.monotonic() - self._store_seen_at
        if self.hold.reason is not None or unseen >= STORE_LOOK * self._options.heartbeat_interval:
            self._synchronise()
            self._work_again(intake)
        self._parts.tidy()

    def _synchronise(self) -> None:
        with step("synchronise"):
            self._parts.versions.synchronise()
        self._store_seen_at = self._parts.clock.monotonic()

    def _work(self, intake: Intake) -> None:
        """Work what is in hand; until its end is known it stays in hand, whatever is raised on the way."""
        parts, options = self._parts, self._options
        self._synchronise()
        until = parts.clock.monotonic() + options.round_budget
        hooks = Hooks(
            go_on=lambda: self._may_go_on(until),
            go_on_fresh=lambda: self._may_go_on(until - FOR_WORK * options.round_budget),
            stopping=self._stopping,
            watch=self._seen,
            answer=self._answer,
            owns=intake.owns,
            shed=self._shed,
            most_calls=options.most_calls,
        )
        in_order = sort_suspects(intake.in_hand, parts.marks.counts(_ids(intake.in_hand)), options.max_deliveries)
        if in_order.given_up:
            reason = f"{options.max_deliveries} workers ended while they worked it"
            self._take_in(intake, parts.round.give_up(in_order.given_up, reason, "KilledItsWorker", hooks))
            parts.marks.clear(_ids(in_order.given_up))
        for group in in_order.groups:
            if group is not in_order.groups[0] and not self._may_go_on(until):
                return  # the rest stays in hand for the next turn
            parts.marks.begin(_ids(group))
            try:
                with step("round", commands=len(group)):
                    result = parts.round.run(group, hooks)
            finally:
                parts.marks.clear(_ids(group))
            self._take_in(intake, result)
            intake.commit()
            if result.hold_error is not None:
                raise result.hold_error
        self._work_again(intake)

    def _take_in(self, intake: Intake, result: RoundResult) -> None:
        self._count(result)
        intake.finished(result.finished)
        in_hand = set(_ids(intake.in_hand))
        for gone in self._shed.keys() - in_hand:
            del self._shed[gone]

    def _hold_on(self, intake: Intake, error: TransientError) -> None:
        """Nothing more is taken in and nothing in hand committed until the store and the broker do their part."""
        if self._stopping():
            return
        self.hold.begin(f"{type(error).__name__}: {error}", is_of_broker(error))
        self.stats = replace(self.stats, last_error=self.hold.reason)
        parking = self.hold.can_park and self.hold.seconds >= self._options.hold_park_after
        if parking and self._park_all(intake):
            intake.hold(False)  # what waits behind it is moved as well
        else:
            intake.hold(True)
        pause = self._options.backoff.delay(1 + int(self.hold.seconds // 5))
        self._parts.clock.wait(min(pause, self.hold.alert_in + 0.001))

    def _work_again(self, intake: Intake) -> None:
        self.hold.end()
        intake.hold(False)

    def _park_all(self, intake: Intake) -> bool:
        """Move what is in hand to the work topic, where it does not expire; return whether that was acknowledged."""
        due = self._parts.clock.now() + timedelta(seconds=self._options.backoff.max_postponement)
        parked: list[Delivery] = []
        try:
            for delivery in intake.in_hand:
                reason = self.hold.reason or ""
                self._parts.work_queue.park(WorkItem(delivery, (), delivery.attempt, delivery.piece, due, reason))
                parked.append(delivery)
        except BrokerUnavailable as error:
            log.warning("commands on hold could not be moved to the work topic: %s", error)
            return False
        finally:
            intake.finished(parked)
            self.stats = replace(self.stats, parked=self.stats.parked + len(parked))
        if parked:
            log.warning("%d commands on hold were moved to the work topic", len(parked))
        intake.commit()
        return True

    def _make_up_for_expired(self, intake: Intake) -> None:
        """Queue an update for commands that expired unread; until it is queued nothing is committed."""
        self._expired += intake.stream.expired()
        if not self._expired:
            return
        now = self._parts.clock.now()
        command = make_up_for(self._expired, self._sessions_since(earliest(self._expired), now), now)
        self._parts.work_queue.park(WorkItem(command, (), 0, 0, now, "commands expired before they were read"))
        alert, expired = expired_alert(self._expired, now), sum(e.count for e in self._expired)
        self._expired = []
        self.stats = replace(self.stats, commands_expired=self.stats.commands_expired + expired)
        self._parts.reporter.raise_alerts([alert])

    def _sessions_since(self, last_commit: datetime | None, now: datetime) -> int | None:
        if last_commit is None:
            return None
        try:
            return len(self._parts.calendar.sessions(last_commit.astimezone(now.tzinfo).date(), now.date())) + 1
        except Exception as error:  # a calendar that ends too early: better more sessions than none
            log.warning("sessions since the last commit are counted as days: %s", error)
            return (now - last_commit).days + 1

    def progressed(self) -> None:
        """Note that the loop moves."""
        self.progress_at = self._parts.clock.monotonic()

    def _may_go_on(self, until: float) -> bool:
        self.progressed()
        return not self._stopping() and self._parts.clock.monotonic() < until

    def _seen(self, work: Work, progress: CollectionProgress) -> None:
        self.progressed()
        if self._watch:
            self._watch(progress)
        now = self._parts.clock.monotonic()
        if now - self._told_progress_at >= PROGRESS_EVERY:
            self._told_progress_at = now
            self._parts.notifications.event(
                "command_progress",
                {
                    "request_ids": list(work.request_ids[:200]),
                    "calls_done": progress.calls_done,
                    "calls_planned": progress.calls_planned,
                    "rows": progress.rows,
                },
            )

    def _count(self, result: RoundResult) -> None:
        for ended in (one for those in result.ended.values() for one in those):
            command, outcome = command_and_outcome(ended)
            self._parts.metrics.count(COMMANDS, command=command, outcome=outcome)
        stats = self.stats
        self.stats = replace(
            stats,
            messages_processed=stats.messages_processed + len(result.finished),
            messages_failed=stats.messages_failed + result.failed,
            bars_collected=stats.bars_collected + sum(getattr(r, "fetched", 0) for r in result.results),
            bars_written=stats.bars_written + sum(getattr(r, "written", 0) for r in result.results),
            bars_rejected=stats.bars_rejected + sum(getattr(r, "rejected", 0) for r in result.results),
            calls=stats.calls + sum(r.calls for r in result.results),
            inserts=stats.inserts + sum(getattr(r, "inserts", 0) for r in result.results),
            rounds=stats.rounds + 1,
            dead_letters=stats.dead_letters + result.dead_letters,
            parked=stats.parked + result.parked,
            last_message_time=self._parts.clock.now(),
        )


def _ids(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.record.lineage for delivery in deliveries]
