# Upstream: domain.services, entrypoints.{data_sections, rule_words, show_rules}
# Downstream: domain.model.{errors, quality, series}, domain.services.{bar_columns, rule_checks}, numpy
# Role: A rule of quality as a value with parameters, and an ordered set of rules that can be silenced and tuned
"""Rules are data: what a hit means and does, what it speaks of, its numbers, the fact it rests on, and a check.

A rule set is ordered: a row that several rejecting rules hit is rejected under the first of them. A rule may be another
one for one frequency than for the others, or silent there.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

import numpy as np

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.domain.services.bar_columns import BarColumns, Longs, Mask
from ginkgo_data.domain.services.rule_checks import Check


class Subject(Enum):
    """What a rule looks at."""

    BAR = "a bar"
    NEIGHBOURS = "a bar beside those before it"
    SESSION = "the bars of a session"
    SOURCE_ROW = "a row as the source sends it"
    FACTOR = "an adjustment factor"
    TICK = "a tick"
    COVERAGE = "the sessions of a job"
    OPINION = "a session beside another source's"


Describe: TypeAlias = Callable[..., list[str]]
"""``(columns, **parameters)``: says for each of some rows what was found."""

Confirm: TypeAlias = Callable[[BarColumns, Longs], Mask]
"""Looks at the rows that a check marked (positions in the whole batch) again; only those it marks are hits."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number of a rule, with its bounds."""

    name: str
    value: float
    meaning: str
    least: float
    most: float
    whole: bool = False
    """Whether it counts something."""

    def with_value(self, value: object) -> Parameter:
        """Return the same with another value; raises `ValueError` saying what is allowed."""
        if isinstance(value, int if self.whole else int | float) and not isinstance(value, bool):
            number = float(value)
            if self.least <= number <= self.most:
                return replace(self, value=number)
        raise ValueError(f"found {value!r}; allowed: {self.allowed}")

    @property
    def allowed(self) -> str:
        """What may be given."""
        return f"{'a whole number' if self.whole else 'a number'} from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with data. Without a `check`, whoever collects its subject does the looking."""

    id: str
    meaning: str
    source: str
    """What the rule rests on."""
    fields: tuple[str, ...] = ()
    """Columns that can be at fault; of a row that is hit, the first one at fault is named."""
    check: Check | None = None
    """What marks a bar; None: see `subjects`."""
    severity: Severity = Severity.ERROR
    verdict: Verdict = Verdict.REJECT
    subjects: tuple[Subject, ...] = (Subject.BAR,)
    adjusts: frozenset[Adjust] = frozenset(Adjust)
    frequencies: frozenset[Frequency] = frozenset(Frequency)
    parameters: tuple[Parameter, ...] = ()
    fixed: str = ""
    """Why it can be neither silenced nor made a flag; empty where it can."""
    confirm: Confirm | None = None
    describe: Describe | None = None
    """Text of what was found, row by row; None: the value of the named column."""

    @property
    def values(self) -> dict[str, float]:
        """The parameters by name."""
        return {parameter.name: parameter.value for parameter in self.parameters}

    def applies_to(self, series: Series) -> bool:
        """Whether the rule speaks of bars of `series`."""
        return series.adjust in self.adjusts and series.frequency in self.frequencies

    def hits(self, columns: BarColumns) -> Mask | None:
        """Return the rows that are hit, None when none is."""
        hit: Mask | None = None
        if self.check is None:
            return hit
        values = self.values
        for name in self.fields:
            mask = self.check(columns, name, **values)
            if mask is not None and bool(mask.any()):
                hit = mask if hit is None else hit | mask
        return hit

    def blame(self, columns: BarColumns) -> np.ndarray:
        """Return for each of some rows that are hit the position in `fields` of the column at fault."""
        blamed = np.zeros(len(columns), np.int64)
        for position in range(len(self.fields) - 1, -1, -1):
            mask = self.check(columns, self.fields[position], **self.values) if self.check else None
            if mask is not None:
                blamed[mask] = position
        return blamed

    def tuned(self, **values: object) -> Rule:
        """Return the rule with other parameters; raises `ConfigurationError` for one that it has not or cannot take."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, value in values.items():
            if name not in known:
                has = f"allowed: {', '.join(known)}" if known else "it has none"
                raise ConfigurationError(f"rule {self.id} has no parameter {name!r}; {has}")
            try:
                known[name] = known[name].with_value(value)
            except ValueError as error:
                raise ConfigurationError(f"rule {self.id}: {name}: {error}") from error
        return replace(self, parameters=tuple(known.values()))


class RuleSet(Mapping[str, Rule]):
    """Rules by id, in order; immutable. `at` has rules that are others for one frequency (None: silent there)."""

    def __init__(self, rules: Iterable[Rule], at: Mapping[tuple[str, Frequency], Rule | None] | None = None) -> None:
        """Take `rules` in this order; raises `ConfigurationError` when an id is there twice."""
        self._rules: dict[str, Rule] = {}
        for rule in rules:
            if rule.id in self._rules:
                raise ConfigurationError(f"rule {rule.id!r} is there twice; the id of a rule must be its own")
            self._rules[rule.id] = rule
        self._at = dict(at or {})

    def __getitem__(self, rule_id: str) -> Rule:
        return self._rules[rule_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleSet) and (self._rules, self._at) == (other._rules, other._at)

    def __hash__(self) -> int:
        return hash(tuple(self._rules))

    def of(self, series: Series, subject: Subject = Subject.BAR) -> tuple[Rule, ...]:
        """Return the rules about `subject` that speak of `series`, in order, each as it is at its frequency."""
        found = (self._at.get((rule.id, series.frequency), rule) for rule in self.values())
        return tuple(rule for rule in found if rule and subject in rule.subjects and rule.applies_to(series))

    def at(self, rule_id: str, frequency: Frequency) -> Rule | None:
        """Return a rule as it is at `frequency`, None where it is silent or was taken out."""
        return self._at.get((rule_id, frequency), self._rules.get(rule_id))

    def silenced(self, *ids: str) -> RuleSet:
        """Return the rules without `ids`; raises `ConfigurationError` for one that does not exist or must stay."""
        for rule in (self._known(rule_id) for rule_id in ids):
            _may_be_silent(rule)
        return RuleSet((rule for rule in self.values() if rule.id not in ids), self._at)

    def tuned(self, *rules: Rule) -> RuleSet:
        """Return the rules with those of the same ids replaced, in place; raises like `silenced`."""
        replacements = {rule.id: rule for rule in rules}
        for rule in rules:
            _may_replace(self._known(rule.id), rule)
        return RuleSet((replacements.get(rule.id, rule) for rule in self.values()), self._at)

    def tuned_at(self, rule_id: str, frequency: Frequency, rule: Rule | None) -> RuleSet:
        """Return the rules with one replaced, or silenced (None), at one frequency; raises like `silenced`."""
        before = self._known(rule_id)
        if rule is None:
            _may_be_silent(before)
        else:
            _may_replace(before, rule)
        return RuleSet(self.values(), self._at | {(rule_id, frequency): rule})

    def _known(self, rule_id: str) -> Rule:
        if rule_id not in self._rules:
            near = difflib.get_close_matches(rule_id, self._rules, 1, 0.6)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ConfigurationError(f"there is no rule {rule_id!r}; {guess}allowed: {', '.join(self._rules)}")
        return self._rules[rule_id]


def _may_be_silent(rule: Rule) -> None:
    if rule.fixed:
        raise ConfigurationError(f"rule {rule.id} cannot be silenced: {rule.fixed}")


def _may_replace(before: Rule, after: Rule) -> None:
    if before.fixed and after.verdict is not before.verdict:
        raise ConfigurationError(f"rule {before.id} cannot be a {after.verdict.value}: {before.fixed}")
