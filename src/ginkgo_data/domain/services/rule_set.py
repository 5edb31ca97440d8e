# Upstream: domain.services.{rejection, rules, validation}
# Downstream: domain.model.{errors, quality, series}, domain.services.{bar_columns, rule_checks}, numpy
# Role: A rule of validation as a value, and an ordered set of rules that can be silenced and tuned
"""Rules are data: a name, what a hit means and does, the series it speaks of, the fact it rests on, and a check.

A rule set is ordered. A row that several rejecting rules hit is rejected under the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.domain.services.bar_columns import BarColumns, Mask
from ginkgo_data.domain.services.rule_checks import Check

Describe: TypeAlias = Callable[[BarColumns], list[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with a bar."""

    id: str
    meaning: str
    fields: tuple[str, ...]
    """Columns that can be at fault; of a row that is hit, the first one at fault is named."""
    check: Check
    source: str
    """What the rule rests on."""
    severity: Severity = Severity.ERROR
    verdict: Verdict = Verdict.REJECT
    adjusts: frozenset[Adjust] = frozenset(Adjust)
    frequencies: frozenset[Frequency] = frozenset(Frequency)
    describe: Describe | None = None
    """Text of what was found, row by row; None: the value of the named column."""

    def applies_to(self, series: Series) -> bool:
        """Whether the rule speaks of bars of `series`."""
        return series.adjust in self.adjusts and series.frequency in self.frequencies

    def hits(self, columns: BarColumns) -> Mask | None:
        """Return the rows that are hit, None when none is."""
        hit: Mask | None = None
        for name in self.fields:
            mask = self.check(columns, name)
            if mask is not None and bool(mask.any()):
                hit = mask if hit is None else hit | mask
        return hit

    def blame(self, columns: BarColumns) -> np.ndarray:
        """Return for each of some rows that are hit the position in `fields` of the column at fault."""
        blamed = np.zeros(len(columns), np.int64)
        for position in range(len(self.fields) - 1, -1, -1):
            mask = self.check(columns, self.fields[position])
            if mask is not None:
                blamed[mask] = position
        return blamed


class RuleSet(Mapping[str, Rule]):
    """Rules by id, in order; immutable."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Take `rules` in this order; raises `ConfigurationError` when an id is there twice."""
        self._rules: dict[str, Rule] = {}
        for rule in rules:
            if rule.id in self._rules:
                raise ConfigurationError(f"rule {rule.id!r} is there twice; the id of a rule must be its own")
            self._rules[rule.id] = rule

    def __getitem__(self, rule_id: str) -> Rule:
        return self._rules[rule_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def silenced(self, *ids: str) -> RuleSet:
        """Return the rules without `ids`; raises `ConfigurationError` for one that does not exist."""
        self._known(ids)
        return RuleSet(rule for rule in self.values() if rule.id not in ids)

    def tuned(self, *rules: Rule) -> RuleSet:
        """Return the rules with those of the same ids replaced, in place; raises like `silenced`."""
        replacements = {rule.id: rule for rule in rules}
        self._known(replacements)
        return RuleSet(replacements.get(rule.id, rule) for rule in self.values())

    def _known(self, ids: Iterable[str]) -> None:
        for unknown in (one for one in ids if one not in self._rules):
            raise ConfigurationError(f"there is no rule {unknown!r}; allowed: {', '.join(self._rules)}")
