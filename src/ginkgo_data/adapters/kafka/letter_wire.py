# Upstream: adapters.kafka.{dead_letters, kept_letter}, entrypoints.{container, contracts, show_letters}
# Downstream: adapters.kafka.work_wire, domain.model.{disposition, work_context}
# Role: Dead letters as records: the original bytes as value, the why and the where as headers
"""A dead letter on the wire can be replayed from its value alone; everything else is said in headers.

The headers of others (`trace_id` …) stay as they were; every name that starts with ``ginkgo-`` is ours.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256

from ginkgo_data.adapters.kafka.work_wire import foreign_headers, history_of, text_bytes
from ginkgo_data.domain.model.disposition import DeadLetter
from ginkgo_data.domain.model.work_context import trace_headers

CUT_VALUE = 64 * 1024
"""Bytes of the original value that the cut form keeps."""
_LONGEST_REASON, _LONGEST_TRACEBACK = 8 * 1024, 16 * 1024


class LetterHeader(StrEnum):
    """Headers of a dead letter; values are UTF-8 text, but for KEY."""

    DELIVERY_ID = "ginkgo-delivery-id"
    """Delivery id of the command's first record."""
    REASON = "ginkgo-reason"
    """Why it was given up."""
    ERROR = "ginkgo-error"
    """Class name of the error."""
    TOPIC = "ginkgo-topic"
    """Topic of the record that was given up (of a work record: its own)."""
    PARTITION = "ginkgo-partition"
    """Its partition."""
    OFFSET = "ginkgo-offset"
    """Its offset."""
    ORIGIN_TOPIC = "ginkgo-origin-topic"
    """Topic of the command's first record."""
    ORIGIN_PARTITION = "ginkgo-origin-partition"
    """Partition of the first record."""
    ORIGIN_OFFSET = "ginkgo-origin-offset"
    """Offset of the first record."""
    FIRST_ERROR = "ginkgo-first-error"
    """Why the command was parked the first time; absent: it never was."""
    ATTEMPTS = "ginkgo-attempts"
    """Faults of the command."""
    REQUEST_ID = "ginkgo-request-id"
    """The command's request id."""
    SINCE = "ginkgo-since"
    """When the first record was put on Kafka (ISO, zoned)."""
    CODES = "ginkgo-codes"
    """Comma list of the codes given up; absent: the whole command."""
    TRACEBACK = "ginkgo-traceback"
    """The end of the traceback; absent: there was none."""
    KEY = "ginkgo-key"
    """The original record's key, raw bytes."""
    NULL = "ginkgo-null-value"
    """"true": the original value was null, which as a value would delete the letter (compaction)."""
    CUT_LENGTH = "ginkgo-cut-length"
    """Only of the cut form: bytes of the whole original value."""
    CUT_SHA256 = "ginkgo-cut-sha256"
    """Only of the cut form: digest of the whole original value; the whole is at topic, partition, offset."""


def dead_letter_key(letter: DeadLetter) -> str:
    """Return the letter's identity: one delivery given up twice is one letter, for other codes another one."""
    origin = letter.delivery.lineage
    if not letter.codes:
        return origin
    return f"{origin}/{sha256(','.join(sorted(letter.codes)).encode()).hexdigest()[:16]}"


def encode_dead_letter(letter: DeadLetter) -> tuple[bytes, dict[str, bytes]]:
    """Return value (the original bytes, empty for a null) and headers of the letter's record."""
    record = letter.delivery.record
    own = _place_and_reason(letter)
    if letter.codes:
        own[LetterHeader.CODES] = ",".join(letter.codes).encode()
    if record.key is not None:
        own[LetterHeader.KEY] = record.key
    return record.value or b"", foreign_headers(record) | _headers(letter, own)


def encode_cut_dead_letter(letter: DeadLetter) -> tuple[bytes, dict[str, bytes]]:
    """Return the form for a letter that the broker finds too large: under 128 KiB, whatever the original was.

    It keeps the first `CUT_VALUE` bytes with length and SHA-256 of the whole, and drops what others put
    beside the value (headers but for the trace, key) and the list of codes: the command names its codes itself.
    """
    whole = letter.delivery.record.value or b""
    own = _place_and_reason(letter)
    own[LetterHeader.CUT_LENGTH] = str(len(whole)).encode()
    own[LetterHeader.CUT_SHA256] = sha256(whole).hexdigest().encode()
    return whole[:CUT_VALUE], trace_headers(letter.delivery.record.headers) | _headers(letter, own)


def _place_and_reason(letter: DeadLetter) -> dict[LetterHeader, bytes]:
    record, since = letter.delivery.record, letter.delivery.first_delivered
    headers = {
        LetterHeader.DELIVERY_ID: text_bytes(letter.delivery.delivery_id),
        LetterHeader.REASON: text_bytes(letter.reason)[:_LONGEST_REASON],
        LetterHeader.ERROR: text_bytes(letter.error),
        LetterHeader.TOPIC: text_bytes(record.partition.topic),
        LetterHeader.PARTITION: str(record.partition.number).encode(),
        LetterHeader.OFFSET: str(record.offset).encode(),
        LetterHeader.ATTEMPTS: str(letter.attempts).encode(),
        LetterHeader.REQUEST_ID: text_bytes(letter.delivery.request_id),
    }
    if since is not None:
        headers[LetterHeader.SINCE] = since.isoformat().encode()
    if letter.traceback:
        # The end of a traceback names the error.
        headers[LetterHeader.TRACEBACK] = text_bytes(letter.traceback)[-_LONGEST_TRACEBACK:]
    if record.value is None:
        headers[LetterHeader.NULL] = b"true"
    return headers


def _headers(letter: DeadLetter, own: dict[LetterHeader, bytes]) -> dict[str, bytes]:
    history = {name: value[:_LONGEST_REASON] for name, value in history_of(letter.delivery.record).items()}
    return history | {str(name): value for name, value in own.items()}
