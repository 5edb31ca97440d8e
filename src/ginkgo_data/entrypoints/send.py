# Upstream: entrypoints
# Downstream: adapters.kafka, domain.model.{commands, errors}
# Role: A command of an operator: options to the wire's parameters, checked, sent, acknowledged
"""What `ginkgo-data send` sends. The wire's own reader checks it, so that nothing is sent that a worker refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from ginkgo_data.adapters.kafka.command_fields import text_of
from ginkgo_data.adapters.kafka.command_params import OWN_WORDS, command_of
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.letter_replay import own_topic
from ginkgo_data.adapters.kafka.wire import encode_command
from ginkgo_data.domain.model.commands import Command
from ginkgo_data.domain.model.errors import MalformedCommand, UnknownCommand

SOURCE = "ginkgo-data send"
PARAMS: Mapping[str, str] = {
    "codes": "codes",
    "start": "start_date",
    "end": "end_date",
    "frequency": "frequency",
    "adjust": "adjust_type",
    "days": "days",
    "full": "full",
    "force": "force",
    "overwrite": "overwrite",
    "market": "market",
}
"""Options by name, and what the wire calls each."""

_FLAGS = ("full", "force", "overwrite")
_BARS = ("codes", "start", "end", "frequency", "adjust", "days", *_FLAGS)
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "bar_snapshot": _BARS,
    "update_data": _BARS,
    "tick": ("codes", "start", "end", *_FLAGS),
    "adjustfactor": ("codes", *_FLAGS),
    "stockinfo": ("market",),
    "update_selector": ("market",),
    "trade_day": (),
    "heartbeat_test": (),
    "reload": (),
}
"""Which options each word takes. The wire ignores what a word does not know; a person should hear of it."""
BROADCASTS = frozenset({"heartbeat_test", "reload"})
"""Words that every worker answers."""


@dataclass(frozen=True, slots=True)
class SendWish:
    """What was typed; `options` holds those of `PARAMS` that were given."""

    word: str
    options: Mapping[str, object] = field(default_factory=dict)
    topic: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A command ready to be sent."""

    command: Command
    request_id: str
    topic: str
    value: bytes


def outgoing(wish: SendWish, config: KafkaConfig) -> Outgoing:
    """Return the record of `wish`. Raises `MalformedCommand` naming the option, what it is and what is allowed."""
    command = _command(wish)
    topic = wish.topic or own_topic(config.topics)
    if topic not in config.topics:
        raise MalformedCommand(f"--topic is {topic!r}; allowed: {', '.join(config.topics)}: no worker reads another")
    request_id = _request_id(wish.request_id)
    return Outgoing(command, request_id, topic, encode_command(command, request_id, datetime.now(UTC), SOURCE))


def _command(wish: SendWish) -> Command:
    if wish.word in OWN_WORDS:
        allowed = ALLOWED[wish.word]
        if stray := [name for name in wish.options if name not in allowed]:
            known = ", ".join(f"--{name}" for name in allowed) or "no option of its own"
            raise MalformedCommand(f"--{stray[0]} does not go with {wish.word}; allowed: {known}")
    try:
        return command_of(wish.word, {PARAMS[name]: value for name, value in wish.options.items()})
    except UnknownCommand as error:
        raise MalformedCommand(str(error)) from error
    except MalformedCommand as error:
        raise MalformedCommand(_as_typed(str(error))) from error


def _request_id(given: str | None) -> str:
    if given is None:
        return str(uuid4())
    try:
        return text_of(given) or str(uuid4())
    except ValueError as error:
        raise MalformedCommand(f"--request-id: {error}") from error


def _as_typed(text: str) -> str:
    """Return the wire's message with the options' names in the places of the parameters'."""
    for option, param in {**PARAMS, "codes": "codes?"}.items():
        text = re.sub(rf"\bparams\.{param}: ", f"--{option}: ", text)
    text = text.replace("params: ", "").replace("start_date ", "--start ").replace("end_date ", "--end ")
    return text.replace('codes ["*"]', "--codes '*'").replace("without codes", "without --codes")
