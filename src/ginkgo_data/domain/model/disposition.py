# Upstream: adapters.{kafka, memory}, domain.services.disposal, entrypoints, ports.{dead_letters, work_queue}
# Downstream: domain.model.delivery
# Role: How a delivery ends: committed, worked later, dead-lettered, or held
"""The four ends of a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ginkgo_data.domain.model.delivery import Delivery


class Disposition(Enum):
    """What is done with a delivery's offset, and what must be acknowledged before."""

    COMMIT = "commit"
    WORK_LATER = "work_later"
    DEAD_LETTER = "dead_letter"
    HOLD = "hold"
    """Nothing is committed; the delivery is worked again when the store or the broker answers."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A delivery's end: why, and for which codes (empty: the whole command)."""

    disposition: Disposition
    reason: str
    error: str = ""
    codes: tuple[str, ...] = ()
    delay: float = 0.0
    """Seconds before the work record is due (WORK_LATER)."""
    counts_as_attempt: bool = False


@dataclass(frozen=True, slots=True)
class WorkItem:
    """What is left of a command, for the work topic: never worked before `not_before`."""

    delivery: Delivery
    codes: tuple[str, ...]
    """Codes that are left; empty: the whole command."""
    attempt: int
    piece: int
    not_before: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A command given up, with its original bytes, so that it can be replayed."""

    delivery: Delivery
    reason: str
    error: str
    attempts: int
    codes: tuple[str, ...] = ()
    traceback: str = ""
