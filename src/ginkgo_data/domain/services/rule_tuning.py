# Upstream: entrypoints.{data_sections, rule_settings}
# Downstream: domain.model.{errors, quality, series}, domain.services.{factor_checks, rule_set, rules, validation}
# Role: What a configuration says of rules: silenced, tuned, per rule and per frequency; refused by name
"""From the keys below ``quality.rules`` to a rule set.

A rule takes ``enabled``, ``severity``, ``verdict`` and its own parameters; a rule about bars also takes each frequency
it speaks of (``1d``, ``1m`` …) with the same keys, for that frequency alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.quality import Verdict
from ginkgo_data.domain.model.series import Frequency
from ginkgo_data.domain.services.factor_checks import STEP
from ginkgo_data.domain.services.rule_set import Rule, RuleSet, Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import REPAIR

COMMON = ("enabled", "severity", "verdict")
_OF_BARS = frozenset({Subject.BAR, Subject.NEIGHBOURS, Subject.SESSION, Subject.OPINION})

Word = TypeVar("Word", bound=Enum)


@dataclass(frozen=True, slots=True)
class Misfit:
    """A key of the configuration that is wrong: its path below ``quality.rules``, what stands there, what is wrong."""

    path: tuple[str, ...]
    found: object
    text: str


def configured(given: Mapping[str, object], rules: RuleSet = DEFAULT_RULES) -> RuleSet:
    """Return `rules` as `given` says; raises `ConfigurationError` naming the keys that are wrong."""
    tuned, misfits = tuning(given, rules)
    if misfits:
        raise ConfigurationError("; ".join(f"quality.rules.{'.'.join(m.path)}: {m.text}" for m in misfits))
    return tuned


def tuning(given: Mapping[str, object], rules: RuleSet = DEFAULT_RULES) -> tuple[RuleSet, list[Misfit]]:
    """Return `rules` as `given` says, and the keys of it that are wrong; these change nothing."""
    misfits: list[Misfit] = []
    for rule_id, keys in given.items():
        if rule_id not in rules:
            misfits.append(Misfit((rule_id,), keys, f"there is no such rule; {_near(rule_id, rules)}"))
        elif not isinstance(keys, Mapping):
            misfits.append(Misfit((rule_id,), keys, f"found {keys!r}; allowed: a mapping, such as enabled: false"))
        else:
            rules = _Tuning(rules[rule_id], misfits).of(rules, keys)
    return rules, misfits


def keys_of(rule: Rule) -> tuple[str, ...]:
    """Return the keys that a configuration may give for a rule, those of single frequencies last."""
    frequencies = [frequency.value for frequency in Frequency if frequency in rule.frequencies]
    return (*COMMON, *(p.name for p in rule.parameters), *(frequencies if _OF_BARS & set(rule.subjects) else ()))


class _Tuning:
    """One rule and what a configuration says of it."""

    def __init__(self, rule: Rule, misfits: list[Misfit]) -> None:
        self._rule, self._misfits = rule, misfits
        self._plain = (*COMMON, *(parameter.name for parameter in rule.parameters))

    def of(self, rules: RuleSet, keys: Mapping[object, object]) -> RuleSet:
        rule, allowed = self._rule, keys_of(self._rule)
        given = {str(name): value for name, value in keys.items()}
        frequencies = [name for name in given if name in allowed and name not in self._plain]
        everywhere = {name: value for name, value in given.items() if name not in frequencies}
        tuned = self._tuned(rule, everywhere, (rule.id,), allowed)
        at: dict[Frequency, Rule | None] = {}
        for name in frequencies:
            part, path = given[name], (rule.id, name)
            if not isinstance(part, Mapping):
                self._refuse(path, part, f"found {part!r}; allowed: a mapping, such as enabled: false")
                continue
            words = {str(key): value for key, value in part.items()}
            base = rule if tuned is None and words.get("enabled") is True else tuned
            at[Frequency(name)] = base and self._tuned(base, words, path, self._plain)
        if tuned is None:
            # Silent but at the frequencies that say otherwise.
            if not any(at.values()):
                return rules.silenced(rule.id)
            at.update({frequency: None for frequency in rule.frequencies if frequency not in at})
            tuned = rule
        rules = rules.tuned(tuned)
        for frequency, there in at.items():
            rules = rules.tuned_at(rule.id, frequency, there)
        return rules

    def _tuned(
        self, rule: Rule, given: Mapping[str, object], path: tuple[str, ...], allowed: tuple[str, ...]
    ) -> Rule | None:
        """Return the rule with what `given` says of it, None where it is silenced."""
        enabled, changed = True, rule
        for name, value in given.items():
            here = (*path, name)
            if name not in allowed:
                self._refuse(here, value, f"there is no such key; {_near(name, allowed)}")
            elif name == "enabled":
                enabled = self._switch(here, value)
            elif name == "severity":
                changed = replace(changed, severity=self._word(here, value, rule.severity))
            elif name == "verdict":
                changed = replace(changed, verdict=self._verdict(here, value))
            else:
                changed = self._with_parameter(changed, here, value)
        return changed if enabled else None

    def _switch(self, path: tuple[str, ...], value: object) -> bool:
        if not isinstance(value, bool):
            self._refuse(path, value, f"found {value!r}; allowed: true, false")
        elif not value and self._rule.fixed:
            self._refuse(path, value, f"it cannot be silenced: {self._rule.fixed}")
        return value is not False or bool(self._rule.fixed)

    def _word(self, path: tuple[str, ...], value: object, otherwise: Word) -> Word:
        words = {str(word.value).lower(): word for word in type(otherwise)}
        found = words.get(str(value).lower())
        if found is None:
            allowed = ", ".join(str(word.value) for word in words.values())
            self._refuse(path, value, f"found {value!r}; allowed: {allowed}")
        return found or otherwise

    def _verdict(self, path: tuple[str, ...], value: object) -> Verdict:
        rule = self._rule
        wanted = self._word(path, value, rule.verdict)
        why = "" if wanted is rule.verdict else rule.fixed if wanted is Verdict.FLAG else _why_no_reject(rule)
        if why:
            self._refuse(path, value, f"it cannot be {wanted.value}: {why}")
        return rule.verdict if why else wanted

    def _with_parameter(self, rule: Rule, path: tuple[str, ...], value: object) -> Rule:
        try:
            parameters = [p.with_value(value) if p.name == path[-1] else p for p in rule.parameters]
        except ValueError as error:
            self._refuse(path, value, str(error))
            return rule
        return replace(rule, parameters=tuple(parameters))

    def _refuse(self, path: tuple[str, ...], value: object, text: str) -> None:
        self._misfits.append(Misfit(path, value, text))


def _why_no_reject(rule: Rule) -> str:
    """Return why a flag cannot become a reject, empty where it can."""
    if rule.id == REPAIR:
        return "silence it, and zero_price rejects these rows"
    judged = any(subject in (Subject.BAR, Subject.FACTOR, Subject.TICK) for subject in rule.subjects)
    return "" if judged and rule.id != STEP else "what it finds is no fault of one row alone"


def _near(name: str, allowed: Iterable[str]) -> str:
    known = list(allowed)
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed: {', '.join(known)}"
