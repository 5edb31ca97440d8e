# Upstream: entrypoints.{container, loop, round}
# Downstream: domain.{model, services}, ports.{clock, notifications}
# Role: From a piece of work to the use case that does it, and to the end of each delivery
"""Dispatch: one place that knows which use case does which command."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from ginkgo_data.domain.model.collection import CollectionResult, SyncResult
from ginkgo_data.domain.model.commands import (
    CollectAdjustmentFactors,
    CollectBars,
    CollectTicks,
    CommandMessage,
    ForeignCommand,
    ProbeHeartbeat,
    ReloadConfig,
    SyncSecurities,
    SyncTradingCalendar,
)
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.domain.model.disposition import Disposition, Settlement
from ginkgo_data.domain.model.errors import NotAvailable
from ginkgo_data.domain.model.fetch import Unknown
from ginkgo_data.domain.model.quality import Alert, AlertKind, DataQualityReport, Severity
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.domain.model.steps import step
from ginkgo_data.domain.services.adjustments import AdjustmentCollector
from ginkgo_data.domain.services.coalescing import Work, codes_of, first_delivery
from ginkgo_data.domain.services.collector import BarCollector
from ginkgo_data.domain.services.disposal import DONE, settle_collection, settle_sync
from ginkgo_data.domain.services.pace import GoOn, Pace
from ginkgo_data.domain.services.reference import SecuritiesSync, TradingCalendarSync
from ginkgo_data.domain.services.reporting import Reporter, report_id
from ginkgo_data.domain.services.requesters import requesters
from ginkgo_data.domain.services.second_opinion import SecondOpinion
from ginkgo_data.domain.services.tally import CollectionProgress
from ginkgo_data.domain.services.ticks import TickCollector
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.notifications import Notifications

log = logging.getLogger(__name__)

Shed: TypeAlias = Callable[[tuple[str, ...]], None]

FOREIGN = (Settlement(Disposition.COMMIT, "a command of a neighbour"),)


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _nothing() -> None:
    return None


def _nothing_shed(codes: tuple[str, ...]) -> None:
    return None


def _unseen(work: Work, progress: CollectionProgress) -> None:
    return None


def _unanswered(message: CommandMessage) -> object:
    return None


def _no_collector() -> None:
    return None


def _owned(delivery: Delivery) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a worker lends to the work of a round."""

    go_on: GoOn = _always
    """Whether there is time for another call."""
    go_on_fresh: GoOn | None = None
    """The same for fresh commands while work records wait in the same round: some of its time is theirs."""
    stopping: GoOn = _never
    """Whether not even the calls under way are to be waited for."""
    watch: Callable[[Work, CollectionProgress], None] = _unseen
    """Told of progress."""
    answer: Callable[[CommandMessage], object] = _unanswered
    """Answers a broadcast, unless this worker has already."""
    owns: Callable[[Delivery], bool] = _owned
    """Whether a delivery is still this worker's: what went to another worker ends there."""
    shed: dict[str, set[str]] = field(default_factory=dict)
    """Codes that were left to others, by the id of the delivery's record: as long as it is in hand."""
    most_calls: int | None = None
    """Vendor calls that are one worker's share of a round; commands beyond it are left to the others."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of a piece of work: the ends of its deliveries, and the facts behind them."""

    ends: tuple[tuple[Delivery, tuple[Settlement, ...]], ...]
    result: CollectionResult | SyncResult | None = None
    report: DataQualityReport | None = None


def _no_reference(work: Work, unknown: Unknown, now: datetime) -> Alert:
    severity = Severity.WARNING if unknown.reason.transient else Severity.ERROR
    text = f"{unknown.reason.value}: {unknown.detail}. The command is kept and tried again."
    data = {"reason": unknown.reason.value, "detail": unknown.detail, "request_ids": list(work.request_ids[:20])}
    title = f"No answer to {work.command.word}"
    return Alert(AlertKind.SOURCE_ERROR, severity, title, text, now, data, subject=work.command.word)


def _not_shed_before(work: Work) -> Callable[[str], bool]:
    """Return which codes may be left to others: those of work records have been spread over the fleet already."""
    spread = {code for delivery in work.deliveries if delivery.piece for code in codes_of(delivery) or ()}
    return lambda code: code not in spread


