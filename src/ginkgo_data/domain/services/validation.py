# Upstream: domain.services.{gathering, releasing, rule_tuning, sampling}, entrypoints.quickstart
# Downstream: domain.model.{bars, errors, fetch, quality}, domain.services, numpy, pyarrow
# Role: Proves bars: a batch in, accepted rows, rejected rows and findings out
"""Validation of bars, column by column, by the rules of a table.

Rows are looked at in blocks that fit the cache, so a clean batch costs some passes over memory and no object per row;
what is said about a row is put together only for the rows that a rule hits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import BAR_SCHEMA, BarBatch, Sessions
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.fetch import FetchRequest, Places
from ginkgo_data.domain.model.quality import Finding, Rejects, Verdict
from ginkgo_data.domain.services.bar_columns import BarColumns, Longs
from ginkgo_data.domain.services.expectation import Expectation
from ginkgo_data.domain.services.listings import Listings
from ginkgo_data.domain.services.rejection import faults, places_of, rejects_of
from ginkgo_data.domain.services.repairs import with_opens, zero_opens
from ginkgo_data.domain.services.rule_set import Rule, RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES

BLOCK = 16_384
"""Rows looked at together: eight columns of float64 are 1 MiB."""

EXAMPLES = 5
"""Examples that a finding names."""

REPAIR = "repaired_open"
"""The rule whose rows are stored repaired."""

OPTIONAL = ("pre_close", "amount")
"""Columns that an accepted bar may lack; NaN becomes null there."""


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """What became of a batch: every row is in `accepted` (order kept) or in `rejects`, once."""

    accepted: BarBatch
    rejects: Rejects
    findings: tuple[Finding, ...]
    """One for each rule that hit, in the order of the rules; a row counts under every rule that hits it."""
    hits: Mapping[str, Longs] = field(default_factory=dict)
    """Rows of the batch that each of these rules hit, ascending."""


def validate(
    bars: BarBatch,
    *,
    sessions: Sessions,
    asked: FetchRequest | None = None,
    places: Places | None = None,
    newest: date | None = None,
    listings: Listings | None = None,
    rules: RuleSet = DEFAULT_RULES,
) -> Validated:
    """Return which of `bars` may be stored, and what is wrong with the others.

    `sessions` are the trading days of the calendar (ascending), `asked` the call that `bars` answer, `newest` the
    newest closed session, `listings` what securities say; a rule that needs what is None hits nothing. A row that
    several rejecting rules hit is rejected under the first of them, as the vendor sent it. Accepted rows lack nothing
    but `pre_close` and `amount`. Raises `SchemaMismatch` when `places` is not as long as `bars`.
    """
    if places is not None and places.table.num_rows != len(bars):
        raise SchemaMismatch(f"places: {places.table.num_rows} rows for a batch of {len(bars)}; it must have one each")
    columns = as_sent = BarColumns.of(bars, Expectation.of(sessions, asked, newest), listings)
    applied = rules.of(bars.series)
    accepted, rejects, opens = bars, Rejects.empty(), np.empty(0, np.int64)
    if any(rule.id == REPAIR for rule in applied) and len(opens := zero_opens(columns)):
        accepted, columns = with_opens(bars, columns, opens)
    hits = _hits(columns, applied) | ({REPAIR: opens} if len(opens) else {})
    rejecting = [rule for rule in applied if rule.verdict is Verdict.REJECT and rule.id in hits]
    if rejecting:
        owner = np.full(len(bars), -1, np.int64)
        for number in range(len(rejecting) - 1, -1, -1):
            owner[hits[rejecting[number].id]] = number
        rows = np.flatnonzero(owner >= 0)
        accepted = accepted.filter(owner < 0)
        rejects = rejects_of(bars, as_sent, rows, rejecting, owner[rows], places)
    findings = tuple(
        Finding(rule.id, rule.severity, rule.verdict, len(hit), _examples(bars, as_sent, rule, hit, places))
        for rule in applied
        if (hit := hits.get(rule.id)) is not None
    )
    return Validated(_without_nan(accepted), rejects, findings, hits)


def _hits(columns: BarColumns, rules: Sequence[Rule]) -> dict[str, Longs]:
    """Return the rows each rule hits, ascending; a rule without hits is left out."""
    hits: dict[str, Longs] = {}
    found: dict[str, list[Longs]] = {}
    with np.errstate(all="ignore"):
        for start in range(0, len(columns), BLOCK):
            block = columns.rows(slice(start, start + BLOCK))
            for rule in rules:
                mask = rule.hits(block)
                if mask is not None:
                    found.setdefault(rule.id, []).append(np.flatnonzero(mask) + start)
    for rule in rules:
        if rule.id in found:
            rows = np.concatenate(found[rule.id])
            rows = rows if rule.confirm is None else rows[rule.confirm(columns, rows)]
            if len(rows):
                hits[rule.id] = rows
    return hits


def _examples(bars: BarBatch, columns: BarColumns, rule: Rule, hit: Longs, places: Places | None) -> tuple[str, ...]:
    rows = hit[:EXAMPLES]
    table = bars.table.take(rows).combine_chunks()
    fields, values = faults(rule, table, columns.rows(rows))
    where = places_of(table, rows, places).to_pylist()
    codes = table["code"].cast(pa.string()).to_pylist()
    days = table["session"].cast(pa.string()).to_pylist()
    return tuple(
        f"{code or '?'} {day or '?'} {place}: {field} {value}"
        for code, day, place, field, value in zip(codes, days, where, fields, values, strict=True)
    )


def _without_nan(bars: BarBatch) -> BarBatch:
    """Return `bars` with NaN as null in the optional columns; the same object where there is none."""
    table = bars.table
    for name in OPTIONAL:
        column = table[name]
        strange = pc.is_nan(column)
        if pc.any(strange).as_py():
            cleaned = pc.if_else(pc.fill_null(strange, False), pa.scalar(None, pa.float64()), column)
            table = table.set_column(BAR_SCHEMA.get_field_index(name), BAR_SCHEMA.field(name), cleaned)
    return bars if table is bars.table else BarBatch(table, bars.series)
