# Upstream: adapters.clickhouse
# Downstream: domain.model.bars
# Role: The native tables as values: columns, keys, partitions, codecs
"""Every table of the native layout, final form.

All are ``ReplacingMergeTree(version, is_deleted)``: for one key the row with the greatest version counts
(of equal versions the one inserted last), and ``FINAL`` shows it, unless it is a tombstone. Partition
expressions use columns of the sort key only: else one key could lie in two partitions and never merge.
``OPTIMIZE ... FINAL CLEANUP`` must never be run: it removes tombstones, and a late older row would be back.
"""

from __future__ import annotations

from dataclasses import dataclass

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, PRICES

FREQUENCY = "Enum8('1d' = 1, '1m' = 2, '5m' = 3, '15m' = 4, '30m' = 5, '60m' = 6)"
ADJUST = "Enum8('none' = 0, 'qfq' = 1, 'hfq' = 2)"
TEXT = "LowCardinality(String)"
OPTIONAL_TEXT = "LowCardinality(Nullable(String))"
MILLISECOND = f"DateTime64(3, '{EXCHANGE_ZONE}')"
MICROSECOND = f"DateTime64(6, '{EXCHANGE_ZONE}')"
PRICE = "Decimal(18, 6)"
PRICE_CODEC = "Delta, ZSTD(3)"
STEADY = "Delta, ZSTD(1)"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `type` is spelt as the engine prints it, so that both can be compared."""

    name: str
    type: str
    codec: str = ""
    default: str = ""

    def ddl(self) -> str:
        """Return the column's part of CREATE TABLE."""
        default = f" DEFAULT {self.default}" if self.default else ""
        codec = f" CODEC({self.codec})" if self.codec else ""
        return f"{self.name} {self.type}{default}{codec}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with `version` and `is_deleted` added to `columns`."""

    name: str
    columns: tuple[Column, ...]
    key: str
    partition: str = ""

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """All columns, the two of the engine included."""
        return (*self.columns, Column("version", "UInt64", STEADY), Column("is_deleted", "UInt8", default="0"))

    def ddl(self) -> str:
        """Return CREATE TABLE IF NOT EXISTS."""
        columns = ",\n  ".join(column.ddl() for column in self.all_columns)
        partition = f"\nPARTITION BY {self.partition}" if self.partition else ""
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} (\n  {columns}\n) ENGINE = ReplacingMergeTree(version, is_deleted)"
            f"{partition}\nORDER BY ({self.key})\nSETTINGS non_replicated_deduplication_window = 1000"
        )


SERIES = (Column("code", TEXT), Column("frequency", FREQUENCY), Column("adjust", ADJUST))

BARS = Table(
    "bars",
    (
        *SERIES,
        Column("timestamp", MILLISECOND, STEADY),
        Column("session", "Date32", STEADY),
        Column("open", PRICE, PRICE_CODEC),
        Column("high", PRICE, PRICE_CODEC),
        Column("low", PRICE, PRICE_CODEC),
        Column("close", PRICE, PRICE_CODEC),
        Column("pre_close", f"Nullable({PRICE})", PRICE_CODEC),
        Column("volume", "Int64", "T64, ZSTD(3)"),
        Column("amount", "Nullable(Float64)", "ZSTD(3)"),
        Column("source", TEXT),
    ),
    key="code, frequency, adjust, timestamp",
    partition="(frequency, toYear(timestamp))",
)
HELD_SESSIONS = Table(
    "held_sessions",
    (*SERIES, Column("session", "Date32", STEADY), Column("rows", "UInt32")),
    key="code, frequency, adjust, session",
)
ABSENCES = Table(
    "absences",
    (
        *SERIES,
        Column("session", "Date32", STEADY),
        Column("reason", TEXT),
        Column("evidence", "String", "ZSTD(3)"),
        Column("source", TEXT),
    ),
    key="code, frequency, adjust, session",
)
QUARANTINE = Table(
    "quarantine",
    (
        Column("code", TEXT),
        Column("code_known", "Bool"),
        Column("frequency", TEXT),
        Column("adjust", TEXT),
        Column("timestamp", MILLISECOND),
        Column("timestamp_known", "Bool"),
        Column("rule", TEXT),
        Column("field", OPTIONAL_TEXT),
        Column("value", "Nullable(String)"),
        Column("place", "Nullable(String)", "ZSTD(3)"),
        Column("row", "Nullable(String)", "ZSTD(3)"),
        Column("content_hash", "UInt64"),
        Column("source", OPTIONAL_TEXT),
    ),
    key="code, code_known, frequency, adjust, timestamp, timestamp_known, rule, content_hash",
)
QUALITY_REPORTS = Table(
    "quality_reports",
    (
        Column("report_id", "String"),
        Column("created_at", MICROSECOND, STEADY),
        Column("node_id", TEXT),
        Column("command", TEXT),
        Column("series", TEXT),
        Column("window_first", "Nullable(Date32)"),
        Column("window_last", "Nullable(Date32)"),
        Column("records_expected", "Int64"),
        Column("records_actual", "Int64"),
        Column("records_failed", "Int64"),
        Column("records_skipped", "Int64"),
        Column("records_written", "Int64"),
        Column("success_rate", "Float64"),
        Column("missing_rate", "Float64"),
        Column("calls", "Int64"),
        Column("inserts", "Int64"),
        Column("duration_seconds", "Float64"),
        Column("delay_minutes", "Nullable(Float64)"),
        Column("payload", "String", "ZSTD(3)"),
    ),
    key="report_id",
)
SECURITIES = Table(
    "securities",
    (
        Column("code", "String"),
        Column("name", "Nullable(String)"),
        Column("market", OPTIONAL_TEXT),
        Column("industry", OPTIONAL_TEXT),
        Column("list_date", "Nullable(Date32)"),
        Column("delist_date", "Nullable(Date32)"),
        Column("status", OPTIONAL_TEXT),
        Column("source", TEXT),
        Column("stored_at", MICROSECOND, default="now64(6)"),
    ),
    key="code",
)
TRADING_SESSIONS = Table(
    "trading_sessions",
    (Column("exchange", TEXT), Column("day", "Date32", STEADY), Column("is_open", "Bool"), Column("source", TEXT)),
    key="exchange, day",
)
ALERTS = Table(
    "alerts",
    (
        Column("alert_id", "String"),
        Column("kind", TEXT),
        Column("subject", "String"),
        Column("severity", TEXT),
        Column("title", "String"),
        Column("raised_at", MICROSECOND, STEADY),
        Column("payload", "String", "ZSTD(3)"),
    ),
    key="alert_id",
)
TOLD = Table("told", (Column("id", "String"),), key="id")
"""Ids of the reports and alerts that the notification topic is known to hold."""