def _pace(work: Work, hooks: Hooks, shed: Shed | None) -> Pace:
    """Return the pace of a collection: that of the round."""
    return Pace(
        go_on=hooks.go_on,
        stopping=hooks.stopping,
        watch=lambda progress: hooks.watch(work, progress),
        most_calls=hooks.most_calls if shed else None,
        may_shed=_not_shed_before(work),
        shed=shed or _nothing_shed,
    )


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Does each kind of command with its use case.

    Raises what the use cases raise: transient errors of our own servers, `NotAvailable`, and the unexpected.
    """

    collector: BarCollector
    securities: SecuritiesSync
    trading_calendar: TradingCalendarSync
    reporter: Reporter
    notifications: Notifications
    clock: Clock
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    ignore_bare_snapshots: bool = False
    calendar_changed: Callable[[], None] = _nothing
    adjustments: Callable[[], AdjustmentCollector | None] = _no_collector
    """Gives the collector of factors, None where there is no source; made with the first command that needs it."""
    ticks: Callable[[], TickCollector | None] = _no_collector
    second_opinion: SecondOpinion | None = None
    """Asks another source about some bars of each job; None: nobody is asked."""

    def do(self, work: Work, hooks: Hooks, shed: Shed | None = None) -> Worked:
        """Do `work` and say how each of its deliveries ends.

        `shed` is told, before the first vendor call, which codes are more than this worker's share; they are its
        business from then on.
        """
        command = work.command
        match command:
            case CollectBars():
                return self._collect(command, work, hooks, shed)
            case SyncSecurities():
                return self._synced(work, self.securities.sync(command))
            case SyncTradingCalendar():
                result = self.trading_calendar.sync()
                self.calendar_changed()
                return self._synced(work, result)
            case ProbeHeartbeat() | ReloadConfig():
                return self._answer(work, hooks)
            case ForeignCommand():
                return Worked(tuple((delivery, FOREIGN) for delivery in work.deliveries))
            case CollectAdjustmentFactors():
                return self._collect_factors(command, work, hooks, shed)
            case CollectTicks():
                return self._collect_ticks(command, work, hooks)

    def _collect(self, command: CollectBars, work: Work, hooks: Hooks, shed: Shed | None) -> Worked:
        if command.bare and self.ignore_bare_snapshots:
            reason = "a snapshot without codes is ignored (commands.bare_bar_snapshot)"
            ignored = (Settlement(Disposition.COMMIT, reason),)
            return Worked(tuple((delivery, ignored) for delivery in work.deliveries))
        pace, opinion = _pace(work, hooks, shed), self.second_opinion
        sampling = opinion.sampling(command.series, report_id(work)) if opinion else None
        result = self.collector.collect(command, work.since, pace, requesters(work), sampling)
        return self._accounted(work, opinion.on(result, sampling, pace) if opinion and sampling else result)

    def _collect_factors(
        self, command: CollectAdjustmentFactors, work: Work, hooks: Hooks, shed: Shed | None
    ) -> Worked:
        collector = self.adjustments()
        if collector is None:
            raise NotAvailable(f"command {command.word!r} is not available: sources.adjustments names no source")
        pace = _pace(work, hooks, shed)
        return self._accounted(work, collector.collect(command, work.since, pace, requesters(work)))

    def _collect_ticks(self, command: CollectTicks, work: Work, hooks: Hooks) -> Worked:
        collector = self.ticks()
        if collector is None:
            raise NotAvailable(f"command {command.word!r} is not available: sources.ticks names no source")
        # No source of ticks has a quota to share.
        return self._accounted(work, collector.collect(command, work.since, _pace(work, hooks, None)))

    def _accounted(self, work: Work, result: CollectionResult) -> Worked:
        with step("report"):
            report = self.reporter.account(work, result)
        now = self.clock.now()
        ends = tuple(
            (d, settle_collection(d, codes_of(d), result, self.policy, now, first_delivery(d))) for d in work.deliveries
        )
        return Worked(ends, result, report)

    def _synced(self, work: Work, result: SyncResult) -> Worked:
        for note in result.notes:
            log.info("%s: %s", work.command.word, note, extra={"request_ids": work.request_ids})
        self.notifications.event(
            "reference_synced",
            {
                "command": work.command.word,
                "request_ids": list(work.request_ids),
                "rows": result.rows,
                "calls": result.calls,
                "unknown": result.unknown.reason.value if result.unknown else None,
                "notes": list(result.notes),
            },
        )
        now = self.clock.now()
        if result.unknown is not None:
            self.reporter.raise_alerts([_no_reference(work, result.unknown, now)])
        ends = tuple((d, settle_sync(d, result.unknown, self.policy, now, first_delivery(d))) for d in work.deliveries)
        return Worked(ends, result)

    def _answer(self, work: Work, hooks: Hooks) -> Worked:
        """Answer broadcasts that the group gave to this worker; all workers read them beside the group as well."""
        for delivery in work.deliveries:
            if isinstance(delivery.body, CommandMessage):
                hooks.answer(delivery.body)
        return Worked(tuple((delivery, DONE) for delivery in work.deliveries))
