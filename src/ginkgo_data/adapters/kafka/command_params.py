# Upstream: adapters.kafka.{letter_replay, wire}, entrypoints.{contracts, send}
# Downstream: adapters.kafka.{command_fields, command_shapes, wire_json}, domain.model.{commands, errors}, pydantic
# Role: Command words with their parameters, from the wire to domain commands and back
"""The table of command words; what is written back uses the specification's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import TypeAlias

from pydantic import ValidationError

from ginkgo_data.adapters.kafka.command_fields import EVERYTHING
from ginkgo_data.adapters.kafka.command_shapes import (
    AdjustmentParams,
    BarParams,
    SecuritiesParams,
    TickParams,
    faults_in,
)
from ginkgo_data.adapters.kafka.wire_json import Json, shown
from ginkgo_data.domain.model.commands import (
    Codes,
    CollectAdjustmentFactors,
    CollectBars,
    CollectTicks,
    Command,
    ForeignCommand,
    ProbeHeartbeat,
    ReloadConfig,
    SyncSecurities,
    SyncTradingCalendar,
)
from ginkgo_data.domain.model.errors import MalformedCommand, UnknownCommand

Params: TypeAlias = Mapping[str, object]
_READERS: Mapping[str, Callable[[Params], Command]] = {
    "bar_snapshot": lambda params: BarParams.model_validate(params).command("bar_snapshot"),
    "update_data": lambda params: BarParams.model_validate(params).command("update_data"),
    "stockinfo": lambda params: SecuritiesParams.model_validate(params).command("stockinfo"),
    "update_selector": lambda params: SecuritiesParams.model_validate(params).command("update_selector"),
    "adjustfactor": lambda params: AdjustmentParams.model_validate(params).command(),
    "tick": lambda params: TickParams.model_validate(params).command(),
    "trade_day": lambda _: SyncTradingCalendar(),
    "heartbeat_test": lambda _: ProbeHeartbeat(),
    "reload": lambda _: ReloadConfig(),
}
OWN_WORDS = frozenset(_READERS)
"""Command words that this worker works on."""


def command_of(word: str, params: Params) -> Command:
    """Return the command; raises `MalformedCommand` (key, value, what is allowed) or `UnknownCommand`."""
    if word not in _READERS:
        raise UnknownCommand(f"command {shown(word)} is unknown; allowed: {', '.join(sorted(OWN_WORDS))}")
    try:
        return _READERS[word](params)
    except ValidationError as bad:
        raise MalformedCommand(faults_in(bad, "params")) from bad


def params_of(command: Command) -> Json:
    """Return the wire's parameters of `command`; inverse of `command_of`."""
    match command:
        case CollectBars():
            return _given(
                **({} if command.bare else _selection(command.codes)),
                full=command.full,
                force=command.force,
                start_date=_day(command.start),
                end_date=_day(command.end),
                days=command.sessions,
                frequency=command.series.frequency.value,
                adjust_type=command.series.adjust.value,
            )
        case CollectTicks():
            return _given(
                **_selection(command.codes),
                full=command.full,
                overwrite=command.overwrite,
                start_date=_day(command.start),
                end_date=_day(command.end),
            )
        case CollectAdjustmentFactors():
            return _given(**_selection(command.codes), full=command.full, force=command.force)
        case SyncSecurities():
            return _given(market=command.market, max_age_hours=command.max_age_hours)
        case SyncTradingCalendar() | ProbeHeartbeat() | ReloadConfig() | ForeignCommand():
            return {}


def narrowed(command: Command, codes: tuple[str, ...]) -> Command:
    """Return `command` for `codes` only; a command that knows no codes as it is."""
    if not codes:
        return command
    if isinstance(command, CollectBars):
        return command.for_codes(codes)
    if isinstance(command, CollectTicks | CollectAdjustmentFactors):
        return replace(command, codes=codes)
    return command


def _selection(codes: Codes) -> Json:
    # One code goes under upstream's own name, the only one its worker reads.
    if codes is not None and len(codes) == 1:
        return {"code": codes[0]}
    return {"codes": list(EVERYTHING if codes is None else codes)}


def _day(day: date | None) -> str | None:
    return None if day is None else day.strftime("%Y%m%d")


def _given(**params: object) -> Json:
    return {key: value for key, value in params.items() if value is not None}
