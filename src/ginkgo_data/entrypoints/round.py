# Upstream: entrypoints.{container, loop, parts}
# Downstream: domain.{model, services}, entrypoints.{dispatch, outcomes}, ports
# Role: One round: from deliveries to their ends, each acknowledged before it may be committed
"""The round.

Nothing is finished before what its end needs is acknowledged: rows and report in the store, the remainder
on the work topic, the dead letter written. What cannot be acknowledged is held and worked again.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ginkgo_data.domain.model.collection import CollectionResult, SyncResult
from ginkgo_data.domain.model.commands import CommandMessage, ForeignCommand, ProbeHeartbeat, ReloadConfig
from ginkgo_data.domain.model.delivery import Delivery, Malformed
from ginkgo_data.domain.model.disposition import DeadLetter, Disposition, Settlement, WorkItem
from ginkgo_data.domain.model.errors import (
    BrokerUnavailable,
    ConfigurationError,
    GinkgoDataError,
    StoreUnavailable,
    TerminalError,
    TransientError,
)
from ginkgo_data.domain.model.quality import Alert, AlertKind, DataQualityReport, Severity
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.model.work_context import WorkContext, context_of, present_work, working
from ginkgo_data.domain.services.coalescing import Work, coalesce, codes_of, first_delivery
from ginkgo_data.domain.services.disposal import settle_error
from ginkgo_data.domain.services.reporting import Reporter, report_id
from ginkgo_data.entrypoints.dispatch import Dispatcher, Hooks, Worked
from ginkgo_data.entrypoints.outcomes import EVENT, Ended, outcome_events
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.dead_letters import DeadLetters
from ginkgo_data.ports.notifications import Notifications
from ginkgo_data.ports.work_queue import WorkQueue

log = logging.getLogger(__name__)

BROADCASTS = (ProbeHeartbeat, ReloadConfig)
WITHOUT_TIME = (*BROADCASTS, ForeignCommand)
"""What is done whatever the time is: it takes none."""


def _refuse_if_broker_failed(outcome: RoundResult) -> None:
    """Raise what the broker failed another end with: each further try would wait for it as long as that one did."""
    if isinstance(outcome.hold_error, BrokerUnavailable):
        raise outcome.hold_error


def _turn_of(work: Work) -> tuple[bool, bool, float]:
    """Return the place of a piece of work in its round: broadcasts, then what is fresh, the oldest first."""
    times = [first_delivery(delivery) for delivery in work.deliveries]
    oldest = min((time.timestamp() for time in times if time is not None), default=0.0)
    return not isinstance(work.command, BROADCASTS), not _is_fresh(work), oldest


def _is_fresh(work: Work) -> bool:
    return any(delivery.piece == 0 for delivery in work.deliveries)


def _lent_to(work: Work, works: Sequence[Work], hooks: Hooks) -> Hooks:
    """Return what is lent to `work`: fresh commands leave some time of the round to the work records behind them."""
    if hooks.go_on_fresh is None or not _is_fresh(work) or all(_is_fresh(other) for other in works):
        return hooks
    return replace(hooks, go_on=hooks.go_on_fresh)


@dataclass(slots=True)
class RoundResult:
    """What a round came to. `finished` may be committed; `held` must be worked again."""

    finished: list[Delivery] = field(default_factory=list)
    held: list[Delivery] = field(default_factory=list)
    hold_error: GinkgoDataError | None = None
    """Why something is held."""
    failed: int = 0
    parked: int = 0
    dead_letters: int = 0
    results: list[CollectionResult | SyncResult] = field(default_factory=list)
    reports: list[DataQualityReport] = field(default_factory=list)
    shed: Counter[str] = field(default_factory=Counter)
    """Work records made of a delivery (by its record's id) before it was worked."""
    ended: dict[str | None, list[Ended]] = field(default_factory=dict)
    """Ends to tell, by the report that accounts for them."""

    @property
    def hold_reason(self) -> str:
        """Why something is held, in words; empty when nothing is."""
        error = self.hold_error
        return f"{type(error).__name__}: {error}" if error else ""


@dataclass(frozen=True, slots=True)
class Round:
    """Works deliveries to their ends."""

    dispatcher: Dispatcher
    work_queue: WorkQueue
    dead_letters: DeadLetters
    reporter: Reporter
    notifications: Notifications
    clock: Clock

    def run(self, deliveries: Sequence[Delivery], hooks: Hooks | None = None) -> RoundResult:
        """Work `deliveries`; every one is in `finished` or in `held`, unless it went to another worker meanwhile.

        Broadcasts go first: whoever asks for a sign of life does not wait for a collection. Raises
        `ConfigurationError` when a right is missing that every end needs; nothing else for one of them.
        """
        outcome, all_of_it = RoundResult(), hooks or Hooks()
        self.prepare()
        for delivery in deliveries:
            if isinstance(delivery.body, Malformed):
                reason, error = delivery.body.reason, delivery.body.error
                self._end(delivery, (Settlement(Disposition.DEAD_LETTER, reason, error),), outcome, all_of_it)
        works = sorted(coalesce(deliveries), key=_turn_of)
        for work in works:
            lent = _lent_to(work, works, all_of_it)
            if isinstance(outcome.hold_error, StoreUnavailable):
                # Each further try would wait for the store as long as the first one did.
                for delivery in work.deliveries:
                    self._hold(delivery, outcome.hold_error, outcome)
            elif isinstance(work.command, WITHOUT_TIME) or lent.go_on():
                self._work(work, outcome, lent)
            elif lent.stopping():
                outcome.held.extend(work.deliveries)
            else:
                self._postpone(work, outcome, lent)
        self._tell(outcome)
        return outcome

    def give_up(self, deliveries: Sequence[Delivery], reason: str, error: str, hooks: Hooks) -> RoundResult:
        """Make dead letters of `deliveries` without working them."""
        outcome = RoundResult()
        for delivery in deliveries:
            self._end(delivery, (Settlement(Disposition.DEAD_LETTER, reason, error),), outcome, hooks)
        self._tell(outcome)
        return outcome

    def prepare(self) -> None:
        """Read what other workers may have stored (the trading calendar), and look how far it reaches.

        A store that does not answer here will say so to the work itself, which is then held.
        """
        try:
            with step("calendar"):
                self.dispatcher.calendar_changed()
                self.reporter.watch_calendar()
        except Exception as error:  # looking ahead must not stop the work that is here
            log.warning("the trading calendar could not be read: %s: %s", type(error).__name__, error)

    def _work(self, work: Work, outcome: RoundResult, hooks: Hooks) -> None:
        """Do `work`; when it fails for a reason of its own, halve it until the delivery at fault stands alone."""
        word = work.command.word
        context = context_of(work.deliveries, self.reporter.node_id, word, report_id(work))
        began = self.clock.monotonic()
        with working(context), step("work", command=word, requests=len(work.deliveries)):
            self._work_in_context(work, outcome, hooks)
            if not isinstance(work.command, WITHOUT_TIME):
                seconds = self.clock.monotonic() - began
                log.info("worked %s of %d requests in %.1f s", word, len(work.deliveries), seconds)

    def _work_in_context(self, work: Work, outcome: RoundResult, hooks: Hooks) -> None:
        try:
            worked = self.dispatcher.do(work, hooks, lambda codes: self._shed(work, codes, outcome, hooks))
        except TransientError as error:
            log.warning("held: %s", error, extra={"request_ids": work.request_ids})
            for delivery in work.deliveries:
                self._hold(delivery, error, outcome)
        except Exception as error:  # one bad command must not take the others with it
            middle = len(work.deliveries) // 2
            if middle:
                for half in (work.deliveries[:middle], work.deliveries[middle:]):
                    for part in coalesce(half):
                        self._work(part, outcome, hooks)
                return
            expected = isinstance(error, TerminalError)
            log.warning("command failed: %s", error, exc_info=not expected, extra={"request_ids": work.request_ids})
            trace = "" if expected else traceback.format_exc()
            self._end(work.deliveries[0], (settle_error(error),), outcome, hooks, trace=trace)
        else:
            self._settle(worked, outcome, hooks)

    def _postpone(self, work: Work, outcome: RoundResult, hooks: Hooks) -> None:
        """Put work whose turn did not come back as it is: nobody's fault, so no attempt."""
        later = Settlement(Disposition.WORK_LATER, "the round was over before its turn")
        for delivery in work.deliveries:
            self._end(delivery, (later,), outcome, hooks)

    def _shed(self, work: Work, codes: Sequence[str], outcome: RoundResult, hooks: Hooks) -> None:
        """Leave `codes` to whoever is free, before anything is fetched; raises `BrokerUnavailable`.

        What was left to others in an earlier try of the same delivery is not left a second time.
        """
        _refuse_if_broker_failed(outcome)
        left, now = set(codes), self.clock.now()
        for delivery in work.deliveries:
            own = codes_of(delivery) if delivery.piece == 0 else ()
            before = hooks.shed.setdefault(delivery.record.delivery_id, set())
            mine = tuple(code for code in (codes if own is None else own) if code in left and code not in before)
            if mine:
                reason = "more than one worker's share of a round"
                self.work_queue.park(WorkItem(delivery, mine, delivery.attempt, delivery.piece + 1, now, reason))
                before.update(mine)
                outcome.parked += 1
                outcome.shed[delivery.record.delivery_id] += 1

    def _settle(self, worked: Worked, outcome: RoundResult, hooks: Hooks) -> None:
        if worked.result is not None:
            outcome.results.append(worked.result)
        if worked.report is not None:
            outcome.reports.append(worked.report)
        report_id = worked.report.report_id if worked.report else None
        for delivery, ends in worked.ends:
            self._end(delivery, ends, outcome, hooks, report_id)

    def _end(
        self,
        delivery: Delivery,
        ends: Sequence[Settlement],
        outcome: RoundResult,
        hooks: Hooks,
        report_id: str | None = None,
        trace: str = "",
    ) -> None:
        """Bring `delivery` to its ends; only when all are acknowledged is it finished."""
        if not hooks.owns(delivery):
            return  # its new owner works it; what is stored is found there as held
        with working(self._context_of_end(delivery)):
            self._end_in_context(delivery, ends, outcome, hooks, report_id, trace)

    def _context_of_end(self, delivery: Delivery) -> WorkContext:
        body, present = delivery.body, present_work()
        word = body.command.word if isinstance(body, CommandMessage) else body.word or "malformed"
        return context_of((delivery,), self.reporter.node_id, word, present.job_id if present else "")

    def _end_in_context(
        self,
        delivery: Delivery,
        ends: Sequence[Settlement],
        outcome: RoundResult,
        hooks: Hooks,
        report_id: str | None,
        trace: str,
    ) -> None:
        try:
            if any(end.disposition is not Disposition.COMMIT for end in ends):
                _refuse_if_broker_failed(outcome)
            for end in ends:
                self._carry_out(delivery, end, outcome, trace)
        except ConfigurationError:
            raise
        except TransientError as error:
            self._hold(delivery, error, outcome)
        except TerminalError as error:
            self._give_up_end(delivery, error, outcome, hooks)
        except Exception as error:
            # An end that could not be carried out is no end: better worked twice than lost.
            log.exception("an end could not be carried out", extra={"request_id": delivery.request_id})
            self._hold(delivery, BrokerUnavailable(f"{type(error).__name__}: {error}"), outcome)
        else:
            outcome.finished.append(delivery)
            parked = sum(end.disposition is Disposition.WORK_LATER for end in ends)
            parked += outcome.shed[delivery.record.delivery_id]
            outcome.ended.setdefault(report_id, []).append(Ended(delivery, ends, parked))

    def _give_up_end(self, delivery: Delivery, error: TerminalError, outcome: RoundResult, hooks: Hooks) -> None:
        """Make a dead letter of what can never be kept otherwise; if that is what failed, hold."""
        letter = Settlement(Disposition.DEAD_LETTER, f"it cannot be kept for later: {error}", type(error).__name__)
        try:
            self._carry_out(delivery, letter, outcome, "")
        except TerminalError as again:
            self._hold(delivery, BrokerUnavailable(f"{type(again).__name__}: {again}"), outcome)
        except TransientError as away:
            self._hold(delivery, away, outcome)
        else:
            outcome.finished.append(delivery)
            outcome.ended.setdefault(None, []).append(
                Ended(delivery, (letter,), outcome.shed[delivery.record.delivery_id])
            )

    def _hold(self, delivery: Delivery, error: GinkgoDataError, outcome: RoundResult) -> None:
        outcome.held.append(delivery)
        outcome.hold_error = error

    def _tell(self, outcome: RoundResult) -> None:
        for report, ended in outcome.ended.items():
            told = context_of([end.delivery for end in ended], self.reporter.node_id, EVENT, report or "")
            with working(told):
                for data in outcome_events(ended, report):
                    self.notifications.event(EVENT, data)

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
                "delivery_id": delivery.delivery_id,
                "error": end.error,
                "reason": end.reason,
                "attempts": delivery.attempt + 1,
                "affected_codes": list(end.codes[:20]),
                "affected_codes_total": len(end.codes),
            },
            subject=f"{word}:{end.error}",
        )
