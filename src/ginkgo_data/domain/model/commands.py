# Upstream: adapters.kafka, adapters.memory.broadcasts, domain.{model, services}, entrypoints
# Downstream: domain.model.series
# Role: What the worker can be told to do, as frozen values free of any wire
"""Commands, in the imperative; the wire's words and dialects are known to the decoder only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypeAlias

from ginkgo_data.domain.model.series import DAILY, Series

Codes: TypeAlias = tuple[str, ...] | None
"""Canonical codes, or None: every known security."""


@dataclass(frozen=True, slots=True)
class CollectBars:
    """Make the bars of `codes` complete over a range of sessions.

    The range is [`start`, `end`] where given; else the last `sessions` ones; else, with `full`, from the list
    date; else from the first session held (from the list date where nothing is held). It always ends with
    the newest session that is closed. `force` fetches what is held again and overwrites what differs.
    """

    codes: Codes
    series: Series = DAILY
    start: date | None = None
    end: date | None = None
    sessions: int | None = None
    full: bool = False
    force: bool = False
    bare: bool = False
    """No codes were named at all (rather than ``["*"]``): configuration may ignore such a command."""
    word: str = "bar_snapshot"
    """The wire's word: ``bar_snapshot`` or ``update_data``."""

    def for_codes(self, codes: tuple[str, ...]) -> CollectBars:
        """Return the same command for `codes`."""
        return replace(self, codes=codes, bare=False)


@dataclass(frozen=True, slots=True)
class SyncSecurities:
    """Refresh the universe of securities. With `max_age_hours`, only if the last refresh is older."""

    market: str | None = None
    max_age_hours: float | None = None
    word: str = "stockinfo"


@dataclass(frozen=True, slots=True)
class SyncTradingCalendar:
    """Refresh the stored trading calendar from the vendor."""

    word: str = "trade_day"


@dataclass(frozen=True, slots=True)
class CollectAdjustmentFactors:
    """Make the adjustment factors of `codes` complete."""

    codes: Codes
    full: bool = False
    force: bool = False
    word: str = "adjustfactor"


@dataclass(frozen=True, slots=True)
class CollectTicks:
    """Make the ticks of `codes` complete; `overwrite` replaces days that are held."""

    codes: Codes
    full: bool = False
    overwrite: bool = False
    start: date | None = None
    end: date | None = None
    word: str = "tick"


@dataclass(frozen=True, slots=True)
class ProbeHeartbeat:
    """Beat now and answer on the notification topic."""

    word: str = "heartbeat_test"


@dataclass(frozen=True, slots=True)
class ReloadConfig:
    """Read the configuration again."""

    word: str = "reload"


@dataclass(frozen=True, slots=True)
class ForeignCommand:
    """A command of a neighbour on the shared topic (deploy, unload …): committed, not worked, not warned of."""

    word: str


Command: TypeAlias = (
    CollectBars
    | SyncSecurities
    | SyncTradingCalendar
    | CollectAdjustmentFactors
    | CollectTicks
    | ProbeHeartbeat
    | ReloadConfig
    | ForeignCommand
)


@dataclass(frozen=True, slots=True)
class CommandMessage:
    """A command with who asked and when."""

    command: Command
    request_id: str
    """As sent, or derived from message_id, correlation_id or the record's place."""
    sent_at: datetime
    """Zoned; a naive wire time is Asia/Shanghai."""
    source: str = ""
    trace_id: str | None = None
    correlation_id: str | None = None
