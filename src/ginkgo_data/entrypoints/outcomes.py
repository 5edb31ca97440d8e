# Upstream: entrypoints.{loop, round, worker_cli}
# Downstream: domain.model.{commands, delivery, disposition, work_context}
# Role: How deliveries ended, as events on the notification topic: what `send --wait` waits for
"""Each command's own outcome, told once it is certain: after everything that its end needs was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ginkgo_data.domain.model.commands import CommandMessage, ForeignCommand
from ginkgo_data.domain.model.delivery import Delivery
from ginkgo_data.domain.model.disposition import Disposition, Settlement
from ginkgo_data.domain.model.work_context import trace_of

EVENT = "command_ended"
PER_EVENT = 200
"""Outcomes in one event, so that it stays far below the largest record."""
_MOST_CODES = 20


@dataclass(frozen=True, slots=True)
class Ended:
    """A delivery and its ends; `parked` is how many work records were made of it."""

    delivery: Delivery
    ends: Sequence[Settlement]
    parked: int


def outcome_events(ended: Sequence[Ended], report_id: str | None) -> Iterator[dict[str, object]]:
    """Yield the data of the events that tell `ended`; commands of neighbours are left out."""
    ours = [e for e in ended if not _is_foreign(e.delivery)]
    for begin in range(0, len(ours), PER_EVENT):
        outcomes = [_outcome(e) for e in ours[begin : begin + PER_EVENT]]
        yield {"outcomes": outcomes, "report_id": report_id}


def command_and_outcome(ended: Ended) -> tuple[str, str]:
    """Return what was to be done and what came of it, in words of ours: no sender has a say in them."""
    body = ended.delivery.body
    if _is_foreign(ended.delivery):
        return "foreign", "ignored"
    return body.command.word if isinstance(body, CommandMessage) else "malformed", _word(ended)


def _word(ended: Ended) -> str:
    letter = any(end.disposition is Disposition.DEAD_LETTER for end in ended.ends)
    return "dead_letter" if letter else "postponed" if ended.parked else "done"


def _is_foreign(delivery: Delivery) -> bool:
    return isinstance(delivery.body, CommandMessage) and isinstance(delivery.body.command, ForeignCommand)


def _outcome(ended: Ended) -> dict[str, object]:
    delivery = ended.delivery
    letter = next((e for e in ended.ends if e.disposition is Disposition.DEAD_LETTER), None)
    later = next((e for e in ended.ends if e.disposition is Disposition.WORK_LATER), None)
    told = letter or later or (ended.ends[0] if ended.ends else None)
    word = delivery.body.command.word if isinstance(delivery.body, CommandMessage) else delivery.body.word
    codes = told.codes if told else ()
    return {
        "request_id": delivery.request_id,
        "delivery_id": delivery.delivery_id,
        "record": delivery.record.delivery_id,
        "command": word,
        "outcome": _word(ended),
        "parked": ended.parked,
        "reason": told.reason if told else "",
        "error": told.error if told else "",
        "codes": list(codes[:_MOST_CODES]),
        "codes_total": len(codes),
        "attempt": delivery.attempt,
        "piece": delivery.piece,
        "trace_id": trace.trace_id if (trace := trace_of(delivery)) else None,
    }