ADJUSTMENT_FACTORS = Table(
    "adjustment_factors",
    (
        Column("code", TEXT),
        Column("session", "Date32", STEADY),
        Column("factor", "Float64", "ZSTD(1)"),
        Column("source", TEXT),
    ),
    key="code, session",
)
"""The vendor's cumulative factors, one per session; Float64, so that one of many digits is stored as it came."""

_BEFORE = tuple(Column(f"old_{name}", PRICE, PRICE_CODEC) for name in PRICES)
_AFTER = tuple(Column(f"new_{name}", f"Nullable({PRICE})", PRICE_CODEC) for name in PRICES)
REVISIONS = Table(
    "revisions",
    (
        *SERIES,
        Column("timestamp", MILLISECOND, STEADY),
        Column("session", "Date32", STEADY),
        *_BEFORE,
        Column("old_pre_close", f"Nullable({PRICE})", PRICE_CODEC),
        Column("old_volume", "Int64", "T64, ZSTD(3)"),
        Column("old_amount", "Nullable(Float64)", "ZSTD(3)"),
        Column("old_source", TEXT),
        Column("old_version", "UInt64", STEADY),
        *_AFTER,
        Column("new_pre_close", f"Nullable({PRICE})", PRICE_CODEC),
        Column("new_volume", "Nullable(Int64)", "T64, ZSTD(3)"),
        Column("new_amount", "Nullable(Float64)", "ZSTD(3)"),
        Column("source", TEXT),
        Column("withdrawn", "Bool"),
        Column("content_hash", "UInt64"),
        Column("request", "String", "ZSTD(3)"),
    ),
    key="code, frequency, adjust, timestamp, old_version, content_hash",
)
"""What bars were before they changed. Written before the bars: the same change found again is the same row."""

TICKS = Table(
    "ticks",
    (
        Column("code", TEXT),
        Column("session", "Date32", STEADY),
        Column("seq", "UInt32", STEADY),
        Column("timestamp", MILLISECOND, STEADY),
        Column("price", PRICE, PRICE_CODEC),
        Column("volume", "Int64", "T64, ZSTD(3)"),
        Column("side", "Enum8('neutral' = 0, 'buy' = 1, 'sell' = 2)"),
        Column("source", TEXT),
    ),
    key="code, session, seq",
    partition="toYYYYMM(session)",
)
"""Lists of trades; of a (code, session) the rows of its greatest version are the list, all of it."""

HELD_TICKS = Table(
    "held_ticks",
    (Column("code", TEXT), Column("session", "Date32", STEADY), Column("rows", "UInt32")),
    key="code, session",
)
"""Sessions whose ticks are whole, be they none; written after the list is."""

QUARANTINE_RELEASES = Table(
    "quarantine_releases",
    (
        Column("content_hash", "UInt64"),
        Column("rule", TEXT),
        Column("released_by", TEXT),
        Column("note", "String", "ZSTD(3)"),
    ),
    key="content_hash, rule",
)
"""Rejected rows that somebody has stored after all; `quarantine` itself stays as it is."""

FACTOR_REVISIONS = Table(
    "factor_revisions",
    (
        Column("code", TEXT),
        Column("session", "Date32", STEADY),
        Column("old_factor", "Float64", "ZSTD(1)"),
        Column("old_source", TEXT),
        Column("old_version", "UInt64", STEADY),
        Column("new_factor", "Float64", "ZSTD(1)"),
        Column("source", TEXT),
        Column("request", "String", "ZSTD(3)"),
    ),
    key="code, session, old_version, new_factor",
)
"""What adjustment factors were before the vendor corrected them. Written before the factors, as `revisions` is."""

FIRST_TABLES = (BARS, HELD_SESSIONS, ABSENCES, QUARANTINE, QUALITY_REPORTS, SECURITIES, TRADING_SESSIONS)
OUTBOX_TABLES = (ALERTS, TOLD)
REVISION_TABLES = (REVISIONS, ADJUSTMENT_FACTORS)
TICK_TABLES = (TICKS, HELD_TICKS)
RELEASE_TABLES = (QUARANTINE_RELEASES,)
FACTOR_REVISION_TABLES = (FACTOR_REVISIONS,)
"""Tables by the migration that makes them."""

TABLES = (*FIRST_TABLES, *OUTBOX_TABLES, *REVISION_TABLES, *TICK_TABLES, *RELEASE_TABLES, *FACTOR_REVISION_TABLES)
