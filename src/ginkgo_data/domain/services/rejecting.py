# Upstream: domain.services.{adjustments, factor_checks, tick_checks, ticks}
# Downstream: domain.model.{bars, coverage, fetch, quality, series}, domain.services.rule_set, numpy, pyarrow
# Role: Rejected rows of datasets that are no bars, as quarantine keeps them
"""From rows that a check hits to rejects: what was hit, where it came from, the row as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, TIMESTAMP
from ginkgo_data.domain.model.coverage import Flags
from ginkgo_data.domain.model.fetch import Places
from ginkgo_data.domain.model.quality import Finding, Rejects, Verdict
from ginkgo_data.domain.model.series import Dataset
from ginkgo_data.domain.services.rule_set import Rule, RuleSet

_EXAMPLES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """Rows (`mask`) whose `field` breaks `rule`."""

    rule: str
    field: str
    mask: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Sifted:
    """What checks made of rows: the positions that stay, the others as rejects, and what there is to say."""

    kept: Flags
    rejects: Rejects
    findings: tuple[Finding, ...]


def sift(
    dataset: Dataset, table: pa.Table, hits: Sequence[Hit], rules: RuleSet, places: Places | None = None
) -> Sifted:
    """Reject the rows that are hit, each by the first of `hits` that hits it; what is only a flag is told.

    `table` has the columns code, session, source and version, and each field that `hits` name. A hit whose rule is not
    among `rules` is none.
    """
    hits = [hit for hit in hits if hit.rule in rules]
    rejecting = [hit for hit in hits if rules[hit.rule].verdict is Verdict.REJECT]
    owner = np.full(table.num_rows, -1, np.int64)
    for number, hit in reversed(list(enumerate(rejecting))):
        owner[hit.mask] = number
    rows = np.flatnonzero(owner >= 0)
    rejects = Rejects.empty()
    if len(rows):
        rejects = _rejects(dataset, table, rows, [rejecting[number] for number in owner[rows].tolist()], places)
    flagged = [(rules[hit.rule], hit, np.flatnonzero(hit.mask)) for hit in hits if hit not in rejecting]
    flags = tuple(_flag(dataset, table, rule, hit, found, places) for rule, hit, found in flagged if len(found))
    return Sifted(owner < 0, rejects, (*_findings(rejects, rules), *flags))


def labelled(rejects: Rejects, dataset: Dataset) -> Rejects:
    """Return the rejects of a source, which may not say what they are of, as those of `dataset`."""
    table = rejects.table
    for name, word in (("frequency", str(dataset)), ("adjust", "")):
        column = pc.fill_null(table[name].cast(pa.string()), word)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return Rejects.of(table)


def _rejects(
    dataset: Dataset, table: pa.Table, rows: np.ndarray, broken: Sequence[Hit], places: Places | None
) -> Rejects:
    found = table.take(rows)
    contents = found.to_pylist()
    texts = [json.dumps(_plain(row), ensure_ascii=False, default=str) for row in contents]
    lines = [
        places.text(row) if places is not None else f"{content['source']} row {row + 1}"
        for row, content in zip(rows.tolist(), contents, strict=True)
    ]
    hashes = [
        int.from_bytes(blake2b(f"{dataset}\0{text}".encode(), digest_size=8).digest(), "little") for text in texts
    ]
    columns = {
        "code": found["code"].cast(pa.string()),
        "frequency": pa.repeat(str(dataset), len(rows)),
        "adjust": pa.repeat("", len(rows)),
        "timestamp": found["timestamp"] if "timestamp" in found.column_names else _midnight(found["session"]),
        "rule": pa.array([hit.rule for hit in broken], pa.string()),
        "field": pa.array([hit.field for hit in broken], pa.string()),
        "value": pa.array([str(row[hit.field]) for row, hit in zip(contents, broken, strict=True)], pa.string()),
        "place": pa.array(lines, pa.string()),
        "row": pa.array(texts, pa.string()),
        "content_hash": pa.array(hashes, pa.uint64()),
        "source": found["source"],
        "version": pc.fill_null(found["version"], 0),
    }
    return Rejects.of(pa.table(columns))


def _plain(row: dict[str, object]) -> dict[str, object]:
    """Return the content of a row: what is the same whenever the vendor sends it again; not-a-number as a text."""
    content = {name: value for name, value in row.items() if name not in ("source", "version")}
    return {name: str(v) if isinstance(v, float) and not np.isfinite(v) else v for name, v in content.items()}


def _midnight(session: pa.ChunkedArray) -> pa.ChunkedArray:
    wall = session.cast(pa.timestamp("ms"))
    return pc.assume_timezone(wall, EXCHANGE_ZONE, ambiguous="earliest", nonexistent="latest").cast(TIMESTAMP)


def _flag(dataset: Dataset, table: pa.Table, rule: Rule, hit: Hit, rows: np.ndarray, places: Places | None) -> Finding:
    shown = rows[:_EXAMPLES]
    (told,) = _findings(_rejects(dataset, table, shown, [hit] * len(shown), places), {rule.id: rule})
    return replace(told, count=len(rows))


def _findings(rejects: Rejects, rules: Mapping[str, Rule]) -> tuple[Finding, ...]:
    table = rejects.table.select(["rule", "code", "place", "field", "value"]).to_pylist()
    by_rule: dict[str, list[str]] = {}
    for row in table:
        by_rule.setdefault(row["rule"], []).append(f"{row['code']} {row['place']}: {row['field']} {row['value']}")
    return tuple(
        Finding(rule, rules[rule].severity, rules[rule].verdict, len(told), tuple(told[:_EXAMPLES]))
        for rule, told in by_rule.items()
    )
