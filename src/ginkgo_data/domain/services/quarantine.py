# Upstream: domain.services.releasing, entrypoints.{quality_cli, quarantine, quarantine_words, refetching}
# Downstream: domain.model.{bars, errors, quality}, pyarrow
# Role: Rejected rows as an operator sees them: found by id, code, rule and time, with what became of each
"""The quarantine as a list. A row's id is its content hash; it is kept for good, released or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.errors import MalformedCommand
from ginkgo_data.domain.model.quality import Rejects, Release

SHORTEST_ID = 4
"""Characters of an id that may stand for it, as long as they name one row."""

_ZONE = ZoneInfo(EXCHANGE_ZONE)
_EPOCH = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Kept:
    """One rejected row."""

    id: str
    """Sixteen hexadecimal digits: of the same content in the same place, whenever it is sent."""
    content_hash: int
    code: str | None
    frequency: str
    """A frequency, or the word of another dataset."""
    adjust: str
    timestamp: datetime | None
    rule: str
    field: str | None
    value: str | None
    place: str | None
    row: str | None
    """As JSON."""
    source: str | None
    fetched_at: datetime | None
    """When the request was sent that brought it, Asia/Shanghai; None where nobody noted that."""
    release: Release | None

    @property
    def day(self) -> date | None:
        """The day of the row's own time at the exchange."""
        return None if self.timestamp is None else self.timestamp.date()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: all that is given must hold; nothing given means every row."""

    ids: tuple[str, ...] = ()
    codes: tuple[str, ...] | None = None
    rule: str | None = None
    since: date | None = None
    """Fetched on that day or later, at the exchange."""
    released: bool | None = None


def kept_rows(rejects: Rejects, releases: Iterable[Release], wanted: Wanted) -> list[Kept]:
    """Return the rows that are `wanted`, those fetched last first. Raises `MalformedCommand` for an unknown id.

    Of `rejects` only the rows that may be wanted become objects.
    """
    released = {(release.content_hash, release.rule): release for release in releases}
    table = _filtered(rejects.table, wanted)
    # As numbers: a rejected time may lie beyond all years that Python knows.
    times = table["timestamp"].cast(pa.int64())
    rows = [
        _kept(row, moment, released)
        for row, moment in zip(table.drop_columns(["timestamp"]).to_pylist(), times.to_pylist(), strict=True)
    ]
    if wanted.released is not None:
        rows = [row for row in rows if (row.release is not None) is wanted.released]
    return sorted(rows, key=lambda row: (row.fetched_at or datetime.min.replace(tzinfo=_ZONE), row.id), reverse=True)


def _filtered(table: pa.Table, wanted: Wanted) -> pa.Table:
    if wanted.rule is not None:
        table = table.filter(pc.equal(table["rule"].cast(pa.string()), wanted.rule))
    if wanted.since is not None:
        begin = datetime.combine(wanted.since, datetime.min.time(), _ZONE)
        microseconds = int((begin - _EPOCH) / timedelta(microseconds=1))
        table = table.filter(pc.greater_equal(table["version"], pa.scalar(max(microseconds, 0), pa.uint64())))
    return _with_ids(table, wanted.ids) if wanted.ids else table


def _with_ids(table: pa.Table, ids: Sequence[str]) -> pa.Table:
    known = [f"{number:016x}" for number in table["content_hash"].to_pylist()]
    chosen: set[str] = set()
    for asked in ids:
        text = asked.strip().lower()
        found = {one for one in known if one.startswith(text)} if len(text) >= SHORTEST_ID else set()
        if len(found) != 1:
            what = f"names {len(found)} of them" if found else "is the id of none"
            raise MalformedCommand(f"{asked!r} {what}; `ginkgo-data quarantine list` shows the ids of rejected rows")
        chosen |= found
    return table.filter(pa.array([one in chosen for one in known], pa.bool_()))


def _kept(row: Mapping[str, object], milliseconds: int | None, released: Mapping[tuple[int, str], Release]) -> Kept:
    number, rule, version = int(str(row["content_hash"])), str(row["rule"]), int(str(row["version"]))
    return Kept(
        id=f"{number:016x}",
        content_hash=number,
        code=_text(row["code"]),
        frequency=str(row["frequency"]),
        adjust=str(row["adjust"]),
        timestamp=None if milliseconds is None else _moment(milliseconds * 1000),
        rule=rule,
        field=_text(row["field"]),
        value=_text(row["value"]),
        place=_text(row["place"]),
        row=_text(row["row"]),
        source=_text(row["source"]),
        fetched_at=_moment(version) if version else None,
        release=released.get((number, rule)),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _moment(microseconds: int) -> datetime | None:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).astimezone(_ZONE)
    except OverflowError:
        return None
