# Upstream: adapters.kafka, entrypoints.{contracts, quickstart}
# Downstream: adapters.kafka.{command_fields, wire_json}, domain.model.{delivery, disposition, errors}
# Role: Headers of work records: where a command first stood, how often it was tried, when it is due
"""A work record holds what is left of a command; its history travels in headers, read by `lineage_of`.

Its value is the command's original bytes, or the same command for the codes that are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ginkgo_data.adapters.kafka.command_fields import time_of
from ginkgo_data.adapters.kafka.wire_json import shown
from ginkgo_data.domain.model.delivery import RawRecord
from ginkgo_data.domain.model.disposition import WorkItem
from ginkgo_data.domain.model.errors import MalformedCommand

OWN_PREFIX = "ginkgo-"
"""Headers of ours start with it; those of others (`trace_id` …) travel along unchanged."""
MOST_ATTEMPTS = 1_000_000


class WorkHeader(StrEnum):
    """Headers of a work record; values are UTF-8 text."""

    DELIVERY_ID = "ginkgo-delivery-id"
    """Delivery id of the command's first record: its identity, however often it is parked."""
    ATTEMPT = "ginkgo-attempt"
    """Faults of the command so far."""
    PIECE = "ginkgo-piece"
    """Rounds it was worked in."""
    SINCE = "ginkgo-since"
    """When the first record was put on Kafka (ISO, zoned)."""
    NOT_BEFORE = "ginkgo-not-before"
    """When the record is due (ISO, zoned)."""
    REASON = "ginkgo-reason"
    """Why it was parked."""
    FIRST_ERROR = "ginkgo-first-error"
    """Why it was parked the first time."""
    ORIGIN_TOPIC = "ginkgo-origin-topic"
    """Topic of the first record."""
    ORIGIN_PARTITION = "ginkgo-origin-partition"
    """Partition of the first record."""
    ORIGIN_OFFSET = "ginkgo-origin-offset"
    """Offset at which the first record stands, or stood."""


_ORIGIN = (WorkHeader.ORIGIN_TOPIC, WorkHeader.ORIGIN_PARTITION, WorkHeader.ORIGIN_OFFSET)
LONGEST_ERROR = 1000
"""Characters of a reason that travel along."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """History of a delivery; of a fresh record: itself, never tried."""

    delivery_id: str
    attempt: int = 0
    piece: int = 0
    since: datetime | None = None


def lineage_of(record: RawRecord) -> Lineage:
    """Return the history that the headers tell; raises `MalformedCommand` naming a header that cannot be read."""
    return Lineage(
        delivery_id=origin_of(record),
        attempt=_count(record, WorkHeader.ATTEMPT),
        piece=_count(record, WorkHeader.PIECE),
        since=_time(record, WorkHeader.SINCE) or record.timestamp,
    )


def origin_of(record: RawRecord) -> str:
    """Return the delivery id of the first record of the command that `record` carries."""
    return parked_from(record) or record.delivery_id


def parked_from(record: RawRecord) -> str:
    """Return the delivery id of the first record where `record` is a later one, an empty text where it is the first."""
    return header_text(record.headers, WorkHeader.DELIVERY_ID) or ""


def history_of(record: RawRecord) -> dict[str, bytes]:
    """Return the headers that say where the command of `record` came from and what first went wrong with it.

    They are for people: kept as they are, never read back, and left out where a work record lacks them.
    """
    if parked_from(record):
        names = (*_ORIGIN, WorkHeader.FIRST_ERROR)
        return {str(name): record.headers[name] for name in names if name in record.headers}
    place = (record.partition.topic, str(record.partition.number), str(record.offset))
    return {str(name): text_bytes(text) for name, text in zip(_ORIGIN, place, strict=True)}


def due_at(record: RawRecord) -> datetime | None:
    """Return when `record` may be worked, None for at once; a header that cannot be read holds nothing back."""
    try:
        return _time(record, WorkHeader.NOT_BEFORE)
    except MalformedCommand:
        return None


def work_headers(item: WorkItem) -> dict[str, bytes]:
    """Return the headers of the work record for `item`, the foreign ones of its record included."""
    record = item.delivery.record
    since = item.delivery.first_delivered or record.timestamp
    own = {
        WorkHeader.DELIVERY_ID: item.delivery.delivery_id,
        WorkHeader.ATTEMPT: str(item.attempt),
        WorkHeader.PIECE: str(item.piece),
        WorkHeader.SINCE: since.isoformat() if since else "",
        WorkHeader.NOT_BEFORE: item.not_before.isoformat(),
        WorkHeader.REASON: item.reason[:LONGEST_ERROR],
    }
    history = history_of(record)
    if WorkHeader.FIRST_ERROR not in history:
        before = header_text(record.headers, WorkHeader.REASON) if parked_from(record) else None
        own[WorkHeader.FIRST_ERROR] = before or own[WorkHeader.REASON]
    return foreign_headers(record) | history | {str(name): text_bytes(text) for name, text in own.items() if text}


def foreign_headers(record: RawRecord) -> dict[str, bytes]:
    """Return the headers of `record` that are not ours."""
    return {name: value for name, value in record.headers.items() if not name.startswith(OWN_PREFIX)}


def header_text(headers: Mapping[str, bytes], name: str) -> str | None:
    """Return a header's text, None where it is absent, empty or no UTF-8."""
    try:
        return (headers.get(name) or b"").decode("utf-8") or None
    except UnicodeDecodeError:
        return None


def text_bytes(text: str) -> bytes:
    """Return `text` as UTF-8, whatever is in it."""
    return text.encode("utf-8", "backslashreplace")


def _count(record: RawRecord, name: WorkHeader) -> int:
    raw = record.headers.get(name)
    if raw is None:
        return 0
    if raw.isdigit() and len(raw) <= 9 and int(raw) <= MOST_ATTEMPTS:
        return int(raw)
    raise MalformedCommand(f"header {name} is {raw[:60]!r}; allowed: a whole number from 0 to {MOST_ATTEMPTS}")


def _time(record: RawRecord, name: WorkHeader) -> datetime | None:
    raw = record.headers.get(name)
    if raw is None:
        return None
    try:
        return time_of(raw.decode("utf-8"))
    except ValueError as bad:  # UnicodeDecodeError is one too
        raise MalformedCommand(f"header {name} is {shown(raw)}; allowed: an ISO time with its zone") from bad
