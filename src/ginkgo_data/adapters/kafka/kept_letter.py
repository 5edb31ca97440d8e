# Upstream: adapters.kafka.{letter_replay, letter_shelf}, entrypoints.{letters, show_letters}
# Downstream: adapters.kafka.{command_fields, letter_wire, wire_json, work_wire}, domain.model.{delivery, errors}
# Role: A dead letter read back from its record: what was given up, why, and where it stood
"""The inverse of `letter_wire`; tolerant, since a letter that is read badly must still be shown and dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ginkgo_data.adapters.kafka.command_fields import time_of
from ginkgo_data.adapters.kafka.letter_wire import LetterHeader
from ginkgo_data.adapters.kafka.wire_json import parse_object
from ginkgo_data.adapters.kafka.work_wire import header_text
from ginkgo_data.domain.model.delivery import RawRecord
from ginkgo_data.domain.model.errors import MalformedCommand


@dataclass(frozen=True, slots=True)
class CutValue:
    """The letter holds only the beginning of a value of `length` bytes with this digest."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the record that was given up stood."""

    topic: str
    number: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}-{self.offset}"


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter as it stands on its topic; texts are empty where its record does not say."""

    key: str
    """What names it: the delivery's lineage, and a digest of the codes where it is for some codes only."""
    record: RawRecord
    """Its own record, on the dead letter topic; `timestamp` is when it was written last."""
    value: bytes | None
    """The original value, or its beginning (`cut`)."""
    cut: CutValue | None
    origin: Origin | None
    reason: str
    error: str
    attempts: int
    codes: tuple[str, ...]
    """The codes given up; empty: the whole command."""
    request_id: str
    original_key: bytes | None
    since: datetime | None
    """When the command was first put on Kafka."""
    traceback: str

    @property
    def word(self) -> str:
        """The command's word, empty where the bytes do not say one."""
        try:
            word = parse_object(self.value).get("command")
        except MalformedCommand:
            return ""
        return word[:64] if isinstance(word, str) else ""


def letter_of(record: RawRecord) -> KeptLetter | None:
    """Return the letter that `record` is; None for a tombstone and for a record without a key, which is none."""
    if record.value is None or not record.key:
        return None
    texts = {name: header_text(record.headers, name) or "" for name in LetterHeader}
    codes = texts[LetterHeader.CODES]
    return KeptLetter(
        key=record.key.decode("utf-8", "backslashreplace"),
        record=record,
        value=None if texts[LetterHeader.NULL] == "true" else record.value,
        cut=_cut(texts),
        origin=_origin(texts),
        reason=texts[LetterHeader.REASON],
        error=texts[LetterHeader.ERROR],
        attempts=_number(texts[LetterHeader.ATTEMPTS]) or 0,
        codes=tuple(codes.split(",")) if codes else (),
        request_id=texts[LetterHeader.REQUEST_ID],
        original_key=record.headers.get(LetterHeader.KEY),
        since=_time(texts[LetterHeader.SINCE]),
        traceback=texts[LetterHeader.TRACEBACK],
    )


def _cut(texts: dict[LetterHeader, str]) -> CutValue | None:
    length = _number(texts[LetterHeader.CUT_LENGTH])
    return None if length is None else CutValue(length, texts[LetterHeader.CUT_SHA256])


def _origin(texts: dict[LetterHeader, str]) -> Origin | None:
    number, offset = _number(texts[LetterHeader.PARTITION]), _number(texts[LetterHeader.OFFSET])
    topic = texts[LetterHeader.TOPIC]
    return None if not topic or number is None or offset is None else Origin(topic, number, offset)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _time(text: str) -> datetime | None:
    try:
        return time_of(text) if text else None
    except ValueError:
        return None
