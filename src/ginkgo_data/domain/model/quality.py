# Upstream: adapters, domain.{model, services}, entrypoints, ports
# Downstream: domain.model.{bars, coverage}, pyarrow
# Role: Values of data quality: rejected rows, findings, thresholds, the report, alerts
"""What is said about data: findings of validation, rejected rows, the report of a job, alerts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

import pyarrow as pa

from ginkgo_data.domain.model.bars import CODE, TIMESTAMP, cast_table
from ginkgo_data.domain.model.coverage import CoverageCounts

_ALERTS = uuid.UUID("0d6d3a52-5f2c-4d5b-9d0c-2a8d5d3c7b11")


class Severity(Enum):
    """How bad; the words are the wire's."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Verdict(Enum):
    """What a rule does to the row it hits."""

    REJECT = "reject"
    FLAG = "flag"


REJECT_SCHEMA = pa.schema(
    [
        pa.field("code", pa.string()),
        pa.field("frequency", CODE),
        pa.field("adjust", CODE),
        pa.field("timestamp", TIMESTAMP),
        pa.field("rule", CODE),
        pa.field("field", CODE),
        pa.field("value", pa.string()),
        pa.field("place", pa.string()),
        pa.field("row", pa.string()),
        pa.field("content_hash", pa.uint64()),
        pa.field("source", CODE),
        pa.field("version", pa.uint64()),
    ]
)
"""A rejected row as quarantine keeps it.

`code` and `timestamp` are null where the row had none that could be read; `field` and `value` are what the
rule hit, `place` is ``file:line`` or the vendor's api and item, `row` the row's content as JSON,
`content_hash` identifies that content, so that a repeated rejection adds nothing.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Rejects:
    """Rejected rows, each with rule, field, value and place: a `pyarrow.Table` in `REJECT_SCHEMA`."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> Rejects:
        """Cast `table` to `REJECT_SCHEMA`; raises `SchemaMismatch` naming the column."""
        return cls(cast_table("rejects", table, REJECT_SCHEMA))

    @classmethod
    def empty(cls) -> Rejects:
        """Return no rejects."""
        return cls(REJECT_SCHEMA.empty_table())

    @classmethod
    def concat(cls, parts: Iterable[Rejects]) -> Rejects:
        """Return the rows of `parts`, in order."""
        tables = [part.table for part in parts]
        return cls(pa.concat_tables(tables).unify_dictionaries()) if tables else cls.empty()

    def __len__(self) -> int:
        return int(self.table.num_rows)


@dataclass(frozen=True, slots=True)
class Release:
    """Somebody took a rejected row for right: it is stored, and stays in quarantine as what it was."""

    content_hash: int
    rule: str
    version: int
    """Microsecond of the release, on the store's clock; the stored row has it too."""
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule hit `count` rows; a few of them as examples (``code session place: field value``)."""

    rule: str
    severity: Severity
    verdict: Verdict
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QualityThresholds:
    """Limits of the report; every comparison is strict (exactly 5 % missing is no warning)."""

    missing_warning: float = 0.05
    missing_error: float = 0.20
    delay_warning_minutes: float = 5.0
    delay_error_minutes: float = 10.0
    success_warning: float = 0.99
    success_error: float = 0.95


class AlertKind(Enum):
    """What an alert is about; the wire's words."""

    DATA_MISSING = "data_missing"
    DATA_DELAYED = "data_delayed"
    SOURCE_ERROR = "source_error"
    VALIDATION_ERROR = "validation_error"
    DEAD_LETTER = "dead_letter"
    COMMANDS_EXPIRED = "commands_expired"
    WORKER_HELD = "worker_held"
    CONFIG_ERROR = "config_error"
    CALENDAR_HORIZON = "calendar_horizon"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should know: the numbers, the threshold they passed, and what to do."""

    kind: AlertKind
    severity: Severity
    title: str
    text: str
    raised_at: datetime
    data: Mapping[str, object] = field(default_factory=dict)
    subject: str = ""
    """What it is about (a series, a vendor, a topic): with `kind`, the key under which repeats are silenced."""

    @property
    def key(self) -> str:
        """Identity for silencing repeats."""
        return f"{self.kind.value}:{self.subject}"

    @property
    def alert_id(self) -> str:
        """Identity of this telling, the same whenever it is told again."""
        return str(uuid.uuid5(_ALERTS, f"{self.key}|{self.severity.value}|{self.raised_at.isoformat()}"))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What came of asking another source about a few sessions of a job; counts are of (code, session) cells."""

    about: str
    """Whose bars were looked at."""
    source: str
    """Who was asked for a second opinion."""
    asked: int
    compared: int
    """Those of which both have bars; the others say nothing."""
    agreed: int
    """Those of `compared` in which every value agrees within the tolerance of rule ``second_opinion``."""
    compared_by_chance: int
    """Those of `compared` that were drawn by chance: the others were chosen because they look strange."""
    agreed_by_chance: int
    calls: int
    """Calls of the source that was asked; a report's own `calls` leave them out."""

    @property
    def rate(self) -> float | None:
        """Share of the sessions compared that agree; None where none was."""
        return self.agreed / self.compared if self.compared else None

    @property
    def rate_by_chance(self) -> float | None:
        """The same of those drawn by chance: what holds for the others that nobody has compared."""
        return self.agreed_by_chance / self.compared_by_chance if self.compared_by_chance else None

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.about,
            self.source,
            self.asked + other.asked,
            self.compared + other.compared,
            self.agreed + other.agreed,
            self.compared_by_chance + other.compared_by_chance,
            self.agreed_by_chance + other.agreed_by_chance,
            self.calls + other.calls,
        )


@dataclass(frozen=True, slots=True)
class DataQualityReport:
    """Account of one job. Counts of records are bars (minute sessions count all their bars)."""

    report_id: str
    node_id: str
    command: str
    series: str
    request_ids: tuple[str, ...]
    created_at: datetime
    window: tuple[date, date] | None
    records_expected: int
    records_actual: int
    """Bars held at the end, of those expected."""
    records_failed: int
    """Rows rejected."""
    records_skipped: int
    """Rows fetched that were held already."""
    records_written: int
    success_rate: float
    coverage: CoverageCounts
    missing_rate: float
    calls: int
    inserts: int
    duration_seconds: float
    anomalies: tuple[Finding, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Codes without an answer -> why (a bounded list)."""
    worst: tuple[tuple[str, int], ...] = ()
    """Codes with most unexplained sessions (a bounded list)."""
    delay_minutes: float | None = None
    """Now − close of the newest session that is due and not held; None when all due sessions are held."""
    notes: tuple[str, ...] = ()
    second_opinion: Agreement | None = None
    """None where nobody else was asked. It is stored, and not on the wire, whose keys are the specification's."""
