# Upstream: adapters.kafka.letter_shelf, entrypoints.{letters, send, show_letters}
# Downstream: adapters.kafka.{command_params, kept_letter, wire, work_wire}, domain.model.{commands, delivery, errors}
# Role: What the replay of a dead letter puts back on the command topics
"""A replayed command begins anew: attempts, pieces and `since` of its former life are gone with our headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from ginkgo_data.adapters.kafka.command_params import narrowed
from ginkgo_data.adapters.kafka.kept_letter import KeptLetter
from ginkgo_data.adapters.kafka.wire import CONTROL_TOPIC, decode_command, encode_command
from ginkgo_data.adapters.kafka.work_wire import WorkHeader, foreign_headers
from ginkgo_data.domain.model.commands import ForeignCommand
from ginkgo_data.domain.model.delivery import Malformed, Partition, RawRecord
from ginkgo_data.domain.model.errors import TerminalError


class NotReplayable(TerminalError):
    """The whole value of a cut letter is not to be had any more; the letter stays."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A record that gives a letter's command back to the workers."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: Mapping[str, bytes]
    codes: tuple[str, ...] = ()
    """The codes that the command was narrowed to; empty: the bytes are the original ones."""


def own_topic(topics: tuple[str, ...]) -> str:
    """Return the command topic that is this worker's alone: the first that is not Ginkgo's shared one."""
    return next((topic for topic in topics if topic != CONTROL_TOPIC), topics[0])


def replay_of(letter: KeptLetter, topics: tuple[str, ...], whole: RawRecord | None = None) -> Replay:
    """Return the record that replays `letter` to the command topics `topics`.

    It goes to the topic it came from; from the work topic, or from one that is not read any more, to
    `own_topic`. A letter for some codes is sent as the command for just these. `whole` is the record at a cut
    letter's origin, if it is still there. Raises `NotReplayable`.
    """
    record = letter.record
    value, key = letter.value, letter.original_key
    if letter.cut is not None:
        record = _checked(letter, whole)
        value, key = record.value, record.key
    came_from = letter.origin.topic if letter.origin else ""
    topic = came_from if came_from in topics else own_topic(topics)
    sent = Replay(topic, value, key, foreign_headers(record))
    return _for_its_codes(sent, letter, own_topic(topics)) if letter.codes else sent


def _checked(letter: KeptLetter, whole: RawRecord | None) -> RawRecord:
    assert letter.cut is not None
    size = f"{letter.cut.length:,} bytes, of which the letter holds {len(letter.value or b''):,}"
    if whole is None:
        raise NotReplayable(
            f"the letter {letter.key} is cut ({size}) and its record is not at {letter.origin or 'its origin'} any "
            "more; the letter stays: send the command anew, then drop it"
        )
    if sha256(whole.value or b"").hexdigest() != letter.cut.sha256:
        raise NotReplayable(
            f"the letter {letter.key} is cut ({size}) and another record stands at {letter.origin} now; the letter "
            "stays: send the command anew, then drop it"
        )
    return whole


def _for_its_codes(sent: Replay, letter: KeptLetter, topic: str) -> Replay:
    # A command without a request id is known by the place of its first record, as it was to the workers.
    first = letter.record.headers.get(WorkHeader.DELIVERY_ID)
    known = {str(WorkHeader.DELIVERY_ID): first} if first else {}
    body = decode_command(RawRecord(Partition(sent.topic, 0), 0, sent.value, {**sent.headers, **known})).body
    if isinstance(body, Malformed) or isinstance(body.command, ForeignCommand):
        return sent
    command = narrowed(body.command, letter.codes)
    if command == body.command:
        return sent
    value = encode_command(
        command,
        body.request_id,
        body.sent_at,
        body.source,
        correlation_id=body.correlation_id,
        trace_id=body.trace_id,
    )
    return replace(sent, topic=topic, value=value, codes=letter.codes)
