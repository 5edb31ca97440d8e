# Upstream: entrypoints.{container, worker}
# Downstream: domain.{model, services}, entrypoints.dispatch, ports.{clock, dead_letters, work_queue}
# Role: One round: from deliveries to their ends, each acknowledged before it may be committed
"""The round.

Nothing is finished before what its end needs is acknowledged: rows and report in the store, the remainder
on the work topic, the dead letter written. What cannot be acknowledged is held and worked again.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ginkgo_data.domain.model.collection import CollectionResult, SyncResult
from ginkgo_data.domain.model.commands import CommandMessage, ProbeHeartbeat
from ginkgo_data.domain.model.delivery import Delivery, Malformed
from ginkgo_data.domain.model.disposition import DeadLetter, Disposition, Settlement, WorkItem
from ginkgo_data.domain.model.errors import BrokerUnavailable, TransientError
from ginkgo_data.domain.model.quality import Alert, AlertKind, DataQualityReport, Severity
from ginkgo_data.domain.services.coalescing import Work, coalesce
from ginkgo_data.domain.services.disposal import settle_error
from ginkgo_data.domain.services.reporting import Reporter
from ginkgo_data.entrypoints.dispatch import Dispatcher, Hooks, Worked
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.dead_letters import DeadLetters
from ginkgo_data.ports.work_queue import WorkQueue

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RoundResult:
    """What a round came to. `finished` may be committed; `held` must be worked again."""

    finished: list[Delivery] = field(default_factory=list)
    held: list[Delivery] = field(default_factory=list)
    hold_reason: str = ""
    failed: int = 0
    parked: int = 0
    dead_letters: int = 0
    results: list[CollectionResult | SyncResult] = field(default_factory=list)
    reports: list[DataQualityReport] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Round:
    """Works deliveries to their ends."""

    dispatcher: Dispatcher
    work_queue: WorkQueue
    dead_letters: DeadLetters
    reporter: Reporter
    clock: Clock

    def run(self, deliveries: Sequence[Delivery], hooks: Hooks | None = None) -> RoundResult:
        """Work `deliveries`; never raises for one of them, and every one is in `finished` or in `held`.

        Probes go first: whoever asks for a sign of life does not wait for a collection.
        """
        outcome = RoundResult()
        self.prepare()
        for delivery in deliveries:
            if isinstance(delivery.body, Malformed):
                reason, error = delivery.body.reason, delivery.body.error
                self._end(delivery, (Settlement(Disposition.DEAD_LETTER, reason, error),), outcome)
        works = sorted(coalesce(deliveries), key=lambda work: not isinstance(work.command, ProbeHeartbeat))
        for work in works:
            self._work(work, outcome, hooks or Hooks())
        return outcome

    def prepare(self) -> None:
        """Read what other workers may have stored (the trading calendar), and look how far it reaches.

        A store that does not answer here will say so to the work itself, which is then held.
        """
        try:
            self.dispatcher.calendar_changed()
            self.reporter.watch_calendar()
        except Exception as error:  # looking ahead must not stop the work that is here
            log.warning("the trading calendar could not be read: %s: %s", type(error).__name__, error)

    def _work(self, work: Work, outcome: RoundResult, hooks: Hooks) -> None:
        """Do `work`; when it fails for a reason of its own, halve it until the delivery at fault stands alone."""
        try:
            worked = self.dispatcher.do(work, hooks)
        except TransientError as error:
            log.warning("held: %s", error, extra={"request_ids": work.request_ids})
            for delivery in work.deliveries:
                self._end(delivery, (settle_error(error),), outcome)
        except Exception as error:  # one bad command must not take the others with it
            middle = len(work.deliveries) // 2
            if middle:
                for half in (work.deliveries[:middle], work.deliveries[middle:]):
                    for part in coalesce(half):
                        self._work(part, outcome, hooks)
                return
            log.exception("command failed", extra={"request_ids": work.request_ids})
            self._end(work.deliveries[0], (settle_error(error),), outcome, traceback.format_exc())
        else:
            self._settle(worked, outcome)

    def _settle(self, worked: Worked, outcome: RoundResult) -> None:
        if worked.result is not None:
            outcome.results.append(worked.result)
        if worked.report is not None:
            outcome.reports.append(worked.report)
        for delivery, ends in worked.ends:
            self._end(delivery, ends, outcome)

    def _end(self, delivery: Delivery, ends: Sequence[Settlement], outcome: RoundResult, trace: str = "") -> None:
        """Bring `delivery` to its ends; only when all are acknowledged is it finished."""
        held = next((end for end in ends if end.disposition is Disposition.HOLD), None)
        try:
            for end in ends if held is None else ():
                self._carry_out(delivery, end, outcome, trace)
        except BrokerUnavailable as error:
            held = settle_error(error)
        except Exception as error:
            # An end that could not be carried out is no end: better worked twice than lost.
            log.exception("an end could not be carried out", extra={"request_id": delivery.request_id})
            held = Settlement(Disposition.HOLD, str(error), type(error).__name__)
        if held is not None:
            outcome.held.append(delivery)
            outcome.hold_reason = f"{held.error}: {held.reason}"
            return
        outcome.finished.append(delivery)

    def _carry_out(self, delivery: Delivery, end: Settlement, outcome: RoundResult, trace: str) -> None:
        if end.disposition is Disposition.WORK_LATER:
            attempt = delivery.attempt + (1 if end.counts_as_attempt else 0)
            due = self.clock.now() + timedelta(seconds=end.delay)
            self.work_queue.park(WorkItem(delivery, end.codes, attempt, delivery.piece + 1, due, end.reason))
            outcome.parked += 1
        elif end.disposition is Disposition.DEAD_LETTER:
            self.dead_letters.write(DeadLetter(delivery, end.reason, end.error, delivery.attempt + 1, end.codes, trace))
            outcome.dead_letters += 1
            outcome.failed += 1
            self.reporter.raise_alerts([self._dead_letter_alert(delivery, end)])

    def _dead_letter_alert(self, delivery: Delivery, end: Settlement) -> Alert:
        word = delivery.body.command.word if isinstance(delivery.body, CommandMessage) else delivery.body.word
        return Alert(
            AlertKind.DEAD_LETTER,
            Severity.ERROR,
            f"Command {word or 'without a word'} given up: {end.error}",
            f"{end.reason}. It is kept with its bytes among the dead letters and can be replayed.",
            self.clock.now(),
            {
                "request_id": delivery.request_id,
                "delivery_id": delivery.record.delivery_id,
                "error": end.error,
                "reason": end.reason,
                "attempts": delivery.attempt + 1,
                "affected_codes": list(end.codes[:20]),
                "affected_codes_total": len(end.codes),
            },
            subject=f"{word}:{end.error}",
        )
