# Upstream: adapters.kafka.{config, letter_replay, work_queue}, entrypoints
# Downstream: adapters.kafka, domain.model.{commands, delivery, disposition, errors, work_context}, pydantic
# Role: Commands on the wire: any sender's bytes to a delivery, a command of ours to bytes
"""The wire of commands.

Read: upstream's full DTO (`ControlCommandDTO`), its KafkaService envelope (`message_id`, `service`, `version`),
the legacy three keys (`command`, `params`, `timestamp`) and any of them encoded twice. Written: the full DTO with
`request_id`. Nothing here knows a Kafka client.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, ValidationError, WithJsonSchema

from ginkgo_data.adapters.kafka import field_schemas
from ginkgo_data.adapters.kafka.command_fields import LONGEST_TEXT, ZONE, text_of, time_of
from ginkgo_data.adapters.kafka.command_params import OWN_WORDS, command_of, narrowed, params_of
from ginkgo_data.adapters.kafka.command_shapes import WireShape, faults_in
from ginkgo_data.adapters.kafka.wire_json import Json, clean, parse_object, shown, to_bytes
from ginkgo_data.adapters.kafka.work_wire import Lineage, header_text, lineage_of, origin_of, parked_from, work_headers
from ginkgo_data.domain.model.commands import Command, CommandMessage, ForeignCommand
from ginkgo_data.domain.model.delivery import Delivery, Malformed, RawRecord
from ginkgo_data.domain.model.disposition import WorkItem
from ginkgo_data.domain.model.errors import MalformedCommand, TerminalError
from ginkgo_data.domain.model.work_context import TRACE_ID, TRACEPARENT, w3c_trace_id

CONTROL_TOPIC = "ginkgo.live.control.commands"
"""Shared with Ginkgo's other components, so a word unknown here may be somebody's."""
DATA_TOPIC = "ginkgo.data.commands"
WORK_TOPIC = "ginkgo.data.commands.work"
KNOWN_FOREIGN = frozenset({"deploy", "unload", "paper_trading", "pause", "resume", "migrate", "kill"})
"""Words of Ginkgo's other components."""


