# Upstream: none
# Downstream: adapters.kafka, adapters.redis.heartbeats, domain.model, entrypoints.catalogue, ginkgo_data, pydantic
# Role: The contracts of all messages, read off the shapes that encode and decode them: JSON Schemas and AsyncAPI
"""What travels on the topics and under the heartbeat's key, for `docs/contracts` (``scripts/write_docs.py``).

A schema of what we read takes all that the decoder takes and may take more; one of what we write names all keys of the
message and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, TypeAdapter

from ginkgo_data import __version__
from ginkgo_data.adapters.kafka.command_params import OWN_WORDS
from ginkgo_data.adapters.kafka.command_shapes import AdjustmentParams, BarParams, SecuritiesParams, TickParams
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.letter_wire import LetterHeader
from ginkgo_data.adapters.kafka.messages import EVENTS, AlertMessage, EventMessage, HeartbeatMessage, StatsOnTheWire
from ginkgo_data.adapters.kafka.notifications import ALERT_KEY, EVENT_KEY
from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY
from ginkgo_data.adapters.kafka.wire import CONTROL_TOPIC, DATA_TOPIC, KNOWN_FOREIGN, Envelope
from ginkgo_data.adapters.kafka.work_wire import WorkHeader
from ginkgo_data.adapters.redis.heartbeats import KEY_PREFIX
from ginkgo_data.domain.model.worker import WorkerStats
from ginkgo_data.entrypoints.catalogue import attribute_texts

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REPORT_SCHEMA = f"../schemas/{REPORT_KEY}.schema.json"
_PARAMS: Mapping[str, type[BaseModel]] = {
    "bar_snapshot": BarParams,
    "update_data": BarParams,
    "adjustfactor": AdjustmentParams,
    "tick": TickParams,
    "stockinfo": SecuritiesParams,
    "update_selector": SecuritiesParams,
}


def schemas() -> dict[str, Schema]:
    """Return the JSON Schemas by the file they are kept in."""
    return {
        "command.schema.json": _command(),
        "work.headers.schema.json": _headers(WorkHeader, "Headers of a work record"),
        "dead_letter.headers.schema.json": _headers(LetterHeader, "Headers of a dead letter"),
        "alert.schema.json": _head("Alert", _written(AlertMessage)),
        "event.schema.json": _event(),
        "heartbeat.schema.json": _heartbeat(),
    }


def _command() -> Schema:
    schema = _described(Envelope, Envelope.model_json_schema())
    definitions = {shape.__name__: _described(shape, shape.model_json_schema()) for shape in _PARAMS.values()}
    schema["properties"]["command"]["examples"] = sorted(OWN_WORDS)
    schema["allOf"] = [
        {
            "if": {"properties": {"command": {"const": word}}},
            "then": {
                "properties": {"params": {"anyOf": [{"$ref": f"#/$defs/{shape.__name__}"}, {"type": "null"}]}},
                **({"required": ["params"]} if "anyOf" in definitions[shape.__name__] else {}),
            },
        }
        for word, shape in sorted(_PARAMS.items())
    ]
    schema["description"] = (
        "A command, in any of its senders' shapes; keys that are not named are ignored. "
        f"Worked: {', '.join(sorted(OWN_WORDS))}. Left to others: {', '.join(sorted(KNOWN_FOREIGN))}, and on "
        f"{CONTROL_TOPIC} every unknown word; elsewhere an unknown word is a dead letter. Beyond this schema: of two "
        "names for one thing only one may differ from null, a start is not after its end, and full or force needs "
        'codes (["*"] for every security).'
    )
    return _head("Command", {**schema, "$defs": definitions})


def _event() -> Schema:
    schema = _written(EventMessage)
    definitions: Schema = {}
    for shape in EVENTS.values():
        written = _written(shape, "#/$defs/{model}")
        definitions |= written.pop("$defs", {})
        definitions[shape.__name__] = written
    schema["properties"]["type"] = {"enum": sorted(EVENTS)}
    schema["allOf"] = [
        {
            "if": {"properties": {"type": {"const": kind}}},
            "then": {"properties": {"data": {"$ref": f"#/$defs/{shape.__name__}"}}},
        }
        for kind, shape in sorted(EVENTS.items())
    ]
    return _head("Event", {**schema, "$defs": definitions})


def _heartbeat() -> Schema:
    schema = _written(HeartbeatMessage)
    stats = TypeAdapter(StatsOnTheWire).json_schema(mode="serialization")
    texts = attribute_texts(WorkerStats) | attribute_texts(StatsOnTheWire)
    for name, about in stats["properties"].items():
        kept = {key: value for key, value in about.items() if key not in ("title", "default")}
        stats["properties"][name] = kept | ({"description": texts[name]} if name in texts else {})
    stats |= {"required": list(stats["properties"]), "additionalProperties": False}
    schema["properties"]["stats"] = stats
    return _head("Heartbeat", schema)


def _headers(names: type[StrEnum], title: str) -> Schema:
    texts = attribute_texts(names)
    properties = {
        str(member): {"type": "string", "description": texts[name]} for name, member in names.__members__.items()
    }
    description = "Values are UTF-8. Headers of others (trace_id, traceparent …) travel along unchanged."
    return _head(title, {"type": "object", "description": description, "properties": properties})


def _written(shape: type[BaseModel], template: str = "#/$defs/{model}") -> Schema:
    """Return the schema of a message of ours, with what its fields mean."""
    schema = shape.model_json_schema(mode="serialization", ref_template=template)
    parts = {part.__name__: part for part in _parts_of(shape)}
    for name, part in schema.get("$defs", {}).items():
        _described(parts[name], part)
    return _described(shape, schema)


def _parts_of(shape: type[BaseModel]) -> list[type[BaseModel]]:
    found = []
    for field in shape.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found += [kind, *_parts_of(kind)]
    return found


def _described(shape: type[BaseModel], schema: Schema) -> Schema:
    """Add to `schema` what the docstrings below the fields of `shape` say; titles made of names are left out."""
    texts: dict[str, str] = {}
    for base in reversed(shape.__mro__):
        if issubclass(base, BaseModel):
            texts |= attribute_texts(base)
    for name, field in shape.model_fields.items():
        about = schema["properties"][field.alias or name]
        about.pop("title", None)
        if name in texts:
            about["description"] = texts[name]
    schema["description"] = " ".join(schema.get("description", "").split())
    return schema


def _head(title: str, schema: Schema) -> Schema:
    rest = {key: value for key, value in schema.items() if key != "title"}
    return {"$schema": DIALECT, "title": title, **rest}


def asyncapi() -> Schema:
    """Return the AsyncAPI 3 document: who sends what where, with the defaults of the configuration."""
    kafka = KafkaConfig()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ginkgo_data",
            "version": __version__,
            "description": "The messages of Ginkgo's market-data worker. Names of topics and keys are the defaults.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": kafka.bootstrap_servers, "protocol": "kafka"},
            "redis": {"host": "localhost:6379", "protocol": "redis"},
        },
        "channels": _channels(kafka),
        "operations": _operations(),
        "components": {"messages": _messages()},
    }


def _channels(kafka: KafkaConfig) -> Schema:
    def channel(address: str, about: str, *messages: str, server: str = "kafka") -> Schema:
        return {
            "address": address,
            "description": about,
            "servers": [{"$ref": f"#/servers/{server}"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        }

    work = channel(kafka.work_topic, "Ours: what is left of commands, until it is due. Read by the same group.", "work")
    work["bindings"] = {"kafka": {"partitions": kafka.work_partitions}}
    beats = channel(f"{KEY_PREFIX}:{{node_id}}", "A key with an end, one a worker.", "heartbeat", server="redis")
    beats["parameters"] = {"node_id": {"description": "The worker's name."}}
    return {
        "dataCommands": channel(DATA_TOPIC, "Commands for data workers.", "command"),
        "controlCommands": channel(CONTROL_TOPIC, "Commands of all of Ginkgo's components.", "command"),
        "work": work,
        "deadLetters": channel(
            kafka.dead_letter_topic, "Ours, compacted: what was given up, one record a letter.", "deadLetter"
        ),
        "notifications": channel(
            kafka.notification_topic, "What is told to people and machines.", "report", "alert", "event"
        ),
        "heartbeats": beats,
    }


def _operations() -> Schema:
    def operation(action: str, channel: str, summary: str) -> Schema:
        return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}

    return {
        "receiveDataCommands": operation("receive", "dataCommands", "Take commands, as one consumer group."),
        "receiveControlCommands": operation(
            "receive", "controlCommands", "Take our commands and leave those of others."
        ),
        "receiveBroadcasts": operation(
            "receive", "controlCommands", "Every worker reads reload and heartbeat_test beside the group."
        ),
        "parkWork": operation("send", "work", "Put aside what a round did not finish, or what is to be tried later."),
        "receiveWork": operation("receive", "work", "Take up what is due."),
        "keepDeadLetter": operation("send", "deadLetters", "Keep the bytes of a command that was given up."),
        "notify": operation("send", "notifications", "Tell of jobs, faults and outcomes."),
        "beat": operation(
            "send", "heartbeats", "Say every 10 s that the worker makes progress; it expires after 30 s."
        ),
    }


def _messages() -> Schema:
    def message(title: str, payload: Schema, **more: object) -> Schema:
        return {"title": title, "payload": payload, **more}

    def keyed(key: str) -> Schema:
        return {"kafka": {"key": {"type": "string", "const": key}}}

    original: Schema = {"description": "The original bytes of the command."}
    return {
        "command": message("A command", {"$ref": "command.schema.json"}),
        "work": message("A work record", original, headers={"$ref": "work.headers.schema.json"}),
        "deadLetter": message("A dead letter", original, headers={"$ref": "dead_letter.headers.schema.json"}),
        "report": message("A quality report", {"$ref": REPORT_SCHEMA}, bindings=keyed(REPORT_KEY)),
        "alert": message("An alert", {"$ref": "alert.schema.json"}, bindings=keyed(ALERT_KEY)),
        "event": message("An event", {"$ref": "event.schema.json"}, bindings=keyed(EVENT_KEY)),
        "heartbeat": message("A heartbeat", {"$ref": "heartbeat.schema.json"}),
    }
