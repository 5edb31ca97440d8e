# Upstream: entrypoints.quarantine
# Downstream: domain.{model, services}, ports, numpy, pyarrow
# Role: Use case: rejected bars that somebody takes for right are stored after all, with a mark
"""Releasing from quarantine.

The bar is stored with the name of its source and a mark, as of now: an operator's word is the newest. What is stored
already is replaced only on request, and then kept as a revision. Quarantine keeps the row, and says who released it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import BAR_SCHEMA, TIMESTAMP, BarBatch
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.quality import Release
from ginkgo_data.domain.model.series import Adjust, Dataset, Frequency, Series
from ginkgo_data.domain.services.contents import contents
from ginkgo_data.domain.services.quarantine import Kept
from ginkgo_data.domain.services.revising import ASKED_SCHEMA, Revising
from ginkgo_data.domain.services.rule_set import RuleSet, Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import validate
from ginkgo_data.ports.bar_repository import BarRepository
from ginkgo_data.ports.quality_repository import QualityRepository
from ginkgo_data.ports.revision_repository import RevisionRepository
from ginkgo_data.ports.version_clock import VersionClock

MARK = "+released"
"""Behind the name of the source of a bar that an operator has released."""

_FLOATS = ("open", "high", "low", "close", "pre_close", "volume", "amount")
_FIXED = RuleSet(rule for rule in DEFAULT_RULES.values() if rule.fixed and Subject.BAR in rule.subjects)


@dataclass(frozen=True, slots=True)
class Released:
    """What became of one row; `refused` says why it was not stored, empty where it was."""

    row: Kept
    refused: str = ""


class _CannotBe(ValueError):
    """A row that is no bar the store could hold, or that must not be stored as things are."""


@dataclass(frozen=True, slots=True)
class Releasing:
    """Stores rejected bars after all."""

    quality: QualityRepository
    bars: BarRepository
    revisions: RevisionRepository
    versions: VersionClock

    def release(self, rows: Sequence[Kept], by: str, note: str = "", replace: bool = False) -> list[Released]:
        """Store those of `rows` that can be stored, one after the other, and return what became of each.

        With `replace` a bar that is held is replaced; else it stays, and the row is refused. Repeatable: what was
        stored before and not noted as released is noted. Raises `StoreUnavailable`.
        """
        outcome = []
        for row in rows:
            try:
                version = self._store(row, replace)
            except _CannotBe as error:
                outcome.append(Released(row, str(error)))
                continue
            self.quality.write_releases([Release(row.content_hash, row.rule, version, by, note)])
            outcome.append(Released(row))
        return outcome

    def _store(self, row: Kept, replace: bool) -> int:
        version = self.versions.version()
        bar = _bar_of(row, version)
        session: date = bar.table["session"][0].as_py()
        held = self._held(bar, session)
        if len(held) and self._same(held, bar):
            return int(held.table["version"][0].as_py())
        if len(held) and not replace:
            found = held.table.slice(0, 1).to_pylist()[0]
            raise _CannotBe(
                f"a bar is held there: close {found['close']:g}, volume {found['volume']:g}, from {found['source']}; "
                "--replace puts this one in its place and keeps that one as a revision"
            )
        compared = Revising(self.bars, "", forced=True, request_of=lambda _: f"release {row.id}").compare(
            bar, ASKED_SCHEMA.empty_table()
        )
        if len(compared.revisions):
            self.revisions.write_revisions(compared.revisions)
        self.bars.write(bar)
        shown = self._held(bar, session)
        if not len(shown) or not self._same(shown, bar):
            raise StoreUnavailable(f"the released bar {row.id} was acknowledged by the store but does not read back")
        return version

    def _held(self, bar: BarBatch, session: date) -> BarBatch:
        stored = self.bars.read(bar.codes(), bar.series, session, session)
        return stored.filter(np.isin(stored.table["timestamp"].to_numpy(), bar.table["timestamp"].to_numpy()))

    def _same(self, stored: BarBatch, bar: BarBatch) -> bool:
        return bool((contents(stored.table)[:1] == contents(self.bars.kept(bar, stored).table)).all())


def _bar_of(row: Kept, version: int) -> BarBatch:
    """Return the bar of a rejected row as it would be stored."""
    if row.frequency in {str(dataset) for dataset in Dataset}:
        raise _CannotBe(
            f"it is of {row.frequency}, which is stored as a whole; fetch it again with: quarantine refetch"
        )
    series = _series_of(row)
    content = _content_of(row)
    try:
        moment = datetime.fromisoformat(str(content["timestamp"]))
        columns = {
            "code": pa.array([content["code"]], pa.string()),
            "session": pa.array([date.fromisoformat(str(content["session"]))], pa.date32()),
            "timestamp": pa.array([moment], TIMESTAMP),
            **{name: pa.array([_number(content[name])], pa.float64()) for name in _FLOATS},
            "source": pa.array([f"{row.source or ''}{MARK}"]),
            "version": pa.array([version], pa.uint64()),
        }
    except (TypeError, ValueError, OverflowError, pa.ArrowInvalid) as error:
        raise _CannotBe(f"it is no bar: {error}") from error
    bar = BarBatch.of(pa.table(columns), series)
    checked = validate(bar, sessions=np.empty(0, "datetime64[D]"), rules=_FIXED)
    if len(checked.rejects):
        wrong = checked.rejects.table.slice(0, 1).to_pylist()[0]
        raise _CannotBe(f"the store cannot hold it: {wrong['field']} is {wrong['value']} ({wrong['rule']})")
    return checked.accepted


def _series_of(row: Kept) -> Series:
    try:
        return Series(Frequency(row.frequency), Adjust(row.adjust))
    except ValueError as error:
        raise _CannotBe(f"it is of {row.frequency or 'no'} {row.adjust} bars, which nobody stores") from error


def _content_of(row: Kept) -> dict[str, object]:
    try:
        content = json.loads(row.row or "")
    except ValueError:
        content = None
    lacking = [name for name in BAR_SCHEMA.names[:-2] if not isinstance(content, dict) or name not in content]
    if lacking or not isinstance(content, dict):
        raise _CannotBe(f"it could not be read as a bar ({row.field or 'row'} {row.value or ''}): fetch it again")
    return content


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))