def _params(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise ValueError(f"{shown(value)} is no object; allowed: an object or null")


def _word(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 64 or not value.isprintable():
        raise ValueError(f"{shown(value)} is no command word; allowed: a printable text of 1 to 64 characters")
    return value


TextField: TypeAlias = Annotated[str | None, PlainValidator(text_of), WithJsonSchema(field_schemas.TEXT)]


class Envelope(WireShape):
    """All keys that any sender puts around a command; others are ignored."""

    command: Annotated[str, PlainValidator(_word), WithJsonSchema(field_schemas.WORD)]
    params: Annotated[Mapping[str, object], PlainValidator(_params), WithJsonSchema(field_schemas.PARAMS)] = {}
    timestamp: Annotated[datetime | None, PlainValidator(time_of), WithJsonSchema(field_schemas.TIME)] = None
    """When it was sent; else when the broker got it."""
    request_id: TextField = None
    """Names the request in outcomes, reports and answers; else `message_id`, `correlation_id` or the record's place."""
    message_id: TextField = None
    """KafkaService's name for it."""
    correlation_id: TextField = None
    trace_id: TextField = None
    """Else the header of that name, else `traceparent`."""
    source: TextField = None
    """Who sent it."""


def decode_command(record: RawRecord) -> Delivery:
    """Return the delivery that `record` is; never raises, what cannot be read is a `Malformed` in its place.

    A time that the command lacks is that of its first delivery. A word that only a neighbour knows, and on the shared
    control topic any unknown word, is a `ForeignCommand` (the caller tells them apart by `KNOWN_FOREIGN`).
    """
    try:
        lineage = lineage_of(record)
    except MalformedCommand as bad:
        unread = Malformed(str(bad), type(bad).__name__, request_id=origin_of(record))
        return Delivery(record, unread, first_delivered=record.timestamp, origin=parked_from(record))
    return Delivery(
        record, _body(record, lineage), lineage.attempt, lineage.piece, lineage.since, origin=parked_from(record)
    )


def _body(record: RawRecord, lineage: Lineage) -> CommandMessage | Malformed:
    root: Json = {}
    try:
        root = parse_object(record.value)
        return _message(record, root, lineage)
    except TerminalError as bad:
        return _malformed(str(bad), type(bad).__name__, root, lineage)
    except Exception as unforeseen:  # the last guard: an error in here would stop the whole intake
        reason = f"unforeseen {type(unforeseen).__name__}: {unforeseen}"
        return _malformed(reason[:1000], MalformedCommand.__name__, root, lineage)


def _message(record: RawRecord, root: Json, lineage: Lineage) -> CommandMessage:
    envelope = _envelope(root, lineage)
    foreign = _is_foreign(envelope.command, lineage)
    return CommandMessage(
        command=ForeignCommand(envelope.command) if foreign else command_of(envelope.command, envelope.params),
        request_id=envelope.request_id or envelope.message_id or envelope.correlation_id or lineage.delivery_id,
        sent_at=envelope.timestamp or lineage.since or datetime.now(ZONE),
        source=envelope.source or "",
        trace_id=envelope.trace_id or _trace_id(record),
        correlation_id=envelope.correlation_id,
    )


def _envelope(root: Json, lineage: Lineage) -> Envelope:
    try:
        return Envelope.model_validate(root)
    except ValidationError as bad:
        word = _readable_word(root)
        if word is None or not _is_foreign(word, lineage):
            raise MalformedCommand(faults_in(bad)) from bad
        # How a neighbour writes its command is not our business.
        return Envelope(command=word)


def _readable_word(root: Json) -> str | None:
    try:
        return _word(root.get("command"))
    except ValueError:
        return None


def _is_foreign(word: str, lineage: Lineage) -> bool:
    # By the topic of the first record: a command may have been parked on the work topic since.
    shared = lineage.delivery_id.startswith(f"{CONTROL_TOPIC}-")
    return word in KNOWN_FOREIGN or (shared and word not in OWN_WORDS)


def _trace_id(record: RawRecord) -> str | None:
    """Return the trace id of the headers: Ginkgo's own (`trace_id`), else W3C's (`traceparent`)."""
    if own := header_text(record.headers, TRACE_ID):
        return own
    return w3c_trace_id(header_text(record.headers, TRACEPARENT))


def _malformed(reason: str, error: str, root: Json, lineage: Lineage) -> Malformed:
    ids = (root.get(key) for key in ("request_id", "message_id", "correlation_id"))
    given = next((clean(found) for found in ids if isinstance(found, str) and 0 < len(found) <= LONGEST_TEXT), None)
    return Malformed(reason, error, word=_readable_word(root), request_id=given or lineage.delivery_id)


def encode_command(
    command: Command,
    request_id: str,
    sent_at: datetime,
    source: str = "ginkgo_data",
    *,
    correlation_id: str | None = None,
    trace_id: str | None = None,
) -> bytes:
    """Return the full DTO with `request_id`, as UTF-8 JSON; `decode_command` gives the same command back.

    `sent_at` is zoned. Raises `MalformedCommand` for a command that no message can say (such as the whole
    market, forced, without having been named) and for a naive time.
    """
    if sent_at.tzinfo is None:
        raise MalformedCommand(f"sent_at {sent_at} has no zone; allowed: a zoned time")
    params = params_of(command)
    if not isinstance(command, ForeignCommand) and command_of(command.word, params) != command:
        raise MalformedCommand(f"no message says this command: {command!r:.500}")
    return to_bytes(
        {
            "command": command.word,
            "timestamp": sent_at.isoformat(),
            "params": params,
            "source": source,
            "correlation_id": correlation_id,
            "trace_id": trace_id,
            "span_id": None,
            "request_id": request_id,
        }
    )


def encode_work(item: WorkItem) -> tuple[bytes, dict[str, bytes]]:
    """Return value and headers of the work record for `item`: its original bytes, or the codes that are left.

    A command that has no bytes, because this worker gave it to itself, is written as `encode_command` does.
    """
    body, record = item.delivery.body, item.delivery.record
    if isinstance(body, Malformed) or (record.value and not item.codes):
        return record.value or b"", work_headers(item)
    value = encode_command(
        narrowed(body.command, item.codes),
        body.request_id,
        body.sent_at,
        body.source,
        correlation_id=body.correlation_id,
        trace_id=body.trace_id,
    )
    return value, work_headers(item)
