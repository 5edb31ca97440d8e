# Upstream: domain.services.{reporting, requesters}, entrypoints.{dispatch, loop, round}
# Downstream: domain.model.{commands, delivery}
# Role: Commands waiting together become as few pieces of work as they can
"""Coalescing: 5,000 one-code snapshots are one job; each delivery keeps its own end."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ginkgo_data.domain.model.commands import (
    CollectAdjustmentFactors,
    CollectBars,
    CollectTicks,
    Command,
    CommandMessage,
    SyncSecurities,
)
from ginkgo_data.domain.model.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Work:
    """One command that stands for all `deliveries`; of a collection, with the union of their codes."""

    command: Command
    deliveries: tuple[Delivery, ...]
    since: datetime | None = None
    """The latest first delivery among them: what was stored after it has been done for each of them."""

    @property
    def request_ids(self) -> tuple[str, ...]:
        """Request ids of the deliveries, in order."""
        return tuple(delivery.request_id for delivery in self.deliveries)


def coalesce(deliveries: Sequence[Delivery]) -> tuple[Work, ...]:
    """Group deliveries that hold compatible commands; order of first appearance is kept.

    Collections are compatible when they differ in nothing but their codes; refreshes of the same universe
    are one refresh (the most demanding of them). Deliveries without a command are left out.
    """
    groups: dict[Hashable, list[Delivery]] = {}
    for delivery in deliveries:
        if isinstance(delivery.body, CommandMessage):
            groups.setdefault(_kind(delivery.body.command), []).append(delivery)
    return tuple(_work(members) for members in groups.values())


def codes_of(delivery: Delivery) -> tuple[str, ...] | None:
    """Return the codes that a delivery's command names; None for all of them or where it names none."""
    command = delivery.body.command if isinstance(delivery.body, CommandMessage) else None
    return getattr(command, "codes", None)


def _kind(command: Command) -> Hashable:
    match command:
        case CollectBars() | CollectAdjustmentFactors() | CollectTicks():
            # "All codes" stays by itself: it looks at the known universe only, and would hide a code that nobody knows.
            return replace(command, codes=None if command.codes is None else ())
        case SyncSecurities():
            return (SyncSecurities, command.market)
        case _:
            return command


def _work(members: Sequence[Delivery]) -> Work:
    commands = [member.body.command for member in members if isinstance(member.body, CommandMessage)]
    times = [first_delivery(member) for member in members]
    known = [time for time in times if time is not None]
    return Work(_together(commands), tuple(members), max(known) if known else None)


def first_delivery(delivery: Delivery) -> datetime | None:
    """Return when the command was first put on the broker (its own clock), None where that is not known."""
    return delivery.first_delivered or delivery.record.timestamp


def _together(commands: Sequence[Command]) -> Command:
    first = commands[0]
    if isinstance(first, CollectBars | CollectAdjustmentFactors | CollectTicks):
        if first.codes is None:
            return first
        union = dict.fromkeys(code for command in commands for code in getattr(command, "codes", None) or ())
        return replace(first, codes=tuple(union))
    if isinstance(first, SyncSecurities):
        ages = [command.max_age_hours for command in commands if isinstance(command, SyncSecurities)]
        known = [age for age in ages if age is not None]
        demanding = min(known) if len(known) == len(ages) else None
        plain = next((c for c in commands if isinstance(c, SyncSecurities) and c.max_age_hours is None), first)
        return replace(plain, max_age_hours=demanding)
    return first
